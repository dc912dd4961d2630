"""`polc test`: all cases of some files, and the report on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from ..compiler.reading import read_sources
from ..compiler.source import CompileError, Diagnostics
from .case_reading import read_cases
from .case_running import CaseResult, Prepared, Runner, prepare
from .compiled import Policies
from .coverage import CoverageReport
from .engines import EngineName
from .walking import Shape


class CasesReport(Shape):
    """What `polc test --format json` prints. engines: who judged; with several, they were compared."""

    version: Literal[1] = 1
    engines: tuple[Literal["model", "native", "kernel"], ...]
    passed: int
    failed: int
    cases: tuple[CaseResult, ...]
    coverage: CoverageReport


def load_cases(policies: Policies, files: Sequence[str]) -> tuple[Prepared, ...]:
    """The cases of the files, ready to run. Raises CompileError with every finding."""
    diagnostics = Diagnostics()
    sources = read_sources(files, diagnostics)
    cases = read_cases(sources, diagnostics)
    prepared = prepare(policies, cases, diagnostics)
    if diagnostics.failed:
        raise CompileError(diagnostics, [*policies.sources, *sources])
    return prepared


def run_cases(
    policies: Policies,
    cases: Sequence[Prepared],
    engines: tuple[EngineName, ...],
    watch: Callable[[Sequence[Prepared]], Iterable[Prepared]] = iter,
) -> CasesReport:
    """Runs every case. watch: goes over the cases, and may show how far it is.

    Raises CompileError, CannotError.
    """
    with Runner(policies, engines) as runner:
        results = tuple(runner.run(case) for case in watch(cases))
    failed = sum(not result.passed for result in results)
    return CasesReport(
        engines=tuple(name.value for name in engines),
        passed=len(results) - failed,
        failed=failed,
        cases=results,
        coverage=runner.coverage.report(),
    )
