"""What files hold besides policies and inventory: passed over, and named in one line a file."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePath
from typing import Final

from ...grammar.documents import shorten
from ...grammar.nodes import Mapping, Node, Scalar, Sequence
from .. import codes
from ..source import Diagnostic, Diagnostics, Severity, Span
from .fields import Place

_KUSTOMIZATION: Final = ("kustomization.yaml", "kustomization.yml")
_SHOWN: Final = 8  # kinds that are named in one line


class Skipped:
    """The objects of one source that nobody reads. strict: each is an error, at its own place."""

    def __init__(self, strict: bool) -> None:
        self._strict = strict
        self._found: list[tuple[str, Span]] = []

    def add(self, place: Place, kind: str, root: Node) -> None:
        at = root.entries["kind"][1] if isinstance(root, Mapping) and "kind" in root.entries else root
        if self._strict:
            message = f"a {shorten(kind)} decides nothing that polc knows of"
            hint = "leave this document out, or check without --strict"
            place.error(codes.UNSUPPORTED_KIND, message, at, hint=hint)
        else:
            self._found.append((shorten(kind), place.span(at)))

    def report(self, diagnostics: Diagnostics) -> None:
        """One note that names the kinds, at the first of them."""
        if not self._found:
            return
        counts = Counter(kind for kind, _ in self._found)
        names = [f"{count} {kind}" if count > 1 else kind for kind, count in counts.items()]
        more = f" and {len(names) - _SHOWN} more kinds" if len(names) > _SHOWN else ""
        message = f"skipped, since they decide nothing here: {', '.join(names[:_SHOWN])}{more}"
        diagnostics.add(Diagnostic(codes.SKIPPED, Severity.NOTE, message, self._found[0][1]))


def is_kustomize(file: str, root: Node) -> bool:
    """Whether a document is a kustomization, which may leave out its kind, or a JSON patch."""
    if isinstance(root, Mapping):
        return PurePath(file).name in _KUSTOMIZATION and "kind" not in root.entries
    return isinstance(root, Sequence) and bool(root.items) and all(map(_is_operation, root.items))


def _is_operation(node: Node) -> bool:
    return isinstance(node, Mapping) and all(
        name in node.entries and isinstance(node.entries[name][1], Scalar) for name in ("op", "path")
    )
