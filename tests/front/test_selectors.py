"""The selector language (dossier §5): what it takes, its canonical form, its meaning, its errors."""

from __future__ import annotations

import base64
import hashlib

import pytest
from polc.compiler.parse.selector import SelectorError, selector
from polc.compiler.selector import canonical

CANONICAL = {
    "": "all()",
    "  \t": "all()",
    "all()": "all()",
    "all( )": "all()",
    "global()": "global()",
    "has( a )": "has(a)",
    "a=='b'": 'a == "b"',
    "a == ''": 'a == ""',
    "a == 'say \"x\"'": "a == 'say \"x\"'",
    'a == "it\'s"': 'a == "it\'s"',
    'a == "two\nlines"': 'a == "two\nlines"',
    "a!='b'": 'a != "b"',
    "a contains'b'": 'a contains "b"',
    "a starts with 'b'": 'a starts with "b"',
    "a starts \t with 'b'": 'a starts with "b"',
    "a startswith 'b'": 'a starts with "b"',
    "a endswith'b'": 'a ends with "b"',
    "a in {'c','b','c'}": 'a in {"b", "c"}',
    "a in{}": "a in {}",
    "a in {'b',}": 'a in {"b"}',
    "a notin {'b'}": 'a not in {"b"}',
    "a not  in{'\"'}": "a not in {'\"'}",
    "!has(a)": "!has(a)",
    "!!has(a)": "has(a)",
    "! ! !has(a)": "!has(a)",
    "!(!has(a))": "!!has(a)",
    "!a == 'b'": '!a == "b"',
    "((has(a)))": "has(a)",
    "has(a) && has(b)": "(has(a) && has(b))",
    "has(b) || has(a)": "(has(b) || has(a))",
    "has(a) && has(b) && has(c)": "(has(a) && has(b) && has(c))",
    "has(a) && (has(b) && has(c))": "(has(a) && (has(b) && has(c)))",
    "has(a) || has(b) && has(c)": "(has(a) || (has(b) && has(c)))",
    "(has(a) || has(b)) && !has(c)": "((has(a) || has(b)) && !has(c))",
    "!(has(a) && has(b))": "!(has(a) && has(b))",
    'has == "x"': 'has == "x"',
    'all != "x"': 'all != "x"',
    'contains contains "contains"': 'contains contains "contains"',
    'in in {"in"}': 'in in {"in"}',
    'not not in {"not"}': 'not not in {"not"}',
    'starts starts with "starts"': 'starts starts with "starts"',
    'chas == "x"': 'chas == "x"',
    "has(has)": "has(has)",
    "0 == '1'": '0 == "1"',
    "-./_ == 'x'": '-./_ == "x"',
    "kubernetes.io/name == 'x'": 'kubernetes.io/name == "x"',
}


@pytest.mark.parametrize("text", CANONICAL)
def test_a_selector_has_calicos_canonical_form(text: str) -> None:
    assert canonical(selector(text)) == CANONICAL[text]


@pytest.mark.parametrize("text", [text for text in CANONICAL if "!!" not in CANONICAL[text]])
def test_the_canonical_form_reads_back_as_itself(text: str) -> None:
    once = canonical(selector(text))
    assert canonical(selector(once)) == once


def test_the_identifier_of_all_is_the_documented_one() -> None:
    """dossier §5.4: `s:` and base64url of the SHA-224 of `s:` and the canonical form."""
    digest = hashlib.sha224(("s:" + canonical(selector(""))).encode()).digest()
    identifier = "s:" + base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert identifier == "s:5y5I3VdRZfDU01O--xXAPx2yxCQQqMf0M6IWug"


@pytest.mark.parametrize(
    ("text", "labels", "wanted"),
    [
        ("a == 'b'", {"a": "b"}, True),
        ("a == 'b'", {"a": "c"}, False),
        ("a == 'b'", {}, False),
        ("a != 'b'", {"a": "c"}, True),
        ("a != 'b'", {"a": "b"}, False),
        ("a != 'b'", {}, True),
        ("a contains ''", {"a": "x"}, True),
        ("a contains 'b'", {}, False),
        ("a starts with 'b'", {"a": "bc"}, True),
        ("a starts with 'c'", {"a": "bc"}, False),
        ("a ends with 'c'", {"a": "bc"}, True),
        ("a in {'b', 'c'}", {"a": "c"}, True),
        ("a in {}", {"a": "c"}, False),
        ("a in {'b'}", {}, False),
        ("a not in {'b'}", {}, True),
        ("a not in {'b'}", {"a": "b"}, False),
        ("has(a)", {"a": ""}, True),
        ("!has(a)", {"a": ""}, False),
        ("all()", {}, True),
        ("global()", {}, True),
        ("has(a) || has(b) && has(c)", {"a": ""}, True),
        ("(has(a) || has(b)) && has(c)", {"a": ""}, False),
        ("!a == 'b'", {"a": "b"}, False),
    ],
)
def test_a_selector_means_what_section_5_3_says(text: str, labels: dict[str, str], wanted: bool) -> None:
    assert selector(text).matches(labels) is wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a‸", "expected operator after label `a`"),
        ("has ‸(x)", "expected operator after label `has`"),
        ("a ‸inx", "expected operator after label `a`"),
        ("a ‸containsx 'b'", "expected operator after label `a`"),
        ("a ‸is 'b'", "expected operator after label `a`"),
        ("a ‸= 'b'", "expected operator after label `a`"),
        ("a‸\n== 'b'", "expected operator after label `a`"),
        ("has(a) ‸& has(b)", "expected `&&`"),
        ("has(a) ‸| has(b)", "expected `||`"),
        ("has(a)‸\n&& has(b)", "a line break cannot stand"),
        ("a == ‸'b", "unterminated string"),
        ('a == ‸"b', "unterminated string"),
        ("a ==‸", "expected string, not the end"),
        ("a == ‸b", "expected string, not `b`"),
        ("a in ‸'b'", "expected set literal"),
        ("a in {'b'‸", "expected `}`, not the end"),
        ("a in {'b' ‸'c'}", "expected `}`"),
        ("a in {‸b}", "expected `}`"),
        ("(a == 'b'‸", "expected `)`, not the end"),
        ("a == 'b'‸)", "unexpected content at end of selector"),
        ("a == 'b' ‸c", "unexpected content at end of selector"),
        ("has(a‸", "expected `)`, not the end"),
        ("has(‸)", "expected a label"),
        ("all(‸", "expected `)`"),
        ("(‸)", "unexpected `)`"),
        ("‸&& has(a)", "unexpected `&&`"),
        ("has(a) && ‸&& has(b)", "unexpected `&&`"),
        ("!‸", "unexpected end of selector"),
        ("‸#", "unexpected `#`"),
        ("has(‸" + "a" * 513 + ")", "label too long: 513"),
    ],
)
def test_a_broken_selector_is_reported_at_its_column(text: str, message: str) -> None:
    column = text.index("‸") + 1
    with pytest.raises(SelectorError) as caught:
        selector(text.replace("‸", ""))
    assert message in caught.value.message
    assert caught.value.column == column


def test_a_label_may_have_512_characters_and_a_selector_1024() -> None:
    assert canonical(selector(f"has({'a' * 512})")) == f"has({'a' * 512})"
    longest = "a == '" + "b" * 1017 + "'"
    assert canonical(selector(longest)) == longest.replace("'", '"')
    with pytest.raises(SelectorError, match="too long"):
        selector(longest + " ")


@pytest.mark.parametrize(
    ("text", "hint"),
    [("a = 'b'", "`==`"), ("has (x)", "without a space"), ("a == b", '`"b"`'), ("a not == 'b'", "`not in`")],
)
def test_a_broken_selector_gets_a_near_miss(text: str, hint: str) -> None:
    with pytest.raises(SelectorError) as caught:
        selector(text)
    assert hint in caught.value.hint
