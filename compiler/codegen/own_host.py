"""The host's access to its own workload: what it sends there itself passes, policy or not (dossier §6.4).

Such a packet was made here, so that it came in nowhere; one that is forwarded did, whatever its source
address says. An attachment decides whether the host has access (ConfigFlag.HOST_ACCESS).
"""

from __future__ import annotations

from ...pair.layout import NO_RULE, ConfigFlag
from . import context as cx
from .context import Code
from .machine import Field


def pass_own(code: Code) -> None:
    """From the present block of the ingress judge to `remember` or `policy`.

    A flow that began so is remembered without a rule. When it is to be judged again, by an answer of the
    workload for instance, that is enough.
    """
    b = code.body
    b.branch(code.flag(ConfigFlag.HOST_ACCESS), "own_host", "policy")
    b.label("own_host")
    b.leave_if(b.test("ne", b.get(code.resumed), 0), "own_flow")
    b.leave_if(b.test("eq", code.field(Field.INGRESS_IFINDEX), 0), "own_allowed")
    b.go("own_flow")
    b.label("own_flow")
    b.leave_if(b.test("ne", b.get(code.mode), cx.Mode.REJUDGE), "policy")
    b.branch(b.test("ne", b.get(code.unruled), 0), "own_allowed", "policy")
    b.label("own_allowed")
    b.set(code.rule, NO_RULE)
    b.go("remember")


def spare_own(code: Code, spared: str) -> None:
    """Goes to `spared` when the packet that is to be dropped is one of the host's own to its workload; the
    other direction's judge may have been asked about it."""
    b = code.body
    kept, mine = b.name("dropping"), b.name("own")
    b.branch(code.flag(ConfigFlag.HOST_ACCESS), mine, kept)
    b.label(mine)
    b.leave_if(b.test("ne", b.get(code.resumed), 0 if code.ingress else 1), kept)
    b.branch(b.test("eq", code.field(Field.INGRESS_IFINDEX), 0), spared, kept)
    b.label(kept)
