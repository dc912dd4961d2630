"""Profiles: the labels they give and what they decide; of namespaces `kns.<ns>`, of service accounts
`ksa.<ns>.<sa>`, and those that the files hold.

Dossier §2.6, §4.6 and §6.2. A pod has both profiles whether or not the files hold its namespace and account.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ..ir.nodes import Action
from ..resources import Namespace, Profile, Resource, ServiceAccount
from .scope import LABEL_NAME, PREFIX_NAMESPACE, PREFIX_SERVICE_ACCOUNT

Profiles = Mapping[str, Mapping[str, str]]  # by name, the labels to inherit

# A static profile that allows everything both ways.
ALLOW_ALL: Final = "projectcalico-default-allow"
LABEL_KUBERNETES_NAME: Final = "kubernetes.io/metadata.name"  # set on every namespace by its API server

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
            found[namespace_profile(meta.name)] = _of_namespace(meta.labels, meta.name)
        elif isinstance(item, ServiceAccount):
            name = pod_profiles(meta.namespace, meta.name)[1]
            found[name] = _prefixed(PREFIX_SERVICE_ACCOUNT, meta.labels, meta.name)
    return found | {name: dict(item.labels_to_apply) for name, item in given_profiles(resources).items()}


def given_profiles(resources: Iterable[Resource]) -> Mapping[str, Profile]:
    """The profiles that the files themselves hold; they stand before those made of other objects."""
    return {item.metadata.name: item for item in resources if isinstance(item, Profile)}


@dataclass(frozen=True, slots=True)
class Behind:
    """What is left when no tier decides (§6.2 points 3 and 4).

    profiles: those with rules to try, in order. end: after them. missing: the profile that ended it because
    it is not there, ``.
    """

    profiles: tuple[Profile, ...]
    end: Action
    missing: str = ""


def behind(names: Iterable[str], namespace: str, given: Mapping[str, Profile], labels: Profiles) -> Behind:
    """What an endpoint's profiles decide; namespace: the endpoint's, `` for a host.

    A profile that allows everything ends the list, and so does a missing one, which denies everything. The
    namespace of a workload, and the service accounts in it, surely exist.
    """
    tried: list[Profile] = []
    for name in names:
        if name in given:
            tried.append(given[name])
            continue
        own = name == namespace_profile(namespace) or name.startswith(f"{_SERVICE_ACCOUNT}{namespace}.")
        if name != ALLOW_ALL and name not in labels and not (namespace and own):
            return Behind(tuple(tried), Action.DENY, name)
        if name == ALLOW_ALL or name.startswith(_NAMESPACE):
            return Behind(tuple(tried), Action.ALLOW)
    return Behind(tuple(tried), Action.DENY)


def inherited(names: Sequence[str], profiles: Profiles) -> dict[str, str]:
    """The labels that an endpoint of these profiles inherits: the first profile that has a key wins."""
    found: dict[str, str] = {}
    for name in reversed(names):
        found |= profiles.get(name) or _implied(name)
    return found


@lru_cache(maxsize=1024)  # every pod of a namespace asks for the same two
def _implied(name: str) -> Mapping[str, str]:
    """What the profile of a namespace or service account that no file holds surely gives: its name."""
    if name.startswith(_NAMESPACE):
        return _of_namespace({}, name.removeprefix(_NAMESPACE))
    if name.startswith(_SERVICE_ACCOUNT):
        return _prefixed(PREFIX_SERVICE_ACCOUNT, {}, name.removeprefix(_SERVICE_ACCOUNT).partition(".")[2])
    return {}


def _of_namespace(labels: Mapping[str, str], name: str) -> dict[str, str]:
    return _prefixed(PREFIX_NAMESPACE, {**labels, LABEL_KUBERNETES_NAME: name}, name)


def _prefixed(prefix: str, labels: Mapping[str, str], name: str) -> dict[str, str]:
    return {**{prefix + key: value for key, value in labels.items()}, prefix + LABEL_NAME: name}
