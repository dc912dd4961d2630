"""Each errno becomes its fault, with a hint that mends it; a verifier's log leads to a line of policy."""

from __future__ import annotations

import errno

import pytest
from polc.pair.btf import Line
from polc.runtime.assembler import Label, assemble, jump
from polc.runtime.bpf import BpfError, Command
from polc.runtime.errors import CannotError, NotInForce, cannot
from polc.runtime.verifier import TAIL_LINES, verifier_error

_LINES = (
    (0, Line(0, "policy.yaml", 1, 0, "kind: NetworkPolicy")),
    (4, Line(4, "policy.yaml", 3, 5, "- action: Allow")),
    (9, Line(9, "other.yaml", 7, 5, "- action: Deny")),
)


@pytest.mark.parametrize(
    ("number", "command", "word"),
    [
        (errno.EPERM, Command.PROG_LOAD, "root"),
        (errno.EACCES, Command.MAP_CREATE, "root"),
        (errno.ENOSYS, Command.MAP_CREATE, "CONFIG_BPF_SYSCALL"),
        (errno.EINVAL, Command.LINK_CREATE, "clsact"),
        (errno.EINVAL, Command.PROG_QUERY, "6.6"),
        (errno.EMFILE, Command.MAP_CREATE, "ulimit"),
        (errno.ENOMEM, Command.PROG_LOAD, "memory"),
    ],
)
def test_a_refused_call_says_how_to_mend_it(number: int, command: Command, word: str) -> None:
    fault = cannot(BpfError(number, command), "do it")
    assert isinstance(fault, CannotError)
    assert fault.exit_code == 3
    assert fault.message.startswith("cannot do it: ")
    assert word in fault.hint


def test_an_errno_without_a_known_cure_has_no_hint() -> None:
    assert cannot(BpfError(errno.EINVAL, Command.MAP_CREATE), "do it").hint == ""
    assert cannot(OSError(errno.EIO, "I/O error"), "do it").message == "cannot do it: I/O error"


def test_what_is_not_in_force_exits_4_with_its_facts() -> None:
    fault = NotInForce("not in force", facts=("a", "b"))
    assert (fault.exit_code, fault.facts) == (4, ("a", "b"))


@pytest.mark.parametrize(
    ("log", "at"),
    [
        ("5: (61) r1 = *(u32 *)(r1 +4)\ninvalid access\nprocessed 3 insns\n", "policy.yaml:3"),
        ("; - action: Deny @ other.yaml:7\n12: (85) call x#1 ; R0=1\nbad\n", "other.yaml:7"),
        ("; - action: Deny @ a b.yaml:70\nunreachable\n", "a b.yaml:70"),
        ("The sequence of 8193 jumps is too complex.\n", ""),
    ],
)
def test_the_last_instruction_in_the_log_names_the_line(log: str, at: str) -> None:
    error = verifier_error("ingress", log, _LINES)
    assert (error.at, error.direction, error.log) == (at, "ingress", log)
    assert (at or "refused the ingress program") in error.message


def test_a_log_from_a_kernel_without_line_numbers_still_names_the_line() -> None:
    log = "; - action: Deny\n10: (95) exit\nR0 !read_ok\n"
    assert verifier_error("egress", log, _LINES).at == "other.yaml:7"


def test_the_tail_is_short_and_the_log_whole() -> None:
    log = "".join(f"{number}: (b7) r0 = 0\n" for number in range(100))
    error = verifier_error("egress", log, ())
    assert len(error.tail) == TAIL_LINES
    assert error.tail[-1].startswith("99:")
    assert error.log == log


def test_a_jump_to_a_label_that_is_not_there_is_not_assembled() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        assemble([Label("here"), jump("nowhere")])
