"""All of YAML reads, with right places; what is broken is reported and does not hide what follows."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from polc.compiler.resources import NetworkSet, Policy
from polc.grammar.documents import read_documents
from polc.grammar.nodes import FaultKind, Mapping, Node, Scalar, Sequence
from polc.tests.front.reading import only, places, policy, read

LOADERS = [yaml.SafeLoader] + ([yaml.CSafeLoader] if hasattr(yaml, "CSafeLoader") else [])


def plain(node: Node | None) -> object:
    """The tree as dicts, lists and texts."""
    if isinstance(node, Mapping):
        return {name: plain(value) for name, (_, value) in node.entries.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node.text if isinstance(node, Scalar) else None


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a: 1\nb: [x, {c: d}]\n", {"a": "1", "b": ["x", {"c": "d"}]}),
        ('{"a": [1, true, null], "b": {"c": "d"}}', {"a": ["1", "true", "null"], "b": {"c": "d"}}),
        (
            "a: no\nb: 010\nc: 1_000\nd: 2020-01-01\n",
            {"a": "no", "b": "010", "c": "1_000", "d": "2020-01-01"},
        ),
        ("a: &x [1, 2]\nb: *x\nc: {d: *x}\n", {"a": ["1", "2"], "b": ["1", "2"], "c": {"d": ["1", "2"]}}),
        ("a: [&x 1, *x, &x 2, *x]\n", {"a": ["1", "1", "2", "2"]}),
        ("a: [&x [1], *x, &x [2], *x]\n", {"a": [["1"], ["1"], ["2"], ["2"]]}),
        ("a: [&x 1, &y [*x, *x], *y]\n", {"a": ["1", ["1", "1"], ["1", "1"]]}),
        ("a: |\n  x\n  y\nb: >-\n  x\n  y\n", {"a": "x\ny\n", "b": "x y"}),
        ("? a\n: b\n", {"a": "b"}),
        ("- a\n-\n  - b\n", ["a", ["b"]]),
        ("!!map {a: !!str 1}", {"a": "1"}),
    ],
)
def test_yaml_reads_as_texts(text: str, wanted: object, loader: Any) -> None:
    (document,) = read_documents(text, loader)
    assert not document.faults
    assert plain(document.root) == wanted


@pytest.mark.parametrize("loader", LOADERS)
def test_every_value_keeps_its_line_and_column(loader: Any) -> None:
    (document,) = read_documents("é: [a,  'b']\nc:\n  d: 1\n", loader)
    assert isinstance(document.root, Mapping)
    key, items = document.root.entries["é"]
    assert isinstance(items, Sequence)
    assert [(node.line, node.column) for node in (key, items, *items.items)] == [
        (1, 1),
        (1, 4),
        (1, 5),
        (1, 9),
    ]
    inner = document.root.entries["c"][1]
    assert isinstance(inner, Mapping)
    assert (inner.entries["d"][1].line, inner.entries["d"][1].column) == (3, 6)


@pytest.mark.parametrize("loader", LOADERS)
def test_lines_are_the_editors_lines_after_a_unicode_line_separator(loader: Any) -> None:
    (document,) = read_documents('a: "x\u2028y\x85z"\nb: 1\n', loader)
    assert isinstance(document.root, Mapping)
    key = document.root.entries["b"][0]
    assert (key.line, key.column) == (2, 1)


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("text", "kinds", "lines"),
    [
        ("a: [\n---\nb: 1\n---\nc: 1\n", [FaultKind.SYNTAX], [3, 5]),
        ("a: 'x\n---\nb: 1\n", [FaultKind.SYNTAX], [3]),
        ("a: 1\n---\n\tb: 1\n---\nc: 1\n", [FaultKind.SYNTAX], [1, 5]),
        ("a: 1\n--- \nb: 1: 2\n---\nc: }\n---\nd: 1\n", [FaultKind.SYNTAX, FaultKind.SYNTAX], [1, 7]),
        ("a: *x\n---\nb: 1\n", [FaultKind.ALIAS], [3]),
        ("a: &x [*x]\n---\nb: 1\n", [FaultKind.ALIAS], [3]),
        ("%YAML 3.0\n---\na: 1\n---\nb: 1\n", [FaultKind.SYNTAX], [3, 5]),
        ("a: }\n", [FaultKind.SYNTAX], []),
        ("a: |\n  ---\nb: }\n---\nc: 1\n", [FaultKind.SYNTAX], [5]),
    ],
)
def test_documents_after_a_broken_one_are_read_with_right_lines(
    text: str, kinds: list[FaultKind], lines: list[int], loader: Any
) -> None:
    documents = list(read_documents(text, loader))
    found = [fault.kind for document in documents for fault in document.faults]
    if "%YAML" in text:
        # After a refused directive the next marker starts the same document once more.
        assert found[0] is FaultKind.SYNTAX
        found = found[:1]
    assert found == kinds
    roots = [document.root for document in documents if isinstance(document.root, Mapping)]
    assert [root.line for root in roots] == lines


def test_each_broken_document_is_reported_once_and_in_order() -> None:
    text = "\n---\n".join("a: }" for _ in range(10))
    faults = [fault for document in read_documents(text) for fault in document.faults]
    assert [fault.line for fault in faults] == [1 + 2 * index for index in range(10)]


def test_a_file_of_only_broken_documents_is_given_up() -> None:
    text = "\n---\n".join("a: }" for _ in range(1000))
    faults = [fault for document in read_documents(text) for fault in document.faults]
    assert faults[-1].kind is FaultKind.GIVEN_UP
    assert len(faults) == 101


def test_a_duplicate_key_names_both_places() -> None:
    text = policy("selector: all()\norder: 1\nselector: has(a)")
    _, found = read(text)
    assert places(found) == [("POLC-E0102", 7, 3)]
    assert "line 5, column 3" in found[0].message


def test_duplicate_keys_are_found_at_any_depth_and_in_any_style() -> None:
    _, found = read(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {b: c, 'b': d}}\nspec: {x: [{y: 1, y: 2}]}\n"
    )
    assert [item.code for item in found] == ["POLC-E0102", "POLC-E0102"]


def test_merge_keys_are_refused_and_a_quoted_one_is_a_key() -> None:
    _, found = read(policy("<<: {order: 1}\nselector: all()"))
    assert [item.code for item in found] == ["POLC-E0106"]
    assert "repeat" not in found[0].message
    (document,) = read_documents("'<<': 1")
    assert not document.faults


def test_tags_without_meaning_and_keys_that_are_no_texts_are_refused() -> None:
    _, found = read(policy("selector: !secret all()\n? [order]\n: 1"))
    assert [item.code for item in found] == ["POLC-E0107", "POLC-E0108"]


def test_an_unrendered_template_gets_a_hint() -> None:
    for text in ("a: {{ .Values.x }}\n", "{{- if x }}\na: b\n{{- end }}\n", "{% if x %}\na: b\n"):
        _, found = read(text)
        assert any("template" in item.hint for item in found), text


def test_a_tab_in_the_indentation_gets_a_hint() -> None:
    _, found = read("a:\n\tb: 1\n")
    assert "spaces" in found[0].hint


def test_json_reads_like_yaml() -> None:
    text = (
        '{"apiVersion": "projectcalico.org/v3", "kind": "NetworkSet",\n'
        ' "metadata": {"name": "s"}, "spec": {"nets": ["10.0.0.0/8", "192.0.2.1"]}}'
    )
    (resource,), found = read(text)
    assert not found
    assert isinstance(resource, NetworkSet)
    assert [str(net.network) for net in resource.nets] == ["10.0.0.0/8", "192.0.2.1/32"]
    assert resource.nets[1].at.line == 2


def test_an_alias_stands_for_its_value_and_its_faults_are_reported_once() -> None:
    text = policy(
        """
        ingress:
          - &allow
            action: Allow
            protocol: TCP
          - *allow
        egress: [*allow]
        """
    )
    assert len(only(text).ingress) == 2
    _, found = read(text.replace("TCP", "tcp"))
    assert [item.code for item in found] == ["POLC-E0504"]


def test_empty_documents_and_comments_are_no_resources() -> None:
    assert read("---\n# nothing\n---\n---\n\n") == ((), [])
    assert read("") == ((), [])


def test_a_list_holds_documents() -> None:
    head = "  - apiVersion: projectcalico.org/v3\n    kind: GlobalNetworkPolicy\n"
    items = "".join(f"{head}    metadata: {{name: {name}}}\n    spec: {{}}\n" for name in "ab")
    resources, found = read("apiVersion: v1\nkind: List\nitems:\n" + items)
    assert not found
    assert [resource.metadata.name for resource in resources if isinstance(resource, Policy)] == ["a", "b"]


@pytest.mark.parametrize("text", ['a: {"b": [1,', "a: [\n\n\n", "a: 'b\n\n"])
def test_an_error_at_the_end_of_the_text_points_at_text(text: str) -> None:
    (fault,) = next(iter(read_documents(text))).faults
    assert fault.line == 1
    assert 1 <= fault.column <= len(text.split("\n")[0]) + 1
