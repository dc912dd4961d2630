"""How the judging commands read policies and say whom they judge for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from .compiling import failsafe_ports, refuse_several
from .diagnostics import render
from .options import parse_endpoint, parse_labels
from .outcome import Code, color, fail, say

if TYPE_CHECKING:
    from ..judge.compiled import Policies, Whom


def read(files: Sequence[str], failsafes: tuple[str | None, str | None] = (None, None)) -> Policies:
    """Reads and checks the files; warnings are said at once. CompileError when they are wrong.

    failsafes: the inbound and outbound options, None for Calico's.
    """
    from ..judge.compiled import read_policies

    policies = read_policies(files, failsafe_ports(*failsafes))
    if policies.warnings:
        say(render(policies.warnings, policies.sources, color=color(sys.stderr.isatty())).rstrip("\n"))
    return policies


def whom(endpoint: str | None, labels: str | None, namespace: str | None) -> Whom | None:
    """The choice that the options make, None when they make none; typer.BadParameter (exit 2) for what
    contradicts itself."""
    from ..judge.compiled import Whom

    if endpoint is not None and labels is not None:
        raise typer.BadParameter("--endpoint and --labels exclude each other")
    if namespace is not None and labels is None:
        raise typer.BadParameter("--namespace belongs to --labels", param_hint="--namespace")
    if endpoint is not None:
        return Whom.of(parse_endpoint(endpoint))
    if labels is not None:
        return Whom(namespace, labels=tuple(sorted(parse_labels(labels).items())))
    return None


def only_endpoint(policies: Policies) -> Whom:
    """The inventory's one endpoint; ends the command when there is none, or are several."""
    from ..judge.compiled import Whom

    found = policies.endpoints
    if not found:
        fail(Code.INPUT, "the files hold no endpoint", "add the inventory's files, or give --labels app=web")
    if len(found) > 1:
        refuse_several(found)
    return Whom.of(found[0])
