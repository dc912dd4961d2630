"""Kubernetes Pod and Namespace: the few fields that matter; the rest is taken as it is (dossier §2.7)."""

from __future__ import annotations

from typing import Final

from ...grammar.documents import shorten
from ...grammar.nodes import Mapping, Node, Sequence
from .. import codes
from ..resources import Metadata, Namespace, Pod
from .addresses import Address, read_address, single_address
from .fields import Place, is_empty, kind_of, read_flag, read_list, read_text, wrong_type
from .metadata import LABEL_RULE, SUBDOMAIN_RULE, read_metadata, read_name
from .near import closest

POD_IPS: Final = "cni.projectcalico.org/podIPs"
POD_IP: Final = "cni.projectcalico.org/podIP"
AWS_POD_IPS: Final = "vpc.amazonaws.com/pod-ips"
SOURCE_PREFIXES: Final = "cni.projectcalico.org/allowedSourcePrefixes"
_READ: Final = frozenset(
    ("hostNetwork", "nodeName", "serviceAccountName", "serviceAccount", "phase", "podIPs", "podIP")
)
FINISHED: Final = frozenset(("Failed", "Succeeded", "Completed"))


def read_namespace(place: Place, document: Mapping) -> Namespace | None:
    metadata = read_metadata(place, document, "Namespace", LABEL_RULE, namespaced=False)
    return None if metadata is None else Namespace(at=metadata.at, metadata=metadata)


def read_pod(place: Place, document: Mapping) -> Pod | None:
    metadata = read_metadata(place, document, "Pod", SUBDOMAIN_RULE, namespaced=True)
    spec = _section(place, document, "spec")
    status = _section(place, document, "status")
    host_network = False
    if "hostNetwork" in spec:
        host_network = read_flag(place, spec["hostNetwork"], "hostNetwork") or False
    node = _name(place, spec, "nodeName")
    account = _name(place, spec, "serviceAccountName") or _name(place, spec, "serviceAccount") or "default"
    if metadata is None:
        return None
    if metadata.annotations.get(SOURCE_PREFIXES, "").strip() not in ("", "[]"):
        place.error(
            codes.UNSUPPORTED_FIELD,
            f"the annotation `{SOURCE_PREFIXES}` is not supported yet",
            metadata.at,
            hint="take it out: it is never ignored",
        )
    return Pod(
        at=metadata.at,
        metadata=metadata,
        host_network=host_network,
        node=node,
        service_account=account,
        addresses=_addresses(place, document, metadata, status),
    )


def _section(place: Place, document: Mapping, section: str) -> dict[str, Node]:
    """The values of `spec` or `status` that are given; a misspelling of a field that counts is reported."""
    entry = document.entries.get(section)
    if entry is None or is_empty(entry[1]):
        return {}
    if not isinstance(entry[1], Mapping):
        message = f"the {section} of a Pod is a mapping, not {kind_of(entry[1])}"
        wrong_type(place, entry[1], message, "`key: value` lines")
        return {}
    values: dict[str, Node] = {}
    for name, (key, value) in entry[1].entries.items():
        meant = closest(name, _READ, cutoff=0.85)
        if meant and name not in _READ:
            message = f"the {section} of a Pod has no field `{shorten(name)}`"
            place.error(codes.UNKNOWN_KEY, message, key, hint=f"did you mean `{meant}`?")
        if not is_empty(value):
            values[name] = value
    return values


def _name(place: Place, values: dict[str, Node], field: str) -> str:
    return (read_name(place, values[field], f"`{field}`", SUBDOMAIN_RULE) or "") if field in values else ""


def _addresses(
    place: Place, document: Mapping, metadata: Metadata, status: dict[str, Node]
) -> tuple[Address, ...]:
    """The first source that has any: podIPs, podIP, then the annotations; none for a finished pod."""
    annotations = metadata.annotations
    phase = read_text(place, status["phase"], "a phase") if "phase" in status else None
    if phase in FINISHED or _leaving(document, annotations):
        return ()
    if "podIPs" in status:
        found = [_pod_ip(place, item) for item in read_list(place, status["podIPs"], "`podIPs`")]
        return tuple(address for address in found if address is not None)
    if "podIP" in status:
        address = read_address(place, status["podIP"], "`podIP`")
        return () if address is None else (address,)
    for name in (POD_IPS, POD_IP, AWS_POD_IPS):
        texts = [text.strip() for text in annotations.get(name, "").split(",") if text.strip()]
        if texts:
            return _annotated(place, metadata, name, texts)
    return ()


def _leaving(document: Mapping, annotations: object) -> bool:
    """Being deleted, its address already taken away: the annotation is there and empty."""
    entry = document.entries.get("metadata")
    deleting = entry is not None and isinstance(entry[1], Mapping) and "deletionTimestamp" in entry[1].entries
    return deleting and isinstance(annotations, dict) and annotations.get(POD_IP) == ""


def _pod_ip(place: Place, item: Node) -> Address | None:
    if isinstance(item, Mapping) and "ip" in item.entries:
        return read_address(place, item.entries["ip"][1], "an item of `podIPs`")
    what = "a list" if isinstance(item, Sequence) else kind_of(item)
    wrong_type(place, item, f"an item of `podIPs` is a mapping with `ip`, not {what}", "`- ip: 10.1.2.3`")
    return None


def _annotated(place: Place, metadata: Metadata, name: str, texts: list[str]) -> tuple[Address, ...]:
    addresses: list[Address] = []
    for text in texts:
        address = single_address(text)
        if address is None:
            message = f"the annotation `{name}` holds `{shorten(text)}`, which is no single address"
            place.error(codes.ADDRESS, message, metadata.at, expected="addresses such as `10.1.2.3/32`")
        else:
            addresses.append(address)
    return tuple(addresses)
