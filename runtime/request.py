"""What is asked of one interface, and what is answered: the shapes that attaching one and many share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from .drift import Finding
from .hooks import Mechanism, Mode
from .status import InterfaceStatus

ATTACH_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class AttachRequest:
    """interface: a name in the thread's network namespace. mechanism: None = auto (tcx where there is any).

    bpffs: where the bpf filesystem is; mount: mount it there when it is not. host_access: what this host
    itself sends to the workload passes; it counts in mode workload only.
    """

    interface: str
    bpffs: Path
    mode: Mode = Mode.WORKLOAD
    mechanism: Mechanism | None = None
    mount: bool = False
    closed: bool = False
    refresh: bool = False
    keep_established: bool = False
    host_access: bool = True
    dry_run: bool = False


class AttachReport(BaseModel):
    """`polc attach --format json`. changed: whether anything was written. drifts: what was not as wanted.
    plan: what was (or, in a dry run, would be) done about it, in order. notes: what else to know. status:
    what is in force now, read back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = ATTACH_VERSION
    changed: bool
    dry_run: bool
    drifts: tuple[Finding, ...]
    plan: tuple[str, ...]
    notes: tuple[str, ...]
    status: InterfaceStatus
