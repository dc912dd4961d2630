"""The oracle's own reading of selector expressions (dossier §5): text straight to a predicate on labels.

It exists so that no code of the compiler's selector grammar stands behind the oracle's answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Labels = Mapping[str, str]
Predicate = Callable[[Labels], bool]

NAMESPACE_LABEL = "projectcalico.org/namespace"
ACCOUNT_LABEL = "projectcalico.org/serviceaccount"

_IDENTIFIER = re.compile(r"[A-Za-z0-9_./-]{1,512}")
_GAP = re.compile(r"[ \t]*")
_FUNCTION = re.compile(r"(has|all|global)\(")
# In the order the dossier names them; none may run into a following identifier character.
_OPERATORS = [
    (name, re.compile(pattern))
    for name, pattern in (
        ("==", r"=="),
        ("!=", r"!="),
        ("contains", r"contains(?![A-Za-z0-9_./-])"),
        ("starts with", r"starts[ \t]*with(?![A-Za-z0-9_./-])"),
        ("ends with", r"ends[ \t]*with(?![A-Za-z0-9_./-])"),
        ("not in", r"not[ \t]*in(?![A-Za-z0-9_./-])"),
        ("in", r"in(?![A-Za-z0-9_./-])"),
    )
]


class UnreadableSelector(Exception):
    """The text is not a selector. column counts from 0."""

    def __init__(self, text: str, column: int, wanted: str) -> None:
        super().__init__(f"expected {wanted} at column {column} of {text!r}")
        self.column = column


def read_selector(
    text: str, *, of_namespaces: bool = False, of_accounts: bool = False, of_policy: bool = False
) -> Predicate:
    """The predicate of `text`; the empty text is true everywhere.

    of_namespaces: read it as a namespaceSelector (§4.1 step 1): each label key gets the `pcns.` prefix,
    `all()` means "in a namespace" and `global()` "in none". of_accounts: as a selector of service accounts,
    whose keys get `pcsa.`; `all()` stays true, but in the serviceAccountSelector of a GlobalNetworkPolicy
    (of_policy) it means "has a service account" (QUIRK 4 as decided).
    """
    prefix = "pcns." if of_namespaces else "pcsa." if of_accounts else ""
    held = NAMESPACE_LABEL if of_namespaces else ACCOUNT_LABEL if of_accounts and of_policy else ""
    return _Reader(text, prefix, held, of_namespaces).whole()


class _Reader:
    """prefix: of every key. held: the label that `all()` asks for, if any. spaces: `global()` denies it."""

    def __init__(self, text: str, prefix: str, held: str, spaces: bool) -> None:
        self.text = text
        self.at = 0
        self.prefix = prefix
        self.held = held
        self.spaces = spaces

    def whole(self) -> Predicate:
        self.gap()
        if self.at == len(self.text):
            return lambda _: True
        answer = self.either()
        if self.at != len(self.text):
            raise self.wrong("the end")
        return answer

    def wrong(self, wanted: str) -> UnreadableSelector:
        return UnreadableSelector(self.text, self.at, wanted)

    def gap(self) -> None:
        found = _GAP.match(self.text, self.at)
        assert found is not None
        self.at = found.end()

    def take(self, word: str) -> bool:
        """Steps over `word` and the gap behind it, when it comes next."""
        if not self.text.startswith(word, self.at):
            return False
        self.at += len(word)
        self.gap()
        return True

    def need(self, word: str) -> None:
        if not self.take(word):
            raise self.wrong(repr(word))

    def either(self) -> Predicate:
        parts = [self.both()]
        while self.take("||"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else lambda labels: any(part(labels) for part in parts)

    def both(self) -> Predicate:
        parts = [self.unary()]
        while self.take("&&"):
            parts.append(self.unary())
        return parts[0] if len(parts) == 1 else lambda labels: all(part(labels) for part in parts)

    def unary(self) -> Predicate:
        if self.take("!"):
            inner = self.unary()
            return lambda labels: not inner(labels)
        return self.primary()

    def primary(self) -> Predicate:
        if self.take("("):
            inner = self.either()
            self.need(")")
            return inner
        function = _FUNCTION.match(self.text, self.at)
        if function:
            self.at = function.end()
            self.gap()
            return self.function(function.group(1))
        return self.comparison(self.label())

    def function(self, name: str) -> Predicate:
        if name == "has":
            key = self.label()
            self.need(")")
            return lambda labels: key in labels
        self.need(")")
        if name == "all" and self.held:
            return lambda labels: self.held in labels
        if name == "global" and self.spaces:
            return lambda labels: self.held not in labels
        return lambda _: True

    def label(self) -> str:
        found = _IDENTIFIER.match(self.text, self.at)
        if not found:
            raise self.wrong("a label")
        self.at = found.end()
        self.gap()
        return self.prefix + found.group()

    def comparison(self, key: str) -> Predicate:
        for name, pattern in _OPERATORS:
            found = pattern.match(self.text, self.at)
            if found:
                self.at = found.end()
                self.gap()
                return self.set_test(key, name) if name.endswith("in") else self.text_test(key, name)
        raise self.wrong("an operator")

    def set_test(self, key: str, name: str) -> Predicate:
        items: list[str] = []
        self.need("{")
        while not self.take("}"):
            items.append(self.literal())
            if not self.take(","):
                self.need("}")
                break
        if name == "in":
            return lambda labels: key in labels and labels[key] in items
        return lambda labels: key not in labels or labels[key] not in items

    def text_test(self, key: str, name: str) -> Predicate:
        text = self.literal()
        if name == "==":
            return lambda labels: key in labels and labels[key] == text
        if name == "!=":
            return lambda labels: key not in labels or labels[key] != text
        if name == "contains":
            return lambda labels: key in labels and text in labels[key]
        if name == "starts with":
            return lambda labels: key in labels and labels[key].startswith(text)
        return lambda labels: key in labels and labels[key].endswith(text)

    def literal(self) -> str:
        quote = self.text[self.at : self.at + 1]
        if quote not in ("'", '"') or not quote:
            raise self.wrong("a quoted text")
        close = self.text.find(quote, self.at + 1)
        if close < 0:
            raise self.wrong("a closing quote")
        text = self.text[self.at + 1 : close]
        self.at = close + 1
        self.gap()
        return text
