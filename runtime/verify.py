"""`verify`: exit 0 only when a pair is in force on the interface and nothing decides before it."""

from __future__ import annotations

from collections.abc import Collection

from .errors import NotInForce
from .gate import Gates
from .kernel import Kernel
from .status import InterfaceStatus, status


def verify(
    kernel: Kernel,
    interface: str,
    allow_before: Collection[str] = (),
    identity: str | None = None,
    gates: Gates | None = None,
) -> InterfaceStatus:
    """The status of an interface whose pair is in force.

    allow_before: names of foreign programs that may run before the gates. identity: hex digits that the
    identity in force must start with, None for any pair. Raises NotInForce, and CannotError when the kernel
    does not let us look.
    """
    found = status(kernel, interface, gates).interfaces[0]
    if not found.in_force:
        raise NotInForce(f"{interface}: {found.summary}", "polc attach puts a pair in force", found.facts)
    strangers = tuple(name for name in found.bypass if name not in allow_before)
    if strangers:
        raise NotInForce(
            f"{interface}: {found.summary}",
            f"remove what runs first, or allow it: --allow-before {strangers[0]}",
            found.facts,
        )
    if identity is not None and not (found.identity or "").startswith(identity.lower()):
        raise NotInForce(
            f"{interface}: {found.identity} is in force, not {identity}",
            "polc attach with the pair that should be in force",
            found.facts,
        )
    return found
