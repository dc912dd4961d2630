"""Equal meaning gives one identity however it is written, another meaning another, on every machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import pytest
import yaml
from polc.compiler.pipeline import Inventory, compile_endpoint, compile_labels, endpoints, load_sources
from polc.compiler.source import Source
from polc.pair.object import read_pair
from polc.tests.generators.mutations import NoMutation, mutate
from polc.tests.generators.styles import files_of, plain_text, reorder
from polc.tests.generators.worlds import World, build_world

EXAMPLES = Path(__file__).parents[2] / "examples"
SHOP = [("shop/inventory.yaml", "shop/policy.yaml"), ("shop/inventory.yaml", "shop/policy-next.yaml")]
# Examples without an inventory are compiled for labels, as their README says.
LABELS = {"labels-only.yaml": {"role": "cache"}, "flow-style.json": {"role": "printer"}}
SINGLE = sorted(path.name for path in EXAMPLES.iterdir() if path.suffix in (".yaml", ".json"))
BLOCK = 10

Objects = list[dict[str, object]]


def inventory_of(texts: Mapping[str, str]) -> Inventory:
    return load_sources([Source.of(name, text) for name, text in texts.items()])


def identity_of(texts: Mapping[str, str], subject: tuple[str, str]) -> bytes:
    """The identity of a named endpoint's pair, which the pair's reader recomputes."""
    pair = compile_endpoint(inventory_of(texts), *subject)
    return read_pair(pair.ingress, pair.egress).identity


def plainly(world: World, objects: Objects) -> bytes:
    return identity_of({"world.yaml": plain_text(objects)}, world.subject)


def texts_of(*names: str) -> dict[str, str]:
    return {Path(name).name: (EXAMPLES / name).read_text() for name in names}


def identities(texts: Mapping[str, str], labels: dict[str, str] | None) -> list[bytes]:
    """Of every endpoint, or of the one pair for labels."""
    given = inventory_of(texts)
    if labels is not None:
        return [compile_labels(given, labels).identity]
    return [identity_of(texts, (ref.namespace, ref.name)) for ref in endpoints(given)]


@pytest.mark.parametrize("block", range(20))
def test_rewriting_a_random_policy_leaves_the_identity_alone(block: int) -> None:
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        world = build_world(seed)
        rewritten = files_of(reorder(world.objects, seed), seed)
        assert identity_of(rewritten, world.subject) == plainly(world, world.objects), seed


@pytest.mark.parametrize("block", range(10))
def test_each_single_mutation_changes_the_identity(block: int) -> None:
    for world, objects, change in islice(mutants(1000 * (block + 1)), BLOCK):
        assert plainly(world, objects) != plainly(world, world.objects), (world.seed, change)


def mutants(seed: int) -> Iterator[tuple[World, Objects, str]]:
    """Worlds without end, each with one value changed so that some verdict changes."""
    while True:
        world = build_world(seed)
        try:
            objects, change = mutate(world, seed)
        except NoMutation:
            seed += 1
            continue
        yield world, objects, change
        seed += 1


@pytest.mark.parametrize("names", [*SHOP, *((name,) for name in SINGLE)])
def test_rewriting_an_example_leaves_its_identities_alone(names: tuple[str, ...]) -> None:
    texts, labels = texts_of(*names), LABELS.get(names[0])
    objects = [one for text in texts.values() for one in yaml.safe_load_all(text) if one is not None]
    before = identities(texts, labels)
    assert before
    for seed in range(3):
        assert identities(files_of(reorder(objects, seed), seed), labels) == before


CHILD = """
import hashlib, sys
from polc.compiler.pipeline import compile_endpoint, endpoints, load
given = load(sys.argv[1:])
for ref in endpoints(given):
    pair = compile_endpoint(given, ref.namespace, ref.name)
    print(pair.name, hashlib.sha256(pair.ingress).hexdigest(), hashlib.sha256(pair.egress).hexdigest())
"""


def test_objects_are_byte_identical_in_two_folders_under_two_hash_seeds(tmp_path: Path) -> None:
    texts = texts_of(*SHOP[0])
    seen = set()
    for seed in ("0", "4242"):
        folder = tmp_path / f"folder-{seed}"
        folder.mkdir()
        for name, text in texts.items():
            (folder / name).write_text(text)
        child = subprocess.run(
            [sys.executable, "-c", CHILD, *texts],
            cwd=folder,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
        )
        assert child.returncode == 0, child.stderr
        seen.add(child.stdout)
    assert len(seen) == 1
    assert len(seen.pop().splitlines()) == len(endpoints(inventory_of(texts)))
