"""Ownership of a file descriptor: exactly one object closes it, at the latest when it is collected."""

from __future__ import annotations

import os
from types import TracebackType


class Fd:
    """A descriptor owned by this object; a context manager. Once closed, `number` raises ValueError."""

    __slots__ = ("_number",)

    def __init__(self, number: int) -> None:
        self._number = number

    @property
    def number(self) -> int:
        if self._number < 0:
            raise ValueError("the descriptor is closed")
        return self._number

    def fileno(self) -> int:
        return self.number

    def dup(self) -> Fd:
        """A second descriptor of the same kernel object, owned apart; raises OSError (EMFILE)."""
        return Fd(os.dup(self.number))

    def close(self) -> None:
        """Closes once; further calls do nothing."""
        number, self._number = self._number, -1
        if number >= 0:
            os.close(number)

    def __enter__(self) -> Fd:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_number", -1) >= 0:
            self.close()

    def __repr__(self) -> str:
        return f"Fd({self._number})" if self._number >= 0 else "Fd(closed)"
