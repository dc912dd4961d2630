"""Calico's selector expressions as a tree: evaluation on labels and the canonical form (dossier §5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Operator(StrEnum):
    EQUAL = "=="
    NOT_EQUAL = "!="
    CONTAINS = "contains"
    STARTS_WITH = "starts with"
    ENDS_WITH = "ends with"


def _quote(text: str) -> str:
    return f"'{text}'" if '"' in text else f'"{text}"'


@dataclass(frozen=True, slots=True)
class Compare:
    """`label op "text"`."""

    label: str
    operator: Operator
    text: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.label)
        if value is None:
            return self.operator is Operator.NOT_EQUAL
        return _COMPARE[self.operator](value, self.text)

    def __str__(self) -> str:
        return f"{self.label} {self.operator.value} {_quote(self.text)}"


_COMPARE: dict[Operator, Callable[[str, str], bool]] = {
    Operator.EQUAL: lambda value, text: value == text,
    Operator.NOT_EQUAL: lambda value, text: value != text,
    Operator.CONTAINS: lambda value, text: text in value,
    Operator.STARTS_WITH: lambda value, text: value.startswith(text),
    Operator.ENDS_WITH: lambda value, text: value.endswith(text),
}


@dataclass(frozen=True, slots=True)
class In:
    """`label in {…}` or `label not in {…}`. texts: sorted, without duplicates."""

    label: str
    texts: tuple[str, ...]
    negated: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.label)
        if value is None:
            return self.negated
        return (value in self.texts) is not self.negated

    def __str__(self) -> str:
        word = "not in" if self.negated else "in"
        return f"{self.label} {word} {{{', '.join(map(_quote, self.texts))}}}"


@dataclass(frozen=True, slots=True)
class Has:
    label: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        return self.label in labels

    def __str__(self) -> str:
        return f"has({self.label})"


@dataclass(frozen=True, slots=True)
class All:
    def matches(self, labels: Mapping[str, str]) -> bool:  # noqa: ARG002 (the tree's common shape)
        return True

    def __str__(self) -> str:
        return "all()"


@dataclass(frozen=True, slots=True)
class Global:
    """True on labels (dossier §5.3); as a whole namespaceSelector it means "not in a namespace" (§4.1)."""

    def matches(self, labels: Mapping[str, str]) -> bool:  # noqa: ARG002
        return True

    def __str__(self) -> str:
        return "global()"


@dataclass(frozen=True, slots=True)
class Not:
    operand: Selector

    def matches(self, labels: Mapping[str, str]) -> bool:
        return not self.operand.matches(labels)

    def __str__(self) -> str:
        return f"!{self.operand}"


@dataclass(frozen=True, slots=True)
class And:
    operands: tuple[Selector, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(operand.matches(labels) for operand in self.operands)

    def __str__(self) -> str:
        return f"({' && '.join(map(str, self.operands))})"


@dataclass(frozen=True, slots=True)
class Or:
    operands: tuple[Selector, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        return any(operand.matches(labels) for operand in self.operands)

    def __str__(self) -> str:
        return f"({' || '.join(map(str, self.operands))})"


Selector = Compare | In | Has | All | Global | Not | And | Or


def canonical(selector: Selector) -> str:
    """Calico's canonical text (dossier §5.4)."""
    return str(selector)
