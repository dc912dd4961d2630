"""The answer to "which line decided?": for each rule index its place in the policy's own text.

Lives in `.rodata.prov`, so that `status`, `monitor` and `counters` name lines from the kernel alone. Outside
the identity: moving text changes it and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from .layout import Direction, Event, EventKind

PROVENANCE_VERSION: Final = 1
WOULD: Final = "would-"  # stands before the action of what is staged


class ProvenanceError(Exception):
    """The bytes are not a provenance table of a version we know."""


def _direction(value: object) -> object:
    words = {direction.word: direction for direction in Direction}
    return words.get(value, value) if isinstance(value, str) else value


DirectionWord = Annotated[Direction, BeforeValidator(_direction), PlainSerializer(lambda item: item.word)]


class RuleProvenance(BaseModel):
    """Where one rule index comes from.

    key: hash of the rule's meaning and owner, stable when text moves. what: `rule`, `tier-default`, `end`
    or `no-policy`; of a host also `failsafe` (policy: the option that opened the port), `forwarded` and
    `not-forwarded`. file, line, column: of the rule's action, lines and columns from 1; `` and 0 when no
    place is to blame. policy: `Kind/namespace/name`. number: position in the policy's list, -1 when not a
    rule. action: `allow`, `deny`, `log` or `pass`, after `would-` when it is staged. text: that source
    line without the blanks around it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int = Field(ge=0)
    key: str = ""
    what: str
    file: str = ""
    line: int = 0
    column: int = 0
    policy: str = ""
    number: int = -1
    action: str
    annotations: Mapping[str, str] = Field(default_factory=dict)
    text: str = ""

    @property
    def in_force(self) -> bool:
        """Whether it is a rule of a policy that is enforced."""
        return self.what == "rule" and not self.action.startswith(WOULD)

    @property
    def place(self) -> str:
        """`file:line:column`, or `` when no place is to blame."""
        return f"{self.file}:{self.line}:{self.column}" if self.file else ""


class ProvenanceTable(BaseModel):
    """One object's table. rules[i] belongs to rule index i. sources: SHA-256 in hex of each file's text.
    logs: for each tier with Log rules their indices, by bit of `layout.Event.logs`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = PROVENANCE_VERSION
    endpoint: str
    direction: DirectionWord
    sources: Mapping[str, str] = Field(default_factory=dict)
    rules: tuple[RuleProvenance, ...] = ()
    logs: tuple[tuple[int, ...], ...] = ()


def logged_rules(event: Event, table: ProvenanceTable) -> tuple[int, ...]:
    """The rule indices that a LOG event stands for, in walk order; none for an event of another kind."""
    if event.kind != EventKind.LOG:
        return ()
    tier = next((logs for logs in table.logs if logs and logs[0] == event.rule), ())
    return tuple(index for bit, index in enumerate(tier) if event.logs >> bit & 1)


def encode(table: ProvenanceTable) -> bytes:
    """Canonical compact JSON in UTF-8 with sorted keys, and one NUL: equal tables are equal bytes."""
    plain = table.model_dump(mode="json")
    return json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\0"


def decode(data: bytes) -> ProvenanceTable:
    """The table of a `.rodata.prov` section; bytes after the first NUL (padding) do not count.

    Raises ProvenanceError when it is no such table, of another version, or its rule indices have gaps.
    """
    text, end, _ = data.partition(b"\0")
    if not end:
        raise ProvenanceError("the provenance table is not terminated")
    try:
        table = ProvenanceTable.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the text"
        raise ProvenanceError(f"the provenance table is malformed at {place}: {first['msg']}") from None
    if table.version != PROVENANCE_VERSION:
        raise ProvenanceError(
            f"the provenance table has version {table.version}, known: {PROVENANCE_VERSION}"
        )
    if any(rule.index != at for at, rule in enumerate(table.rules)):
        raise ProvenanceError("the provenance table's rule indices have gaps")
    return table
