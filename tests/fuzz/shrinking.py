"""Makes a case small: its steps, then its objects, then their fields go while two engines still differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from polc.compiler.source import CompileError
from polc.tests.differential.shrink import fewest, shrink
from polc.tests.differential.traces import Step
from polc.tests.fuzz.case import Case, Object
from polc.tests.fuzz.engines import Difference, Policy, on_kernel, on_native

TRIES = 250  # compilations, at most, for each part of the case


def difference(case: Case, kind: str) -> Difference | None:
    """What the pair of engines `kind` differs on. Raises CompileError when the case is none."""
    policies = [Policy(text, case.subject) for text in case.texts()]
    return _run(policies, case.steps, kind)


def _run(policies: Sequence[Policy], steps: Sequence[Step], kind: str) -> Difference | None:
    return (on_kernel if kind == "model/kernel" else on_native)(policies, steps)


def small(case: Case, kind: str, tries: int = TRIES) -> Case:
    """The case with as little in it as still makes the pair of engines differ."""
    policies = [Policy(text, case.subject) for text in case.texts()]
    found = _run(policies, case.steps, kind)
    steps = list(case.steps[: found.at + 1] if found else case.steps)
    kept = fewest(steps, lambda left: _run(policies, left, kind) is not None, most=10 * tries)
    case = replace(case, steps=tuple(kept))
    first = replace(case, steps=tuple(kept))
    case = replace(
        first, objects=_fewer(first.objects, lambda left: replace(first, objects=left), kind, tries)
    )
    if len(case.texts()) == 1:
        return replace(case, others=())
    last = case
    return replace(last, others=_fewer(last.others, lambda left: replace(last, others=left), kind, tries))


def _fewer(
    objects: tuple[Object, ...], with_: Callable[[tuple[Object, ...]], Case], kind: str, tries: int
) -> tuple[Object, ...]:
    def fails(left: list[Object]) -> bool:
        try:
            return difference(with_(tuple(left)), kind) is not None
        except CompileError:
            return False

    return tuple(shrink(fewest(objects, fails, most=tries), fails, most=tries))
