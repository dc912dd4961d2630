"""Lists that cannot be trusted are asked again or reported, never read as "nothing attached"."""

from __future__ import annotations

import errno

import pytest
from polc.runtime import hooks
from polc.runtime.bpf import Bpf, BpfError, Command
from polc.runtime.errors import CannotError
from polc.runtime.kernel import Kernel
from polc.runtime.netlink import ETH_P_ALL, PARENT_INGRESS, Filter, Link, Netlink
from polc.runtime.netlink_lists import InterruptedList
from polc.runtime.readback import read

LINK = Link(2, "veth0", 1, "veth", True)


class Scripted:
    """Stands for the socket of lists: each list of filters is the next of `answers`."""

    def __init__(self, *answers: Exception | list[bytes]) -> None:
        self._answers = list(answers)

    def ask(self, *_: int) -> list[bytes]:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def scripted(*answers: Exception | list[bytes]) -> Netlink:
    net = Netlink()
    net.close()
    net._lists = Scripted(*answers)
    return net


def test_s35_an_interrupted_dump_is_asked_again() -> None:
    net = scripted(InterruptedList(), InterruptedList(), [])
    assert net.filters(2, PARENT_INGRESS) == ()


def test_s35_a_dump_that_is_always_interrupted_is_an_error_and_not_empty() -> None:
    net = scripted(*[InterruptedList() for _ in range(16)])
    with pytest.raises(OSError, match="kept changing") as caught:
        net.filters(2, PARENT_INGRESS)
    assert caught.value.errno == errno.EINTR


class NoTcx(Bpf):
    """A kernel before 6.6: it does not know the hook's attach type."""

    def call(self, command: Command, *_: object, **__: object) -> int:
        raise BpfError(errno.EINVAL, command)


def test_s36_a_refused_list_is_unknown_and_not_absent() -> None:
    net = scripted(OSError(errno.EPERM, "no"))
    with pytest.raises(CannotError, match="read what is attached to veth0"):
        read(Kernel(net, NoTcx()), LINK)


def test_a_kernel_without_tcx_has_no_tcx_programs() -> None:
    kernel = Kernel(scripted([]), NoTcx())
    assert hooks.runners(kernel, 2, hooks.TcHook.INGRESS) == ()


def taken(*preferences: int) -> tuple[Filter, ...]:
    return tuple(Filter(PARENT_INGRESS, one, 1, ETH_P_ALL, 0, "bpf") for one in preferences)


@pytest.mark.parametrize(
    ("used", "free"), [((), 1), ((1, 2, 4), 3), ((49152, 2), 1), (range(1, 65535), 65535)]
)
def test_the_smallest_free_preference_is_taken(used: tuple[int, ...], free: int) -> None:
    assert hooks.smallest_free_preference(taken(*used)) == free


def test_s34_when_every_preference_is_taken_that_is_said() -> None:
    with pytest.raises(CannotError, match="every filter preference"):
        hooks.smallest_free_preference(taken(*range(1, 65536)))
