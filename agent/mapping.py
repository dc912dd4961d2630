"""Which interface carries which endpoint: by Calico's rule, by a name pattern, or by a list.

What an object of the inventory itself says (`interfaceName` of a WorkloadEndpoint or HostEndpoint) comes
first; `*` there means every interface and names none, so that its HostEndpoint is a problem unless listed.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from .protocol import Endpoint

INTERFACE_BYTES: Final = 15  # IFNAMSIZ of include/uapi/linux/if.h, less the terminating NUL
CALICO_PREFIX: Final = "cali"
CALICO_DIGITS: Final = 11

_FIELD: Final = re.compile(r"\{([^{}]*)\}")
_FIELDS: Final = ("namespace", "name")
_EVERY: Final = "*"


class MappingError(Exception):
    """The pattern or the list cannot be used; the message says why."""


class Rule(Protocol):
    """A way to find the interface of an endpoint whose object names none."""

    def interface(self, namespace: str, name: str) -> str | None:
        """The interface's name, unchecked; None when the rule knows none."""


@dataclass(frozen=True, slots=True)
class Calico:
    """The rule of Calico's CNI plugin: the prefix and the first 11 hex digits of SHA-1 of "NAMESPACE.POD".

    Source: projectcalico/calico, libcalico-go/lib/backend/k8s/conversion, `VethNameForWorkload(namespace,
    podname)`. prefix: the first of FELIX_INTERFACEPREFIX, by default `cali`. A host endpoint has none.
    """

    prefix: str = CALICO_PREFIX

    def interface(self, namespace: str, name: str) -> str | None:
        if not namespace:
            return None
        digest = hashlib.sha1(f"{namespace}.{name}".encode(), usedforsecurity=False).hexdigest()
        return self.prefix + digest[:CALICO_DIGITS]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text with the fields `{namespace}` and `{name}`, put in as they are. Raises MappingError for others.

    Only these words are replaced: it is no format string.
    """

    text: str

    def __post_init__(self) -> None:
        left = _FIELD.sub(lambda found: "" if found[1] in _FIELDS else found[0], self.text)
        if "{" in left or "}" in left:
            raise MappingError(
                f"the pattern {self.text!r} may hold {{namespace}} and {{name}}, no other braces"
            )
        if "{name}" not in self.text:
            raise MappingError(
                f"the pattern {self.text!r} lacks {{name}}: all endpoints would have one interface"
            )

    def interface(self, namespace: str, name: str) -> str | None:
        values = {"namespace": namespace, "name": name}
        return _FIELD.sub(lambda found: values[found[1]], self.text) if namespace else None


@dataclass(frozen=True, slots=True)
class Listed:
    """by_endpoint: interface by `NAMESPACE/NAME`, of a host endpoint by its name."""

    by_endpoint: Mapping[str, str]

    @classmethod
    def read(cls, data: bytes, path: str) -> Listed:
        """From a TOML or JSON table of interface = "NAMESPACE/NAME". path: for messages, and its ending tells
        which. Raises MappingError."""
        try:
            text = data.decode()
            table = json.loads(text) if path.endswith(".json") else tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise MappingError(f"{path} cannot be read: {error}") from None
        if not isinstance(table, dict) or not all(isinstance(item, str) for item in table.values()):
            raise MappingError(f'{path} is no table of interface = "NAMESPACE/NAME"')
        found: dict[str, str] = {}
        for interface, endpoint in table.items():
            if endpoint in found:
                raise MappingError(
                    f"{path} gives {endpoint} two interfaces: {found[endpoint]} and {interface}"
                )
            found[endpoint] = interface
        return cls(found)

    def interface(self, namespace: str, name: str) -> str | None:
        return self.by_endpoint.get(f"{namespace}/{name}" if namespace else name)


@dataclass(frozen=True, slots=True)
class Unplaced:
    """An endpoint that no interface can be given to. reason: one sentence."""

    endpoint: Endpoint
    reason: str


@dataclass(frozen=True, slots=True)
class Placed:
    """by_interface: one endpoint each. problems: endpoints that cannot be placed, each with its reason."""

    by_interface: Mapping[str, Endpoint]
    problems: tuple[Unplaced, ...]


def place(endpoints: Iterable[Endpoint], rule: Rule) -> Placed:
    """Gives each endpoint its interface; two on one interface is a problem of both.

    Those that have no interface of their own are left out; a list that means one nevertheless is told.
    """
    claims: dict[str, list[Endpoint]] = {}
    every = tuple(endpoints)
    carried = [endpoint for endpoint in every if endpoint.carried]
    problems = _listed_in_vain(every, carried, rule) if isinstance(rule, Listed) else []
    for endpoint in carried:
        named = endpoint.interface if endpoint.interface != _EVERY else ""
        interface = named or rule.interface(endpoint.namespace, endpoint.name)
        fault = _unknown(endpoint) if interface is None else interface_fault(interface)
        if interface is None or fault:
            problems.append(Unplaced(endpoint, fault))
        else:
            claims.setdefault(interface, []).append(endpoint)
    for interface, claimants in claims.items():
        if len(claimants) > 1:
            names = " and ".join(sorted(f"{item.kind} {item.title}" for item in claimants))
            problems += [Unplaced(item, f"interface {interface} is claimed by {names}") for item in claimants]
    placed = {interface: items[0] for interface, items in sorted(claims.items()) if len(items) == 1}
    return Placed(placed, tuple(problems))


def _listed_in_vain(
    endpoints: Iterable[Endpoint], carried: Iterable[Endpoint], rule: Listed
) -> list[Unplaced]:
    titles = {one.title for one in carried}
    return [
        Unplaced(one, f"a {one.kind} has no interface of its own, its pods have: list these")
        for one in endpoints
        if one.title not in titles and rule.interface(one.namespace, one.name) is not None
    ]


def _unknown(endpoint: Endpoint) -> str:
    if not endpoint.host:
        return "no interface is known for it"
    every = "its interfaceName `*` means every interface of its host, which an agent does not do"
    what = every if endpoint.interface == _EVERY else "it has no interfaceName"
    return f"{what}; give each interface a HostEndpoint of its own, or list one for this"


def interface_fault(name: str) -> str:
    """Why that is no interface's name, `` when it is one: what the kernel's dev_valid_name (net/core/dev.c)
    refuses, and what cannot be printed."""
    shown = ascii(name if len(name) <= 40 else name[:40] + "…")
    if not name or name in (".", ".."):
        return f"{shown} is no name of an interface"
    if len(name.encode(errors="surrogateescape")) > INTERFACE_BYTES:
        return f"{shown} is longer than the {INTERFACE_BYTES} bytes that an interface's name may have"
    if any(char in "/:%" or char.isspace() or not char.isprintable() for char in name):
        return f"{shown} has a character that an interface's name may not have"
    return ""
