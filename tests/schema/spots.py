"""Every mapping that the schema describes, each inside the least document that has it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from polc.compiler.parse import parse
from polc.compiler.parse.selector import MAX_LENGTH
from polc.compiler.schema import language
from polc.compiler.source import Diagnostic, Diagnostics, Source
from polc.tests.schema.validation import Schema, faults, resolved

ROOT = language()
_TEXTS = ("a", "10.0.0.0/8", "10.0.0.1", "80", "ee:ee:ee:ee:ee:ee", "")


@dataclass(frozen=True, slots=True)
class Spot:
    """A mapping in a document. path: of keys, for messages. within: makes the document around a value."""

    path: str
    schema: Schema
    least: dict[str, Any]
    within: Callable[[Any], Any]

    def having(self, name: str, value: Any) -> dict[str, Any]:
        """The least mapping with one more field, or with it alone where any one field will do."""
        alone = "minProperties" in self.schema
        return {name: value} if alone else {**self.least, name: value}


def findings(document: Any) -> list[Diagnostic]:
    """What parse says about a document."""
    diagnostics = Diagnostics()
    parse([Source.of("x.json", json.dumps(document))], diagnostics)
    return list(diagnostics)


def sample(schema: Schema) -> Any:
    """A value that the schema takes, with nothing that may be left out."""
    schema = resolved(schema, ROOT)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return sample(schema["anyOf"][0])
    kinds = schema.get("type", "string")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object":
        return least(schema)
    if kind == "array":
        return [sample(schema.get("items", {}))]
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    if schema.get("maxLength") == MAX_LENGTH:
        return "all()"
    return next(text for text in _TEXTS if re.search(schema.get("pattern", ""), text))


def least(schema: Schema) -> dict[str, Any]:
    """The mapping with the fields that it must have."""
    names = list(schema.get("required", ()))
    if schema.get("minProperties") and not names:
        names = [next(iter(schema["properties"]))]
    return {name: sample(schema["properties"][name]) for name in names}


def spots() -> Iterator[Spot]:
    """Every mapping of every kind; a part that several kinds share is visited once."""
    seen: set[int] = set()
    for one in ROOT["oneOf"]:
        schema = resolved(one, ROOT)
        if schema["title"] != "A list of resources":
            yield from _visit(schema, one["$ref"].rpartition("/")[2], lambda value: value, seen)


def _visit(schema: Schema, path: str, within: Callable[[Any], Any], seen: set[int]) -> Iterator[Spot]:
    schema = resolved(schema, ROOT)
    for one in schema.get("anyOf", ()):
        yield from _visit(one, path, within, seen)
    if "items" in schema:
        yield from _visit(schema["items"], f"{path}[]", lambda value: within([value]), seen)
    if "properties" not in schema or id(schema) in seen:
        return
    seen.add(id(schema))
    spot = Spot(path, schema, least(schema), within)
    yield spot
    for name, inner in schema["properties"].items():

        def inside(value: Any, name: str = name) -> Any:
            return within(spot.having(name, value))

        yield from _visit(inner, f"{path}.{name}", inside, seen)


def taken(value: Any, schema: Schema) -> bool:
    return not faults(value, schema, ROOT)
