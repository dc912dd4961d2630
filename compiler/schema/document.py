"""The whole schema: one document of each kind that parse reads, told apart by apiVersion and kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from ..parse import documents, policies
from ..parse.kinds import KINDS, TOP_FIELDS
from ..parse.metadata import LABEL_RULE, NETWORK_POLICY_RULE, POLICY_RULE, SUBDOMAIN_RULE, NameRule
from . import calico, inventory, kubernetes, shared
from .words import Schema, items, mapping, ref

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TAKEN: Final[Schema] = {"description": "Taken as it is."}
_READ: Final = "What the object is like."

_RULES: Final = {
    "Label": LABEL_RULE,
    "Subdomain": SUBDOMAIN_RULE,
    "Policy": POLICY_RULE,
    "NetworkPolicy": NETWORK_POLICY_RULE,
}

Sections = dict[str, Schema]


class _Kind:
    """The metadata and the sections of a kind. needed: sections that must be there."""

    def __init__(
        self, rule: NameRule, sections: Callable[[], Sections], needed: str = "", *, namespaced: bool
    ) -> None:
        self.metadata = _metadata_name(rule, namespaced)
        self.sections = sections()
        self.needed = needed


def _metadata_name(rule: NameRule, namespaced: bool) -> str:
    (named,) = (name for name, known in _RULES.items() if known is rule)
    return f"metadata{named}{'Namespaced' if namespaced else ''}"


def _metadata() -> dict[str, Schema]:
    """Metadata by the rule for its name, and whether it has a namespace."""
    return {
        _metadata_name(rule, namespaced): {
            "title": f"Metadata of {'namespaced' if namespaced else 'cluster-wide'} kinds ({name})",
            **shared.metadata_of(rule, namespaced=namespaced),
        }
        for name, rule in _RULES.items()
        for namespaced in (False, True)
    }


def _spec(make: Callable[[], Schema]) -> Callable[[], Sections]:
    return lambda: {"spec": make()}


def _calico(kind: policies.PolicyKind) -> _Kind:
    return _Kind(kind.rule, lambda: {"spec": calico.policy(kind)}, "spec", namespaced=kind.namespaced)


def _kinds() -> dict[tuple[str, str], _Kind]:
    """By the apiVersion's group (the part before its last `/`) and kind."""
    group = "projectcalico.org"
    made = {
        **{
            (group, kind.name): _calico(kind)
            for kind in (policies.NETWORK, policies.GLOBAL, policies.STAGED_NETWORK, policies.STAGED_GLOBAL)
        },
        (group, "StagedKubernetesNetworkPolicy"): _Kind(
            SUBDOMAIN_RULE, _spec(kubernetes.staged_policy), "spec", namespaced=True
        ),
        (group, "Tier"): _Kind(LABEL_RULE, _spec(calico.tier), namespaced=False),
        (group, "Profile"): _Kind(SUBDOMAIN_RULE, _spec(calico.profile), namespaced=False),
        (group, "NetworkSet"): _Kind(SUBDOMAIN_RULE, _spec(calico.network_set), namespaced=True),
        (group, "GlobalNetworkSet"): _Kind(SUBDOMAIN_RULE, _spec(calico.network_set), namespaced=False),
        (group, "HostEndpoint"): _Kind(
            SUBDOMAIN_RULE, _spec(inventory.host_endpoint), "spec", namespaced=False
        ),
        (group, "WorkloadEndpoint"): _Kind(
            SUBDOMAIN_RULE, _spec(inventory.workload_endpoint), "spec", namespaced=True
        ),
        ("networking.k8s.io", "NetworkPolicy"): _Kind(
            SUBDOMAIN_RULE, _spec(kubernetes.policy), "spec", namespaced=True
        ),
        ("policy.networking.k8s.io", "ClusterNetworkPolicy"): _Kind(
            SUBDOMAIN_RULE, _spec(kubernetes.cluster_policy), "spec", namespaced=False
        ),
        ("", "Pod"): _Kind(SUBDOMAIN_RULE, inventory.pod, namespaced=True),
        ("", "Namespace"): _Kind(LABEL_RULE, dict, namespaced=False),
        ("", "ServiceAccount"): _Kind(SUBDOMAIN_RULE, dict, namespaced=True),
        ("", "Service"): _Kind(LABEL_RULE, dict, namespaced=True),
        ("", "Node"): _Kind(SUBDOMAIN_RULE, dict, namespaced=False),
        ("", "Endpoints"): _Kind(SUBDOMAIN_RULE, inventory.endpoints_object, namespaced=True),
        ("discovery.k8s.io", "EndpointSlice"): _Kind(
            SUBDOMAIN_RULE, inventory.endpoint_slice, namespaced=True
        ),
        ("batch", "CronJob"): _Kind(SUBDOMAIN_RULE, inventory.cron_job, "spec", namespaced=True),
    }
    workload = _Kind(SUBDOMAIN_RULE, inventory.workload, "spec", namespaced=True)
    for version, name in (("", "ReplicationController"), ("batch", "Job"), *(("apps", k) for k in _APPS)):
        made[version, name] = workload
    return made


_APPS: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")


def language() -> Schema:
    """The schema of one document: a resource of a kind that is read, or a List of them."""
    definitions = {
        **_metadata(),
        **shared.definitions(),
        **calico.definitions(),
        **kubernetes.definitions(),
        **inventory.definitions(),
    }
    known = _kinds()
    alternatives: list[str] = []
    for (group, kind), versions in _homes().items():
        key = kind if group in ("", "projectcalico.org", "apps", "batch") else f"{group}.{kind}"
        definitions[key] = _document(kind, versions, known.get((group, kind)))
        alternatives.append(key)
    definitions["List"] = _list()
    alternatives.append("List")
    used = json.dumps(definitions)
    needed = [key for key in definitions if key in alternatives or f'/{key}"' in used]
    return {
        "$schema": DIALECT,
        "title": "What polc reads: policies and inventory",
        "oneOf": [{"$ref": f"#/$defs/{key}"} for key in alternatives],
        "$defs": {key: definitions[key] for key in needed},
    }


def _homes() -> dict[tuple[str, str], list[str]]:
    """The apiVersions of each kind by group, as parse dispatches them; Calico's two groups are one."""
    homes: dict[tuple[str, str], list[str]] = {}
    for version, kinds in KINDS.items():
        group = version.rpartition("/")[0].removeprefix("crd.")
        for kind in kinds:
            homes.setdefault((group, kind), []).append(version)
    return homes


def _document(kind: str, versions: list[str], known: _Kind | None) -> Schema:
    """A kind that only parse knows may hold anything."""
    fields: dict[str, Schema] = {
        "apiVersion": {"enum": versions},
        "kind": {"const": kind},
        "metadata": ref(known.metadata, "Name, labels, annotations.") if known else {"type": "object"},
        "spec": _TAKEN,
        "status": _TAKEN,
        **dict.fromkeys(TOP_FIELDS.get(kind, "").split(), _TAKEN),
        **{name: {"description": _READ} | part for name, part in (known.sections if known else {}).items()},
    }
    required = f"apiVersion kind metadata {known.needed if known else ''}"
    shape = documents.SHAPES.get(kind, documents.RESOURCE)
    return {"title": kind, **mapping(shape, fields, required)}


def _list() -> Schema:
    """A `List`, or the list of one kind, whose items may leave out what it says."""
    kinds = sorted({f"{kind}List" for kinds in KINDS.values() for kind in kinds})
    one = {"anyOf": [{"$ref": "#"}, {"type": "object", "not": {"required": ["kind"]}}]}
    fields: dict[str, Schema] = {
        "apiVersion": {"type": "string"},
        "kind": {"enum": ["List", *kinds]},
        "items": items(one, "Documents."),
    }
    return {"title": "A list of resources", **mapping(documents.LIST, fields, "kind")}
