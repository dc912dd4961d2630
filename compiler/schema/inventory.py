"""The schemas of what policies are compiled for and with: endpoints, pods, services (dossier §2.7, §2.8).

Of Kubernetes' own kinds only what is read is named; all other fields are taken as they are.
"""

from __future__ import annotations

from ..parse import endpoints
from ..parse.metadata import SUBDOMAIN_RULE
from ..parse.ports import PORT_NAME_RULE
from .shared import address, either, port_number
from .words import Schema, any_text, flag, integer, items, loose, mapping, name, ref, text, texts


def definitions() -> dict[str, Schema]:
    """The parts of endpoints and pods in `$defs`."""
    port = {
        "name": name(PORT_NAME_RULE, "The name that rules use.", empty=True),
        "protocol": ref("protocol", "TCP, UDP or SCTP."),
        "port": port_number("Its number."),
        "hostPort": integer(0, 65535, "Checked; changes no verdict."),
        "hostIP": text("Checked; changes no verdict.", either("")["pattern"][4:-2] + "|"),
    }
    return {
        "hostPort": {
            "title": "A port of a HostEndpoint",
            **mapping(endpoints.HOST_PORT, port, "name protocol port"),
        },
        "workloadPort": {
            "title": "A port of a WorkloadEndpoint",
            **mapping(endpoints.WORKLOAD_PORT, port, "protocol port"),
        },
        "podSpec": {"title": "The spec of a Pod", **_pod_spec()},
        "containerPort": {
            "title": "A port of a container",
            **loose(
                {
                    "name": name(PORT_NAME_RULE, "The name that rules use.", empty=True),
                    "containerPort": integer(0, 65535, "Its number."),
                    "protocol": any_text("TCP (the default), UDP or SCTP; ports of others are left out."),
                }
            ),
        },
    }


def _profiles() -> Schema:
    return items(name(SUBDOMAIN_RULE, "A profile."), "What decides when no policy applies, in this order.")


def host_endpoint() -> Schema:
    expected = items(address("An address."), "The interface's addresses.", unique=True)
    return mapping(
        endpoints.HOST,
        {
            "node": any_text("The node that it is on."),
            "interfaceName": text(
                "The interface, or `*` for all of them.", f"{endpoints.INTERFACE.pattern}|"
            ),
            "expectedIPs": expected,
            "profiles": _profiles(),
            "ports": items(ref("hostPort", "A port."), "Ports that rules can name."),
        },
        "node",
    )


def workload_endpoint() -> Schema:
    names = ("orchestrator", "workload", "node", "pod", "endpoint", "serviceAccountName")
    fields = {field: name(SUBDOMAIN_RULE, "A name.", empty=True) for field in names}
    return mapping(
        endpoints.WORKLOAD,
        {
            **fields,
            "serviceAccountName": name(SUBDOMAIN_RULE, "What `serviceAccounts` match.", empty=True),
            "containerID": text("Checked; changes no verdict.", f"{endpoints.CONTAINER.pattern}|", 253),
            "ipNetworks": items(either("An address, alone or as /32 or /128."), "The workload's addresses."),
            "ipv4Gateway": address("Checked; changes no verdict.", empty=True),
            "ipv6Gateway": address("Checked; changes no verdict.", empty=True),
            "profiles": _profiles(),
            "interfaceName": text("The host's end of the workload's interface.", endpoints.INTERFACE.pattern),
            "mac": text("Checked; changes no verdict.", f"{endpoints.MAC.pattern}|"),
            "ports": items(ref("workloadPort", "A port."), "Ports that rules can name."),
        },
        "interfaceName",
    )


def _pod_spec() -> Schema:
    containers = items(
        loose({"ports": items(ref("containerPort", "A port."), "Its ports.")}), "Their ports are read."
    )
    return loose(
        {
            "hostNetwork": flag(
                "Such a pod has no interface of its own: no policy for workloads reaches it."
            ),
            "nodeName": name(SUBDOMAIN_RULE, "The node that it is on.", empty=True),
            "serviceAccountName": name(SUBDOMAIN_RULE, "What `serviceAccounts` match.", empty=True),
            "serviceAccount": name(SUBDOMAIN_RULE, "The older name of `serviceAccountName`.", empty=True),
            "containers": containers,
            "initContainers": containers,
        }
    )


def pod() -> dict[str, Schema]:
    """The sections of a Pod that are read."""
    address_of = loose({"ip": address("An address.")}, "ip")
    status = {
        "phase": any_text("A pod that ended has no addresses."),
        "podIPs": items(address_of, "The pod's addresses."),
        "podIP": address("The pod's address, when it has no `podIPs`.", empty=True),
    }
    return {"spec": ref("podSpec", "Taken as it is, but for these."), "status": loose(status)}


def _template() -> Schema:
    inner = {
        "metadata": loose({"labels": texts("The labels of its pods.")}) | {"description": "Labels are read."},
        "spec": ref("podSpec", "The pods."),
    }
    return loose(
        {"template": loose(inner) | {"minProperties": 1, "description": "What its pods are like."}},
        "template",
    )


def workload() -> dict[str, Schema]:
    """The sections of a Deployment and its like."""
    return {"spec": _template()}


def cron_job() -> dict[str, Schema]:
    job = loose({"spec": _template() | {"description": "Where the template stands."}}, "spec") | {
        "description": "What its jobs are like."
    }
    return {"spec": loose({"jobTemplate": job}, "jobTemplate")}


def endpoint_slice() -> dict[str, Schema]:
    addresses = items(any_text("An address; what is none is left out."), "The pods behind the service.")
    return {
        "addressType": any_text("Taken as it is."),
        "endpoints": items(loose({"addresses": addresses}), "Who stands behind the service."),
        "ports": _backend_ports(),
    }


def endpoints_object() -> dict[str, Schema]:
    one = items(loose({"ip": address("An address.")}), "Addresses behind the service.")
    subset = loose({"addresses": one, "notReadyAddresses": one, "ports": _backend_ports()})
    return {"subsets": items(subset, "Who stands behind the service.")}


def _backend_ports() -> Schema:
    port = loose(
        {"port": integer(0, 65535, "Its number."), "protocol": any_text("TCP (the default), UDP or SCTP.")}
    )
    return items(port, "Their ports.")
