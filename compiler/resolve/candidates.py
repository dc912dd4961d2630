"""Which entities a selector may select, and which selectors select an entity, so that few have to be tried.

Both look at what a selector asks for: a label's value, or that there is such a label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import Final

from ..selector import And, Compare, Has, In, Operator, Or, Selector


class Candidates:
    """An index of label maps: says which of them, by number, a selector matches."""

    def __init__(self, labels: Iterable[Mapping[str, str]]) -> None:
        self._labels = tuple(labels)
        self._by_value: dict[tuple[str, str], list[int]] = {}
        self._by_key: dict[str, list[int]] = {}
        for number, given in enumerate(self._labels):
            for key, value in given.items():
                self._by_value.setdefault((key, value), []).append(number)
                self._by_key.setdefault(key, []).append(number)

    def matching(self, selector: Selector) -> Iterator[int]:
        """The numbers of the label maps that the selector matches, ascending."""
        tried = self._tried(selector)
        numbers = range(len(self._labels)) if tried is None else tried
        return (number for number in numbers if selector.matches(self._labels[number]))

    def _tried(self, selector: Selector) -> Sequence[int] | None:
        """Numbers, ascending, with all that match among them; None for all there are."""
        match selector:
            case Compare(label, Operator.EQUAL, text):
                return self._by_value.get((label, text), ())
            case Compare(label, operator) if operator is not Operator.NOT_EQUAL:
                return self._by_key.get(label, ())
            case In(label, texts, False):
                return _union(self._by_value.get((label, text), ()) for text in texts)
            case Has(label):
                return self._by_key.get(label, ())
            case And(operands):
                found = [tried for item in operands if (tried := self._tried(item)) is not None]
                return min(found, key=len) if found else None
            case Or(operands):
                parts = [self._tried(item) for item in operands]
                known = [part for part in parts if part is not None]
                return _union(known) if len(known) == len(parts) else None
            case _:
                return None


_Anchor = tuple[str, str | None]  # label and value, or None for any value
_Anchors = frozenset[_Anchor]
_ANYWHERE: Final[_Anchors] = frozenset({("", None)})  # of a selector that asks for no label


class Selectors:
    """An index of selectors: says which of them, by number, match some labels."""

    def __init__(self, selectors: Iterable[Selector]) -> None:
        self._selectors = list(selectors)
        self._anchors: list[_Anchors] = []  # those that each selector is found by
        self._by_anchor: dict[_Anchor, set[int]] = {}
        offered = [_offered(selector) for selector in self._selectors]
        popular = Counter(anchor for options in offered for anchors in options for anchor in anchors)
        for number, options in enumerate(offered):
            self._anchors.append(min(options, key=lambda anchors: sum(popular[anchor] for anchor in anchors)))
            for anchor in self._anchors[number]:
                self._by_anchor.setdefault(anchor, set()).add(number)

    def changed(self, selectors: Mapping[int, Selector]) -> Selectors:
        """The index with other selectors at these numbers; sooner than a new one where they are few."""
        made = copy(self)
        made._selectors, made._anchors = self._selectors.copy(), self._anchors.copy()
        made._by_anchor = found = self._by_anchor.copy()
        for number, selector in selectors.items():
            for anchor in made._anchors[number]:
                found[anchor] = found[anchor] - {number}
            made._selectors[number] = selector
            made._anchors[number] = min(
                _offered(selector), key=lambda anchors: sum(len(found.get(anchor, ())) for anchor in anchors)
            )
            for anchor in made._anchors[number]:
                found[anchor] = found.get(anchor, set()) | {number}
        return made

    def matching(self, labels: Mapping[str, str]) -> Iterator[int]:
        """The numbers of the selectors that match, ascending."""
        tried: set[int] = set()
        for anchor in (*_ANYWHERE, *labels.items(), *((key, None) for key in labels)):
            tried |= self._by_anchor.get(anchor, set())
        return (number for number in sorted(tried) if self._selectors[number].matches(labels))


def _offered(selector: Selector) -> Sequence[_Anchors]:
    """Sets of anchors, each of which the selector could be found by."""
    return _anchors(selector) or (_ANYWHERE,)


def _anchors(selector: Selector) -> list[_Anchors]:
    """Sets of anchors: labels that the selector matches hold at least one of each set. None when it asks for
    none."""
    match selector:
        case Compare(label, Operator.EQUAL, text):
            return [frozenset({(label, text)})]
        case Compare(label, operator) if operator is not Operator.NOT_EQUAL:
            return [frozenset({(label, None)})]
        case In(label, texts, False):
            return [frozenset((label, text) for text in texts)]
        case Has(label):
            return [frozenset({(label, None)})]
        case And(operands):
            return [anchors for item in operands for anchors in _anchors(item)]
        case Or(operands):
            parts = [_anchors(item) for item in operands]
            return [frozenset().union(*(part[0] for part in parts))] if all(parts) else []
        case _:
            return []


def _union(parts: Iterable[Sequence[int]]) -> Sequence[int]:
    return sorted({number for part in parts for number in part})
