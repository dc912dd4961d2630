"""How schemas are written: JSON Schema 2020-12 for mappings, lists, texts and numbers as parse types them.

Parse takes a plain null for a field that is absent, and so does the schema wherever a field is optional.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ...grammar import nodes
from ..parse.fields import Shape, Unsupported
from ..parse.metadata import NameRule

Schema = dict[str, Any]

_START: Final = (0, 1, 1)
# Values that may change nothing, and the YAML that writes them.
_HARMLESS: Final[tuple[tuple[Any, nodes.Node], ...]] = (
    (None, nodes.Scalar("", "", _START, _START)),
    (False, nodes.Scalar("false", "", _START, _START)),
    ("", nodes.Scalar("", '"', _START, _START)),
    ([], nodes.Sequence([], 1, _START)),
    ({}, nodes.Mapping({}, 1, _START)),
)


def mapping(shape: Shape, fields: Mapping[str, Schema], required: str = "") -> Schema:
    """A mapping with the keys of a shape and no others; a field that `fields` leaves out may be anything.

    required: the names of fields that must be given, separated by spaces.
    """
    needed = required.split()
    properties: dict[str, Schema] = {}
    for name in sorted(shape.fields):
        given = fields.get(name, {})
        properties[name] = given if name in needed else optional(given)
    for name in sorted(shape.unsupported):
        properties[name] = _unsupported(shape.unsupported[name])
    for name in sorted(shape.ignored):
        properties[name] = {"description": "Ignored."}
    made: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return made | ({"required": needed} if needed else {})


def loose(fields: Mapping[str, Schema], required: str = "") -> Schema:
    """A mapping of which some fields are read; all others are taken as they are."""
    made: Schema = {"type": "object", "properties": {name: optional(fields[name]) for name in sorted(fields)}}
    return made | ({"required": required.split()} if required else {})


def _unsupported(field: Unsupported) -> Schema:
    if not field.decides:
        return {"description": "Ignored, with a warning: of Calico Enterprise."}
    harmless = [value for value, node in _HARMLESS if field.harmless(node)]
    whose = "Of Calico Enterprise" if field.enterprise else "Not supported"
    return {"enum": harmless, "description": f"{whose}: only a value that changes nothing is taken."}


def optional(schema: Schema) -> Schema:
    """The same, or null."""
    if "enum" in schema:
        return schema if None in schema["enum"] else schema | {"enum": [*schema["enum"], None]}
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return schema if "null" in kinds else schema | {"type": [*kinds, "null"]}
    if "anyOf" in schema:
        return schema | {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "$ref" in schema:
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return rest | {"anyOf": [{"$ref": schema["$ref"]}, {"type": "null"}]}
    return schema


def ref(name: str, description: str) -> Schema:
    """What `$defs` has under a name."""
    return {"$ref": f"#/$defs/{name}", "description": description}


def text(description: str, pattern: str = "", most: int = 0) -> Schema:
    made: Schema = {"type": "string", "description": description}
    if pattern:
        made["pattern"] = f"^(?:{pattern})$"
    return made | ({"maxLength": most} if most else {})


def any_text(description: str) -> Schema:
    """A text that may be written as a number or a flag: YAML's plain `1` and `true` stay what was written."""
    return {"type": ["string", "number", "boolean"], "description": description}


def name(rule: NameRule, description: str, *, empty: bool = False) -> Schema:
    """empty: an empty text counts as absent."""
    pattern = f"{rule.pattern.pattern}|" if empty else rule.pattern.pattern
    return text(f"{description} {rule.expected[0].upper()}{rule.expected[1:]}.", pattern, rule.most)


def word(words: Iterable[str], description: str, *, empty: bool = False) -> Schema:
    return {"enum": [*words, *([""] if empty else [])], "description": description}


def flag(description: str, *, empty: bool = False) -> Schema:
    return {"enum": [True, False, ""] if empty else [True, False], "description": description}


def integer(low: int, high: int, description: str) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high, "description": description}


def number(description: str) -> Schema:
    return {"type": "number", "description": description}


def items(schema: Schema, description: str, most: int | None = None, *, unique: bool = False) -> Schema:
    """A list. unique: no item twice."""
    made: Schema = {"type": "array", "items": schema, "description": description}
    if unique:
        made["uniqueItems"] = True
    return made | ({"maxItems": most} if most is not None else {})


def texts(description: str, values: Schema | None = None) -> Schema:
    """A mapping of texts to texts."""
    value = values or any_text("")
    value = {key: part for key, part in value.items() if key != "description"}
    return {"type": "object", "additionalProperties": optional(value), "description": description}
