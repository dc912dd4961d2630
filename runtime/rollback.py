"""Taking steps back in reverse order when a later one fails."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from .errors import NotInForce


class Rollback:
    """A context manager. On an exception every step noted so far is taken back, the last one first.

    A step that cannot be taken back does not keep the others from it; then NotInForce says what is left.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[str, Callable[[], object]]] = []

    def add(self, what: str, back: Callable[[], object]) -> None:
        """Notes how to take a step back; `what` completes "could not …"."""
        self._steps.append((what, back))

    def keep(self) -> None:
        """The work is done: nothing is taken back any more."""
        self._steps.clear()

    def __enter__(self) -> Rollback:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        left = [fault for what, back in reversed(self._steps) if (fault := _attempt(what, back))]
        self._steps.clear()
        if left:
            raise NotInForce(
                f"attaching failed ({error}) and could not be taken back wholly",
                "see `polc status`; then attach again or detach",
                tuple(left),
            ) from error


def _attempt(what: str, back: Callable[[], object]) -> str:
    try:
        back()
    except OSError as fault:
        return f"could not {what}: {fault.strerror or fault}"
    return ""
