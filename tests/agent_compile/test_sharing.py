"""LLVM runs once for each shape of plan: counted, not timed. S28: a changed member takes no run."""

from __future__ import annotations

import pytest
from polc.compiler import backend
from polc.compiler.backend import CompiledPair
from polc.compiler.codegen.emit import Emitter
from polc.compiler.pipeline import compile_endpoint, load_sources
from polc.compiler.source import Source
from polc.pair.object import read_pair
from polc.tests.agent_compile.asking import pod

POLICY = """\
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: all}
spec:
  types: [Ingress, Egress]
  ingress:
  - action: Allow
    protocol: TCP
    source: {selector: role == 'friend'}
    destination: {ports: [443]}
  egress:
  - {action: Deny, destination: {nets: [192.0.2.0/24]}}
  - {action: Allow}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: friends, labels: {role: friend}}
spec: {nets: [10.1.0.0/16, 10.3.0.7/32, 203.0.113.0/24]}
"""


def pairs(policy: str, path: str = "policy.yaml", count: int = 1) -> list[CompiledPair]:
    pods = Source.of("pods.yaml", "".join(map(pod, range(count))))
    given = load_sources([Source.of(path, policy), pods])
    return [compile_endpoint(given, "shop", f"pod-{number}") for number in range(count)]


def test_a_hundred_equal_endpoints_run_llvm_once_a_direction_and_each_gets_its_own_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fresh = Emitter()
    monkeypatch.setattr(backend, "EMITTER", fresh)
    made = pairs(POLICY, count=100)
    fresh.close()
    assert [pair.emissions for pair in made] == [2] + [0] * 99
    assert len({pair.identity for pair in made}) == 1
    read = [read_pair(pair.ingress, pair.egress) for pair in made[::33]]
    assert [pair.endpoint for pair in read] == ["shop/pod-0", "shop/pod-33", "shop/pod-66", "shop/pod-99"]
    assert read[3].ingress.addresses == ("10.0.0.100",)
    assert {pair.ingress.provenance.rules[0].place for pair in read} == {"policy.yaml:7:13"}
    assert len({pair.ingress.provenance.rules[-1].place for pair in read}) == 4  # each its own pod's line


def test_a_changed_member_makes_new_objects_without_llvm() -> None:
    (before,) = pairs(POLICY)
    (after,) = pairs(POLICY.replace("10.3.0.7/32", "10.9.9.9/32"))
    assert after.emissions == 0
    assert after.identity != before.identity


def test_moved_text_another_file_name_and_another_endpoint_take_no_llvm_and_keep_the_identity() -> None:
    (before,) = pairs(POLICY)
    moved = "# a comment\n\n" + POLICY.replace("  - {action: Allow}", "  - {action:    Allow}")
    (after,) = pairs(moved, path="a/much/longer/name.yaml")
    assert after.emissions == 0
    assert after.identity == before.identity
    assert after.ingress != before.ingress
    objects = read_pair(after.ingress, after.egress)
    assert objects.ingress.provenance.rules[0].place == "a/much/longer/name.yaml:9:13"


def test_another_shape_takes_a_run_for_the_direction_that_changed() -> None:
    pairs(POLICY)
    (after,) = pairs(
        POLICY.replace(
            "  egress:\n", "  - {action: Allow, protocol: UDP, source: {ports: [53]}}\n  egress:\n"
        )
    )
    assert after.emissions == 1


def test_what_an_emitter_remembers_is_bounded_and_the_oldest_goes_first() -> None:
    texts = [
        f'target triple = "bpfel"\ndefine i32 @f(ptr %skb) section "tc" {{\n  ret i32 {number}\n}}\n'
        for number in range(4)
    ]
    emitter = Emitter(memory=0)
    size = len(emitter.emit(texts[0]).data)
    emitter.emit(texts[0])
    assert emitter.emissions == 2
    emitter.close()
    emitter = Emitter(memory=3 * size)
    emitter.emit_all(texts)
    assert emitter.emit_all([texts[3], texts[3], texts[1]]) == emitter.emit_all(
        [texts[3], texts[3], texts[1]]
    )
    assert emitter.emissions == 4
    emitter.emit(texts[0])
    assert emitter.emissions == 5
    emitter.close()
