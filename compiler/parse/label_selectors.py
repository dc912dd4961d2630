"""Kubernetes label selectors as Calico selectors: `matchLabels` and `matchExpressions` (dossier §7)."""

from __future__ import annotations

from typing import Final

from ...grammar.documents import shorten
from ...grammar.nodes import Node
from .. import codes
from ..resources import SelectorField
from ..selector import All, And, Compare, Has, In, Not, Operator, Selector, canonical
from ..source import Span
from .fields import (
    Place,
    Shape,
    is_empty,
    is_null,
    missing,
    read_list,
    read_mapping,
    read_text,
    read_word,
)
from .metadata import label_value_problem, qualified_problem, read_labels

# What every pod of Kubernetes has, and no NetworkSet and no host: only pods are meant.
OF_KUBERNETES: Final = Compare("projectcalico.org/orchestrator", Operator.EQUAL, "k8s")

SELECTOR = Shape.of(
    "a label selector",
    "matchLabels matchExpressions",
    elsewhere={"app": "labels stand under `matchLabels`", "name": "labels stand under `matchLabels`"},
)
EXPRESSION = Shape.of("an item of `matchExpressions`", "key operator values")
OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist")


def read_label_selector(place: Place, node: Node) -> tuple[Selector, ...]:
    """Terms that must all hold, labels sorted by key first; none for an empty selector, which selects all."""
    if is_null(node):
        return ()
    values = read_mapping(place, node, SELECTOR) or {}
    terms: list[Selector] = []
    if "matchLabels" in values:
        labels = read_labels(place, values["matchLabels"])
        terms += [Compare(key, Operator.EQUAL, labels[key]) for key in sorted(labels)]
    if "matchExpressions" in values:
        for item in read_list(place, values["matchExpressions"], "`matchExpressions`"):
            term = _read_expression(place, item)
            if term is not None:
                terms.append(term)
    return tuple(terms)


def _read_expression(place: Place, node: Node) -> Selector | None:
    given = read_mapping(place, node, EXPRESSION)
    if given is None:
        return None
    for name in ("key", "operator"):
        if name not in given:
            missing(place, node, f"this item of `matchExpressions` has no `{name}`")
    if "key" not in given or "operator" not in given:
        return None
    key = read_text(place, given["key"], "a key")
    operator = read_word(place, given["operator"], "an operator", OPERATORS)
    texts = _read_values(place, given["values"]) if "values" in given else ()
    if key is None or operator is None:
        return None
    if problem := qualified_problem(key):
        place.error(codes.LABEL, f"`{shorten(key)}` is no label name: {problem}", given["key"])
    if operator in ("In", "NotIn"):
        if not texts and ("values" not in given or is_empty(given["values"])):
            missing(place, given.get("values", node), f"the operator {operator} needs `values`")
        return In(key, texts, negated=operator == "NotIn")
    if texts:
        message = f"the operator {operator} takes no `values`"
        place.error(codes.WRONG_TYPE, message, given["values"], hint="take `values` out")
    return Has(key) if operator == "Exists" else Not(Has(key))


def _read_values(place: Place, node: Node) -> tuple[str, ...]:
    texts: set[str] = set()
    for item in read_list(place, node, "`values`"):
        text = read_text(place, item, "a value")
        if text is None:
            continue
        if problem := label_value_problem(text):
            place.error(codes.LABEL, f"`{shorten(text)}` is no label value", item, expected=problem)
        texts.add(text)
    return tuple(sorted(texts, key=lambda text: text.encode("utf-8", "surrogatepass")))


def pods_field(at: Span, terms: tuple[Selector, ...]) -> SelectorField:
    """The pods that a `podSelector` selects."""
    return _field(at, And((OF_KUBERNETES, *terms)) if terms else OF_KUBERNETES)


def namespaces_field(at: Span, terms: tuple[Selector, ...]) -> SelectorField:
    """The namespaces that a `namespaceSelector` selects, as Calico's field of that name."""
    return _field(at, And(terms) if len(terms) > 1 else terms[0] if terms else All())


def _field(at: Span, selector: Selector) -> SelectorField:
    return SelectorField(at=at, text=canonical(selector), selector=selector)


def read_selector_pair(
    place: Place, values: dict[str, Node], pods: str = "podSelector", namespaces: str = "namespaceSelector"
) -> tuple[SelectorField | None, SelectorField | None]:
    """The pods and the namespaces that a peer selects, each None when its selector is absent.

    A namespace selector alone means its pods too.
    """
    of_pods = of_namespaces = None
    if namespaces in values:
        at = place.span(values[namespaces])
        of_namespaces = namespaces_field(at, read_label_selector(place, values[namespaces]))
        of_pods = pods_field(at, ())
    if pods in values:
        of_pods = pods_field(place.span(values[pods]), read_label_selector(place, values[pods]))
    return of_pods, of_namespaces
