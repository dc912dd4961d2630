"""The list that gives endpoints their interfaces, read again when it changed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .inputs import Unfit, read_trusted
from .mapping import Calico, Listed, MappingError, Pattern, Rule
from .settings import Settings

LIST_BYTES: Final = 16 << 20

_Mark = tuple[int, int, int, int] | None


@dataclass(slots=True)
class Listing:
    """path: of a TOML or JSON table, as `Listed.read` takes it."""

    path: Path
    _mark: _Mark = field(default=None, init=False)

    def read(self) -> Rule:
        """Raises MappingError when it cannot be read or used."""
        self._mark = self._look()
        try:
            return Listed.read(read_trusted(str(self.path), LIST_BYTES), str(self.path))
        except OSError as error:
            raise MappingError(f"{self.path}: {error.strerror}") from None
        except Unfit as error:
            raise MappingError(f"{self.path}: {error}") from None

    @property
    def changed(self) -> bool:
        """Whether it is another than when it was read; costs one system call."""
        return self._look() != self._mark

    def _look(self) -> _Mark:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def rule_of(settings: Settings) -> Rule | Listing:
    """How an endpoint's interface is found. Raises MappingError for a pattern that is none."""
    if settings.interface_list is not None:
        return Listing(settings.interface_list)
    if settings.interface_pattern is not None:
        return Pattern(settings.interface_pattern)
    return Calico(settings.interface_prefix)
