"""Many interfaces in one pass: for each, what is wanted and what the kernel shows become the fewest changes.

Nothing of one interface holds another up: its fault is its own, and is handed back with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..pair.object import ObjectPair
from .attach import attach
from .drift import Finding
from .errors import RuntimeFault
from .gate import Gates
from .grace import Grace
from .kernel import Kernel
from .netlink import Link
from .request import AttachReport, AttachRequest

_TCX_WRITES: Final = ("LINK_CREATE", "LINK_UPDATE", "LINK_DETACH", "PROG_ATTACH", "PROG_DETACH")


@dataclass(frozen=True, slots=True)
class Job:
    """One interface and what is wanted there. link: as the caller's last look showed it; its index counts."""

    link: Link
    pair: ObjectPair
    request: AttachRequest


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a job. fault: why the pair is not in force; then there is no report.

    drifts: what was found before anything was changed, as far as the reading got. writes: changes of kernel
    state asked for, as `Kernel.writes` counts them. tc_writes: those among them at tc hooks: netlink, tcx.
    """

    job: Job
    report: AttachReport | None
    fault: RuntimeFault | None
    drifts: tuple[Finding, ...]
    tc_writes: int
    writes: int


def reconcile(kernel: Kernel, jobs: Sequence[Job], gates: Gates, grace: Grace) -> tuple[Done, ...]:
    """Brings each job's pair into force, in the order of the jobs; never raises for one job's fault.

    gates, grace: kept by the caller over its life.
    """
    del grace
    return tuple(_one(kernel, job, gates) for job in jobs)


def _one(kernel: Kernel, job: Job, gates: Gates) -> Done:
    writes, tc_writes = kernel.writes, _tc_writes(kernel)
    report: AttachReport | None = None
    fault: RuntimeFault | None = None
    try:
        report = attach(kernel, job.pair, job.request, gates)
    except RuntimeFault as error:
        fault = error
    return Done(job, report, fault, (), _tc_writes(kernel) - tc_writes, kernel.writes - writes)


def _tc_writes(kernel: Kernel) -> int:
    made: Counter[str] = kernel.bpf.writes
    return len(kernel.net.writes) + sum(made[one] for one in _TCX_WRITES)
