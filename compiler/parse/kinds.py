"""Which kinds there are, and who reads each: by apiVersion and kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from ...grammar.documents import shorten
from ...grammar.nodes import Mapping
from .. import codes
from ..resources import Resource
from .endpoints import read_host_endpoint, read_workload_endpoint
from .fields import Place
from .kubernetes import read_namespace, read_pod
from .near import listed, near_miss
from .policies import read_global_network_policy, read_network_policy
from .sets import read_global_network_set, read_network_set

CALICO: Final = ("projectcalico.org/v3", "crd.projectcalico.org/v1")
KUBERNETES: Final = "v1"

Reader = Callable[[Place, Mapping], Resource | None]

CALICO_KINDS: Final[dict[str, Reader]] = {
    "NetworkPolicy": read_network_policy,
    "GlobalNetworkPolicy": read_global_network_policy,
    "NetworkSet": read_network_set,
    "GlobalNetworkSet": read_global_network_set,
    "WorkloadEndpoint": read_workload_endpoint,
    "HostEndpoint": read_host_endpoint,
}
KUBERNETES_KINDS: Final[dict[str, Reader]] = {"Pod": read_pod, "Namespace": read_namespace}

# Kinds that exist and are not read yet: never taken for a misspelling of one that is.
_LATER: Final = re.compile(
    r"Staged\w+|\w+List|Tier|Profile|IP(Pool|Reservation)|BGP\w+|Node|FelixConfiguration|PodTemplate|Service"
)


def find_reader(place: Place, root: Mapping, version: str | None, kind: str | None) -> Reader | None:
    """Who reads this kind; None, and reported, when nobody does."""
    if kind is None:
        if version is not None:
            _known_version(place, root, version)
        return None
    if version is None:
        return CALICO_KINDS.get(kind) or KUBERNETES_KINDS.get(kind)
    if version in CALICO and kind in CALICO_KINDS:
        return CALICO_KINDS[kind]
    if version == KUBERNETES and kind in KUBERNETES_KINDS:
        return KUBERNETES_KINDS[kind]
    node = root.entries["kind"][1]
    if not _known_version(place, root, version):
        return None
    known = CALICO_KINDS if version in CALICO else KUBERNETES_KINDS if version == KUBERNETES else {}
    hint = near_miss(kind, known) if kind.lower() != "list" else ""
    if _misspelt(kind, known):
        message = f"`{version}` has no kind `{shorten(kind)}`"
        place.error(codes.UNKNOWN_KIND, message, node, expected=listed(known), hint=hint)
    else:
        message = f"the kind `{shorten(kind)}` of `{shorten(version)}` is not supported yet"
        place.error(
            codes.UNSUPPORTED_KIND, message, node, hint="leave this document out: it is never ignored"
        )
    return None


def _misspelt(kind: str, known: Iterable[str]) -> bool:
    return not _LATER.fullmatch(kind) and bool(near_miss(kind, known))


def _known_version(place: Place, root: Mapping, version: str) -> bool:
    """Whether the apiVersion is one that exists; a near-miss of ours is reported."""
    ours = (*CALICO, KUBERNETES)
    if version in ours:
        return True
    hint = near_miss(version, CALICO)
    if not hint or version.endswith((".k8s.io/v1", ".io/v1alpha1", ".io/v1alpha2", ".io/v1beta1")):
        return True
    node = root.entries["apiVersion"][1]
    message = f"the apiVersion `{shorten(version)}` is unknown"
    place.error(codes.UNKNOWN_KIND, message, node, expected=listed(ours), hint=hint)
    return False
