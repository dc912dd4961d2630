"""`polc test`: runs test cases against policies, and says which rules no case reaches."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..diagnostics import clean
from ..judging import read
from ..options import EngineChoice, FailsafeInbound, FailsafeOutbound, Files, Format, OutputFormat
from ..outcome import Code, fail
from ..table import columns
from ..writing import write_all

if TYPE_CHECKING:
    from ...judge.case_running import CaseResult, Prepared
    from ...judge.coverage import CoverageReport
    from ...judge.testing import CasesReport


def run(
    files: Files,
    cases: Annotated[
        list[str], typer.Option("--cases", metavar="CASES", help="Test cases: a YAML file (repeatable).")
    ],
    engine: Annotated[
        EngineChoice, typer.Option("--engine", help="Who judges; all compares the three.")
    ] = EngineChoice.NATIVE,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the report as JUnit XML too.")
    ] = None,
    min_coverage: Annotated[
        float | None,
        typer.Option(
            "--min-coverage", min=0, max=100, help="Fail when fewer percent of the rules are tested."
        ),
    ] = None,
    failsafe_inbound: FailsafeInbound = None,
    failsafe_outbound: FailsafeOutbound = None,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Run unit tests of policies.

    Exit 1 when a case fails, when the engines that are compared differ, or when too few rules are tested.
    """
    from ...judge.engines import EngineName
    from ...judge.junit import junit_xml
    from ...judge.testing import load_cases, run_cases

    policies = read(files, (failsafe_inbound, failsafe_outbound))
    prepared = load_cases(policies, cases)
    names = tuple(EngineName) if engine is EngineChoice.ALL else (EngineName(engine.value),)
    report = run_cases(policies, prepared, names, _progress)
    if junit is not None:
        write_all({junit: junit_xml(report).encode()})
    typer.echo(report.model_dump_json(indent=2) if format is Format.JSON else text(report))
    if report.failed:
        raise typer.Exit(int(Code.INPUT))
    if min_coverage is not None and report.coverage.percent < min_coverage:
        fail(Code.INPUT, f"{report.coverage.percent}% of the rules are tested, less than {min_coverage}%")


def text(report: CasesReport) -> str:
    """The report as a person reads it: what failed, then the sum, then what no case reaches."""
    lines = [line for case in report.cases for line in _case(case)]
    total = len(report.cases)
    lines.append(
        f"{total} case{'' if total == 1 else 's'}: {report.passed} passed, {report.failed} failed"
        f" ({', '.join(report.engines)})"
    )
    return "\n".join([*lines, *_coverage(report.coverage)])


def _case(case: CaseResult) -> Iterator[str]:
    if case.passed:
        return
    yield f"FAILED {clean(case.name)}, at {clean(case.at)}"
    for step in case.steps:
        if step.failed:
            yield f"  {clean(step.at)}: {step.packet}"
            yield f"    {clean(step.failed)}"


def _coverage(coverage: CoverageReport) -> Iterator[str]:
    yield f"{coverage.tested} of {coverage.rules} rules tested ({coverage.percent}%)"
    if coverage.untested:
        yield "untested:"
        yield from columns([("", clean(one.at), one.rule) for one in coverage.untested])


def _progress(cases: Sequence[Prepared]) -> Iterable[Prepared]:
    """Shows a bar on a terminal, and nothing in a pipe."""
    if len(cases) < 2 or not sys.stderr.isatty():
        return cases
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(cases, description="testing", console=console, transient=True)
