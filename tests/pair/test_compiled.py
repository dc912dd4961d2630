"""The compiler's own objects keep the pair's promises: whole or refused, and lines that quote the policy."""

from __future__ import annotations

from collections import Counter
from functools import cache

from polc.compiler.pipeline import compile_endpoint, load_sources
from polc.compiler.source import Source
from polc.pair.btf import line_table
from polc.pair.inspection import inspect_object
from polc.pair.layout import Config, Direction
from polc.pair.naming import EndpointRef
from polc.pair.object import PairError, PairFault, read_object, read_pair, require_endpoint

POLICY = """\
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web}}
status: {podIP: 10.65.0.2}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  selector: app == 'web'
  ingress:
    - action: Allow
      metadata: {annotations: {team: shop}}
      protocol: TCP
      destination: {ports: [80]}
    - action: Deny   # everything else
"""


@cache
def objects() -> tuple[bytes, bytes]:
    pair = compile_endpoint(load_sources([Source.of("web.yaml", POLICY)]), "shop", "web-1")
    return pair.ingress, pair.egress


def fault(data: bytes) -> PairFault | None:
    try:
        read_object(data)
    except PairError as error:
        return error.fault
    return None


def test_every_flipped_byte_of_a_compiled_object_is_refused() -> None:
    data = bytearray(objects()[1])
    faults: Counter[PairFault | None] = Counter()
    for at in range(len(data)):
        data[at] ^= 1 << at % 8
        faults[fault(bytes(data))] += 1
        data[at] ^= 1 << at % 8
    assert faults == {PairFault.ALTERED: len(data)}


def test_every_truncation_of_a_compiled_object_is_refused() -> None:
    data = objects()[1]
    assert {fault(data[:size]) for size in range(1, len(data))} == {PairFault.TRUNCATED}


def test_provenance_quotes_the_policy() -> None:
    pair = read_pair(*objects())
    require_endpoint(pair, EndpointRef("shop", "web-1"))
    lines = POLICY.splitlines()
    rules = pair.ingress.provenance.rules
    assert [(rule.what, rule.action, rule.line) for rule in rules[:2]] == [
        ("rule", "allow", 12),
        ("rule", "deny", 16),
    ]
    assert rules[0].annotations == {"team": "shop"}
    for direction in Direction:
        item = pair.side(direction)
        assert [rule.index for rule in item.provenance.rules] == list(range(len(item.provenance.rules)))
        for rule in item.provenance.rules:
            assert rule.text == lines[rule.line - 1].strip()
            assert len(rule.key) == 16


def test_line_records_and_provenance_speak_of_the_same_lines() -> None:
    pair = read_pair(*objects())
    lines = POLICY.splitlines()
    for direction in Direction:
        item = pair.side(direction)
        for line in line_table(item.elf):
            assert (line.file, line.text.strip()) == ("web.yaml", lines[line.line - 1].strip())
        shown = inspect_object(item)
        assert shown.shared + sum(rule.instructions for rule in shown.rules) == shown.instructions
        assert shown.table_bytes == len(item.elf.section(".rodata.tables").data) > 0


def test_the_config_in_the_file_is_all_defaults() -> None:
    for item in (read_pair(*objects()).ingress, read_pair(*objects()).egress):
        assert Config.unpack(item.elf.section(".rodata.config").data) == Config()


def test_a_far_column_does_not_run_into_the_line() -> None:
    note = "metadata: {annotations: {a: " + "x" * 3000 + "}}"
    far = POLICY.replace("- action: Deny ", "- {" + note + ", action: Deny} ")
    pair = compile_endpoint(load_sources([Source.of("web.yaml", far)]), "shop", "web-1")
    item = read_pair(pair.ingress, pair.egress).ingress
    assert item.provenance.rules[1].line == 16
    assert item.provenance.rules[1].column > 3000
    assert max(line.line for line in line_table(item.elf)) <= 16
