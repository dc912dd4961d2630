"""Which entities a selector may select, by the labels it asks for, so that few have to be tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

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


def _union(parts: Iterable[Sequence[int]]) -> Sequence[int]:
    return sorted({number for part in parts for number in part})
