"""Profiles and the labels they give: of namespaces `kns.<ns>`, of service accounts `ksa.<ns>.<sa>`.

Dossier §2.6 and §4.6. A pod has both profiles whether or not the files hold its namespace and account.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..resources import Namespace, Resource, ServiceAccount
from .scope import LABEL_NAME, PREFIX_NAMESPACE, PREFIX_SERVICE_ACCOUNT

Profiles = Mapping[str, Mapping[str, str]]  # by name, the labels to inherit

_NAMESPACE = "kns."
_SERVICE_ACCOUNT = "ksa."


def namespace_profile(namespace: str) -> str:
    return _NAMESPACE + namespace


def pod_profiles(namespace: str, account: str) -> tuple[str, str]:
    """The profiles of a Kubernetes pod, in order (§2.7)."""
    return namespace_profile(namespace), f"{_SERVICE_ACCOUNT}{namespace}.{account}"


def profiles_of(resources: Iterable[Resource]) -> Profiles:
    """The labels of each profile that the resources make."""
    found: dict[str, dict[str, str]] = {}
    for item in resources:
        meta = item.metadata
        if isinstance(item, Namespace):
            found[namespace_profile(meta.name)] = _prefixed(PREFIX_NAMESPACE, meta.labels, meta.name)
        elif isinstance(item, ServiceAccount):
            name = pod_profiles(meta.namespace, meta.name)[1]
            found[name] = _prefixed(PREFIX_SERVICE_ACCOUNT, meta.labels, meta.name)
    return found


def inherited(names: Sequence[str], profiles: Profiles) -> dict[str, str]:
    """The labels that an endpoint of these profiles inherits: the first profile that has a key wins."""
    found: dict[str, str] = {}
    for name in reversed(names):
        found |= profiles.get(name) or _implied(name)
    return found


def _implied(name: str) -> dict[str, str]:
    """What the profile of a namespace or service account that no file holds surely gives: its name."""
    if name.startswith(_NAMESPACE):
        return _prefixed(PREFIX_NAMESPACE, {}, name.removeprefix(_NAMESPACE))
    if name.startswith(_SERVICE_ACCOUNT):
        return _prefixed(PREFIX_SERVICE_ACCOUNT, {}, name.removeprefix(_SERVICE_ACCOUNT).partition(".")[2])
    return {}


def _prefixed(prefix: str, labels: Mapping[str, str], name: str) -> dict[str, str]:
    return {**{prefix + key: value for key, value in labels.items()}, prefix + LABEL_NAME: name}
