"""An inspection tells an object's claims, parts and instructions by rule, and adds up."""

from __future__ import annotations

import struct
from dataclasses import replace

from polc.pair.btf import line_table
from polc.pair.elf import read_elf
from polc.pair.inspection import Inspection, inspect_object
from polc.pair.object import read_object
from polc.tests.pair.pairs import ADDRESSES, ENDPOINT, PLAIN, TABLES, pair_of, resealed, sealed


def test_an_inspection_repeats_the_objects_claims() -> None:
    item = pair_of().egress
    shown = inspect_object(item)
    assert (shown.direction.word, shown.program) == ("egress", "polc_egress")
    assert (shown.endpoint, shown.addresses) == (ENDPOINT, ADDRESSES)
    assert (shown.identity, shown.size) == (item.identity.hex(), len(item.data))
    assert shown.table_bytes == len(TABLES)
    assert [(part.name, part.type, part.max_entries) for part in shown.maps] == [
        ("polc_events", "ringbuf", 4096),
        ("polc_flows", "lru_hash", 12345),
        ("polc_hits_out", "percpu_array", 18),
        ("polc_slots", "prog_array", 4),
    ]
    sizes = {part.name: part.size for part in shown.sections}
    assert {name: part.size for name, part in read_elf(item.data).sections.items()} == sizes


def test_instructions_by_rule_and_shared_ones_are_all_instructions() -> None:
    item = pair_of().ingress
    shown = inspect_object(item)
    assert shown.instructions == item.elf.section("tc").size // 8
    assert shown.shared + sum(rule.instructions for rule in shown.rules) == shown.instructions
    lines = {line.line: line.insn for line in line_table(item.elf)}
    assert [rule.instructions for rule in shown.rules] == [lines[5] - lines[3], shown.instructions - lines[5]]
    assert [rule.place for rule in shown.rules] == ["policy.yaml:3:5", "policy.yaml:5:5"]


def test_rules_at_one_place_share_their_instructions() -> None:
    shown = inspect_object(pair_of(replace(PLAIN, lines=(3, 3))).ingress)
    assert [rule.instructions for rule in shown.rules] == [0, 0]
    assert shown.shared == shown.instructions


def test_an_inspection_reads_back_from_json() -> None:
    shown = inspect_object(pair_of().ingress)
    assert Inspection.model_validate_json(shown.model_dump_json()) == shown


def test_an_object_without_line_records_has_only_shared_instructions() -> None:
    ingress, _ = sealed()
    info = read_elf(ingress).section(".BTF.ext")
    (lines,) = struct.unpack_from("<I", info.data, 16)
    header = struct.unpack_from("<I", info.data, 4)[0]
    # The name of the section that the line records are about becomes the empty string.
    nameless = resealed(ingress, info.offset + header + lines + 4, bytes(4))
    shown = inspect_object(read_object(nameless))
    assert shown.shared == shown.instructions > 0
    assert [rule.instructions for rule in shown.rules] == [0, 0]


def test_code_at_the_functions_own_line_is_shared() -> None:
    shown = inspect_object(pair_of(replace(PLAIN, lines=(1, 5))).ingress)
    first, second = (rule.instructions for rule in shown.rules)
    assert first == 0 < second
    assert shown.shared == shown.instructions - second
