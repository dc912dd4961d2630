"""What differs between an interface and what is wanted of it, each kind under a name of its own."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Drift(StrEnum):
    """The kinds of difference. The last four are no fault of anybody: an update, or a step not taken yet."""

    BOTH_MISSING = "both-missing"
    ONE_HOOK_MISSING = "one-hook-missing"
    GATE_VERSION = "gate-version"  # a gate that another version of polc attached
    FOREIGN_MAP = "foreign-map"  # a gate over maps that are not the other gate's
    MIXED_IDENTITY = "mixed-identity"
    STALE_DUPLICATE = "stale-duplicate"
    FOREIGN_FIRST = "foreign-first"  # somebody else's program decides before the gate
    DEVICE_RECREATED = "device-recreated"
    DEVICE_MOVED = "device-moved"  # to another network namespace
    PIN_LOST = "pin-lost"
    SLOTS_EMPTIED = "slots-emptied"
    NOT_ARMED = "not-armed"
    IDLE_BANK = "idle-bank"  # an unfinished swap
    OTHER_POLICY = "other-policy"
    SETTINGS = "settings"


class Finding(BaseModel):
    """One difference. detail: what was found, where. repair: what attaching does about it ("" = nothing)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    drift: Drift
    detail: str
    repair: str
