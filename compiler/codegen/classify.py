"""The classifier: from `judge` to `allowed` or `denied`, by the plan's rows (plan/plan.py says the method).

Verifier traps that shape this code (reference notes): the binary search computes with bits instead of
branches, so its rounds are one path; row offsets are checked once against the table's size.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...pair.layout import EventKind
from ...pair.packet import Reason
from ..ir.nodes import Action
from ..plan.plan import (
    LANDING_LIMIT,
    VERDICT_CODES,
    VERDICT_SHIFT,
    WORD_BITS,
    Field,
    FieldKind,
    JudgePlan,
    StagedPlan,
    TierPlan,
    log_places,
)
from ..plan.tables import DE_BRUIJN
from . import context as cx
from .body import Slot, Value
from .context import Code
from .events import emit
from .hits import count_marked, count_rule
from .own_host import pass_own

Rows = list[Slot]  # pointers to the row of each field that applies


@dataclass(frozen=True, slots=True)
class _Outlet:
    """Where a walk leads: the variable of the deciding rule, and the labels of the two verdicts."""

    rule: Slot
    allowed: str
    denied: str


def classify(code: Code) -> None:
    b = code.body
    b.label("judge")
    code.forget(code.mode)
    if code.ingress:
        pass_own(code)
        b.label("policy")
    rows = _rows(code)
    if code.plan.staged is None:
        _walk(code, code.plan, rows, "t", _Outlet(code.rule, "allowed", "denied"))
        return
    _walk(code, code.plan, rows, "t", _Outlet(code.rule, "really_allowed", "really_denied"))
    _compare(code, code.plan.staged, rows)


def _walk(code: Code, walk: JudgePlan | StagedPlan, rows: Rows, prefix: str, outlet: _Outlet) -> None:
    b = code.body
    for number, tier in enumerate(walk.tiers):
        with b.at(code.locations.get(tier.default_index)):
            _tier(code, tier, rows, f"{prefix}{number}", outlet)
    with b.at(code.locations.get(walk.end_index)):
        _conclude(code, walk.end, walk.end_index, outlet)


def _compare(code: Code, staged: StagedPlan, rows: Rows) -> None:
    """From `really_allowed` and `really_denied`, by way of what is staged, to `allowed` and `denied`; an
    event tells when the two differ."""
    b = code.body
    really, would, rule = b.slot("really"), b.slot("would"), b.slot("staged_rule")
    for label, slot, value, after in (
        ("really_allowed", really, 1, "staged"),
        ("really_denied", really, 0, "staged"),
        ("would_allow", would, 1, "compare"),
        ("would_deny", would, 0, "compare"),
    ):
        b.label(label)
        b.set(slot, value)
        b.go(after)
    b.label("staged")
    _walk(code, staged, rows, "s", _Outlet(rule, "would_allow", "would_deny"))
    b.label("compare")
    b.leave_if(b.test("eq", b.get(really), b.get(would)), "compared")
    count_rule(code, b.get(rule))
    reason = b.choose(b.test("ne", b.get(would), 0), int(Reason.NONE), int(Reason.POLICY))
    emit(code, EventKind.STAGED, b.get(rule), reason, 0, "compared")
    b.label("compared")
    b.branch(b.test("ne", b.get(really), 0), "allowed", "denied")


def _conclude(code: Code, action: Action, index: int, outlet: _Outlet) -> None:
    code.body.set(outlet.rule, index)
    _keep_apart(code, index)
    code.body.go(outlet.allowed if action is Action.ALLOW else outlet.denied)


def _keep_apart(code: Code, index: int) -> None:
    """An asm of its own: LLVM merges equal ends of blocks otherwise, and drops their lines."""
    code.body.do(f'call void asm sideeffect "", "i"(i64 {index})')


# --- rows -------------------------------------------------------------------------------------------


def _rows(code: Code) -> Rows:
    """Computes the row of every field in use; families and ICMP share a slot with their alternative."""
    b = code.body
    plan = code.plan
    protocol = plan.field(FieldKind.PROTOCOL)
    assert protocol is not None
    index = b.op("or", b.op("shl", b.get(code.six), 8), b.get(code.protocol))
    rows = [_row_slot(code, "row_protocol")]
    _set_row(code, rows[0], protocol, b.bounded(index, 0x1FF))
    sides = (
        ("src", FieldKind.SOURCE4, FieldKind.SOURCE6, cx.KEY_REMOTE if code.ingress else cx.KEY_LOCAL),
        (
            "dst",
            FieldKind.DESTINATION4,
            FieldKind.DESTINATION6,
            cx.KEY_LOCAL if code.ingress else cx.KEY_REMOTE,
        ),
    )
    for name, four, six, at in sides:
        field4, field6 = plan.field(four), plan.field(six)
        if field4 is None or field6 is None:
            continue
        row = _row_slot(code, f"row_{name}")
        rows.append(row)
        done, other = b.name("addressed"), b.name("six")
        b.leave_if(b.test("ne", b.get(code.six), 0), other)
        _search(code, row, field4, _key4(code, at))
        b.go(done)
        b.label(other)
        _search(code, row, field6, *_key6(code, at))
        b.go(done)
        b.label(done)
    sport = plan.field(FieldKind.SPORT)
    if sport is not None:
        rows.append(_row_slot(code, "row_sport"))
        _search(code, rows[-1], sport, b.get(code.judged_sport))
    dport, icmp = plan.field(FieldKind.DPORT), plan.field(FieldKind.ICMP)
    if dport is not None and icmp is not None:
        row = _row_slot(code, "row_dport")
        rows.append(row)
        done, other = b.name("ported"), b.name("icmp")
        b.leave_if(b.test("ne", b.get(code.icmp), 0), other)
        _search(code, row, dport, b.get(code.judged_dport))
        b.go(done)
        b.label(other)
        _search(code, row, icmp, b.get(code.judged_dport))
        b.go(done)
        b.label(done)
    return rows


def _row_slot(code: Code, name: str) -> Slot:
    return code.body.slot(name, "ptr")


def _key4(code: Code, at: int) -> str:
    b = code.body
    raw = b.let(f"load i32, ptr {b.address(code.key.name, at)}, align 8")
    return b.widen(b.swap(raw, "i32"), "i32")


def _key6(code: Code, at: int) -> tuple[str, str]:
    b = code.body
    high, low = (b.swap(b.load("i64", code.key.name, at + half, align=8), "i64") for half in (0, 8))
    return high, low


def _set_row(code: Code, row: Slot, field: Field, index: Value) -> None:
    """row = tables + rows[index], with the offset checked for the verifier's sake."""
    b = code.body
    offset = _entry(code, field.rows, index, "i32", 4)
    b.set(row, b.address(code.tables, b.at_most(offset, code.plan.row_limit, "corrupt")))


def _base(code: Code, offset: int) -> str:
    """The address of a table whose offset depends on the policy. Opaque, so that a far table takes the same
    instructions as a near one: the code's shape must not follow the tables' sizes."""
    return code.body.address(code.tables, code.body.opaque(offset))


def _entry(code: Code, offset: int, index: Value, type: str, scale: int) -> str:
    b = code.body
    return b.load(type, _base(code, offset), b.op("mul", index, scale), align=scale)


def _search(code: Code, row: Slot, field: Field, *key: Value) -> None:
    """The last interval that starts at or before the key: one round a bit of the index."""
    b = code.body
    if field.steps == 0:
        _set_row(code, row, field, 0)
        return
    name = b.name(f"search_{field.kind}").replace(".", "_")
    index, round_ = b.slot(f"{name}_index"), b.slot(f"{name}_round")
    b.set(index, 0)
    b.set(round_, field.steps)
    keys = _base(code, field.keys)
    b.go(name)
    b.label(name)
    left = b.op("sub", b.get(round_), 1)
    b.set(round_, left)
    so_far = b.get(index)
    # add, not or: the bits are disjoint, and Linux 6.1 keeps an addition's bounds only
    candidate = b.op("add", so_far, b.op("shl", 1, left))
    reached = _reached(code, field, b.address(keys, b.op("mul", candidate, field.key_bytes)), key)
    b.set(index, b.op("add", so_far, b.op("shl", reached, left)))
    out = b.name("found")
    b.branch(b.test("eq", left, 0), out, name)
    b.label(out)
    _set_row(code, row, field, b.get(index))


def _reached(code: Code, field: Field, start_at: str, key: tuple[Value, ...]) -> str:
    """1 when the interval start that is stored at `start_at` <= key, else 0, without a branch."""
    b = code.body
    if field.key_bytes == 4:
        start = b.load("i32", start_at, align=4)
        # start - key - 1 is negative exactly when start <= key; both fit 32 bits
        difference = b.op("sub", b.op("sub", start, key[0]), 1)
        return b.op("lshr", b.opaque(difference), 63)
    low, high = b.load("i64", start_at, align=8), b.load("i64", start_at, 8, align=8)
    borrow = _borrow(code, key[1], low, 0)
    return b.op("xor", _borrow(code, key[0], high, borrow), 1)


def _borrow(code: Code, left: Value, right: Value, carried: Value) -> str:
    """The borrow bit of left - right - carried, unsigned (Hacker's Delight, 2-13)."""
    b = code.body
    difference = b.op("sub", b.op("sub", left, right), carried)
    inverse = b.op("xor", left, -1)
    bits = b.op("or", b.op("and", inverse, right), b.op("and", b.op("or", inverse, right), difference))
    return b.op("lshr", b.opaque(bits), 63)


# --- tiers ------------------------------------------------------------------------------------------


def _tier(code: Code, tier: TierPlan, rows: Rows, name: str, outlet: _Outlet) -> None:
    """Finds the tier's first matching rule, marks the Log rules before it, and decides or goes on."""
    b = code.body
    next_tier = f"{name}_next"
    bits, position, word = (b.slot(f"{name}_{part}") for part in ("bits", "position", "word"))
    if tier.words:
        b.set(word, tier.first_word)
        b.go(f"{name}_scan")
        b.label(f"{name}_scan")
        at = b.get(word)
        found = _conjunction(code, rows, b.op("shl", at, 3))
        b.set(bits, found)
        b.leave_if(b.test("ne", found, 0), f"{name}_hit")
        if tier.words > 1:
            following = b.op("add", at, 1)
            b.set(word, following)
            b.leave_if(b.test("ult", following, tier.first_word + tier.words), f"{name}_scan")
        b.go(f"{name}_none")
        b.label(f"{name}_hit")
        base = b.op("shl", b.op("sub", b.get(word), tier.first_word), 6)
        b.set(position, b.op("or", base, lowest_bit(code, b.get(bits))))
        if tier.logs:
            _log(code, tier, rows, b.get(position), f"{name}_hit")
        _land(code, tier, b.get(position), next_tier, name, outlet)
    else:
        b.go(f"{name}_none")
    b.label(f"{name}_none")
    if tier.logs:
        _log(code, tier, rows, max(1, tier.words * WORD_BITS), f"{name}_none")
    if tier.default is Action.DENY:
        _conclude(code, Action.DENY, tier.default_index, outlet)
    else:
        b.go(next_tier)
    b.label(next_tier)


def _conjunction(code: Code, rows: Rows, offset: Value) -> str:
    b = code.body
    value: str = ""
    for row in rows:
        word = b.load("i64", b.get(row), offset, align=8)
        value = b.op("and", value, word) if value else word
    return value


def lowest_bit(code: Code, word: Value) -> str:
    """The position of the lowest set bit (word != 0), by a de Bruijn product and a 64-byte table."""
    b = code.body
    single = b.op("and", word, b.op("sub", 0, word))
    return code.table(code.plan.fixed.first_bit, b.op("lshr", b.op("mul", single, DE_BRUIJN), 58), "i8", 1)


def _land(code: Code, tier: TierPlan, position: Value, next_tier: str, name: str, outlet: _Outlet) -> None:
    """From a bit position to its rule's verdict. Few rules: an instruction a rule, at the rule's YAML line;
    many: an entry of the verdict table."""
    b = code.body
    outcome = {Action.ALLOW: outlet.allowed, Action.DENY: outlet.denied, Action.PASS: next_tier}
    if len(tier.rules) <= LANDING_LIMIT:
        cases = {bit: f"{name}_rule{bit}" for bit in range(len(tier.rules))}
        b.switch(position, "corrupt", cases)
        for bit, (index, action) in enumerate(tier.rules):
            b.label(cases[bit])
            with b.at(code.locations.get(index)):
                # volatile: LLVM gives a line record to a store, to a constant's move it does not
                b.do(f"store volatile i64 {index}, ptr {outlet.rule.name}, align 8")
                _keep_apart(code, index)
                b.go(outcome[action])
        return
    bounded = b.op("and", position, (1 << (tier.words * WORD_BITS - 1).bit_length()) - 1)
    place = b.at_most(bounded, tier.words * WORD_BITS - 1, "corrupt")
    entry = _entry(code, tier.verdicts, place, "i32", 4)
    b.set(outlet.rule, b.op("and", entry, (1 << VERDICT_SHIFT) - 1))
    cases = {VERDICT_CODES[action]: label for action, label in outcome.items()}
    b.switch(b.op("lshr", entry, VERDICT_SHIFT), "corrupt", cases)


def _log(code: Code, tier: TierPlan, rows: Rows, position: Value, name: str) -> None:
    """One event for all matching Log rules before `position`: a bit each, without a loop."""
    b = code.body
    position = b.bounded(position, log_places(tier.words))
    count = b.op("and", _entry(code, tier.log_counts, position, "i8", 1), 63)
    before = b.op("sub", b.op("shl", 1, count), 1)
    marked = b.op("and", _conjunction(code, rows, tier.log_word * 8), before)
    b.leave_if(b.test("eq", marked, 0), f"{name}_logged")
    count_marked(code, tier.logs, marked)
    emit(code, EventKind.LOG, tier.logs[0], 0, marked, f"{name}_logged")
    b.label(f"{name}_logged")
