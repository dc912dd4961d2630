"""Follows the event rings behind the gates, and keeps the texts of the policies that judge there at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from ..pair.layout import MAP_EVENTS, Direction
from ..pair.provenance import ProvenanceTable
from ..runtime.bpf import Bpf
from ..runtime.errors import NotInForce
from ..runtime.kernel import Kernel
from ..runtime.netlink import Link
from ..runtime.policy import Policy
from ..runtime.readback import read
from ..runtime.ring import Ring
from ..runtime.standing import judge
from .doors import with_kernel
from .events import EventRecord, record

Found = dict[int, list[Policy]]  # by interface index: every program in its slots


class Watch:
    """Open rings, and by interface and generation the provenance of what judges there.

    Close it. NotInForce when no interface in question has a policy.
    """

    def __init__(self, namespace: str | None, interface: str | None) -> None:
        self._namespace = namespace
        self._interface = interface
        self._tables: dict[int, dict[int, dict[Direction, ProvenanceTable]]] = {}
        self._rings: dict[int, Ring] = {}
        self._open = ExitStack()
        self._bpf = Bpf()
        self._look()
        if not self._rings:
            where = interface or "any interface of this network namespace"
            raise NotInForce(f"no policy is in force on {where}: there are no events", "see `polc status`")

    def records(self, seconds: float) -> Iterator[EventRecord]:
        """The events there are now, after waiting for one for at most so long on each ring."""
        for ring in list(self._rings.values()):
            for event in ring.read(seconds):
                known = self._tables.get(event.ifindex, {})
                if event.generation not in known:
                    self._look()
                    known = self._tables.get(event.ifindex, {})
                yield record(event, known)

    def close(self) -> None:
        self._open.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _look(self) -> None:
        """Reads the kernel again: new generations, new rings."""
        found = with_kernel(self._namespace, self._policies)
        for ifindex, policies in found.items():
            for policy in policies:
                self._remember(ifindex, policy)

    def _policies(self, kernel: Kernel) -> Found:
        found: Found = {}
        for link in self._links(kernel):
            core = judge(read(kernel, link)).core
            if core is not None:
                found[link.index] = [one for one in core.contents if isinstance(one, Policy)]
        return found

    def _links(self, kernel: Kernel) -> tuple[Link, ...]:
        return (kernel.net.link(self._interface),) if self._interface else kernel.net.links()

    def _remember(self, ifindex: int, policy: Policy) -> None:
        table = policy.table()
        if table is not None:
            generations = self._tables.setdefault(ifindex, {})
            generations.setdefault(policy.config.generation, {})[table.direction] = table
        number = policy.maps.get(MAP_EVENTS)
        if number is not None and number not in self._rings:
            ring = Ring.by_id(self._bpf, number)
            if ring is not None:
                self._rings[number] = self._open.enter_context(ring)
