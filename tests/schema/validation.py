"""What the exported schema says of a value, by the jsonschema library: a reading that is not ours."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

Schema = dict[str, Any]

_VALIDATORS: dict[int, Draft202012Validator] = {}  # each keeps its schema, whose id so stays its own


def resolved(schema: Schema, root: Schema) -> Schema:
    """The schema with its `$ref` followed; what stands beside a `$ref` says nothing about values here."""
    while "$ref" in schema:
        reference = schema["$ref"]
        schema = root if reference == "#" else root["$defs"][reference.removeprefix("#/$defs/")]
    return schema


def faults(value: Any, schema: Schema, root: Schema) -> list[str]:
    """What is wrong with the value, each with its path; none when the schema, a part of `root`, takes it."""
    if id(root) not in _VALIDATORS:
        Draft202012Validator.check_schema(root)
        _VALIDATORS[id(root)] = Draft202012Validator(root)
    found = _VALIDATORS[id(root)].evolve(schema=resolved(schema, root)).iter_errors(value)
    return [f"{one.json_path}: {one.message}" for one in found]
