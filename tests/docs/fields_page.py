"""docs/fields.md: every field that polc knows, from the schema that parse is held to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any, Final

from polc.tests.schema.spots import ROOT as LANGUAGE
from polc.tests.schema.spots import Spot, spots

YES: Final = "yes"
REFUSED: Final = "refused: POLC-E0205"
ENTERPRISE: Final = "refused: POLC-E0212"
WARNED: Final = "ignored: POLC-W0005"
IGNORED: Final = "ignored"

_INTRODUCTION: Final = """\
# Fields

Every field that polc knows, by the kind or the part of a kind that holds it. `make docs-update` writes this
page from the tables that policies are read by. A field that is not here is an error
([POLC-E0206](errors.md)), except in Kubernetes' own objects (pods, workloads, services and their
endpoints), which are taken as they are but for the fields below.

*yes*: it has the effect that Calico or Kubernetes gives it. *ignored*: any value, no effect. *refused*: an
error, unless the value changes nothing ([POLC-E0205](errors.md), and POLC-E0212 for what Calico Enterprise
alone has). What several fields mean together is in
[errors.md](errors.md); `polc schema` prints the words, bounds and patterns of each.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """holder: the title of the kind or part, with the path to the mapping inside it."""

    holder: str
    name: str
    support: str
    meaning: str
    spot: Spot


def _support(schema: dict[str, Any]) -> str:
    meaning = str(schema.get("description", ""))
    if meaning.startswith("Not supported"):
        return REFUSED
    if meaning.startswith("Of Calico Enterprise"):
        return ENTERPRISE
    if meaning.startswith("Ignored, with a warning"):
        return WARNED
    return IGNORED if meaning in ("Ignored.", "Taken as it is.") else YES


def _titles() -> dict[str, str]:
    """Kinds whose name another API has too, with their own API beside the name."""
    return {
        name: f"{part['title']} ({name.rpartition('.')[0]})"
        for name, part in LANGUAGE["$defs"].items()
        if "." in name
    }


@cache
def rows() -> tuple[Row, ...]:
    """Every field of every mapping, in the schema's order; the parts that kinds share stand once."""
    found: list[Row] = []
    for spot in spots():
        holder = spot.schema.get("title") or _shown(spot.path)
        if "." in (kind := _kind(spot.path)) and spot.schema.get("title") == kind.rpartition(".")[2]:
            holder = _titles()[kind]
        for name, schema in spot.schema["properties"].items():
            if name in ("apiVersion", "kind"):
                continue
            meaning = " ".join(str(schema.get("description", "")).split())
            found.append(Row(holder, name, _support(schema), meaning, spot))
    return tuple(found)


def _kind(path: str) -> str:
    """The name in `$defs` that a path starts with; it may hold dots."""
    known: list[str] = [name for name in LANGUAGE["$defs"] if f"{path}.".startswith(f"{name}.")]
    return max(known, key=len)


def _shown(path: str) -> str:
    kind = _kind(path)
    return f"{_titles().get(kind, kind)} `{path.removeprefix(kind).removeprefix('.')}`"


def page() -> str:
    """The whole page; the ignored fields of a part share a row."""
    lines = ["| kind or part | field | support | meaning |", "| --- | --- | --- | --- |"]
    for holder, group in groupby(rows(), key=lambda row: row.holder):
        kept = list(group)
        lines += [
            _line(holder, [row.name], row.support, row.meaning) for row in kept if row.support != IGNORED
        ]
        names = [row.name for row in kept if row.support == IGNORED]
        lines += [_line(holder, names, IGNORED, "Taken as it is.")] if names else []
    return "\n".join([_INTRODUCTION, *lines]) + "\n"


def _line(holder: str, names: list[str], support: str, meaning: str) -> str:
    named = ", ".join(f"`{name}`" for name in names)
    return f"| {holder} | {named} | {support} | {meaning.replace('|', chr(92) + '|')} |"
