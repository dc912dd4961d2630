"""A selector's error points at its character in the file, whatever YAML style the text is written in."""

from __future__ import annotations

from random import Random

import pytest
import yaml
from polc.grammar.documents import read_documents
from polc.grammar.nodes import Mapping, Scalar
from polc.grammar.positions import text_positions
from polc.tests.front.reading import marked, places, policy, read

STYLES = {
    "plain": "selector: has(a) && b ‸= 'c'",
    "plain over two lines": "selector: has(a)\n  && b ‸= 'c'",
    "single quotes": "selector: 'has(a) && b ‸= ''c'''",
    "single quotes, error after a doubled quote": "selector: 'a == ''c'' && b ‸= ''c'''",
    "double quotes": "selector: \"has(a) && b ‸= 'c'\"",
    "double quotes, after an escape": 'selector: "a == \\"c\\" && b ‸= \\"d\\""',
    "double quotes, after a code point": "selector: \"a == '\\u00e9' && b ‸= 'd'\"",
    "double quotes over two lines": "selector: \"has(a)\n  && b ‸= 'd'\"",
    "double quotes, escaped break": "selector: \"has(a) \\\n  && b ‸= 'd'\"",
    "folded": "selector: >-\n  has(a) &&\n  b ‸= 'c'",
    "folded, indented by four": "selector: >-\n      has(a) &&\n      b ‸= 'c'",
    "literal": "selector: |-\n  has(a) && b ‸= 'c'",
    "literal with an indentation indicator": "selector: |2-\n  has(a) && b ‸= 'c'",
    "after an anchor": "selector: &s has(a) && b ‸= 'c'",
    "after a tag": "selector: !!str has(a) && b ‸= 'c'",
    "anchor and quotes": "selector: &s 'has(a) && b ‸= 1'",
}


@pytest.mark.parametrize("style", STYLES)
def test_the_column_is_right_in(style: str) -> None:
    text, line, column = marked(policy(STYLES[style]))
    _, found = read(text)
    assert places(found) == [("POLC-E0601", line, column)]


@pytest.mark.parametrize("style", ["plain", "single quotes", "folded", "literal", "after an anchor"])
def test_the_place_of_a_right_selector_is_its_first_character(style: str) -> None:
    text, line, column = marked(policy(STYLES[style].replace("‸=", "==").replace("has(", "‸has(", 1)))
    (resource,), found = read(text)
    assert not found
    field = getattr(resource, "selector")  # noqa: B009 (the union has no such field)
    assert (field.at.line, field.at.column) == (line, column)


def test_a_whole_block_scalar_with_its_last_line_break_is_an_error_that_says_how_to_fold() -> None:
    _, found = read(policy("selector: |\n  has(a)"))
    assert [item.code for item in found] == ["POLC-E0601"]
    assert "`>-`" in found[0].hint


_PIECES = ["has(x)", " ", "\n", '"', "'", "&&", "a", "  ", "\n\n", "é", "\t", "\\", ": ", "#"]


def test_every_character_of_a_scalar_is_found_again_in_every_style() -> None:
    """Texts of all kinds, written by PyYAML in each style and width."""
    random = Random(5)
    checked = 0
    for _ in range(400):
        text = "".join(random.choice(_PIECES) for _ in range(random.randint(1, 12)))
        for style in ("|", ">", '"', "'", None):
            written = yaml.safe_dump(
                text,
                default_style=style,
                width=random.choice((10, 20, 80)),
                allow_unicode=random.random() < 0.5,
                indent=random.choice((2, 4)),
            )
            source = "b: 1\na: " + written.removesuffix("...\n")
            (document,) = read_documents(source)
            assert isinstance(document.root, Mapping)
            node = document.root.entries["a"][1]
            assert isinstance(node, Scalar)
            positions = text_positions(source, node)
            for char, index in zip(node.text, positions, strict=False):
                if not char.isspace() and source[index] != "\\":
                    assert source[index] == char, (source, text, index)
                    checked += 1
            assert positions == sorted(positions)
            assert len(node.text) < 2 or len(set(positions)) > 1
    assert checked > 5000
