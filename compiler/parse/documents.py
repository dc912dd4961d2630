"""Sources to resources: each document is dispatched on its apiVersion and kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from ...grammar.documents import read_documents, shorten
from ...grammar.nodes import Fault, FaultKind, Mapping, Node, Scalar
from ...grammar.nodes import Sequence as Items
from .. import codes
from ..resources import Resource
from ..source import Diagnostics, Source, Span
from .fields import (
    MAX_FINDINGS,
    Place,
    Shape,
    TooManyError,
    is_null,
    kind_of,
    missing,
    read_mapping,
    read_text,
)
from .kinds import CALICO, CALICO_KINDS, KUBERNETES, TOP_FIELDS, find_reader, is_foreign, known_kinds
from .near import closest, listed
from .skipped import Skipped, is_kustomize

FAULT_CODES: Final = {
    FaultKind.SYNTAX: codes.SYNTAX,
    FaultKind.DUPLICATE_KEY: codes.DUPLICATE_KEY,
    FaultKind.DEPTH: codes.DEPTH,
    FaultKind.ALIAS: codes.ALIAS,
    FaultKind.EXPANSION: codes.EXPANSION,
    FaultKind.MERGE_KEY: codes.MERGE_KEY,
    FaultKind.TAG: codes.TAG,
    FaultKind.KEY: codes.KEY,
    FaultKind.SIZE: codes.SIZE,
    FaultKind.GIVEN_UP: codes.GIVEN_UP,
}

MAX_BAD_CHARACTERS: Final = 10
# What YAML 1.1 §5.1 and libyaml take, less the byte order mark, which has no place inside a text.
_BAD_CHARACTER = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)

RESOURCE = Shape.of("a resource", "apiVersion kind metadata spec status")
SHAPES: Final = {
    kind: Shape.of(f"a {kind}", f"apiVersion kind metadata spec status {fields}")
    for kind, fields in TOP_FIELDS.items()
}
LIST = Shape.of("a List", "apiVersion kind items", ignored="metadata")


def parse(
    sources: Sequence[Source], diagnostics: Diagnostics, *, strict: bool = False
) -> tuple[Resource, ...]:
    """Every resource of the sources that could be read, in order; every fault found goes to `diagnostics`.

    A broken document, or file, does not keep the following ones from being read. Objects of kinds that are
    nobody's business here are skipped with one note a source; strict: each of them is an error. Pure: it
    reads no file.
    """
    return tuple(item for source in sources for item in _parse_source(source, diagnostics, strict))


def _parse_source(source: Source, diagnostics: Diagnostics, strict: bool) -> list[Resource]:
    resources: list[Resource] = []
    skipped = Skipped(strict)
    read_each(source, diagnostics, lambda place, root: resources.extend(_read_document(place, root, skipped)))
    skipped.report(diagnostics)
    return resources


def read_each(source: Source, diagnostics: Diagnostics, read: Callable[[Place, Node], None]) -> None:
    """Gives `read` the root of every document that is not empty; faults of the YAML go to `diagnostics`.

    Stops when the source has more findings than anyone reads.
    """
    text = _printable(source, diagnostics)
    place = Place(source.path, text, diagnostics)
    try:
        for document in read_documents(text):
            for fault in document.faults:
                _report(place, fault)
            if document.root is not None and not _nothing(document.root):
                read(place, document.root)
    except TooManyError:
        message = f"{source.path} has more than {MAX_FINDINGS} findings: the rest of it was not checked"
        diagnostics.error(codes.GIVEN_UP, message, None)


def _printable(source: Source, diagnostics: Diagnostics) -> str:
    """The text with the characters that YAML forbids replaced, so that the rest can still be checked."""
    bad = list(_bad_places(source.text))
    for count, (index, char) in enumerate(bad):
        start = source.text.rfind("\n", 0, index) + 1
        line, column = source.text.count("\n", 0, start) + 1, index - start + 1
        what = "a NUL byte" if char == "\0" else f"the character U+{ord(char):04X}"
        more = " (and more: no others are shown)" if count + 1 == MAX_BAD_CHARACTERS else ""
        message = f"{what} cannot stand in YAML{more}"
        diagnostics.error(codes.BAD_CHARACTER, message, Span(source.path, line, column, line, column + 1))
    return _BAD_CHARACTER.sub("\ufffd", source.text) if bad else source.text


def _bad_places(text: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for match in _BAD_CHARACTER.finditer(text):
        found.append((match.start(), match[0]))
        if len(found) == MAX_BAD_CHARACTERS:
            break
    return found


def _report(place: Place, fault: Fault) -> None:
    span = Span(place.file, fault.line, fault.column, fault.line, fault.column + max(fault.width, 1))
    place.error(FAULT_CODES[fault.kind], fault.message, span, expected=fault.expected, hint=fault.hint)


def _nothing(root: Node) -> bool:
    """An empty document, as an extra `---` makes one."""
    return isinstance(root, Scalar) and root.null


def _read_document(place: Place, root: Node, skipped: Skipped) -> list[Resource]:
    if is_kustomize(place.file, root):
        skipped.add(place, "Kustomization", root)
        return []
    if isinstance(root, Items) and root.items and all(map(_has_kind, root.items)):
        # calicoctl prints resources of several kinds so.
        return [found for item in root.items for found in _read_resource(place, item, skipped)]
    return _read_resource(place, root, skipped)


def _has_kind(node: Node) -> bool:
    return isinstance(node, Mapping) and "kind" in node.entries


def _read_resource(
    place: Place, root: Node, skipped: Skipped, version: str | None = None, kind: str | None = None
) -> list[Resource]:
    """version, kind: what an item of a typed list has when it says nothing itself."""
    if not isinstance(root, Mapping):
        message = f"a document is a mapping with `apiVersion` and `kind`, not {kind_of(root)}"
        place.error(codes.NOT_A_RESOURCE, message, root)
        return []
    typed = kind is not None
    if not typed or "apiVersion" in root.entries:
        version = _word(place, root, "apiVersion")
    if not typed or "kind" in root.entries:
        kind = _word(place, root, "kind")
    if _is_list(version, kind):
        return _read_list(place, root, skipped, version, kind)
    if version is None and "apiVersion" not in root.entries:
        hint = f"`{CALICO[0]}` has a {kind}" if kind in CALICO_KINDS else ""
        hint = _misspelt_key(root, "apiVersion") or hint
        missing(place, _first_key(root), "this document has no `apiVersion`", hint)
    if kind is None and "kind" not in root.entries:
        known = known_kinds(version)
        hint = _misspelt_key(root, "kind") or (f"one of {listed(known)}" if known else "")
        missing(place, _first_key(root), "this document has no `kind`", hint)
    if version is not None and kind is not None and is_foreign(version, kind):
        skipped.add(place, kind, root)
        return []
    reader = find_reader(place, root, version, kind)
    if reader is None:
        return []
    read_mapping(place, root, SHAPES.get(kind or "", RESOURCE))
    resource = reader(place, root)
    return [] if resource is None else [resource]


def _first_key(root: Mapping) -> Node:
    return next((key for key, _ in root.entries.values()), root)


def _misspelt_key(root: Mapping, wanted: str) -> str:
    """A hint at a key that is close to the wanted one, which is not there."""
    for name, (key, _) in root.entries.items():
        if closest(name, (wanted,)):
            return f"did you mean `{wanted}` where line {key.line} has `{shorten(name)}`?"
    return ""


def _word(place: Place, root: Mapping, name: str) -> str | None:
    entry = root.entries.get(name)
    if entry is None:
        return None
    if is_null(entry[1]):
        missing(place, entry[0], f"the `{name}` of this document is empty")
        return None
    return read_text(place, entry[1], f"`{name}`")


def _is_list(version: str | None, kind: str | None) -> bool:
    """A `List` of anything, or a list of a kind that is read (`PodList`)."""
    if kind is None or not kind.endswith("List"):
        return False
    return version in (None, KUBERNETES) if kind == "List" else kind[:-4] in known_kinds(version)


def _read_list(
    place: Place, root: Mapping, skipped: Skipped, version: str | None, kind: str | None
) -> list[Resource]:
    """The items are documents; those of a typed list may leave out what the list says."""
    values = read_mapping(place, root, LIST) or {}
    items = values.get("items")
    if items is None:
        return []
    if not isinstance(items, Items):
        place.error(codes.WRONG_TYPE, f"the `items` of a List are a list, not {kind_of(items)}", items)
        return []
    given = (None, None) if kind is None or kind == "List" else (version, kind[:-4])
    return [found for item in items.items for found in _read_resource(place, item, skipped, *given)]
