"""A case on which engines differed: policies, an endpoint and the steps, as text that a person can read.

The file: `found` (how), `endpoint`, `policies` in force first, `next` in force after every second swap, and
`steps`: `ingress HEX`, `egress HEX`, `age SECONDS` or `swap`, each with what it is behind a `#`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from polc.tests.differential.subjects import DIRECTIONS
from polc.tests.differential.traces import Step
from polc.tests.generators.styles import plain_text

Object = dict[str, Any]

_NAME = "%s-%s.yaml"


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


@dataclass(frozen=True)
class Case:
    """objects: in force first. others: swapped in by an odd number of swaps; empty when there is no swap."""

    found: str
    subject: tuple[str, str]
    objects: tuple[Object, ...]
    others: tuple[Object, ...]
    steps: tuple[Step, ...]

    def texts(self) -> tuple[str, ...]:
        """The policies as YAML: those in force first, and those swapped in when there is a swap."""
        swapped = any(step.kind == "swap" for step in self.steps)
        return tuple(plain_text(objects) for objects in [self.objects, *([self.others] if swapped else [])])

    def text(self) -> str:
        first, *others = self.texts()
        content: dict[str, Any] = {"found": self.found, "endpoint": "/".join(self.subject), "policies": first}
        if others:
            content["next"] = others[0]
        content["steps"] = [_line(step) for step in self.steps]
        return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100_000)

    def write(self, folder: Path, kind: str, number: int) -> Path:
        """Into a file of its own in the folder."""
        path = folder / (_NAME % (kind, number))
        path.write_text(self.text())
        return path


def read_case(text: str) -> Case:
    """What `Case.text` wrote. Raises ValueError for steps that are none."""
    content = yaml.safe_load(text)
    namespace, _, name = content["endpoint"].partition("/")
    return Case(
        content["found"],
        (namespace, name),
        _objects(content["policies"]),
        _objects(content.get("next", "")),
        tuple(map(_step, content["steps"])),
    )


def _objects(text: str) -> tuple[Object, ...]:
    return tuple(one for one in yaml.safe_load_all(text) if one is not None)


def _line(step: Step) -> str:
    words = {"age": f"age {step.seconds}", "swap": "swap"}
    return f"{words.get(step.kind) or f'{step.direction} {step.frame.hex()}'} # {step.what}"


def _step(line: str) -> Step:
    given, _, what = line.partition(" # ")
    word, _, rest = given.partition(" ")
    if word in DIRECTIONS:
        return Step("frame", what, word, bytes.fromhex(rest))
    if word == "age":
        return Step("age", what, seconds=int(rest))
    if word == "swap":
        return Step("swap", what)
    raise ValueError(f"no step: {line}")


def steps_text(steps: Sequence[Step]) -> str:
    """The steps for a person."""
    return "\n".join(map(_line, steps))
