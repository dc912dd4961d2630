"""Policies for the judges' tests, from texts."""

from __future__ import annotations

from ipaddress import ip_address

from polc.compiler.pipeline import load_sources
from polc.compiler.source import Source
from polc.judge.compiled import Policies, Whom
from polc.judge.packets import Wanted

WEB = Whom("shop", "web")
CLIENT = Whom("front", "client")
WEB_ADDRESS, CLIENT_ADDRESS = ip_address("10.77.2.2"), ip_address("10.77.1.2")

_INVENTORY = """
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: shop}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}},
 spec: {nodeName: n, containers: [{ports: [{name: http, containerPort: 80}]}]},
 status: {podIPs: [{ip: 10.77.2.2}, {ip: "fd77:2::2"}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: client, namespace: front, labels: {app: client}},
 spec: {nodeName: n}, status: {podIPs: [{ip: 10.77.1.2}]}}
"""


def read(text: str) -> Policies:
    """Policies of one file."""
    return Policies(load_sources([Source.of("policy.yaml", text)]))


def shop(rules: str, kind: str = "ingress") -> Policies:
    """The pods `shop/web` and `front/client`, and one policy of `shop/web` with these rules (a flow list)."""
    policy = (
        "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: shop},\n"
        f' spec: {{selector: app == "web", types: [{kind.title()}], {kind}: {rules}}}}}'
    )
    return read(f"{policy}\n---{_INVENTORY}")


def to_web(protocol: int = 6, dport: int = 80, sport: int = 40000) -> Wanted:
    """A packet of the client's to the web pod."""
    return Wanted(protocol, CLIENT_ADDRESS, WEB_ADDRESS, sport, dport)
