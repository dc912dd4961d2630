"""How the front's tests read a text: straight from a string, with its findings."""

from __future__ import annotations

import textwrap

from polc.compiler.parse import parse
from polc.compiler.resources import Policy, Resource
from polc.compiler.source import Diagnostic, Diagnostics, Source


def read(text: str, path: str = "x.yaml") -> tuple[tuple[Resource, ...], list[Diagnostic]]:
    """The resources and findings of one text, dedented."""
    diagnostics = Diagnostics()
    resources = parse([Source.of(path, textwrap.dedent(text))], diagnostics)
    return resources, list(diagnostics)


def policy(spec: str, kind: str = "NetworkPolicy") -> str:
    """A whole policy around its spec, which is given with no indentation."""
    head = f"apiVersion: projectcalico.org/v3\nkind: {kind}\nmetadata: {{name: p}}\nspec:\n"
    return head + textwrap.indent(textwrap.dedent(spec).strip("\n"), "  ") + "\n"


def rule(text: str) -> str:
    """A policy with one ingress rule, given as block YAML with no indentation."""
    lines = textwrap.indent(textwrap.dedent(text).strip("\n"), "    ").removeprefix("    ")
    return policy("ingress:\n  - " + lines)


def only(text: str) -> Policy:
    """The one policy of a text without findings."""
    resources, found = read(text)
    assert not found, found
    (resource,) = resources
    assert isinstance(resource, Policy)
    return resource


def marked(text: str) -> tuple[str, int, int]:
    """The text without its `‸`, and the line and column where that stood."""
    before, after = text.split("‸")
    return before + after, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def places(found: list[Diagnostic]) -> list[tuple[str, int, int]]:
    """Code, line and column of each finding."""
    return [(item.code, item.span.line, item.span.column) for item in found if item.span]
