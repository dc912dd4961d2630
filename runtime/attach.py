"""`attach`: from a verified pair and an interface to a pair in force, or a refusal that changed nothing."""

from __future__ import annotations

from ..pair.object import ObjectPair
from .gate import Gates
from .grace import Grace
from .interface import find_interface
from .kernel import Kernel
from .reconcile import Job, reconcile
from .request import AttachReport, AttachRequest

__all__ = ["AttachReport", "AttachRequest", "attach"]


def attach(
    kernel: Kernel, pair: ObjectPair, request: AttachRequest, gates: Gates | None = None
) -> AttachReport:
    """Brings the pair into force on the interface by the smallest change, and reads back what is in force.

    Raises CannotError (exit 3) and ObjectFault (exit 1) with nothing changed, NotInForce (exit 4) when what
    the kernel shows afterwards is not the pair.
    """
    kernel.host.refuse_netns_exec()
    link = find_interface(kernel, request.interface)
    (done,) = reconcile(kernel, (Job(link, pair, request),), gates or Gates(), Grace())
    if done.fault is not None:
        raise done.fault
    assert done.report is not None, "a job without a fault has a report"
    return done.report
