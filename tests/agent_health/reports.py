"""Agent reports and interface readings as the tests of this folder want them."""

from __future__ import annotations

from typing import Any

from polc.agent.states import (
    AgentReport,
    BreakerHealth,
    Enforcing,
    InputsHealth,
    InterfaceHealth,
    NotEnforcing,
    Pending,
    State,
    Totals,
    Unknown,
    WorkerHealth,
)
from polc.runtime.standing import State as Found
from polc.runtime.status import InterfaceStatus

X, Y = "a1" * 32, "b2" * 32
GOOD = Enforcing(identity=X, generation=3)
LATE = Pending(identity=Y, generation=2, wanted=X, reason="the verifier refused it", next_try=None)
BROKEN = NotEnforcing(reason="no polc gate is attached", next_try=8.0)
DARK = Unknown(reason="cannot read", next_try=1.0)


def reading(found: Found, **changes: Any) -> InterfaceStatus:
    """What was read back from one interface; identity X in force where `found` says that a pair is."""
    in_force = found in (Found.ENFORCING, Found.BYPASSABLE)
    plain: dict[str, Any] = {
        "interface": "cali1",
        "ifindex": 7,
        "netns_cookie": 1,
        "state": found,
        "summary": f"summary of {found}",
        "identity": X if in_force else None,
        "endpoint": "shop/web",
        "generation": 3,
        "mode": None,
        "policies": (),
        "hooks": (),
        "bypass": ("other",) if found is Found.BYPASSABLE else (),
        "facts": (f"fact of {found}",),
        "notes": (),
    }
    return InterfaceStatus(**(plain | changes))


def interface(state: State, name: str = "cali1", **changes: Any) -> InterfaceHealth:
    plain: dict[str, Any] = {"ifindex": 7, "endpoint": "shop/web", "seconds": 10.0}
    return InterfaceHealth(interface=name, state=state, **(plain | changes))


def report(*interfaces: InterfaceHealth, **changes: Any) -> AgentReport:
    """A running agent with revision 4 in use."""
    plain: dict[str, Any] = {
        "node": "node-1",
        "netns_cookie": 1,
        "phase": "running",
        "uptime": 100.0,
        "heartbeat": 0.0,
        "inputs": InputsHealth(state="in-use", number=4, in_use=4, endpoints=len(interfaces)),
        "worker": WorkerHealth(state="idle"),
        "breaker": BreakerHealth(),
        "totals": Totals(),
        "interfaces": interfaces,
    }
    return AgentReport(**(plain | changes))


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
