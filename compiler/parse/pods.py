"""Pods and the workloads that make them: the fields that matter, the rest is taken as it is (§2.7)."""

from __future__ import annotations

from typing import Final

from ...grammar.documents import shorten
from ...grammar.nodes import Mapping, Node, Scalar, Sequence
from .. import codes
from ..resources import EndpointPort, Metadata, Pod
from .addresses import Address, read_address, single_address
from .fields import (
    Place,
    is_empty,
    kind_of,
    missing,
    read_flag,
    read_integer,
    read_list,
    read_text,
    wrong_type,
)
from .metadata import SUBDOMAIN_RULE, read_labels, read_metadata, read_name
from .near import closest
from .ports import PORT_NAME_RULE, PORT_PROTOCOLS, PROTOCOLS

POD_IPS: Final = "cni.projectcalico.org/podIPs"
POD_IP: Final = "cni.projectcalico.org/podIP"
AWS_POD_IPS: Final = "vpc.amazonaws.com/pod-ips"
SOURCE_PREFIXES: Final = "cni.projectcalico.org/allowedSourcePrefixes"
FINISHED: Final = frozenset(("Failed", "Succeeded", "Completed"))

READ: Final = frozenset(
    (
        *("hostNetwork", "nodeName", "serviceAccountName", "serviceAccount", "phase", "podIPs", "podIP"),
        *("containers", "initContainers", "template", "jobTemplate"),
    )
)


def read_pod(place: Place, document: Mapping) -> Pod | None:
    metadata = read_metadata(place, document, "Pod", SUBDOMAIN_RULE, namespaced=True)
    status = section(place, document, "status", "a Pod")
    if metadata is None:
        _read_spec(place, document, "a Pod")
        return None
    _check_annotations(place, metadata)
    addresses = _addresses(place, document, metadata, status)
    return _pod(place, document, "Pod", metadata, addresses)


def read_workload(place: Place, document: Mapping, kind: str) -> Pod | None:
    """The pods of a Deployment, StatefulSet, DaemonSet, ReplicaSet or Job, by its template."""
    metadata = read_metadata(place, document, kind, SUBDOMAIN_RULE, namespaced=True)
    return _from_template(place, document, kind, metadata)


def read_cron_job(place: Place, document: Mapping, kind: str) -> Pod | None:
    """The template stands in the template of the jobs."""
    metadata = read_metadata(place, document, kind, SUBDOMAIN_RULE, namespaced=True)
    node = section(place, document, "spec", f"a {kind}").get("jobTemplate")
    if not isinstance(node, Mapping):
        missing(place, document, f"the spec of this {kind} has no `jobTemplate`")
        return None
    return _from_template(place, node, kind, metadata)


def _from_template(place: Place, holder: Mapping, kind: str, metadata: Metadata | None) -> Pod | None:
    node = section(place, holder, "spec", f"a {kind}").get("template")
    if not isinstance(node, Mapping):
        missing(place, holder, f"the spec of this {kind} has no `template`")
        return None
    inner = section(place, node, "metadata", f"the template of a {kind}")
    labels = read_labels(place, inner["labels"]) if "labels" in inner else {}
    if metadata is None:
        _read_spec(place, node, "a template")
        return None
    return _pod(place, node, kind, metadata.model_copy(update={"labels": labels}), ())


def _pod(
    place: Place, document: Mapping, kind: str, metadata: Metadata, addresses: tuple[Address, ...]
) -> Pod:
    host_network, node, account, ports = _read_spec(place, document, "a Pod")
    return Pod(
        at=metadata.at,
        kind=kind,
        metadata=metadata,
        host_network=host_network,
        node=node,
        service_account=account,
        addresses=addresses,
        ports=ports,
    )


def _read_spec(place: Place, document: Mapping, what: str) -> tuple[bool, str, str, tuple[EndpointPort, ...]]:
    """hostNetwork, the node, the service account and the named ports of a pod's spec."""
    spec = section(place, document, "spec", what)
    host_network = False
    if "hostNetwork" in spec:
        host_network = read_flag(place, spec["hostNetwork"], "hostNetwork") or False
    node = _name(place, spec, "nodeName")
    account = _name(place, spec, "serviceAccountName") or _name(place, spec, "serviceAccount") or "default"
    ports = [
        port for name in ("containers", "initContainers") for port in _container_ports(place, spec, name)
    ]
    return host_network, node, account, tuple(ports)


def section(place: Place, document: Mapping, name: str, what: str) -> dict[str, Node]:
    """The values of a section that are given; a misspelling of a field that counts is reported."""
    entry = document.entries.get(name)
    if entry is None or is_empty(entry[1]):
        return {}
    if not isinstance(entry[1], Mapping):
        message = f"the {name} of {what} is a mapping, not {kind_of(entry[1])}"
        wrong_type(place, entry[1], message, "`key: value` lines")
        return {}
    values: dict[str, Node] = {}
    for field, (key, value) in entry[1].entries.items():
        meant = closest(field, READ, cutoff=0.85) if field not in READ else ""
        if meant and meant not in entry[1].entries:
            message = f"the {name} of {what} has no field `{shorten(field)}`"
            place.error(codes.UNKNOWN_KEY, message, key, hint=f"did you mean `{meant}`?")
            field = meant  # read as what was probably meant: that spares findings that only follow
        if not is_empty(value):
            values[field] = value
    return values


def _name(place: Place, values: dict[str, Node], field: str) -> str:
    return (read_name(place, values[field], f"`{field}`", SUBDOMAIN_RULE) or "") if field in values else ""


def _container_ports(place: Place, spec: dict[str, Node], name: str) -> list[EndpointPort]:
    """The ports of containers that have a name, and a protocol with ports (Calico leaves out others)."""
    found: list[EndpointPort] = []
    for container in read_list(place, spec[name], f"`{name}`") if name in spec else ():
        entry = container.entries.get("ports") if isinstance(container, Mapping) else None
        if entry is None or is_empty(entry[1]):
            continue
        for item in read_list(place, entry[1], "`ports`"):
            port = _container_port(place, item)
            if port is not None:
                found.append(port)
    return found


def _container_port(place: Place, node: Node) -> EndpointPort | None:
    if not isinstance(node, Mapping):
        wrong_type(
            place, node, f"a port of a container is a mapping, not {kind_of(node)}", "`key: value` lines"
        )
        return None
    values = {key: value for key, (_, value) in node.entries.items() if not is_empty(value)}
    if "containerPort" not in values or "name" not in values:
        return None
    port = read_integer(place, values["containerPort"], "a containerPort", 0, 65535)
    name = read_name(place, values["name"], "the name of a port", PORT_NAME_RULE)
    protocol = values.get("protocol")
    number = PROTOCOLS.get(protocol.text, 0) if isinstance(protocol, Scalar) else PROTOCOLS["TCP"]
    if not port or name is None or number not in PORT_PROTOCOLS:
        return None
    return EndpointPort(at=place.span(node), name=name, protocol=number, port=port)


def _check_annotations(place: Place, metadata: Metadata) -> None:
    if metadata.annotations.get(SOURCE_PREFIXES, "").strip() not in ("", "[]"):
        place.error(
            codes.UNSUPPORTED_FIELD,
            f"the annotation `{SOURCE_PREFIXES}` is not supported yet",
            metadata.at,
            hint="take it out: it is never ignored",
        )


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
