"""Short ways to say resources in tests: YAML documents through the parser, and the result as IR text."""

from __future__ import annotations

from dataclasses import replace

from polc.compiler.ir.check import check
from polc.compiler.ir.text import dump
from polc.compiler.parse import parse
from polc.compiler.resolve import EndpointRef, Resolved, World, inventory, resolve_endpoint
from polc.compiler.resources import Policy
from polc.compiler.source import Diagnostics, Source
from polc.pair.layout import Direction

V3 = "apiVersion: projectcalico.org/v3\n"


def document(kind: str, name: str, spec: str = "{}", *, labels: str = "{}", namespace: str = "") -> str:
    """One document; spec and labels in flow style. namespace: `` leaves it out."""
    core = kind in ("Pod", "Namespace")
    place = f", namespace: {namespace}" if namespace else ""
    text = "apiVersion: v1\n" if core else V3
    text += f"kind: {kind}\nmetadata: {{name: {name}{place}, labels: {labels}}}\n"
    return text if kind == "Namespace" else f"{text}{_body(kind, spec)}"


def _body(kind: str, spec: str) -> str:
    if kind != "Pod":
        return f"spec: {spec}\n"
    addresses = ", ".join(f"{{ip: '{address}'}}" for address in spec.split())
    return f"spec: {{nodeName: node-1}}\nstatus: {{podIPs: [{addresses}]}}\n"


def world_of(*documents: str) -> World:
    """The world of some documents, in files `0.yaml`, `1.yaml`, …; no errors allowed."""
    world, found = read(*documents)
    assert not found.failed, list(found)
    return world


def read(*documents: str) -> tuple[World, Diagnostics]:
    """The same with whatever is found."""
    found = Diagnostics()
    resources = parse([Source.of(f"{n}.yaml", text) for n, text in enumerate(documents)], found)
    assert not found.failed, list(found)
    return inventory(resources, found), found


def resolved(world: World, name: str, namespace: str = "shop") -> Resolved:
    found = Diagnostics()
    result = resolve_endpoint(world, EndpointRef(namespace, name), found)
    assert result is not None, list(found)
    check(result.program)
    for direction in Direction:
        count = result.program.judge(direction).index_count
        assert len(result.provenance[direction]) == count
    return result


def ir(world: World, name: str, namespace: str = "shop") -> str:
    return dump(resolved(world, name, namespace).program)


def members(world: World, source: str, *, kind: str = "NetworkPolicy") -> list[str] | None:
    """The set that an ingress rule of `source` (flow YAML) in namespace `shop` asks for, as prefix texts;
    the last item is `not` when negated. None when the rule has no address criterion.
    """
    namespace = "shop" if kind == "NetworkPolicy" else ""
    policy = document(
        kind,
        "p",
        f"{{types: [Ingress], ingress: [{{action: Allow, source: {source}}}]}}",
        namespace=namespace,
    )
    found = Diagnostics()
    resources = parse([Source.of("p.yaml", policy)], found)
    assert not found.failed, list(found)
    world = replace(world, policies=tuple(item for item in resources if isinstance(item, Policy)))
    program = resolved(world, "web").program
    (rule,) = program.ingress.tiers[0].policies[0].rules
    if not rule.criteria:
        return None
    text = dump(program)
    head = text.split("ingress\n")[0].split("set $0\n")[1]
    negated = ["not"] if " not in " in text else []
    return [line.strip() for line in head.splitlines()] + negated
