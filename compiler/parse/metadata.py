"""`metadata` of every kind: names, namespaces, labels and annotations (dossier §1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ...grammar.documents import shorten
from ...grammar.nodes import Mapping, Node, Scalar
from .. import codes
from ..resources import Metadata
from .fields import Place, Shape, is_empty, missing, read_mapping, read_text, read_text_map

MAX_ANNOTATIONS: Final = 262144
NAMESPACE_LABEL: Final = "projectcalico.org/namespace"

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
LABEL_NAME = re.compile(_LABEL)
SUBDOMAIN = re.compile(_SUBDOMAIN)
_POLICY_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})?")
_NETWORK_POLICY_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})?|(?:knp|ossg)\.default\.{_SUBDOMAIN}")
_QUALIFIED = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")

METADATA = Shape.of(
    "metadata",
    "name namespace labels annotations",
    ignored="creationTimestamp deletionTimestamp deletionGracePeriodSeconds finalizers generateName "
    "generation managedFields ownerReferences resourceVersion selfLink uid clusterName",
)


@dataclass(frozen=True)
class NameRule:
    """What a kind's name looks like. expected: in words."""

    pattern: re.Pattern[str]
    most: int
    expected: str


_WORDS: Final = "lower case letters, digits and `-`, starting and ending with a letter or digit"
SUBDOMAIN_RULE: Final = NameRule(SUBDOMAIN, 253, f"{_WORDS}, in parts joined by `.`")
LABEL_RULE: Final = NameRule(LABEL_NAME, 63, _WORDS)
POLICY_RULE: Final = NameRule(_POLICY_NAME, 253, f"{_WORDS}; one `.` may separate two such parts")
NETWORK_POLICY_RULE: Final = NameRule(_NETWORK_POLICY_NAME, 253, POLICY_RULE.expected)


def read_metadata(
    place: Place, document: Mapping, kind: str, rule: NameRule, *, namespaced: bool
) -> Metadata | None:
    """The metadata of a document; None when it has no usable name."""
    entry = document.entries.get("metadata")
    if entry is None or is_empty(entry[1]):
        missing(place, entry[0] if entry else document, f"this {kind} has no `metadata` with a `name`")
        return None
    values = read_mapping(place, entry[1], METADATA)
    if values is None:
        return None
    namespace = _namespace(place, values.get("namespace"), kind, namespaced)
    labels = read_labels(place, values["labels"]) if "labels" in values else {}
    annotations = read_annotations(place, values["annotations"]) if "annotations" in values else {}
    if "name" not in values:
        missing(place, entry[0], f"the metadata of this {kind} has no `name`")
        return None
    name = read_name(place, values["name"], f"the name of a {kind}", rule)
    if name is None:
        return None
    return Metadata(
        at=place.span(values["name"]), name=name, namespace=namespace, labels=labels, annotations=annotations
    )


def read_name(place: Place, node: Node, what: str, rule: NameRule) -> str | None:
    """A name by its rule; an invalid one is reported and None."""
    text = read_text(place, node, what)
    if text is None:
        return None
    if len(text) > rule.most:
        place.error(
            codes.NAME,
            f"{what} has {len(text)} characters, more than {rule.most}",
            node,
            expected=rule.expected,
        )
        return None
    if not rule.pattern.fullmatch(text):
        hint = f"did you mean `{text.lower()}`?" if rule.pattern.fullmatch(text.lower()) else ""
        message = f"{what} cannot be `{shorten(text)}`" if text else f"{what} cannot be empty"
        place.error(codes.NAME, message, node, expected=rule.expected, hint=hint)
        return None
    return text


def _namespace(place: Place, node: Node | None, kind: str, namespaced: bool) -> str:
    if node is None:
        return "default" if namespaced else ""
    if not namespaced:
        if not is_empty(node):
            message = f"a {kind} is not in a namespace"
            place.error(codes.NAMESPACE, message, node, hint="take `namespace` out")
        return ""
    if isinstance(node, Scalar) and node.text == "":
        return "default"
    return read_name(place, node, "a namespace", LABEL_RULE) or "default"


def read_labels(place: Place, node: Node) -> dict[str, str]:
    """Labels: qualified names to values of up to 63 characters."""
    labels: dict[str, str] = {}
    for name, (key, value) in read_text_map(place, node, "labels").items():
        problem = qualified_problem(name)
        if problem:
            place.error(codes.LABEL, f"`{shorten(name)}` is no label name: {problem}", key)
        text = "" if value.null else value.text
        if expected := label_value_problem(text):
            place.error(codes.LABEL, f"`{shorten(text)}` is no label value", value, expected=expected)
        labels[name] = text
    return labels


def label_value_problem(text: str) -> str:
    """What a label value is, when the text is none; empty when it is one."""
    if len(text) <= 63 and (not text or _QUALIFIED.fullmatch(text)):
        return ""
    return "up to 63 letters, digits, `-`, `_` and `.`, a letter or digit at both ends"


def read_annotations(place: Place, node: Node) -> dict[str, str]:
    """Annotations: qualified names (case does not matter) to any text, 262144 bytes in all."""
    annotations: dict[str, str] = {}
    total = 0
    for name, (key, value) in read_text_map(place, node, "annotations").items():
        problem = qualified_problem(name.lower())
        if problem:
            place.error(codes.ANNOTATION, f"`{shorten(name)}` is no annotation name: {problem}", key)
        annotations[name] = "" if value.null else value.text
        total += len(name.encode()) + len(annotations[name].encode())
    if total > MAX_ANNOTATIONS:
        message = f"the annotations have {total} bytes, more than {MAX_ANNOTATIONS}"
        place.error(codes.ANNOTATION, message, node)
    return annotations


def qualified_problem(name: str) -> str:
    """What is wrong with a Kubernetes qualified name (`[prefix/]name`); empty when nothing is."""
    prefix, slash, last = name.rpartition("/")
    if slash and (len(prefix) > 253 or not SUBDOMAIN.fullmatch(prefix)):
        return "the part before `/` is a DNS name in lower case, up to 253 characters"
    if not last:
        return "it is empty"
    if len(last) > 63:
        return f"it has {len(last)} characters after any `/`, more than 63"
    if not _QUALIFIED.fullmatch(last):
        return "it has letters, digits, `-`, `_` and `.`, and a letter or digit at both ends"
    return ""
