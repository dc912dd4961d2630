"""Whom a change touches is guessed well: never one too few here, and of an edited policy its own alone."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import pytest
from polc.compiler.ir.nodes import Program
from polc.compiler.pipeline import Inventory, Parsed, assemble, parse_source
from polc.compiler.resolve import differing, endpoints, reached, resolve_endpoint, touched
from polc.compiler.source import CompileError, Diagnostics, Source
from polc.pair.naming import EndpointRef

CALICO = "apiVersion: projectcalico.org/v3\nkind: "
FILES = {
    "pods": "---\n".join(
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: {name}}}}}\n"
        f"spec: {{containers: [{{name: c, ports: [{{name: http, containerPort: 8{at}}}]}}]}}\n"
        f"status: {{podIP: 10.0.0.{at}}}\n"
        for at, name in enumerate(("web", "db", "cron", "proxy"), 1)
    ),
    "web": CALICO + "NetworkPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n  selector: app == 'web'\n"
    "  ingress:\n  - {action: Allow, protocol: TCP, source: {selector: app == 'proxy'}}\n",
    "db": CALICO + "NetworkPolicy\nmetadata: {name: db, namespace: shop}\nspec:\n  selector: app == 'db'\n"
    "  ingress:\n  - {action: Allow, source: {selector: zone == 'far'}}\n",
    "cron": CALICO
    + "NetworkPolicy\nmetadata: {name: cron, namespace: shop}\nspec:\n  selector: app == 'cron'\n"
    "  egress:\n  - {action: Allow, protocol: TCP, destination: {ports: [http]}}\n"
    "  - {action: Allow, destination: {services: {name: outer}}}\n",
    "set": CALICO + "NetworkSet\nmetadata: {name: far, namespace: shop, labels: {zone: far}}\n"
    "spec: {nets: [192.0.2.0/24]}\n",
    "slice": "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
    "metadata: {name: outer-1, namespace: shop, labels: {kubernetes.io/service-name: outer}}\n"
    "addressType: IPv4\nendpoints: [{addresses: [198.51.100.1]}]\nports: [{port: 443}]\n",
    "space": "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: red}}\n",
}
NAMES = ("cron", "db", "proxy", "web")
# The file, what is replaced in it, and who must be said to be touched (None: everybody).
CHANGES = [
    ("web", ("'proxy'", "'cron'"), {"web"}),
    ("web", ("selector: app == 'web'", "selector: app == 'db'"), {"web", "db"}),
    ("web", (FILES["web"], ""), {"web"}),
    ("web", ("spec:", "# words\nspec:"), set()),
    ("pods", ("10.0.0.4", "10.0.0.99"), {"proxy", "web", "cron"}),
    ("pods", ("labels: {app: proxy}", "labels: {app: proxy, zone: far}"), {"proxy", "web", "cron", "db"}),
    ("set", ("192.0.2.0/24", "192.0.2.0/25"), {"cron", "db"}),
    ("slice", ("198.51.100.1", "198.51.100.2"), {"cron"}),
    ("space", ("red", "blue"), None),
]


def load(files: Mapping[str, str]) -> Inventory:
    return assemble([parse_source(Source.of(f"{name}.yaml", text)) for name, text in files.items()])


def programs(given: Inventory) -> dict[EndpointRef, Program]:
    found = {}
    for ref in endpoints(given.world):
        resolved = resolve_endpoint(given.world, ref, Diagnostics())
        assert resolved is not None
        found[ref] = resolved.program
    return found


@pytest.mark.parametrize(("file", "change", "expected"), CHANGES)
def test_every_endpoint_whose_policy_changes_is_touched(
    file: str, change: tuple[str, str], expected: set[str] | None
) -> None:
    assert change[0] in FILES[file]
    after = FILES[file].replace(*change)
    old, new = (parse_source(Source.of(f"{file}.yaml", text)).resources for text in (FILES[file], after))
    first, second = load(FILES), load({**FILES, file: after})
    found = touched(first.world, second.world, differing(old, new))
    before, now = programs(first), programs(second)
    assert [ref.name for ref in now] == list(NAMES)
    really = {ref.name for ref in now if now[ref] != before[ref]}
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert {ref.name for ref in found & now.keys()} == expected
        assert really <= expected


@pytest.mark.parametrize(("file", "change", "expected"), CHANGES)
def test_whom_a_change_does_not_reach_has_the_program_it_had(
    file: str, change: tuple[str, str], expected: set[str] | None
) -> None:
    after = FILES[file].replace(*change)
    old, new = (parse_source(Source.of(f"{file}.yaml", text)).resources for text in (FILES[file], after))
    second = load({**FILES, file: after})
    found = reached(second.world, old, new)
    before, now = programs(load(FILES)), programs(second)
    if file in ("pods", "set", "slice", "space"):
        assert found is None, "an address may be a part of every program"
        return
    assert found is not None
    names = {ref.name for ref in found}
    assert {ref.name for ref in now if now[ref] != before[ref]} <= names
    assert names == (expected or {"web"}), "of policies those alone that they select"


def test_a_file_that_says_the_same_reaches_nobody_though_another_one_in_it_moved() -> None:
    given = parse_source(Source.of("p.yaml", FILES["web"])).resources
    assert reached(load(FILES).world, given, given) == frozenset()


def test_without_a_world_before_everybody_is_touched() -> None:
    assert touched(None, load(FILES).world, ()) is None


def attempt(parsed: Mapping[str, Parsed], before: Inventory | None) -> Inventory | list[str]:
    """The inventory, or the findings that there is none for."""
    try:
        return assemble(list(parsed.values()), before=before)
    except CompileError as error:
        return list(map(str, error.diagnostics))


def test_an_inventory_made_from_an_earlier_one_is_the_same_as_by_itself() -> None:
    """Files change back and forth, come and go; only where nothing but policies did, the rest is shared."""
    rng = Random("renewed")
    edits = [
        (file, text) for file, change, _ in CHANGES for text in (FILES[file], FILES[file].replace(*change))
    ]
    edits += [("again", text) for text in ("", FILES["web"], FILES["web"].replace("'proxy'", "'db'"))]
    parsed = {name: parse_source(Source.of(f"{name}.yaml", text)) for name, text in FILES.items()}
    before = assemble(list(parsed.values()))
    shared = refused = 0
    for _ in range(200):
        file, text = rng.choice(edits)
        if file not in parsed or parsed[file].source.text != text:
            parsed[file] = parse_source(Source.of(f"{file}.yaml", text))
        after, alone = attempt(parsed, before), attempt(parsed, None)
        if isinstance(after, list) or isinstance(alone, list):
            assert after == alone
            refused += 1
            continue
        assert programs(after) == programs(alone)
        assert [str(one) for one in after.warnings] == [str(one) for one in alone.warnings]
        shared += after.world.entities is before.world.entities
        before = after
    assert shared > 50
    assert refused > 20
    assert 200 - shared - refused > 20


@pytest.mark.parametrize("count", [1, 16, 17, 40])
def test_however_many_policies_change_at_once_the_right_ones_apply(count: int) -> None:
    whom = ["web", "db", "cron", "proxy"]

    def policies(moved: int) -> Parsed:
        """Forty policies; the first `moved` select the next pod."""
        texts = (
            f"{CALICO}NetworkPolicy\nmetadata: {{name: p{at}, namespace: shop}}\n"
            f"spec: {{selector: app == '{whom[(at + (at < moved)) % 4]}', ingress: [{{action: Allow}}]}}\n"
            for at in range(40)
        )
        return parse_source(Source.of("many.yaml", "---\n".join(texts)))

    pods, some = parse_source(Source.of("pods.yaml", FILES["pods"])), policies(0)
    before = assemble([pods, some])
    assert len(programs(before)) == 4
    old, new = some.resources, policies(count).resources
    mixed = Parsed(some.source, (*new[:count], *old[count:]), ())
    after, alone = assemble([pods, mixed], before=before), assemble([pods, mixed])
    labels = [item.entity.labels for item in after.world.workloads]
    found = [after.world.applicable(one) for one in labels]
    assert found == [alone.world.applicable(one) for one in labels]
    assert found != [before.world.applicable(one) for one in labels]
