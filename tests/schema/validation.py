"""A small judge of JSON Schema 2020-12: the keywords that the exported schema uses, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

_KINDS = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}
KEYWORDS = frozenset(
    (
        *("$schema", "$ref", "$defs", "title", "description", "type", "enum", "const", "anyOf", "oneOf"),
        *("not", "properties", "required", "items", "pattern", "additionalProperties", "minProperties"),
        *("maxProperties", "minItems", "maxItems", "uniqueItems", "maxLength", "minimum", "maximum"),
    )
)


def resolved(schema: Schema, root: Schema) -> Schema:
    """The schema with its `$ref` followed; what stands beside a `$ref` says nothing about values here."""
    while "$ref" in schema:
        reference = schema["$ref"]
        schema = root if reference == "#" else root["$defs"][reference.removeprefix("#/$defs/")]
    return schema


def faults(value: Any, schema: Schema, root: Schema, at: str = "$") -> list[str]:
    """What is wrong with the value, each with its path; none when the schema takes it."""
    schema = resolved(schema, root)
    assert set(schema) <= KEYWORDS, set(schema) - KEYWORDS
    return list(_faults(value, schema, root, at))


def _faults(value: Any, schema: Schema, root: Schema, at: str) -> Iterator[str]:
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_KINDS[kind](value) for kind in kinds):
        yield f"{at}: {value!r} is no {kinds}"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{at}: {value!r} is not {schema['const']!r}"
    if "enum" in schema and not any(value == one and type(value) is type(one) for one in schema["enum"]):
        yield f"{at}: {value!r} is none of {schema['enum']}"
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            fits = [one for one in schema[keyword] if not faults(value, one, root, at)]
            if not fits or (keyword == "oneOf" and len(fits) > 1):
                yield f"{at}: {len(fits)} of {keyword} fit"
    if "not" in schema and not faults(value, schema["not"], root, at):
        yield f"{at}: fits what it must not"
    if isinstance(value, dict):
        yield from _in_mapping(value, schema, root, at)
    elif isinstance(value, list):
        yield from _in_list(value, schema, root, at)
    elif isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{at}: {value!r} does not match {schema['pattern']}"
        if len(value) > schema.get("maxLength", len(value)):
            yield f"{at}: too long"
    elif _KINDS["number"](value) and not schema.get("minimum", value) <= value <= schema.get(
        "maximum", value
    ):
        yield f"{at}: {value} is out of range"


def _in_mapping(value: dict[str, Any], schema: Schema, root: Schema, at: str) -> Iterator[str]:
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at}: no {name}"
    if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value)):
        yield f"{at}: {len(value)} fields"
    others = schema.get("additionalProperties", True)
    for name, inner in value.items():
        if name in schema.get("properties", {}):
            yield from faults(inner, schema["properties"][name], root, f"{at}.{name}")
        elif others is False:
            yield f"{at}: unknown {name}"
        elif others is not True:
            yield from faults(inner, others, root, f"{at}.{name}")


def _in_list(value: list[Any], schema: Schema, root: Schema, at: str) -> Iterator[str]:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        yield f"{at}: {len(value)} items"
    if schema.get("uniqueItems") and any(item in value[:place] for place, item in enumerate(value)):
        yield f"{at}: an item twice"
    for place, item in enumerate(value):
        yield from faults(item, schema.get("items", {}), root, f"{at}[{place}]")
