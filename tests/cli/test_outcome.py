"""Each kind of error has one exit code and one message, and only a fault of polc itself gets through."""

from __future__ import annotations

import errno

import pytest
import typer
from polc.cli.outcome import Code, answering, outcome
from polc.compiler.source import CompileError, Diagnostic, Severity, Source, Span
from polc.pair.object import PairError, PairFault
from polc.runtime.errors import CannotError, NotInForce, VerifierError

_FINDING = Diagnostic("POLC-E0501", Severity.ERROR, "port out of range", Span("p.yaml", 1, 8, 1, 13))

CASES = [
    (CompileError([_FINDING], [Source.of("p.yaml", "ports: 70000\n")]), 1, "p.yaml:1:8"),
    (PairError(PairFault.ALTERED, "x.o: was altered", "compile again"), 1, "hint: compile again"),
    (VerifierError("ingress", "p.yaml:3", (), ""), 1, "refused the ingress program"),
    (FileNotFoundError(errno.ENOENT, "No such file or directory", "gone.yaml"), 1, "gone.yaml: No such file"),
    (PermissionError(errno.EACCES, "Permission denied", "secret.yaml"), 1, "secret.yaml: Permission denied"),
    (CannotError("no bpf filesystem", "mount one"), 3, "hint: mount one"),
    (OSError(errno.ENOSPC, "No space left on device", "out/a.o"), 3, "No space left"),
    (OSError(errno.ENOBUFS, "No buffer space available"), 3, "No buffer space"),
    (MemoryError(), 3, "out of memory"),
    (ModuleNotFoundError("No module named 'llvmlite.binding'", name="llvmlite.binding"), 3, "polc[compile]"),
    (
        NotInForce("eth0: mixed", "attach again", ("ingress runs X", "egress runs Y")),
        4,
        "because: egress runs Y",
    ),
]


@pytest.mark.parametrize(("error", "code", "text"), CASES, ids=lambda case: type(case).__name__)
def test_an_error_becomes_its_code_and_message(error: Exception, code: int, text: str) -> None:
    found = outcome(error)
    assert found is not None
    assert found.code == code
    assert text in found.text


@pytest.mark.parametrize(
    "error", [ValueError("bug"), ModuleNotFoundError("no x", name="x"), BrokenPipeError()]
)
def test_a_fault_of_polc_itself_is_not_disguised(error: Exception) -> None:
    assert outcome(error) is None


def test_ctrl_c_ends_a_command_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    @answering
    def command() -> None:
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as stop:
        command()
    assert stop.value.exit_code == Code.INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"
