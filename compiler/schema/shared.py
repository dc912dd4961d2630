"""What several kinds have in common: metadata, addresses, ports, protocols and selectors."""

from __future__ import annotations

from ..parse import label_selectors, metadata, port_groups, ports
from ..parse.selector import MAX_LENGTH
from .words import Schema, any_text, integer, items, mapping, name, ref, text, texts, word

_ADDRESS = r"[0-9A-Fa-f:.]*[:.][0-9A-Fa-f:.]*"


def selector(description: str) -> Schema:
    """A Calico selector. Its grammar is grammar/selector.lark; a schema cannot hold it."""
    return text(description, most=MAX_LENGTH)


def network(description: str) -> Schema:
    return text(description, rf"{_ADDRESS}/[0-9]{{1,3}}")


def address(description: str, *, empty: bool = False) -> Schema:
    return text(description, f"{_ADDRESS}|" if empty else _ADDRESS)


def either(description: str) -> Schema:
    """An address or a network."""
    return text(description, rf"{_ADDRESS}(?:/[0-9]{{1,3}})?")


def port_number(description: str) -> Schema:
    return integer(1, 65535, description)


def metadata_of(rule: metadata.NameRule, *, namespaced: bool) -> Schema:
    fields = {
        "name": name(rule, "The name."),
        "labels": texts("Labels, which selectors see.", text("", most=63)),
        "annotations": texts("Annotations, kept for reports."),
    }
    fields["labels"]["additionalProperties"] = {"type": ["string", "number", "boolean", "null"]}
    if namespaced:
        fields["namespace"] = name(metadata.LABEL_RULE, "The namespace (default: `default`).", empty=True)
    else:
        fields["namespace"] = {"enum": [None, ""], "description": "Must be absent: the kind is cluster-wide."}
    return mapping(metadata.METADATA, fields, "name")


def definitions() -> dict[str, Schema]:
    """The shared parts of `$defs`."""
    number = r"[1-9][0-9]*"
    return {
        "port": {
            "title": "A port",
            "anyOf": [
                port_number("A port."),
                text(
                    "A port, a range or a name.",
                    rf"{number}(?::{number})?|{ports.PORT_NAME_RULE.pattern.pattern}",
                ),
            ],
        },
        "protocol": {
            "title": "A protocol",
            "anyOf": [
                word(ports.PROTOCOLS, "By name."),
                integer(1, 255, "By number."),
                text("A number as a text.", r"[1-9][0-9]{0,2}"),
            ],
        },
        "labelSelector": {
            "title": "A label selector of Kubernetes",
            **mapping(
                label_selectors.SELECTOR,
                {
                    "matchLabels": texts("Labels that must all be there with these values."),
                    "matchExpressions": items(
                        ref("labelExpression", "One condition."), "Conditions that must all hold."
                    ),
                },
            ),
        },
        "labelExpression": {
            "title": "A condition of a label selector",
            **mapping(
                label_selectors.EXPRESSION,
                {
                    "key": text("The label's name."),
                    "operator": word(label_selectors.OPERATORS, "How the label is compared."),
                    "values": items(any_text("A value."), "For `In` and `NotIn` only, and needed there."),
                },
                "key operator",
            ),
        },
        "kubernetesPort": {
            "title": "A port of a Kubernetes rule",
            **mapping(
                port_groups.PORT,
                {
                    "protocol": word(port_groups.RULE_PROTOCOLS, "The protocol (default: TCP).", empty=True),
                    "port": ref("port", "A number or a name (default: every port)."),
                    "endPort": port_number("The last port of a range that starts at `port`."),
                },
            ),
        },
    }
