"""The error of a refused bpf(2) call."""

from __future__ import annotations

import os

from .kinds import Command


class BpfError(OSError):
    """An OSError (errno, strerror as usual) that also knows the command, what it was about and a log."""

    def __init__(self, number: int, command: Command, about: str = "", log: str = "") -> None:
        text = f"{os.strerror(number)} (bpf {command.name}{' ' + about if about else ''})"
        super().__init__(number, text)
        self.command = command
        self.about = about
        self.log = log
