"""Which addresses and ports stand behind a service (dossier §4.4): those of its EndpointSlices.

Endpoints count as a slice of the service of their name: what Kubernetes mirrors into EndpointSlices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any, NamedTuple

Object = Mapping[str, Any]

_NUMBERS = {"TCP": 6, "UDP": 17, "SCTP": 132}


class Backend(NamedTuple):
    """address: as text. protocol: its number."""

    address: str
    protocol: int
    port: int


class Services:
    """The slices of some objects, by (namespace, service)."""

    def __init__(self, things: Iterable[Object]) -> None:
        self._addresses: dict[tuple[str, str], list[str]] = {}
        self._backends: dict[tuple[str, str], list[Backend]] = {}
        for thing in things:
            space = str(thing["metadata"].get("namespace") or "default")
            if thing["kind"] == "EndpointSlice":
                service = (thing["metadata"].get("labels") or {}).get("kubernetes.io/service-name")
                addresses = [text for one in thing.get("endpoints") or () for text in one["addresses"]]
                if service:
                    self._add((space, str(service)), addresses, thing.get("ports") or ())
            elif thing["kind"] == "Endpoints":
                key = (space, str(thing["metadata"]["name"]))
                for subset in thing.get("subsets") or ():
                    # Conditions do not count (§4.4), so neither does readiness.
                    both = [*(subset.get("addresses") or ()), *(subset.get("notReadyAddresses") or ())]
                    self._add(key, [one["ip"] for one in both], subset.get("ports") or ())

    def _add(self, key: tuple[str, str], addresses: Iterable[Any], ports: Iterable[Object]) -> None:
        known = [str(text) for text in addresses if _is_address(str(text))]
        self._addresses.setdefault(key, []).extend(known)
        self._backends.setdefault(key, []).extend(
            Backend(address, number, port) for address in known for number, port in _ports(ports)
        )

    def addresses(self, namespace: str, name: str) -> list[str]:
        """What a rule's source asks for."""
        return self._addresses.get((namespace, name), [])

    def backends(self, namespace: str, name: str) -> list[Backend]:
        """What a rule's destination asks for: a port without number is left out."""
        return self._backends.get((namespace, name), [])


def _ports(ports: Iterable[Object]) -> Iterator[tuple[int, int]]:
    for port in ports:
        if port.get("port") is not None:
            yield _NUMBERS[str(port.get("protocol") or "TCP")], int(port["port"])


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
