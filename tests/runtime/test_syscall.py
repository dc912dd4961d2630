"""The bpf(2) call asks again where the kernel's EAGAIN passes, and only there."""

from __future__ import annotations

import _thread
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


def test_a_call_beside_the_caller_is_counted_at_once_and_answered_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = answering(monkeypatch, refusals=1)
    door = syscall.Syscall()
    begun = door.begin(Command.PROG_LOAD, attr.ById(id=1), "judge", str)
    assert door.writes == {"PROG_LOAD": 1}
    assert begun.result() == "7"
    assert seen == [Command.PROG_LOAD] * 2


def test_a_refusal_beside_the_caller_is_raised_where_it_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answering(monkeypatch, refusals=99)
    begun = syscall.Syscall().begin(Command.PROG_LOAD, attr.ById(id=1), "judge", str)
    with pytest.raises(BpfError) as caught:
        begun.result()
    assert (caught.value.errno, caught.value.command) == (errno.EAGAIN, Command.PROG_LOAD)


def test_without_room_for_a_thread_the_call_is_made_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, refusals=0)

    def no_more(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", no_more)
    begun = syscall.Syscall().begin(Command.PROG_LOAD, attr.ById(id=1), "judge", str)
    assert begun.done()
    assert begun.result() == "7"
