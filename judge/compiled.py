"""The judges' one way to the compiler: from files to policies, and from an endpoint to what judges it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_address

from ..compiler.backend import CompiledPair
from ..compiler.pipeline import Inventory, compile_endpoint, compile_labels, load, native_judges
from ..compiler.resolve import EndpointRef, Resolved, World, resolve_endpoint, resolve_labels
from ..compiler.resolve import endpoints as endpoints_of
from ..compiler.source import CompileError, Diagnostic, Diagnostics, Source
from ..pair.failsafes import DEFAULTS, Failsafes
from ..pair.layout import Config
from ..pair.object import ObjectPair, read_pair
from .native import NativeEngine
from .packets import Address


@dataclass(frozen=True, slots=True)
class Whom:
    """The endpoint to judge for: one of the inventory (namespace and name), or any Pod of some labels.

    namespace: None with labels takes the one that the policies share; `` for a HostEndpoint. kind: `` for
    whichever has the name.
    """

    namespace: str | None
    name: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    kind: str = ""

    @classmethod
    def of(cls, ref: EndpointRef) -> Whom:
        return cls(ref.namespace, ref.name, kind=ref.kind)

    @property
    def ref(self) -> EndpointRef:
        """The endpoint of the inventory that is meant, when it is one."""
        return EndpointRef(self.namespace or "", self.name, self.kind)

    def __str__(self) -> str:
        if self.name:
            return self.ref.full
        text = ",".join(f"{key}={value}" for key, value in self.labels)
        return f"{text} in {self.namespace}" if self.namespace else text


@dataclass(slots=True)
class Judged:
    """One endpoint ready to be judged. `pair` is made when first asked for: it takes LLVM."""

    whom: Whom
    resolved: Resolved
    inventory: Inventory = field(repr=False)
    failsafes: Failsafes | None = None
    _compiled: CompiledPair | None = None

    @property
    def is_host(self) -> bool:
        """Whether it is a HostEndpoint, whose interface is the host's own."""
        return bool(self.whom.name) and not self.whom.namespace

    def compiled(self) -> CompiledPair:
        """Raises CompileError."""
        if self._compiled is None:
            self._compiled = _compile(self.inventory, self.whom, self.failsafes)
        return self._compiled

    def pair(self) -> ObjectPair:
        """The sealed pair. Raises CompileError."""
        made = self.compiled()
        return read_pair(made.ingress, made.egress, f"{made.name} ingress", f"{made.name} egress")

    def native(self, config: Config) -> NativeEngine:
        """The judges as machine code of this process, without flows. Raises CompileError."""
        return NativeEngine(*native_judges(self.inventory, self.resolved), config)


class Policies:
    """What the files hold, with everything resolved at most once. failsafes: of HostEndpoints, None for
    Calico's."""

    def __init__(self, inventory: Inventory, failsafes: Failsafes | None = None) -> None:
        self._inventory = inventory
        self._failsafes = failsafes
        self._judged: dict[Whom, Judged] = {}

    @property
    def sources(self) -> tuple[Source, ...]:
        return self._inventory.sources

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        return self._inventory.warnings

    @property
    def world(self) -> World:
        return self._inventory.world

    @cached_property
    def endpoints(self) -> tuple[EndpointRef, ...]:
        """Every endpoint that can be judged for; there may be none."""
        return endpoints_of(self.world)

    def addresses(self, whom: Whom) -> tuple[Address, ...]:
        """Of an endpoint of the inventory; none for labels. Raises CompileError."""
        return tuple(ip_address(text) for text in self.judged(whom).resolved.addresses)

    def judged(self, whom: Whom) -> Judged:
        """Raises CompileError when there is no such endpoint, or nothing selects the labels."""
        if whom not in self._judged:
            resolved = _resolve(self._inventory, whom, self._failsafes)
            self._judged[whom] = Judged(whom, resolved, self._inventory, self._failsafes)
        return self._judged[whom]


def read_policies(files: Sequence[str], failsafes: Failsafes | None = None) -> Policies:
    """Reads and checks the files. Raises CompileError with all findings."""
    return Policies(load(files), failsafes)


def _resolve(inventory: Inventory, whom: Whom, failsafes: Failsafes | None) -> Resolved:
    diagnostics = Diagnostics()
    if whom.name:
        resolved = resolve_endpoint(inventory.world, whom.ref, diagnostics, failsafes or DEFAULTS)
    else:
        resolved = resolve_labels(inventory.world, dict(whom.labels), whom.namespace, diagnostics)
    if resolved is None or diagnostics.failed:
        raise CompileError(diagnostics, inventory.sources)
    return resolved


def _compile(inventory: Inventory, whom: Whom, failsafes: Failsafes | None) -> CompiledPair:
    if whom.name:
        ref = whom.ref
        return compile_endpoint(inventory, ref.namespace, ref.name, ref.kind, failsafes=failsafes)
    return compile_labels(inventory, dict(whom.labels), whom.namespace)
