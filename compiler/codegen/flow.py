"""Flow tracking (pair/flow.py) as code: entry look-up, transition, stale generations, ICMP errors."""

from __future__ import annotations

from ...pair import flow, packet
from ...pair.layout import (
    CB_RESUME,
    CONFIG_HZ,
    CONFIG_TIMEOUTS,
    ENTRY_GENERATION,
    ENTRY_OWNER,
    ENTRY_RULE,
    ENTRY_SEEN,
    ENTRY_STATE,
    FLOW_ENTRY_SIZE,
    FLOW_KEY_SIZE,
    HZ_DEFAULT,
    MAP_FLOWS,
    MAP_SLOTS,
    NO_RULE,
    ConfigFlag,
)
from ...pair.packet import Reason
from ..plan.tables import (
    CARRIER_ICMP,
    CARRIER_KIND,
    CARRIER_PORTS_SHIFT,
    TRANSITION_ADOPT_SHIFT,
    TRANSITION_STATE,
    TRANSITION_STEP_SHIFT,
    IcmpKind,
)
from . import context as cx
from .body import Slot
from .context import Code
from .hits import count_rule
from .machine import Field, Helper
from .parse import in_memory, peek, store_sides


def live_entry(code: Code, key: Slot, absent: str) -> tuple[str, str]:
    """The key's entry (ptr) and its state; goes to `absent` when there is none or it sat idle too long."""
    b = code.body
    entry = code.call(Helper.MAP_LOOKUP, ("ptr", code.map(MAP_FLOWS)), ("ptr", key.name))
    b.leave_if(b.test("eq", entry, "null", "ptr"), absent)
    state = b.op("and", b.load("i8", entry, ENTRY_STATE), 7)
    row = b.bounded(b.op("or", b.op("shl", b.op("and", b.get(code.kind), 3), 3), state), 0x1F)
    timeout = b.op("and", code.table(code.plan.fixed.timeouts, row, "i8", 1), 7)
    given = b.load("i32", b.address(code.config, b.op("shl", timeout, 2)), CONFIG_TIMEOUTS, align=4)
    default = code.table(code.plan.fixed.timeout_defaults, timeout, "i32", 4)
    # The sign of given - 1 is set for 0 alone: then it is the default, without a branch.
    seconds = b.op("or", given, b.op("and", default, b.op("ashr", b.op("sub", given, 1), 63)))
    told = b.load("i32", code.config, CONFIG_HZ, align=4)
    hz = b.choose(b.test("eq", told, 0), HZ_DEFAULT, told)
    idle = b.op("sub", code.now(), b.load("i64", entry, ENTRY_SEEN, align=8))
    b.leave_if(b.test("sgt", idle, b.op("mul", seconds, hz)), absent)
    return entry, state


def is_stale(code: Code, entry: str) -> str:
    """i1: the entry's generation is older than ours and established flows are to be judged again."""
    b = code.body
    mine = b.narrow(code.generation(), "i32")
    stamped = b.narrow(b.load("i32", entry, ENTRY_GENERATION, align=4), "i32")
    older = b.test("slt", b.op("sub", stamped, mine, "i32"), 0, "i32")
    return b.choose(code.flag(ConfigFlag.KEEP_ESTABLISHED), "false", older, "i1")


def track(code: Code) -> None:
    """From `track` to `judge`, `allow` or a drop, by the transition table."""
    b = code.body
    who, state = b.slot("who"), b.slot("state")
    b.label("track")
    code.forget(code.icmp)
    _name_protocol(code, code.key)
    b.set(code.entry, "null")
    b.set(who, int(flow.Who.OWNER))
    b.set(state, int(flow.State.NONE))
    entry, found = live_entry(code, code.key, "transition")
    b.set(code.entry, entry)
    b.set(state, found)
    owner = b.op("and", b.load("i8", entry, ENTRY_OWNER), 1)
    b.set(who, b.op("xor", owner, b.op("xor", b.get(code.resumed), int(code.direction))))
    b.go("transition")
    b.label("transition")
    row = _transition(code, b.get(state), b.get(who))
    b.set(code.next_state, b.op("and", row, TRANSITION_STATE))
    step = b.op("and", b.op("lshr", row, TRANSITION_STEP_SHIFT), 3)
    cases = {int(flow.Step.ACCEPT): "accept", int(flow.Step.JUDGE): "fresh"}
    b.switch(step, "no_flow", cases)
    _pick_up(code)
    b.label("fresh")
    # Only a flow that is already there can be resumed; a new one is judged where its packet came in.
    b.leave_if(b.test("ne", b.get(code.resumed), 0), code.dropping(Reason.NO_FLOW))
    adopt = b.test("ne", b.op("lshr", row, TRANSITION_ADOPT_SHIFT), 0)
    kept = b.choose(b.test("eq", b.get(who), int(flow.Who.OWNER)), cx.Mode.UPDATE, cx.Mode.LEAVE)
    b.set(code.mode, b.choose(adopt, cx.Mode.ADOPT, kept))
    b.go("judge")
    _accept(code)


def _name_protocol(code: Code, key: Slot) -> None:
    """Writes the protocol into a key beside its ports, where the ways with and without ports have met: the
    verifier knows what the ports last written are, and would go on once for each way; of bytes written after
    them to the same eight it remembers nothing (kernel/bpf/verifier.c, check_stack_write_fixed_off)."""
    code.body.store("i8", code.body.get(code.protocol), key.name, cx.KEY_PROTOCOL)


def _pick_up(code: Code) -> None:
    """From `no_flow`: on a host's own interface a TCP flow that was there before is judged as a new one."""
    b = code.body
    no_flow = code.dropping(Reason.NO_FLOW)
    b.label("no_flow")
    b.branch(code.flag(ConfigFlag.HOST), "midstream", no_flow)
    b.label("midstream")
    b.leave_if(b.test("ne", b.get(code.kind), int(flow.ProtocolClass.TCP)), no_flow)
    b.leave_if(b.test("ne", b.get(code.event), int(flow.Event.PACKET)), no_flow)
    b.leave_if(b.test("ne", b.get(code.resumed), 0), no_flow)
    b.set(code.next_state, int(flow.PICKED_UP.state))
    b.set(code.mode, cx.Mode.ADOPT)
    b.go("judge")


def _transition(code: Code, state: str, who: str) -> str:
    b = code.body
    index = b.op("shl", b.op("and", b.get(code.kind), 3), 3)
    index = b.op("or", index, b.op("and", state, 7))
    index = b.op("or", b.op("shl", index, 1), b.op("and", who, 1))
    index = b.op("or", b.op("shl", index, 3), b.op("and", b.get(code.event), 7))
    return code.table(code.plan.fixed.transitions, b.bounded(index, 0x1FF), "i8", 1)


def _accept(code: Code) -> None:
    b = code.body
    b.label("accept")
    entry = b.get(code.entry)
    b.leave_if(b.test("eq", entry, "null", "ptr"), code.dropping(Reason.NO_FLOW))
    b.leave_if(is_stale(code, entry), "stale")
    touch(code, entry)
    _tell(code, entry)
    b.go("allow")
    b.label("stale")
    b.set(code.mode, cx.Mode.REJUDGE)
    b.set(code.unruled, b.widen(b.test("eq", b.load("i32", entry, ENTRY_RULE, align=4), NO_RULE), "i1"))
    owner = b.op("and", b.load("i8", entry, ENTRY_OWNER), 1)
    b.leave_if(b.test("eq", owner, int(code.direction)), "judge")
    b.leave_if(b.test("ne", b.get(code.resumed), 0), code.dropping(Reason.NO_FLOW))
    _ask_peer(code)


def _ask_peer(code: Code) -> None:
    """The other direction's judge of the same bank takes over (design §7)."""
    b = code.body
    code.machine.set_field(b, Field.RESUME, CB_RESUME)
    code.machine.ask_peer(b, code.map(MAP_SLOTS), code.direction, code.generation(), "no_peer")
    b.label("no_peer")
    code.machine.set_field(b, Field.RESUME, 0)
    b.go(code.dropping(Reason.NO_PEER))


def touch(code: Code, entry: str) -> None:
    """The entry's state becomes the next one, seen now."""
    b = code.body
    b.store("i8", b.get(code.next_state), entry, ENTRY_STATE)
    b.store("i64", code.now(), entry, ENTRY_SEEN, align=8)


def stamp(code: Code, entry: str) -> None:
    """The entry was allowed by this generation's rule."""
    b = code.body
    b.store("i32", code.generation(), entry, ENTRY_GENERATION, align=4)
    b.store("i32", b.get(code.rule), entry, ENTRY_RULE, align=4)
    touch(code, entry)


def settle(code: Code) -> None:
    """From `allowed` and `denied` (the judge's results, rule set) to `allow` and `drop`; `remember` takes
    what no rule allowed."""
    b = code.body
    b.label("allowed")
    count_rule(code, b.get(code.rule))
    b.go("remember")
    b.label("remember")
    code.machine.decided(b, b.get(code.rule), int(code.direction))
    cases = {cx.Mode.ADOPT: "adopt", cx.Mode.UPDATE: "update", cx.Mode.REJUDGE: "update"}
    b.switch(b.get(code.mode), "allow", cases)
    b.label("adopt")
    image = code.entry_image.name
    for at in range(0, FLOW_ENTRY_SIZE, 8):
        b.store("i64", 0, image, at, align=8)
    b.store("i8", int(code.direction), image, ENTRY_OWNER)
    stamp(code, image)
    code.call(
        Helper.MAP_UPDATE, ("ptr", code.map(MAP_FLOWS)), ("ptr", code.key.name), ("ptr", image), ("i64", 0)
    )
    b.go("allow")
    b.label("update")
    # Looked up again, which is rare: kept over the rules it would have them verified once more.
    entry = code.call(Helper.MAP_LOOKUP, ("ptr", code.map(MAP_FLOWS)), ("ptr", code.key.name))
    b.leave_if(b.test("eq", entry, "null", "ptr"), "allow")
    stamp(code, entry)
    b.go("allow")
    b.label("denied")
    b.set(code.reason, int(Reason.POLICY))
    b.leave_if(b.test("ne", b.get(code.mode), cx.Mode.REJUDGE), "drop")
    code.call(Helper.MAP_DELETE, ("ptr", code.map(MAP_FLOWS)), ("ptr", code.key.name))
    b.set(code.reason, int(Reason.CUT))
    b.go("drop")


def related(code: Code) -> None:
    """From `error`: an ICMP error passes when the flow of the packet it carries is live and current."""
    b = code.body
    unrelated = code.dropping(Reason.UNRELATED)
    b.label("error")
    inner = b.op("add", b.get(code.offset), 8)
    for at in range(0, FLOW_KEY_SIZE, 8):
        b.store("i64", 0, code.inner_key.name, at, align=8)
    b.store("i8", b.load("i8", code.key.name, cx.KEY_FAMILY), code.inner_key.name, cx.KEY_FAMILY)
    b.branch(b.test("ne", b.get(code.six), 0), "error6", "error4")
    b.label("error4")
    header = peek(code, inner, 20, unrelated)
    first = b.load("i8", header)
    b.leave_if(b.test("ne", b.op("lshr", first, 4), 4), unrelated)
    words = b.op("and", first, 15)
    b.leave_if(b.test("ult", words, 5), unrelated)
    fragment = b.op("and", b.load("i16", header, 6), in_memory(0x1FFF))
    b.leave_if(b.test("ne", fragment, 0), unrelated)
    protocol = b.load("i8", header, 9)
    _inner_sides(code, b.load("i32", header, 12), b.load("i32", header, 16), 0)
    b.set(code.protocol, protocol)
    b.set(code.offset, b.op("add", inner, b.op("shl", words, 2)))
    b.go("inner")
    b.label("error6")
    header = peek(code, inner, 40, unrelated)
    b.leave_if(b.test("ne", b.op("lshr", b.load("i8", header), 4), 6), unrelated)
    for half in (0, 8):
        _inner_sides(code, b.load("i64", header, 8 + half), b.load("i64", header, 24 + half), half)
    # An extension header's number is the protocol of no flow: the look-up will not find one.
    b.set(code.protocol, b.load("i8", header, 6))
    b.set(code.offset, b.op("add", inner, 40))
    b.go("inner")
    b.label("inner")
    code.forget(code.six)
    _inner_flow(code)


def _inner_sides(code: Code, source: str, destination: str, half: int) -> None:
    """The inner packet went the other way: its source is where the error goes to."""
    store_sides(code, code.inner_key, destination, source, "i64", cx.KEY_LOCAL + half, cx.KEY_REMOTE + half)


def _inner_flow(code: Code) -> None:
    b = code.body
    unrelated = code.dropping(Reason.UNRELATED)
    header = peek(code, b.get(code.offset), packet.MIN_L4, unrelated)
    protocol = b.get(code.protocol)
    raw = [b.let(f"load i16, ptr {b.address(header, at)}, align 1") for at in (0, 2, 4)]
    first, second, identifier = (b.widen(b.swap(value, "i16"), "i16") for value in raw)
    family = b.op("shl", b.get(code.six), 8)
    carrier = code.table(code.plan.fixed.carriers, b.bounded(b.op("or", family, protocol), 0x1FF), "i8", 1)
    b.set(code.kind, b.op("and", carrier, CARRIER_KIND))
    b.leave_if(b.test("ne", b.op("and", carrier, CARRIER_ICMP), 0), "inner_icmp")
    has_ports = b.op("and", b.op("lshr", carrier, CARRIER_PORTS_SHIFT), 1)
    sport, dport = (b.op("and", port, b.op("sub", 0, has_ports)) for port in (first, second))
    store_sides(code, code.inner_key, dport, sport, "i16", cx.KEY_LOCAL_PORT, cx.KEY_REMOTE_PORT)
    b.go("inner_look")
    b.label("inner_icmp")
    index = b.bounded(b.op("or", family, b.op("lshr", first, 8)), 0x1FF)
    sort = b.op("and", code.table(code.plan.fixed.icmp, index, "i16", 2), 0xFF)
    b.leave_if(b.test("ne", sort, int(IcmpKind.ECHO)), unrelated)  # no reply
    b.store("i16", identifier, code.inner_key.name, cx.KEY_LOCAL_PORT, align=2)
    b.store("i8", 1 + int(code.direction.other), code.inner_key.name, cx.KEY_INITIATOR)
    b.go("inner_look")
    b.label("inner_look")
    _name_protocol(code, code.inner_key)
    entry, _ = live_entry(code, code.inner_key, unrelated)
    b.leave_if(is_stale(code, entry), unrelated)
    _tell(code, entry)
    b.go("allow")


def _tell(code: Code, entry: str) -> None:
    """The entry's rule lets the packet through."""
    b = code.body
    if not code.machine.listens:
        return
    rule, owner = b.load("i32", entry, ENTRY_RULE, align=4), b.load("i8", entry, ENTRY_OWNER)
    code.machine.decided(b, rule, owner)
