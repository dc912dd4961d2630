"""What a Pod, or the pods of a workload controller, bring along: addresses and named ports (dossier §2.7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Object = Mapping[str, Any]

_FINISHED = {"Failed", "Succeeded", "Completed"}
CONTROLLERS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"})


def pod_of(thing: Object) -> Object:
    """The object that carries labels and spec: the pod itself, or the template of a controller."""
    if thing["kind"] == "Pod":
        return thing
    spec = thing.get("spec") or {}
    if thing["kind"] == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    template: Object = spec.get("template") or {}
    return template


def true(value: object) -> bool:
    return value is True or value == "true"


def pod_addresses(thing: Object) -> list[str]:
    """The first source that has any, in the order of §2.7; a finished pod has none, a controller neither."""
    status, metadata = thing.get("status") or {}, thing["metadata"]
    annotations = metadata.get("annotations") or {}
    if thing["kind"] in CONTROLLERS or status.get("phase") in _FINISHED:
        return []
    if metadata.get("deletionTimestamp") and annotations.get("cni.projectcalico.org/podIP") == "":
        return []
    listed = [str(item["ip"]) for item in status.get("podIPs") or () if item.get("ip")]
    if listed:
        return listed
    for value in (
        status.get("podIP"),
        annotations.get("cni.projectcalico.org/podIPs"),
        annotations.get("cni.projectcalico.org/podIP"),
        annotations.get("vpc.amazonaws.com/pod-ips"),
    ):
        if value:
            return [part for part in str(value).split(",") if part]
    return []


def container_ports(spec: Object) -> Iterator[Object]:
    """Ports of containers, then of initContainers, that have a number and a name; TCP, UDP and SCTP only."""
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        for port in container.get("ports") or ():
            protocol = str(port.get("protocol") or "TCP")
            if (
                int(port.get("containerPort") or 0)
                and port.get("name")
                and protocol in ("TCP", "UDP", "SCTP")
            ):
                yield {"name": port["name"], "protocol": protocol, "port": port["containerPort"]}
