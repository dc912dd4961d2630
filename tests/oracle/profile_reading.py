"""What profiles hand down and decide, explicit ones, of namespaces, of service accounts (dossier §2.6, §4.6).

Namespaces and service accounts that the objects do not show are taken to exist without labels: a file of
policies rarely brings them, and in a cluster an endpoint cannot be in a namespace that is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]

DEFAULT_ALLOW = "projectcalico-default-allow"
_ALLOW_ALL: Object = {"ingress": [{"action": "Allow"}], "egress": [{"action": "Allow"}]}
_DENY_ALL: Object = {"ingress": [{"action": "Deny"}], "egress": [{"action": "Deny"}]}


def labels_of(thing: Object) -> dict[str, str]:
    return {str(key): str(value) for key, value in (thing["metadata"].get("labels") or {}).items()}


class Profiles:
    """Every profile of some objects, by name."""

    def __init__(self, things: Iterable[Object]) -> None:
        self._spaces: dict[str, dict[str, str]] = {}
        self._accounts: dict[tuple[str, str], dict[str, str]] = {}
        self._explicit: dict[str, Object] = {}
        for thing in things:
            name = str(thing["metadata"]["name"])
            if thing["kind"] == "Namespace":
                self._spaces[name] = labels_of(thing)
            elif thing["kind"] == "ServiceAccount":
                space = str(thing["metadata"].get("namespace") or "default")
                self._accounts[space, name] = labels_of(thing)
            elif thing["kind"] == "Profile":
                self._explicit[name] = thing.get("spec") or {}

    def inherited(self, names: Sequence[str]) -> dict[str, str]:
        """The labels that an endpoint of these profiles inherits: of the first that has the key."""
        labels: dict[str, str] = {}
        for name in names:
            for key, text in self._labels(name).items():
                labels.setdefault(key, text)
        return labels

    def rules(self, name: str) -> Object:
        """The profile's rules by direction: §2.6; all denied when it is missing (DummyDropRules)."""
        if name in self._explicit:
            return self._explicit[name]
        if name.startswith("ksa."):
            return {}
        if name.startswith("kns.") or name == DEFAULT_ALLOW:
            return _ALLOW_ALL
        return _DENY_ALL

    def is_explicit(self, name: str) -> bool:
        return name in self._explicit

    def _labels(self, name: str) -> dict[str, str]:
        if name in self._explicit:
            given = self._explicit[name].get("labelsToApply") or {}
            return {str(key): str(value) for key, value in given.items()}
        kind, _, rest = name.partition(".")
        if kind == "kns":
            # The API server sets this label on every namespace, over what a manifest says.
            own = self._spaces.get(rest, {}) | {"kubernetes.io/metadata.name": rest}
            return {f"pcns.{key}": value for key, value in own.items()} | {
                "pcns.projectcalico.org/name": rest
            }
        if kind == "ksa":
            space, _, account = rest.partition(".")
            own = self._accounts.get((space, account), {})
            return {f"pcsa.{key}": value for key, value in own.items()} | {
                "pcsa.projectcalico.org/name": account
            }
        return {}
