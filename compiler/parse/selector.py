"""Selector expressions as text to the tree of compiler/selector.py (dossier §5), with exact error columns."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

from ... import grammar
from ...grammar.documents import shorten
from ..selector import All, And, Compare, Global, Has, In, Not, Operator, Or, Selector
from .near import near_miss

MAX_LENGTH: Final = 1024
MAX_LABEL: Final = 512
MAX_DEPTH: Final = 100

_WORDS: Final = {
    "EQUAL": "==",
    "NOT_EQUAL": "!=",
    "CONTAINS": "contains",
    "STARTS_WITH": "starts with",
    "ENDS_WITH": "ends with",
    "IN": "in",
    "NOT_IN": "not in",
}
_OPERATORS: Final = ", ".join(f"`{word}`" for word in _WORDS.values())
_DOUBLED: Final = {"=": "==", "&": "&&", "|": "||"}


class SelectorError(ValueError):
    """A selector that cannot be read. column: from 1, in characters of the selector's text."""

    def __init__(self, column: int, message: str, expected: str = "", hint: str = "", width: int = 1) -> None:
        super().__init__(f"column {column}: {message}")
        self.column = column
        self.message = message
        self.expected = expected
        self.hint = hint
        self.width = width


class _Build(Transformer[Any, Selector]):
    def start(self, children: list[Selector]) -> Selector:
        return children[0] if children else All()

    def or_(self, children: list[Selector]) -> Selector:
        return Or(tuple(children))

    def and_(self, children: list[Selector]) -> Selector:
        return And(tuple(children))

    def negation(self, children: list[Any]) -> Selector:
        operand: Selector = children[-1]
        return Not(operand) if len(children) % 2 == 0 else operand

    def has(self, children: list[Token]) -> Selector:
        return Has(_label(children[1]))

    def all(self, children: list[Token]) -> Selector:  # noqa: ARG002 (Lark's shape)
        return All()

    def global_(self, children: list[Token]) -> Selector:  # noqa: ARG002
        return Global()

    def comparison(self, children: list[Token]) -> Selector:
        label, operator, text = children
        return Compare(_label(label), Operator(_WORDS[operator.type]), text[1:-1])

    def membership(self, children: list[Token]) -> Selector:
        label, operator, *texts = children
        members = tuple(
            sorted({text[1:-1] for text in texts}, key=lambda text: text.encode("utf-8", "surrogatepass"))
        )
        return In(_label(label), members, negated=operator.type == "NOT_IN")


def _label(token: Token) -> str:
    if len(token) > MAX_LABEL:
        message = f"label too long: {len(token)} characters, more than {MAX_LABEL}"
        raise SelectorError((token.start_pos or 0) + 1, message, width=len(token))
    return str(token)


_PARSER = Lark(
    files(grammar).joinpath("selector.lark").read_text(encoding="utf-8"),
    parser="lalr",
    lexer="contextual",
    maybe_placeholders=False,
    transformer=_Build(),
)


@lru_cache(maxsize=65536)
def selector(text: str) -> Selector:
    """The tree of a selector's text; an empty one is `all()`. Raises SelectorError with the column."""
    if len(text) > MAX_LENGTH:
        raise SelectorError(
            MAX_LENGTH + 1, f"selector too long: {len(text)} characters, more than {MAX_LENGTH}"
        )
    try:
        tree: Any = _PARSER.parse(text)
    except VisitError as error:
        raise error.orig_exc from None
    except UnexpectedInput as error:
        raise _explain(text, error) from None
    selected: Selector = tree
    # Each level has a parenthesis, so that few texts need the count.
    if text.count("(") > MAX_DEPTH and _depth(selected) > MAX_DEPTH:
        raise SelectorError(1, f"a selector nests at most {MAX_DEPTH} deep", width=len(text))
    return selected


def _depth(tree: Selector) -> int:
    """How deep the tree is; without recursion, since that is what the bound protects later stages from."""
    depth, level = 0, [tree]
    while level:
        depth += 1
        below: list[Selector] = []
        for node in level:
            if isinstance(node, And | Or):
                below.extend(node.operands)
            elif isinstance(node, Not):
                below.append(node.operand)
        level = below
    return depth


def _explain(text: str, error: UnexpectedInput) -> SelectorError:
    """Lark's complaint in Calico's terms: where, what was there, what may stand there."""
    if isinstance(error, UnexpectedToken):
        accepted = set(error.accepts or error.expected)
        at = len(text) if error.token.type == "$END" else error.token.start_pos or 0
        found = "" if error.token.type == "$END" else str(error.token)
    else:
        assert isinstance(error, UnexpectedCharacters)
        accepted = set(error.allowed or ())
        at = error.pos_in_stream or 0
        found = text[at]
    if accepted & {"EQUAL", "CONTAINS"}:
        return _operator_error(text, at, found)
    lexical = _lexical_error(at, found)
    if lexical is not None:
        return lexical
    return _structure_error(at, found, accepted)


def _lexical_error(at: int, found: str) -> SelectorError | None:
    if found in ('"', "'"):
        return SelectorError(at + 1, "unterminated string", f"a closing {found}")
    if found in _DOUBLED:
        return SelectorError(
            at + 1, f"expected `{_DOUBLED[found]}`", hint=f"did you mean `{_DOUBLED[found]}`?"
        )
    if found in ("\n", "\r"):
        return SelectorError(
            at + 1,
            "a line break cannot stand in a selector",
            hint="fold the text: `>-` joins lines by spaces",
        )
    return None


def _operator_error(text: str, at: int, found: str) -> SelectorError:
    before = text[:at].rstrip(" \t")
    start = len(before)
    while start and (
        before[start - 1].isascii() and (before[start - 1].isalnum() or before[start - 1] in "_./-")
    ):
        start -= 1
    label = shorten(before[start:])
    hint = near_miss(found, _WORDS.values()) if found.isalpha() else ""
    if found == "=":
        hint = "did you mean `==`?"
    elif found == "(" and label in ("has", "all", "global"):
        hint = f"did you mean `{label}(`, without a space?"
    elif found in ("\n", "\r"):
        hint = "fold the text: `>-` joins lines by spaces"
    message = f"expected operator after label `{label}`"
    return SelectorError(at + 1, message, "one of " + _OPERATORS, hint, max(len(found), 1))


def _structure_error(at: int, found: str, accepted: set[str]) -> SelectorError:
    """A token, or nothing, where the grammar wants another."""
    shown = f"`{shorten(found)}`" if found else "the end of the selector"
    width = max(len(found), 1)
    column = at + 1
    if "LABEL" in accepted and "HAS" in accepted:
        message = f"unexpected {shown}" if found else "unexpected end of selector"
        expected = "a label with an operator, `has(…)`, `all()`, `global()`, `!` or `(`"
        return SelectorError(column, message, expected, width=width)
    if "LABEL" in accepted:
        return SelectorError(
            column, f"expected a label, not {shown}", "a label, as in `has(app)`", width=width
        )
    if accepted == {"STRING"}:
        hint = f'did you mean `"{shorten(found)}"`?' if found and found[0].isalnum() else ""
        return SelectorError(column, f"expected string, not {shown}", "a text in quotes", hint, width)
    if "LBRACE" in accepted:
        hint = f"did you mean `{{{shorten(found)}}}`?" if found[:1] in ("'", '"') else ""
        return SelectorError(
            column, f"expected set literal, not {shown}", 'a set such as `{"a", "b"}`', hint, width
        )
    if "RBRACE" in accepted:
        return SelectorError(column, f"expected `}}`, not {shown}", "`,` or `}`", width=width)
    if "RPAR" in accepted:
        return SelectorError(column, f"expected `)`, not {shown}", "`)`, `&&` or `||`", width=width)
    message = f"unexpected content at end of selector: {shown}"
    return SelectorError(column, message, "`&&`, `||` or the end", width=width)
