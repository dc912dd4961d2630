"""What the worker keeps between requests, and the order it works in.

Only files whose bytes changed are parsed again. Endpoints that a change probably touches come first, then
those that were not looked at for longest, so that a stream of revisions starves nobody. A newer request stops
the work between two files or two endpoints; what was parsed stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, Protocol

from ...compiler.ir.nodes import Program
from ...compiler.pipeline import Inventory, Parsed, assemble, compile_resolved, parse_source, reviewed
from ...compiler.reading import decode
from ...compiler.resolve import EndpointRef, World, differing, reached, resolve_endpoint, touched
from ...compiler.resolve import endpoints as endpoints_of
from ...compiler.source import CompileError, Diagnostics, Source
from ...pair.failsafes import Failsafes
from ..protocol import (
    Answer,
    BeganFrame,
    Compile,
    Endpoint,
    FailedFrame,
    KeptFrame,
    LoadedFrame,
    MadeFrame,
    ReadingFrame,
    RefusedFrame,
    ReviewedFrame,
    Revise,
    SameFrame,
    Wanted,
)
from .wording import described, fault

NEVER: Final = -1


class Send(Protocol):
    def __call__(self, answer: Answer, *blobs: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class _Known:
    """What an endpoint came to last."""

    program: Program
    identity: bytes


@dataclass(frozen=True, slots=True)
class _Listed:
    """Every endpoint of an inventory, as it is told, and its number among them."""

    endpoints: tuple[Endpoint, ...]
    numbers: Mapping[EndpointRef, int]


class Desk:
    """send: takes each answer. interrupted: whether a newer request waits. failsafes: of HostEndpoints."""

    def __init__(self, send: Send, interrupted: Callable[[], bool], failsafes: Failsafes) -> None:
        self._send = send
        self._interrupted = interrupted
        self._failsafes = failsafes
        self._revision = NEVER
        self._data: dict[str, bytes] = {}  # not parsed yet
        self._parsed: dict[str, Parsed] = {}
        self._good: dict[str, Parsed] = {}  # of the last revision that was loaded
        self._inventory: Inventory | None = None  # the same
        self._listed: _Listed | None = None  # the same
        self._loaded = NEVER
        self._refused = NEVER
        self._reviewed = NEVER
        self._asked: dict[EndpointRef, Wanted] = {}
        self._wanted: dict[EndpointRef, Wanted] = {}  # of these, those not answered for
        self._wanted_of = NEVER
        self._known: dict[EndpointRef, _Known] = {}
        self._stale: set[EndpointRef] = set()  # of the known ones, those that may come to something else now
        self._first: set[EndpointRef] = set()
        self._seen: dict[EndpointRef, int] = {}

    def take(self, request: Revise | Compile, blobs: Sequence[bytes]) -> None:
        """Notes what is asked; `work` does it."""
        if isinstance(request, Compile):
            asked = {one.endpoint.ref: one for one in request.wanted}
            self._asked = self._asked | asked if request.rest else asked
            self._wanted, self._wanted_of = self._asked.copy(), request.revision
            return
        self._revision = request.revision
        for path in request.removed:
            self._data.pop(path, None)
            self._parsed.pop(path, None)
        for path, data in zip(request.changed, blobs, strict=True):
            self._data[path] = data
            self._parsed.pop(path, None)

    def work(self) -> None:
        """Goes on until all is done or something newer is asked."""
        if self._revision not in (self._loaded, self._refused) and not self._load():
            return
        if self._loaded != self._revision or self._wanted_of != self._revision:
            return
        inventory = self._inventory
        assert inventory is not None
        kept = {ref for ref, wanted in self._wanted.items() if self._is_kept(ref, wanted)}
        for ref in sorted((ref for ref in self._wanted if ref not in kept), key=self._urgency):
            if self._interrupted():
                return
            if kept and (ref not in self._first or self._wanted[ref].last):
                self._keep(kept)
                kept = set()
            self._compile(inventory, ref, self._wanted[ref])
            del self._wanted[ref]
        if kept:
            self._keep(kept)
        if self._reviewed != self._revision and not self._interrupted():
            self._reviewed = self._revision
            warnings = described(reviewed(inventory, self._in_order()), inventory.sources)
            self._send(ReviewedFrame(revision=self._revision, warnings=warnings))

    # --- reading ------------------------------------------------------------------------------------

    def _load(self) -> bool:
        """Whether it came to an end, good or bad."""
        begin = time.monotonic()
        for path in sorted(self._data):
            if self._interrupted():
                return False
            self._send(ReadingFrame(revision=self._revision, path=path))
            self._parsed[path] = _parse(path, self._data[path])
            del self._data[path]
        try:
            inventory = assemble(self._in_order(), before=self._inventory)
        except CompileError as error:
            self._refused = self._revision
            findings = described(error.diagnostics, tuple(error.sources.values()))
            self._send(RefusedFrame(revision=self._revision, findings=findings))
            return True
        listed = self._list(inventory.world)
        self._note_touched(inventory, listed.numbers.keys())
        news = self._listed is None or listed.endpoints is not self._listed.endpoints
        self._inventory, self._good, self._loaded = inventory, dict(self._parsed), self._revision
        self._listed = listed
        self._send(
            LoadedFrame(
                revision=self._revision,
                endpoints=listed.endpoints if news else None,
                warnings=described(inventory.warnings, inventory.sources),
                seconds=time.monotonic() - begin,
            )
        )
        return True

    def _list(self, world: World) -> _Listed:
        """The endpoints of a newer world; where none came, went or changed, the list there is."""
        if self._inventory is not None and self._listed is not None:
            before = self._inventory.world
            if world.workloads is before.workloads and world.hosts is before.hosts:
                return self._listed
        refs = _refs(world)
        endpoints = _endpoints(world, refs)
        if self._listed is not None and endpoints == self._listed.endpoints:
            return self._listed
        return _Listed(endpoints, {ref: number for number, ref in enumerate(refs)})

    def _in_order(self) -> list[Parsed]:
        return [self._parsed[path] for path in sorted(self._parsed)]

    def _note_touched(self, inventory: Inventory, there: AbstractSet[EndpointRef]) -> None:
        """Adds to those that come first and to those that cannot be kept; forgets endpoints that are gone."""
        paths = {
            path
            for path in self._good.keys() | self._parsed.keys()
            if self._good.get(path) is not self._parsed.get(path)
        }
        old, new = (
            [resource for path in paths if path in side for resource in side[path].resources]
            for side in (self._good, self._parsed)
        )
        before = self._inventory.world if self._inventory is not None else None
        found = touched(before, inventory.world, differing(old, new))
        stale = reached(inventory.world, old, new)
        self._first = {*self._first, *(there if found is None else found)} & there
        self._stale = {*self._stale, *(there if stale is None else stale)} & there
        for ref in self._known.keys() - there:
            del self._known[ref]
        for ref in self._seen.keys() - there:
            del self._seen[ref]

    # --- compiling ----------------------------------------------------------------------------------

    def _is_kept(self, ref: EndpointRef, wanted: Wanted) -> bool:
        """Whether nothing that its pair depends on changed since it was compiled."""
        known = self._known.get(ref)
        return known is not None and ref not in self._stale and wanted.held == known.identity.hex()

    def _keep(self, kept: Collection[EndpointRef]) -> None:
        """Answers for all of these at once."""
        assert self._listed is not None, "what is known is of the inventory"
        for ref in kept:
            del self._wanted[ref]
            self._seen[ref] = self._revision
        numbers = tuple(sorted(self._listed.numbers[ref] for ref in kept))
        self._send(KeptFrame(revision=self._revision, numbers=numbers))

    def _urgency(self, ref: EndpointRef) -> tuple[bool, bool, int]:
        return self._wanted[ref].last, ref not in self._first, self._seen.get(ref, NEVER)

    def _compile(self, inventory: Inventory, ref: EndpointRef, wanted: Wanted) -> None:
        begin = time.monotonic()
        endpoint, revision = wanted.endpoint, self._revision
        self._send(BeganFrame(revision=revision, endpoint=endpoint))
        try:
            diagnostics = Diagnostics()
            resolved = resolve_endpoint(inventory.world, ref, diagnostics, self._failsafes)
            known = self._known.get(ref)
            if (
                known
                and resolved
                and wanted.held == known.identity.hex()
                and known.program == resolved.program
            ):
                self._stale.discard(ref)
                self._same(endpoint, known.identity)
                return
            pair = compile_resolved(inventory, resolved, diagnostics)
            self._known[ref] = _Known(pair.resolved.program, pair.identity)
            self._stale.discard(ref)
            if wanted.held == pair.identity.hex():
                self._same(endpoint, pair.identity)
                return
            made = MadeFrame(
                revision=revision,
                endpoint=endpoint,
                warnings=described(pair.warnings, inventory.sources),
                seconds=time.monotonic() - begin,
                emissions=pair.emissions,
            )
            self._send(made, pair.ingress, pair.egress)
        except CompileError as error:
            findings = described(error.diagnostics, tuple(error.sources.values()))
            self._send(FailedFrame(revision=revision, endpoint=endpoint, findings=findings))
        except (OSError, KeyboardInterrupt):
            raise
        except Exception as error:  # whatever it is, the other endpoints do not suffer for it
            self._send(FailedFrame(revision=revision, endpoint=endpoint, findings=fault(error)))
        finally:
            self._first.discard(ref)
            self._seen[ref] = revision

    def _same(self, endpoint: Endpoint, identity: bytes) -> None:
        self._send(SameFrame(revision=self._revision, endpoint=endpoint, identity=identity.hex()))


def _parse(path: str, data: bytes) -> Parsed:
    found = Diagnostics()
    text = decode(data, path, found)
    return (
        Parsed(Source.of(path, ""), (), tuple(found)) if text is None else parse_source(Source.of(path, text))
    )


def _refs(world: World) -> tuple[EndpointRef, ...]:
    """Every endpoint, those too that there is no pair for: a HostEndpoint without addresses must not go
    unnoticed, and compiling says what it lacks."""
    hosts = {EndpointRef("", host.metadata.name, "HostEndpoint") for host in world.hosts}
    return tuple(sorted(hosts.union(endpoints_of(world))))


def _endpoints(world: World, refs: Iterable[EndpointRef]) -> tuple[Endpoint, ...]:
    hosts = {host.metadata.name: host for host in world.hosts}
    found = []
    for ref in refs:
        if ref.kind == "HostEndpoint":
            interface, node = hosts[ref.name].interface_name, hosts[ref.name].node
        else:
            item = next(
                item for item in world.called(ref.namespace, ref.name) if item.entity.kind == ref.kind
            )
            interface, node = item.interface, item.node
        found.append(
            Endpoint(namespace=ref.namespace, name=ref.name, kind=ref.kind, interface=interface, node=node)
        )
    return tuple(found)
