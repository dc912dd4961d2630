"""From resources and the name, or the labels, of one endpoint to its decision IR with provenance."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ...pair.failsafes import DEFAULTS, Failsafes
from ...pair.layout import Direction
from ...pair.naming import EndpointRef as EndpointRef
from ..ir.nodes import Judge, Program
from ..resources import HostEndpoint, Policy, Resource
from ..source import Diagnostics, Span
from . import codes
from .courses import Course, workload_course
from .hosts import check_host, host_addresses, host_course
from .judges import JudgeBuilder, SetTable
from .policies import applying
from .profiles import Behind, pod_profiles
from .resolved import Resolved
from .scope import LABEL_NAMESPACE, LABEL_SERVICE_ACCOUNT, endpoint_labels
from .world import ORCHESTRATOR_K8S, World

_DEFAULT = "default"  # Calico's namespace, and Kubernetes' service account, when none is given


@dataclass(frozen=True, slots=True)
class _Subject:
    """What to compile for, however it was given. name: of its files; endpoint: as its note names it."""

    name: str
    endpoint: str
    addresses: tuple[str, ...]
    labels: Mapping[str, str]
    behind: Behind
    span: Span | None
    host: HostEndpoint | None = None


def inventory(resources: Iterable[Resource], diagnostics: Diagnostics, before: World | None = None) -> World:
    """The resources as selectors see them, to be given to the functions below again and again.

    before: an earlier inventory, of which is used again what cannot have changed.
    Errors (diagnostics): the same object defined twice and differently, a policy in a tier that is not there
    (QUIRK 11).
    """
    world = World.of(resources, diagnostics, before)
    for policy in world.policies:
        if policy.tier not in world.tiers:
            names = sorted(world.tiers, key=lambda name: world.tiers[name].place)
            near = difflib.get_close_matches(policy.tier, names, n=1)
            diagnostics.error(
                codes.TIER,
                f"there is no tier {policy.tier}",
                policy.tier_at or policy.at,
                expected=f"one of {', '.join(names)}",
                hint=f"did you mean {near[0]}?" if near else "add the file of the Tier",
            )
    return world


def endpoints(resources: Iterable[Resource] | World) -> tuple[EndpointRef, ...]:
    """Every Pod, or workload that makes pods, with an interface of its own, every WorkloadEndpoint, and every
    HostEndpoint whose host has known addresses, by namespace, name and kind."""
    world = resources if isinstance(resources, World) else inventory(resources, Diagnostics())
    return tuple(sorted(_refs(world)))


def _refs(world: World) -> Iterable[EndpointRef]:
    yield from (item.entity.ref for item in world.workloads)
    for host in world.hosts:
        if host_addresses(world, host):
            yield EndpointRef("", host.metadata.name, "HostEndpoint")


def resolve_endpoint(
    resources: Iterable[Resource] | World,
    ref: EndpointRef,
    diagnostics: Diagnostics,
    failsafes: Failsafes = DEFAULTS,
) -> Resolved | None:
    """The policy of a named endpoint; None when the diagnostics got an error. failsafes: of a host's."""
    world = _world(resources, diagnostics)
    if world is None:
        return None
    host = next((item for item in world.hosts if item.metadata.name == ref.name), None)
    if host is not None and not ref.namespace and ref.kind in ("", "HostEndpoint"):
        return _resolve(world, _host_subject(world, host), failsafes, diagnostics)
    named = world.called(ref.namespace, ref.name)
    chosen = [item for item in named if ref.kind in ("", item.entity.kind)]
    if len(chosen) > 1:
        places = " and ".join(f"{item.entity.kind} at {item.entity.place}" for item in chosen)
        diagnostics.error(
            codes.AMBIGUOUS_ENDPOINT,
            f"endpoint {ref} is ambiguous: {places}",
            chosen[0].entity.place,
            hint=f"say which: {' or '.join(item.entity.ref.full for item in chosen)}",
        )
        return None
    if not chosen:
        _explain_absence(world, ref, diagnostics)
        return None
    entity = chosen[0].entity
    subject = _Subject(
        world.file_name(entity.ref),
        entity.ref.full if len(named) > 1 else str(entity.ref),
        chosen[0].addresses,
        entity.labels,
        chosen[0].behind,
        entity.place,
    )
    return _resolve(world, subject, failsafes, diagnostics)


def _host_subject(world: World, host: HostEndpoint) -> _Subject:
    entity = next(
        item for item in world.entities if (item.kind, item.name) == ("HostEndpoint", host.metadata.name)
    )
    return _Subject(
        world.file_name(entity.ref),
        host.metadata.name,
        tuple(map(str, host.expected_ips)),
        entity.labels,
        world.behind(host.profiles, ""),
        host.at,
        host,
    )


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
            hint="compare with the policies' selectors, and give the namespace that is meant; its labels are "
            "in the file of the Namespace",
        )
        return None
    behind = world.behind(pod_profiles(namespace, account), namespace)
    subject = _Subject(policies[0].metadata.name, "", (), seen, behind, None)
    return _resolve(world, subject, DEFAULTS, diagnostics)


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
    """Why there is no such endpoint: it has no interface, or its name is another."""
    for pod in world.host_networked:
        if (pod.metadata.namespace, pod.metadata.name) == (ref.namespace, ref.name) and ref.kind in (
            "",
            pod.kind,
        ):
            diagnostics.error(
                codes.HOST_NETWORK,
                f"{pod.kind} {ref} uses the host's network: it has no interface of its own to attach to",
                pod.at,
            )
            return
    known = [item.full if ref.kind else str(item) for item in endpoints(world)]
    near = difflib.get_close_matches(ref.full, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {len(known)} endpoints"
    diagnostics.error(codes.NO_ENDPOINT, f"no endpoint {ref.full} in the inventory", None, hint=hint)


def _resolve(
    world: World, subject: _Subject, failsafes: Failsafes, diagnostics: Diagnostics
) -> Resolved | None:
    policies = applying(world, subject.labels)
    if subject.host is not None and not check_host(world, subject.host, policies, diagnostics):
        return None

    def course(chosen: Sequence[Policy], direction: Direction) -> Course:
        if subject.host is None:
            return workload_course(chosen, world.tiers, direction, subject.behind, subject.span)
        return host_course(world, subject.host, chosen, direction, subject.behind, failsafes)

    sets = SetTable()
    builders = {direction: JudgeBuilder(world, direction, sets) for direction in Direction}
    judges: dict[Direction, Judge] = {}
    for direction, builder in builders.items():
        enforced = course([item for item in policies if not item.staged], direction)
        judges[direction] = builder.build(enforced)
        proposed = course(policies, direction)
        if proposed != enforced:
            judges[direction] = replace(judges[direction], staged=builder.build_staged(proposed))
    program = Program(sets.sets(), judges[Direction.INGRESS], judges[Direction.EGRESS])
    provenance = {direction: tuple(builder.provenance) for direction, builder in builders.items()}
    return Resolved(subject.name, subject.endpoint, subject.addresses, program, provenance)
