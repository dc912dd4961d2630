"""Which kinds there are, and who reads each: by apiVersion and kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from ...grammar.documents import shorten
from ...grammar.nodes import Mapping, Node
from .. import codes
from ..resources import Resource
from .cluster_policies import read_cluster_policy
from .endpoints import read_host_endpoint, read_workload_endpoint
from .fields import Place
from .kubernetes import (
    read_endpoint_slice,
    read_endpoints,
    read_namespace,
    read_node,
    read_service,
    read_service_account,
)
from .kubernetes_policies import read_kubernetes_policy
from .near import closest, listed, near_miss
from .pods import read_cron_job, read_pod, read_workload
from .policies import (
    read_global_network_policy,
    read_network_policy,
    read_staged_global_network_policy,
    read_staged_network_policy,
)
from .sets import read_global_network_set, read_network_set
from .staged_kubernetes import read_staged_kubernetes_policy
from .tiers import read_profile, read_tier

CALICO: Final = ("projectcalico.org/v3", "crd.projectcalico.org/v1")
KUBERNETES: Final = "v1"

Reader = Callable[[Place, Mapping], Resource | None]

CALICO_KINDS: Final[dict[str, Reader]] = {
    "NetworkPolicy": read_network_policy,
    "GlobalNetworkPolicy": read_global_network_policy,
    "StagedNetworkPolicy": read_staged_network_policy,
    "StagedGlobalNetworkPolicy": read_staged_global_network_policy,
    "StagedKubernetesNetworkPolicy": read_staged_kubernetes_policy,
    "Tier": read_tier,
    "Profile": read_profile,
    "NetworkSet": read_network_set,
    "GlobalNetworkSet": read_global_network_set,
    "WorkloadEndpoint": read_workload_endpoint,
    "HostEndpoint": read_host_endpoint,
}


def _workload(kind: str) -> Reader:
    return lambda place, document: read_workload(place, document, kind)


def _cron_job(place: Place, document: Mapping) -> Resource | None:
    return read_cron_job(place, document, "CronJob")


KINDS: Final[dict[str, dict[str, Reader]]] = {
    **dict.fromkeys(CALICO, CALICO_KINDS),
    KUBERNETES: {
        "Pod": read_pod,
        "Namespace": read_namespace,
        "ServiceAccount": read_service_account,
        "Service": read_service,
        "Endpoints": read_endpoints,
        "Node": read_node,
        "ReplicationController": _workload("ReplicationController"),
    },
    "apps/v1": {kind: _workload(kind) for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")},
    "batch/v1": {"Job": _workload("Job"), "CronJob": _cron_job},
    "batch/v1beta1": {"CronJob": _cron_job},
    "networking.k8s.io/v1": {"NetworkPolicy": read_kubernetes_policy},
    "policy.networking.k8s.io/v1alpha2": {"ClusterNetworkPolicy": read_cluster_policy},
    "discovery.k8s.io/v1": {"EndpointSlice": read_endpoint_slice},
    "discovery.k8s.io/v1beta1": {"EndpointSlice": read_endpoint_slice},
}

# Fields beside `apiVersion`, `kind`, `metadata`, `spec` and `status`, taken or ignored by the kind's reader.
TOP_FIELDS: Final = {
    "ServiceAccount": "secrets imagePullSecrets automountServiceAccountToken",
    "Endpoints": "subsets",
    "EndpointSlice": "addressType endpoints ports",
}

# Kinds that decide about traffic and that nobody reads, never skipped: by group of the apiVersion and kind.
_REFUSED: Final = {
    ("policy.networking.k8s.io", "AdminNetworkPolicy"): "write it as a ClusterNetworkPolicy of tier Admin",
    ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy"): (
        "write it as a ClusterNetworkPolicy of tier Baseline"
    ),
    ("extensions", "NetworkPolicy"): "the apiVersion of today is `networking.k8s.io/v1`",
}

_NEAR: Final = 0.85  # how close a misspelt apiVersion is
# Kinds that exist beside ours: never taken for a misspelling of one that is read.
_OTHERS: Final = re.compile(
    r"IP(Pool|Reservation)|BGP\w+|\w+Configuration|PodTemplate|\w+(Policy|Class|Claim)"
)


def known_kinds(version: str | None) -> Iterable[str]:
    """The kinds that are read of an apiVersion."""
    return KINDS.get(version or "", {})


def find_reader(place: Place, root: Mapping, version: str | None, kind: str | None) -> Reader | None:
    """Who reads this kind; None when nobody does, which is reported unless it `is_foreign`."""
    if kind is None:
        if version is not None:
            _check_version(place, root, version, kind)
        return None
    if version is None:
        return CALICO_KINDS.get(kind) or KINDS[KUBERNETES].get(kind)
    reader = KINDS.get(version, {}).get(kind)
    if reader is not None or is_foreign(version, kind) or not _check_version(place, root, version, kind):
        return reader
    at = _value(root, "kind")
    if (refused := _REFUSED.get((version.rpartition("/")[0], kind))) is not None:
        message = f"the kind `{kind}` of `{shorten(version)}` is not supported"
        place.error(codes.UNSUPPORTED_KIND, message, at, hint=refused)
        return None
    message = f"`{version}` has no kind `{shorten(kind)}`"
    homes = [home for home in KINDS if kind in KINDS[home]]
    hint = f"`{homes[0]}` has one" if homes else near_miss(kind, known_kinds(version))
    place.error(codes.UNKNOWN_KIND, message, at, expected=listed(known_kinds(version)), hint=hint)
    return None


def is_foreign(version: str, kind: str) -> bool:
    """Whether a kind is somebody else's: it decides nothing here, and no kind of ours is meant by it."""
    if (version.rpartition("/")[0], kind) in _REFUSED or _meant_version(version, kind):
        return False
    if version not in KINDS:
        return True
    if any(kind in kinds for kinds in KINDS.values()):
        return False
    return bool(_OTHERS.fullmatch(kind)) or not closest(kind, KINDS[version])


def _meant_version(version: str, kind: str | None) -> str:
    """The apiVersion that was probably meant by one that is none of ours."""
    if version in KINDS:
        return ""
    if version.rpartition("/")[0] in [name.rpartition("/")[0] for name in CALICO]:
        return closest(version, CALICO)
    meant = closest(version, [name for name in KINDS if "/" in name], _NEAR)
    return meant if kind is None or kind in KINDS.get(meant, {}) else ""


def _check_version(place: Place, root: Mapping, version: str, kind: str | None) -> bool:
    """Whether the apiVersion is no misspelling of one of ours; one is reported."""
    meant = _meant_version(version, kind)
    if meant:
        message = f"the apiVersion `{shorten(version)}` is unknown"
        hint = f"did you mean `{meant}`?"
        at = _value(root, "apiVersion")
        place.error(codes.UNKNOWN_KIND, message, at, expected=listed((*CALICO, KUBERNETES)), hint=hint)
    return not meant


def _value(root: Mapping, name: str) -> Node:
    """What to point at: the value of a key, or the document when it inherits the value from its list."""
    entry = root.entries.get(name)
    return entry[1] if entry else root
