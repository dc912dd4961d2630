"""What is in force on an interface, as a person reads it; used by attach, status and verify."""

from __future__ import annotations

from ..runtime.status import HookStatus, InterfaceStatus
from .table import columns, counted


def text(found: InterfaceStatus) -> str:
    """A headline, the facts behind it, and what runs on the two hooks in its order."""
    lines = [f"{found.interface}: {found.summary}"]
    lines += columns([("", *row) for row in _facts(found)])
    for hook in found.hooks:
        lines += _hook(hook)
    lines += [f"  because: {fact}" for fact in found.facts]
    lines += [f"  note: {note}" for note in found.notes]
    return "\n".join(lines)


def _facts(found: InterfaceStatus) -> list[tuple[str, str]]:
    facts = []
    if found.identity:
        facts.append(("identity", found.identity))
    if found.endpoint is not None:
        facts.append(("endpoint", found.endpoint or "none (compiled for labels)"))
    if found.mode is not None:
        facts.append(("mode", found.mode.value))
    facts += [
        (
            policy.direction,
            f"program {policy.program}, generation {policy.generation}, {counted(policy.rules, 'rule')}",
        )
        for policy in found.policies
    ]
    return facts


def _hook(hook: HookStatus) -> list[str]:
    if not hook.programs:
        return [f"  tc {hook.hook}: nothing runs"]
    judged = f", where policy {hook.policy} is judged" if hook.policy else ""
    rows = [
        ("", "", one.role, one.name, f"program {one.program}" if one.program else "no BPF program", one.place)
        for one in hook.programs
    ]
    return [f"  tc {hook.hook}{judged}", *columns(rows)]
