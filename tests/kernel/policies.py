"""Policies in YAML for the kernel tests, and the pairs they compile to."""

from __future__ import annotations

from functools import cache

from polc.compiler.pipeline import compile_labels, load_sources
from polc.compiler.source import Source
from polc.pair.object import ObjectPair, read_pair

OPEN, CLOSED = 7001, 7002
HEAD = """\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  selector: app == "web"
"""
RULE = "  - {action: %s, protocol: UDP, destination: {ports: [%d]}}\n"
INGRESS_ONLY = HEAD + "  ingress:\n" + RULE % ("Allow", OPEN)
BOTH = INGRESS_ONLY + "  egress:\n" + RULE % ("Allow", OPEN)
CONTRARY = (
    HEAD
    + "  ingress:\n"
    + RULE % ("Deny", OPEN)
    + RULE % ("Allow", CLOSED)
    + "  egress:\n"
    + RULE % ("Deny", OPEN)
    + RULE % ("Allow", CLOSED)
)


@cache
def compiled(text: str) -> ObjectPair:
    given = load_sources([Source("policy.yaml", text)])
    made = compile_labels(given, {"app": "web"}, "shop")
    return read_pair(made.ingress, made.egress)
