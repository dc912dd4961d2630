"""What the parts of a judge's code share: the plan, the variables, and the two ways out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...pair.layout import (
    CONFIG_FLAGS,
    CONFIG_GENERATION,
    FLOW_ENTRY_SIZE,
    FLOW_KEY_SIZE,
    NO_RULE,
    SYMBOL_CONFIG,
    SYMBOL_TABLES,
    Direction,
)
from ...pair.packet import Reason
from ..plan.plan import JudgePlan
from .body import Body, Slot, Value
from .machine import Field, Helper, Machine

# Flow key fields (layout.FLOW_KEY)
KEY_LOCAL, KEY_REMOTE, KEY_LOCAL_PORT, KEY_REMOTE_PORT, KEY_PROTOCOL, KEY_FAMILY, KEY_INITIATOR = (
    0,
    16,
    32,
    34,
    36,
    37,
    38,
)


PEEK_LIMIT = 40  # bytes: an IPv6 header


class Mode:
    """What an allow does to the flow map (variable `mode`)."""

    UNTRACKED = 0
    ADOPT = 1  # a new entry
    UPDATE = 2  # the owner's entry is stamped anew
    LEAVE = 3  # the peer's SYN on a live flow: nothing
    REJUDGE = 4  # an established flow under a newer generation


@dataclass(slots=True)
class Code:
    """One judge under construction. Labels `allow`, `drop`, `judge`, `track` are its crossings."""

    body: Body
    machine: Machine
    plan: JudgePlan
    locations: Mapping[int, int]  # rule index → DILocation
    key: Slot
    inner_key: Slot  # of the packet inside an ICMP error
    entry_image: Slot
    hit_key: Slot  # index of a counter
    peeked: Slot  # a copy of a header that few packets have
    resumed: Slot  # 1 when the other direction asked to judge the reversed tuple
    six: Slot  # 1 for IPv6
    protocol: Slot
    offset: Slot  # of the L4 header
    kind: Slot  # flow.ProtocolClass
    event: Slot  # flow.Event
    judged_sport: Slot
    judged_dport: Slot  # ICMP: type << 8 | code
    icmp: Slot  # 1 for an ICMP packet
    shown_sport: Slot  # as the event shows them
    shown_dport: Slot
    tcp_flags: Slot
    mode: Slot
    next_state: Slot
    entry: Slot  # the live flow entry or null, as far as `judge`
    unruled: Slot  # 1 when no rule of the policy allowed the flow that is judged again
    reason: Slot
    rule: Slot
    nought: Slot  # 0, which the verifier does not know

    @property
    def direction(self) -> Direction:
        return self.plan.direction

    @property
    def tables(self) -> str:
        return self.machine.global_name(SYMBOL_TABLES, self.direction)

    @property
    def config(self) -> str:
        return self.machine.global_name(SYMBOL_CONFIG, self.direction)

    def map(self, name: str) -> str:
        return self.machine.global_name(name, self.direction)

    def call(self, helper: Helper, *arguments: tuple[str, Value]) -> str:
        return self.machine.call(self.body, helper, *arguments)

    def field(self, field: Field) -> str:
        return self.machine.field(self.body, field)

    @property
    def ingress(self) -> bool:
        return self.plan.direction is Direction.INGRESS

    def table(self, offset: Value, index: Value, type: str, scale: int) -> str:
        """tables[offset + index * scale]; index must be bounded for the verifier."""
        b = self.body
        at = index if scale == 1 else b.op("mul", index, scale)
        return b.load(type, b.address(self.tables, at), offset, align=scale)

    def drop(self, reason: Reason, rule: Value = NO_RULE) -> None:
        """Ends the block: the packet is dropped, with an event."""
        self.body.set(self.reason, int(reason))
        self.body.set(self.rule, rule)
        self.body.go("drop")

    def dropping(self, reason: Reason) -> str:
        """The label of a block that drops for that reason (placed by `place_drops`)."""
        return f"drop_{reason.name.lower()}"

    def place_drops(self, *reasons: Reason) -> None:
        for reason in reasons:
            self.body.label(self.dropping(reason))
            self.drop(reason)

    def forget(self, *variables: Slot) -> None:
        """Hides from the verifier what it knows of values, where ways through the code come together.

        It goes on once for each way that it can tell from the others by such knowledge: a version, a mode, a
        length (kernel/bpf/verifier.c, states_equal). With those hidden a program is verified in far fewer
        steps, which are most of what a swap costs. A bound that is needed is compared afterwards.
        """
        for variable in variables:
            hidden = self.body.op("xor", self.body.get(variable), self.body.get(self.nought))
            self.body.set(variable, self.body.opaque(hidden))

    def generation(self) -> str:
        return self.body.load("i32", self.config, CONFIG_GENERATION, align=4)

    def flag(self, flag: int) -> str:
        """Whether a config flag is set, as i1."""
        flags = self.body.load("i32", self.config, CONFIG_FLAGS, align=4)
        return self.body.test("ne", self.body.op("and", flags, flag), 0)

    def now(self) -> str:
        """Jiffies; the verifier inlines the helper."""
        return self.call(Helper.JIFFIES)


def begin(body: Body, machine: Machine, plan: JudgePlan, locations: Mapping[int, int]) -> Code:
    """Declares the variables."""
    byte_slots = {
        "key": f"[{FLOW_KEY_SIZE} x i8]",
        "inner_key": f"[{FLOW_KEY_SIZE} x i8]",
        "entry_image": f"[{FLOW_ENTRY_SIZE} x i8]",
        "entry": "ptr",
        "hit_key": "i32",
        "peeked": f"[{PEEK_LIMIT} x i8]",
    }
    names = [
        name for name in Code.__dataclass_fields__ if name not in ("body", "machine", "plan", "locations")
    ]
    slots = {name: body.slot(f"{name}_var", byte_slots.get(name, "i64")) for name in names}
    return Code(body=body, machine=machine, plan=plan, locations=locations, **slots)
