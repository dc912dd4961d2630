"""Same meaning in, same identity out; another meaning, another identity (issue 2 item 10, design §5)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from polc.compiler.source import CompileError
from polc.tests.differential.subjects import Asked, compiled, findings, read_texts
from polc.tests.generators.mutations import mutations
from polc.tests.generators.styles import files_of, plain_text, reformat, reorder
from polc.tests.generators.worlds import build_world

ROOT = Path(__file__).resolve().parents[2]
POLICIES = int(os.environ.get("POLC_IDENTITY_POLICIES", "200"))
MUTATIONS = int(os.environ.get("POLC_IDENTITY_MUTATIONS", "100"))
FIRST_SEED = 5000

# What one build prints: the objects' bytes are compared by their digests.
_BUILD = """
import hashlib, json, sys
from polc.compiler.pipeline import compile_endpoint, load
pair = compile_endpoint(load(sys.argv[3:]), sys.argv[1], sys.argv[2])
print(json.dumps([hashlib.sha256(data).hexdigest() for data in (pair.ingress, pair.egress, pair.identity)]))
"""


def _identity(texts: Mapping[str, str], asked: Asked) -> bytes:
    try:
        return compiled(read_texts(texts), asked).identity
    except CompileError as error:
        pytest.fail(findings(error))


def _build(folder: Path, names: list[str], subject: tuple[str, str], hash_seed: str) -> list[str]:
    """One build in a process of its own, started in `folder` with names relative to it."""
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, *subject, *names],
        cwd=folder,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: list[str] = json.loads(done.stdout)
    return answer


def _spread(folder: Path, texts: Mapping[str, str]) -> list[str]:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return sorted(texts)


@pytest.mark.parametrize("seed", range(2))
def test_objects_are_byte_identical_in_every_build(seed: int, tmp_path: Path) -> None:
    world = build_world(FIRST_SEED + seed)
    texts = files_of(world.objects, seed)
    builds = []
    for folder, hash_seed in (("one", "1"), ("one", "2"), ("another/deeper", "3")):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        names = _spread(tmp_path / folder, texts)
        builds.append(_build(tmp_path / folder, names, world.subject, hash_seed))
    assert builds[0] == builds[1] == builds[2]


@pytest.mark.long
def test_reordering_and_reformatting_leave_the_identity_alone() -> None:
    for seed in range(FIRST_SEED, FIRST_SEED + POLICIES):
        world, rng = build_world(seed), Random(seed)
        plain = plain_text(world.objects)
        wanted = _identity({"world.yaml": plain}, Asked(*world.subject))
        if rng.random() < 0.3:
            texts = {"renamed.yaml": reformat(plain, seed)}
        else:
            texts = files_of(reorder(world.objects, seed), seed)
        assert _identity(texts, Asked(*world.subject)) == wanted, f"seed {seed}"


@pytest.mark.long
def test_every_single_mutation_changes_the_identity() -> None:
    """Each mutation is one value, and is proved by the oracle to change a verdict."""
    met: set[tuple[int, str]] = set()
    seed = FIRST_SEED
    while len(met) < MUTATIONS:
        world = build_world(seed)
        before = _identity({"world.yaml": plain_text(world.objects)}, Asked(*world.subject))
        for objects, change in mutations(world, 4):
            after = _identity({"world.yaml": plain_text(objects)}, Asked(*world.subject))
            assert before != after, f"seed {seed}: {change}"
            met.add((seed, change))
        seed += 1


@dataclass(frozen=True)
class Example:
    """files: what compiles together, by name. labels: of an example without an endpoint, from the README."""

    name: str
    texts: Mapping[str, str]
    labels: Mapping[str, str]

    def asked(self) -> list[Asked]:
        """The first two endpoints, or the labels."""
        if self.labels:
            return [Asked("default", labels=self.labels)]
        objects = [one for text in self.texts.values() for one in _objects(text)]
        found = sorted(
            (str(one["metadata"].get("namespace") or "default"), str(one["metadata"]["name"]))
            for one in objects
            if one["kind"] in ("Pod", "WorkloadEndpoint", "Deployment")
        )
        assert found, f"{self.name} holds no endpoint, and the README names no labels for it"
        return [Asked(*one) for one in found[:2]]


def _objects(text: str) -> list[Any]:
    """The objects of a file, those of a List by themselves."""
    documents = [one for one in yaml.load_all(text, Loader=yaml.CSafeLoader) if one]
    return [one for each in documents for one in (each["items"] if each["kind"] == "List" else [each])]


def _examples() -> list[Example]:
    """Each file of examples/ by itself; in its folders each file together with the folder's inventory."""
    folder = ROOT / "examples"
    labels = re.findall(r"`([\w.-]+)` \|.*`--labels (\w+)=(\w+)`", (folder / "README.md").read_text())
    given = {file: {key: text} for file, key, text in labels}
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".yaml", ".yml", ".json") and path.name not in ("inventory.yaml", "cases.yaml"):
            files = {path, path.parent / "inventory.yaml"} if path.parent != folder else {path}
            texts = {file.name: file.read_text() for file in sorted(files)}
            found.append(Example(path.name, texts, given.get(path.name, {})))
    return found


@pytest.mark.parametrize("example", _examples(), ids=lambda example: example.name)
def test_examples_keep_their_identity_in_other_words(example: Example) -> None:
    objects = [one for text in example.texts.values() for one in _objects(text)]
    for asked in example.asked():
        wanted = _identity(example.texts, asked)
        for seed in range(2):
            assert _identity(files_of(reorder(objects, seed), seed), asked) == wanted
            again = {f"again-{file}": reformat(text, seed) for file, text in example.texts.items()}
            assert _identity(again, asked) == wanted


def test_every_kind_of_example_is_there() -> None:
    examples = _examples()
    assert len(examples) >= 12
    assert any(example.labels for example in examples)
    assert any(len(example.texts) == 2 for example in examples)
