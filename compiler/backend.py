"""From one endpoint's resolved policy to its sealed pair: passes, plan, code, seal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from ..pair.elf import read_elf
from ..pair.layout import SECTION_PROGRAM, Direction
from ..pair.note import Note, find_note, note_size
from ..pair.provenance import ProvenanceTable, RuleProvenance, encode
from .codegen.emit import EMITTER, Emitted
from .codegen.module import write_module
from .codegen.native import NativeCode, make_native
from .ir.nodes import Program
from .ir.text import dump as dump_ir
from .passes import run_passes
from .plan.build import build
from .plan.plan import JudgePlan, Plan
from .plan.plan import dump as dump_plan
from .resolve.resolved import Provenance, Resolved
from .seal import Place, RawParts, dress, seal
from .source import Diagnostic, Source, Span

INSTRUCTION_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class DirectionReport:
    """rules: deciding and Log rules after the passes; instructions: of 8 bytes; table_bytes."""

    rules: int
    instructions: int
    table_bytes: int


@dataclass(frozen=True, slots=True)
class CompiledPair:
    """One endpoint's pair. texts: by `--emit` word and direction (`ir` has one text for both).

    warnings: what resolving this endpoint found. emissions: runs of LLVM that it took; 0 when all of its code
    was made lately, for whatever endpoint.
    """

    name: str
    endpoint: str
    identity: bytes
    ingress: bytes
    egress: bytes
    resolved: Resolved
    program: Program
    report: Mapping[Direction, DirectionReport]
    texts: Mapping[tuple[str, Direction | None], str] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()
    emissions: int = 0


def build_pair(
    sources: Sequence[Source], resolved: Resolved, emit: frozenset[str] = frozenset()
) -> CompiledPair:
    """The pair of a resolved endpoint. sources: every file that was read, for its digests and quoted lines.
    emit: words of `ir`, `plan`, `llvm`, `asm`. Raises PlanLimitError."""
    program = run_passes(resolved.program)
    plan = build(program)
    before = EMITTER.emissions
    modules = {direction: write_module(plan.judge(direction)) for direction in Direction}
    made = EMITTER.emit_all(list(modules.values()), assembly="asm" in emit)
    emitted = dict(zip(Direction, made, strict=True))
    lines, meaning = _Lines(sources), plan.meaning()
    parts = {
        direction: _parts(lines, resolved, plan.judge(direction), meaning, emitted[direction].data)
        for direction in Direction
    }
    sealed = seal(parts)
    return CompiledPair(
        name=resolved.name,
        endpoint=resolved.endpoint,
        identity=_identity(sealed[Direction.INGRESS]),
        ingress=sealed[Direction.INGRESS],
        egress=sealed[Direction.EGRESS],
        resolved=resolved,
        program=program,
        report={d: _report(plan.judge(d), emitted[d].data) for d in Direction},
        texts=_texts(resolved, plan, modules, emitted, emit),
        emissions=EMITTER.emissions - before,
    )


def build_native(
    sources: Sequence[Source], resolved: Resolved
) -> tuple[NativeCode, Mapping[Direction, ProvenanceTable]]:
    """The same judges as machine code in this process, and what the objects' `.rodata.prov` would hold.

    Raises PlanLimitError."""
    plan = build(run_passes(resolved.program))
    lines = _Lines(sources)
    return make_native(plan), {d: _provenance_table(lines, resolved, plan.judge(d)) for d in Direction}


def _texts(
    resolved: Resolved,
    plan: Plan,
    modules: Mapping[Direction, str],
    emitted: Mapping[Direction, Emitted],
    emit: frozenset[str],
) -> dict[tuple[str, Direction | None], str]:
    texts: dict[tuple[str, Direction | None], str] = {}
    if "ir" in emit:
        texts["ir", None] = dump_ir(resolved.program)
    for direction in Direction:
        if "plan" in emit:
            texts["plan", direction] = dump_plan(plan.judge(direction))
        if "llvm" in emit:
            texts["llvm", direction] = modules[direction]
        if "asm" in emit:
            texts["asm", direction] = emitted[direction].assembly
    return texts


def _report(judge: JudgePlan, data: bytes) -> DirectionReport:
    # A rule with ports of several groups of endpoints has several bits.
    rules = sum(len({index for index, _ in tier.rules}) + len(set(tier.logs)) for tier in judge.tiers)
    return DirectionReport(rules, _code_size(data) // INSTRUCTION_BYTES, len(judge.tables))


@lru_cache(maxsize=2)
def _code_size(data: bytes) -> int:
    return read_elf(data).section(SECTION_PROGRAM).size


def _identity(sealed: bytes) -> bytes:
    """What the seal wrote."""
    at = find_note(sealed)
    assert at is not None
    return Note.parse(sealed[at:]).identity


# --- places -------------------------------------------------------------------------------------------


@lru_cache(maxsize=16)  # endpoints of one inventory ask for lines of the same files
def _split(text: str) -> list[str]:
    return text.split("\n")


class _Lines:
    """The lines of the sources."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.first = sources[0].path
        self._sources = {source.path: source for source in sources}

    def text(self, span: Span) -> str:
        """The line that a span starts on, without the blanks around it."""
        return _split(self._sources[span.file].text)[span.line - 1].strip()

    def digest(self, file: str) -> str:
        return self._sources[file].digest


def _home(lines: _Lines, resolved: Resolved, direction: Direction) -> Span:
    """The place for code that belongs to no rule: the end's, else any rule's, else the first file's start."""
    for item in reversed(resolved.provenance[direction]):
        if item.span is not None:
            return item.span
    return Span(lines.first, 1, 1, 1, 1)


def _parts(lines: _Lines, resolved: Resolved, judge: JudgePlan, meaning: bytes, raw: bytes) -> RawParts:
    direction = judge.direction
    home = _home(lines, resolved, direction)
    places = [_place(lines, item.span or home) for item in resolved.provenance[direction]]
    provenance = encode(_provenance_table(lines, resolved, judge))
    note = Note(
        meaning=meaning,
        direction=direction,
        endpoint=resolved.endpoint,
        addresses=resolved.addresses,
    )
    size = note_size(resolved.endpoint, resolved.addresses)
    dressed = dress(raw, _place(lines, home), places, len(provenance), size)
    return RawParts(dressed, judge.tables, provenance, note)


def _place(lines: _Lines, span: Span) -> Place:
    return Place(span.file, span.line, span.column, lines.text(span))


def _provenance_table(lines: _Lines, resolved: Resolved, judge: JudgePlan) -> ProvenanceTable:
    items = resolved.provenance[judge.direction]
    used = sorted({item.span.file for item in items if item.span})
    return ProvenanceTable(
        endpoint=resolved.endpoint,
        direction=judge.direction,
        sources={file: lines.digest(file) for file in used},
        rules=tuple(_rule(index, item, lines) for index, item in enumerate(items)),
        logs=tuple(tier.logs for tier in judge.tiers if tier.logs),
    )


def _rule(index: int, item: Provenance, lines: _Lines) -> RuleProvenance:
    span = item.span
    return RuleProvenance(
        index=index,
        key=item.key,
        what=item.what,
        file=span.file if span else "",
        line=span.line if span else 0,
        column=span.column if span else 0,
        policy=item.policy,
        number=item.number,
        action=item.action,
        annotations=item.annotations,
        text=lines.text(span) if span else "",
    )
