"""StagedKubernetesNetworkPolicy: Calico's staged form of a Kubernetes NetworkPolicy (dossier §2.3)."""

from __future__ import annotations

from typing import Final

from ...grammar.nodes import Mapping
from ..resources import Policy
from .fields import Place, Shape
from .kubernetes_policies import ELSEWHERE, FIELDS, policy_of, read_spec
from .metadata import SUBDOMAIN_RULE, read_metadata
from .policies import deletes

KIND: Final = "StagedKubernetesNetworkPolicy"
SPEC = Shape.of(f"the spec of a {KIND}", f"{FIELDS} stagedAction", elsewhere=ELSEWHERE)


def read_staged_kubernetes_policy(place: Place, document: Mapping) -> Policy | None:
    """None, without a finding that is an error, when `stagedAction` is Delete."""
    metadata = read_metadata(place, document, KIND, SUBDOMAIN_RULE, namespaced=True)
    values = read_spec(place, document, SPEC, KIND)
    if values is None or deletes(place, values, metadata, ()):
        return None
    policy = policy_of(place, values, metadata)
    return None if policy is None else policy.model_copy(update={"kind": KIND, "staged": True})
