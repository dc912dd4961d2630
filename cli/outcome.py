"""Exit codes, and how an error becomes a message and one of them: never a traceback for a user's mistake."""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Callable
from enum import IntEnum
from typing import Final, NamedTuple, NoReturn, ParamSpec

import typer

from ..compiler.source import CompileError
from ..pair.object import PairError
from ..runtime.errors import NotInForce, RuntimeFault
from .diagnostics import render

P = ParamSpec("P")


class Code(IntEnum):
    DONE = 0
    INPUT = 1  # the policy or the object is wrong
    USAGE = 2
    CANNOT = 3  # the machine cannot; nothing changed
    NOT_IN_FORCE = 4
    INTERRUPTED = 130  # 128 + SIGINT, as shells say it


class Outcome(NamedTuple):
    code: Code
    text: str


# What only the `compile` extra brings; a node that attaches finished pairs goes without.
_COMPILE_EXTRA: Final = frozenset({"lark", "yaml", "llvmlite"})
# A full or read-only disk is the machine's fault, a missing or unreadable file the input's.
_MACHINE_ERRNOS: Final = frozenset(
    {errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.EIO}
)


def say(text: str) -> None:
    """One message for the person, never for a pipe: standard error."""
    typer.echo(text, err=True)


def fail(code: Code, message: str, hint: str = "") -> NoReturn:
    """Ends the command with an error message."""
    say(_message(message, hint))
    raise typer.Exit(int(code))


def outcome(error: BaseException) -> Outcome | None:
    """What to say and return for `error`; None when it is a fault of polc itself."""
    if isinstance(error, CompileError):
        text = render(error.diagnostics, error.sources, color=color(sys.stderr.isatty()))
        return Outcome(Code.INPUT, text.rstrip("\n"))
    if isinstance(error, PairError):
        return Outcome(Code.INPUT, _message(error.message, error.hint))
    if isinstance(error, RuntimeFault):
        facts = error.facts if isinstance(error, NotInForce) else ()
        return Outcome(Code(error.exit_code), _message(error.message, error.hint, facts))
    if isinstance(error, ModuleNotFoundError) and error.name and error.name.split(".")[0] in _COMPILE_EXTRA:
        return Outcome(
            Code.CANNOT,
            _message(
                f"this installation has no compiler ({error.name} is missing)",
                "install it with: pip install 'polc[compile]', or attach a pair that was compiled elsewhere",
            ),
        )
    if isinstance(error, MemoryError):
        return Outcome(Code.CANNOT, _message("out of memory"))
    if isinstance(error, BrokenPipeError):
        return None
    if isinstance(error, OSError):
        return _system(error)
    return None


def _system(error: OSError) -> Outcome:
    """A refusal by the operating system: of a file that the user named, or of something in the machine."""
    reason = error.strerror or str(error)
    if error.filename is None:
        return Outcome(Code.CANNOT, _message(reason))
    code = Code.CANNOT if error.errno in _MACHINE_ERRNOS else Code.INPUT
    return Outcome(code, _message(f"{error.filename}: {reason}"))


def answering(command: Callable[P, None]) -> Callable[P, None]:
    """Wraps a command so that what goes wrong ends in one message and the right exit code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            say("interrupted")
            raise typer.Exit(int(Code.INTERRUPTED)) from None
        except Exception as error:
            known = outcome(error)
            if known is None:
                raise
            say(known.text)
            raise typer.Exit(int(known.code)) from error

    return run


def color(terminal: bool) -> bool:
    """Whether to colour, for a stream that is (or is not) a terminal (https://no-color.org)."""
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _message(message: str, hint: str = "", facts: tuple[str, ...] = ()) -> str:
    lines = [f"error: {message}", *(f"  because: {fact}" for fact in facts)]
    return "\n".join([*lines, f"  hint: {hint}"] if hint else lines)
