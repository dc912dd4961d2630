"""Any tree of lists, mappings, anchors and aliases reads as PyYAML composes it, each value at its place."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from polc.grammar.documents import read_documents
from polc.grammar.nodes import Mapping, Node, Scalar
from polc.tests.front.test_yaml import LOADERS

WORDS = st.sampled_from(
    ["a", "b", "10.0.0.0/8", "", "no", "~", "a: b", "- c", "é", "'", '"', "two\nlines", "#"]
)
# A number stands for a value that was complete before: an alias of it.
LEAVES = WORDS | st.integers(0, 9)
SHAPES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=14,
)


def composed(shape: Any, flow: bool, ready: list[yaml.Node]) -> yaml.Node:
    """PyYAML's nodes of a shape. ready: those that are complete, to be shared."""
    node: yaml.Node
    if isinstance(shape, int):
        if ready:
            return ready[shape % len(ready)]
        shape = str(shape)
    if isinstance(shape, list):
        node = yaml.SequenceNode(
            "tag:yaml.org,2002:seq", [composed(item, flow, ready) for item in shape], flow_style=flow
        )
    elif isinstance(shape, dict):
        pairs = [(composed(key, flow, []), composed(value, flow, ready)) for key, value in shape.items()]
        node = yaml.MappingNode("tag:yaml.org,2002:map", pairs, flow_style=flow)
    else:
        node = yaml.ScalarNode("tag:yaml.org,2002:str", shape)
    ready.append(node)
    return node


def theirs(node: yaml.Node) -> tuple[object, ...]:
    place = node.start_mark.line + 1, node.start_mark.column + 1
    if isinstance(node, yaml.MappingNode):
        return *place, [(theirs(key), theirs(value)) for key, value in node.value]
    if isinstance(node, yaml.SequenceNode):
        return *place, [theirs(item) for item in node.value]
    return *place, node.value


def ours(node: Node) -> tuple[object, ...]:
    place = node.line, node.column
    if isinstance(node, Mapping):
        return *place, [(ours(key), ours(value)) for key, value in node.entries.values()]
    if isinstance(node, Scalar):
        return *place, node.text
    return *place, [ours(item) for item in node.items]


def size(node: yaml.Node) -> int:
    """How many values it is, as polc counts them: every alias is what it stands for."""
    if isinstance(node, yaml.MappingNode):
        return 1 + sum(1 + size(value) for _, value in node.value)
    return 1 + sum(map(size, node.value)) if isinstance(node, yaml.SequenceNode) else 1


@given(SHAPES, st.booleans(), st.sampled_from(LOADERS))
@example(["a", "b", 0, "a", {"a": 1}, "b", [], "a", 1, 0, "b"], True, LOADERS[-1])
@example({"a": ["a", "b", ["a", 0, "b"], "b"], "b": 2}, False, LOADERS[-1])
def test_a_tree_is_read_as_it_is_composed(shape: Any, flow: bool, loader: Any) -> None:
    text = yaml.serialize(composed(shape, flow, []), allow_unicode=True)
    wanted = yaml.compose(text, loader)
    (document,) = read_documents(text, loader)
    assert wanted is not None
    assert not document.faults
    assert document.root is not None
    assert ours(document.root) == theirs(wanted)
    assert document.root.size == size(wanted)
