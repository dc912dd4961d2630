"""The bpf(2) call asks again where the kernel's EAGAIN passes, and only there."""

from __future__ import annotations

import ctypes
import errno

import pytest
from polc.runtime.bpf import BpfError, Command, attr, syscall


def answering(monkeypatch: pytest.MonkeyPatch, refusals: int) -> list[int]:
    """Has the kernel refuse that often with EAGAIN and then answer 7; the calls it saw, by command."""
    seen: list[int] = []

    def kernel(_number: int, command: int, *_: int) -> int:
        seen.append(command)
        ctypes.set_errno(errno.EAGAIN)
        return -1 if len(seen) <= refusals else 7

    monkeypatch.setattr(syscall, "_SYSCALL", kernel)
    return seen


@pytest.mark.parametrize("command", [Command.PROG_LOAD, Command.LINK_GET_FD_BY_ID])
def test_what_passes_is_asked_again(monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    seen = answering(monkeypatch, refusals=3)
    assert syscall.Syscall().call(command, attr.ById(id=1)) == 7
    assert seen == [command] * 4


@pytest.mark.parametrize(
    ("command", "calls"), [(Command.LINK_GET_FD_BY_ID, 5), (Command.MAP_CREATE, 1), (Command.PROG_LOAD, 5)]
)
def test_what_does_not_pass_is_an_error(
    monkeypatch: pytest.MonkeyPatch, command: Command, calls: int
) -> None:
    seen = answering(monkeypatch, refusals=99)
    with pytest.raises(BpfError) as caught:
        syscall.Syscall().call(command, attr.ById(id=1))
    assert caught.value.errno == errno.EAGAIN
    assert len(seen) == calls
