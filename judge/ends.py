"""Who stands at the two ends of a packet, and which addresses it therefore has."""

from __future__ import annotations

from dataclasses import dataclass

from ..pair.layout import Direction
from .compiled import Policies, Whom
from .packets import Address


class EndsError(ValueError):
    """The ends do not make a packet; the message says why. Never about the files, which are right.

    side: the end that is to blame, None when both are.
    """

    def __init__(self, message: str, side: Side | None = None) -> None:
        self.side = side
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class End:
    """One end of the packet's way whose policy is asked."""

    whom: Whom
    direction: Direction


@dataclass(frozen=True, slots=True)
class Side:
    """Sender or receiver: an endpoint, an address, or an endpoint of which one address is meant."""

    whom: Whom | None = None
    address: Address | None = None

    def text(self) -> str:
        return str(self.whom) if self.whom is not None else str(self.address)


def ends_of(source: Side, destination: Side) -> tuple[End, ...]:
    """Whose policies are asked, in the order in which the packet meets them."""
    asked = ((source.whom, Direction.EGRESS), (destination.whom, Direction.INGRESS))
    return tuple(End(whom, direction) for whom, direction in asked if whom is not None)


def addresses(
    policies: Policies, source: Side, destination: Side, version: int | None = None
) -> tuple[Address, Address]:
    """The packet's addresses: the given ones, or the endpoints' first of one family (4 or 6, when given).

    Raises EndsError when there are none, and CompileError for an endpoint that is not there.
    """
    sources, destinations = (_candidates(policies, side) for side in (source, destination))
    for near in sources:
        for far in destinations:
            if near.version == far.version and version in (None, near.version):
                return near, far
    family = f"no IPv{version} address" if version is not None else "no address of one family"
    raise EndsError(f"{source.text()} and {destination.text()} have {family} in common")


def _candidates(policies: Policies, side: Side) -> tuple[Address, ...]:
    if side.address is not None:
        return (side.address,)
    found = policies.addresses(side.whom) if side.whom is not None else ()
    if not found:
        raise EndsError(f"{side.text()} has no address: give the one that is meant", side)
    return found
