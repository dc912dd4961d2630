"""From resources and the name, or the labels, of one endpoint to its decision IR with provenance."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...pair.layout import Direction
from ..ir.nodes import Action, Program
from ..resources import Resource
from ..source import Diagnostics, Span
from . import codes
from .policies import JudgeBuilder, SetTable, applying
from .resolved import Resolved
from .scope import LABEL_NAMESPACE, LABEL_SERVICE_ACCOUNT, endpoint_labels
from .world import ORCHESTRATOR_K8S, World

_DEFAULT = "default"  # Calico's namespace, and Kubernetes' service account, when none is given


@dataclass(frozen=True, slots=True, order=True)
class EndpointRef:
    """Names an endpoint. kind: `Pod`, `WorkloadEndpoint` or `HostEndpoint`; `` for whichever there is."""

    namespace: str
    name: str
    kind: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class _Subject:
    """What to compile for, however it was given."""

    name: str
    endpoint: str
    addresses: tuple[str, ...]
    labels: Mapping[str, str]
    end: Action
    span: Span | None


def inventory(resources: Iterable[Resource], diagnostics: Diagnostics) -> World:
    """The resources as selectors see them, to be given to the functions below again and again.

    Errors (diagnostics): the same object defined twice and differently, profiles and tiers that are not
    supported yet.
    """
    world = World.of(resources, diagnostics)
    for policy in world.policies:
        if policy.tier not in world.tiers:
            names = ", ".join(sorted(world.tiers, key=lambda name: world.tiers[name].place))
            diagnostics.error(
                codes.TIER, f"there is no tier {policy.tier}", policy.at, expected=f"one of {names}"
            )
    return world


def endpoints(resources: Iterable[Resource] | World) -> tuple[EndpointRef, ...]:
    """Every Pod with an interface of its own and every WorkloadEndpoint, by namespace, name and kind."""
    world = resources if isinstance(resources, World) else inventory(resources, Diagnostics())
    return tuple(sorted(_refs(world)))


def _refs(world: World) -> Iterable[EndpointRef]:
    for item in world.workloads:
        yield EndpointRef(item.entity.namespace, item.entity.name, item.entity.kind)


def resolve_endpoint(
    resources: Iterable[Resource] | World, ref: EndpointRef, diagnostics: Diagnostics
) -> Resolved | None:
    """The policy of a named endpoint; None when the diagnostics got an error."""
    world = _world(resources, diagnostics)
    if world is None:
        return None
    chosen = [
        item
        for item in world.workloads
        if (item.entity.namespace, item.entity.name) == (ref.namespace, ref.name)
        and ref.kind in ("", item.entity.kind)
    ]
    if len(chosen) > 1:
        places = " and ".join(f"{item.entity.kind} at {item.entity.place}" for item in chosen)
        diagnostics.error(
            codes.AMBIGUOUS_ENDPOINT, f"endpoint {ref} is ambiguous: {places}", chosen[0].entity.place
        )
        return None
    if not chosen:
        _explain_absence(world, ref, diagnostics)
        return None
    entity = chosen[0].entity
    subject = _Subject(
        f"{entity.namespace}.{entity.name}",
        f"{entity.namespace}/{entity.name}",
        chosen[0].addresses,
        entity.labels,
        chosen[0].end,
        entity.place,
    )
    return _resolve(world, subject)


def resolve_labels(
    resources: Iterable[Resource] | World,
    labels: Mapping[str, str],
    namespace: str | None,
    diagnostics: Diagnostics,
) -> Resolved | None:
    """The policy of any Pod of these labels; None when the diagnostics got an error.

    namespace: None takes the one that all NetworkPolicies share, or `default` when there is none.
    """
    world = _world(resources, diagnostics)
    if world is None:
        return None
    if namespace is None:
        namespace = labels.get(LABEL_NAMESPACE) or _shared_namespace(world, diagnostics)
        if namespace is None:
            return None
    account = labels.get(LABEL_SERVICE_ACCOUNT, _DEFAULT)
    seen = endpoint_labels(labels, namespace, ORCHESTRATOR_K8S, account, world.inherited(namespace, account))
    policies = applying(world, seen)
    if not policies:
        text = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        diagnostics.error(
            codes.NOTHING_SELECTED,
            f"no policy selects labels {text or '(none)'} in namespace {namespace}",
            None,
            hint="compare with the policies' selectors, and give the namespace that is meant",
        )
        return None
    return _resolve(world, _Subject(policies[0].metadata.name, "", (), seen, Action.ALLOW, None))


def _world(resources: Iterable[Resource] | World, diagnostics: Diagnostics) -> World | None:
    if isinstance(resources, World):
        return resources
    found = Diagnostics()
    world = inventory(resources, found)
    diagnostics.extend(found)
    return None if found.failed else world


def _shared_namespace(world: World, diagnostics: Diagnostics) -> str | None:
    named = sorted({policy.metadata.namespace for policy in world.policies if policy.metadata.namespace})
    if len(named) > 1:
        diagnostics.error(
            codes.WHICH_NAMESPACE,
            f"the policies are in several namespaces: {', '.join(named)}",
            None,
            hint="say which namespace the endpoint is in",
        )
        return None
    return named[0] if named else _DEFAULT


def _explain_absence(world: World, ref: EndpointRef, diagnostics: Diagnostics) -> None:
    """Why there is no such endpoint: it is the host's, it has no interface, or its name is another."""
    for host in world.hosts:
        if ref.name == host.metadata.name and ref.kind in ("", "HostEndpoint") and not ref.namespace:
            diagnostics.error(
                codes.HOST_ENDPOINT,
                f"HostEndpoint {host.metadata.name} cannot be compiled for until failsafe ports exist",
                host.at,
            )
            return
    for pod in world.host_networked:
        if (pod.metadata.namespace, pod.metadata.name) == (ref.namespace, ref.name) and ref.kind in (
            "",
            "Pod",
        ):
            diagnostics.error(
                codes.HOST_NETWORK,
                f"Pod {ref} uses the host's network: it has no interface of its own to attach to",
                pod.at,
            )
            return
    known = [str(item) for item in endpoints(world)]
    near = difflib.get_close_matches(str(ref), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {len(known)} endpoints"
    diagnostics.error(codes.NO_ENDPOINT, f"no endpoint {ref} in the inventory", None, hint=hint)


def _resolve(world: World, subject: _Subject) -> Resolved:
    policies = applying(world, subject.labels)
    sets = SetTable()
    builders = {direction: JudgeBuilder(world, direction, sets) for direction in Direction}
    judges = {
        direction: builder.build(policies, subject.end, subject.span)
        for direction, builder in builders.items()
    }
    program = Program(sets.sets(), judges[Direction.INGRESS], judges[Direction.EGRESS])
    provenance = {direction: tuple(builder.provenance) for direction, builder in builders.items()}
    return Resolved(subject.name, subject.endpoint, subject.addresses, program, provenance)
