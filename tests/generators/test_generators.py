"""The generators keep their word: same seed same world, frames are what they say, styles keep meaning."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from polc.tests.generators.frames import dressed_frame, frame_of, odd_frame
from polc.tests.generators.honesty import Honesty
from polc.tests.generators.mutations import mutations
from polc.tests.generators.policies import DIRECTIONS
from polc.tests.generators.styles import document_text, files_of, plain_text, reformat, reorder
from polc.tests.generators.worlds import build_world
from polc.tests.oracle.rule_reading import Packet, RuleName
from polc.tests.oracle.verdict_reading import Decision, Oracle
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("language", "count"), [("narrow", 100), ("whole", 60)])
def test_many_worlds_are_honest(language: str, count: int) -> None:
    honesty = Honesty()
    for seed in range(count):
        world, rng = build_world(seed, language=language), Random(seed)
        honesty.expect((seed, rule.name) for rule in world.rules())
        for direction in DIRECTIONS:
            for packet in world.packets(rng, direction, 40):
                honesty.note(seed, world.readings[direction].judge(packet))
    honesty.check()
    assert honesty.kinds["no-policy"] > 0


def test_dishonest_runs_are_found_out() -> None:
    rule = RuleName("NetworkPolicy", "a", "p", "ingress", 0)
    honesty = Honesty()
    honesty.expect([(0, rule), (0, rule._replace(number=1))])
    for _ in range(9):
        honesty.note(0, Decision(True, "rule", rule))
    with pytest.raises(AssertionError, match=r"deny: 0 of 9.*default: 0.*pass: 0.*only 50.0% of 2 rules"):
        honesty.check()


def test_worlds_cover_every_field_of_the_language() -> None:
    met: Counter[str] = Counter()

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                met[f"{path}.{key}"] += 1
                walk(item, key)
        elif isinstance(value, list):
            for item in value:
                walk(item, path)

    for seed in range(60):
        for one in build_world(seed).objects:
            met[one["kind"]] += 1
            if "Policy" in one["kind"]:
                walk(one["spec"], one["kind"])
    rule = "action ipVersion protocol notProtocol icmp notICMP source destination metadata"
    side = "nets notNets ports notPorts selector notSelector namespaceSelector"
    wanted = {f"{way}.{name}" for way in DIRECTIONS for name in rule.split()}
    wanted |= {f"{end}.{name}" for end in ("source", "destination") for name in side.split()}
    wanted |= {f"GlobalNetworkPolicy.{name}" for name in ("order", "types", "selector", "namespaceSelector")}
    wanted |= {"Pod", "WorkloadEndpoint", "HostEndpoint", "NetworkSet", "GlobalNetworkSet", "Namespace"}
    assert wanted <= set(met)


def test_whole_worlds_hold_every_kind_and_field() -> None:
    met: set[str] = set()

    def walk(value: Any, path: str) -> None:
        for key, item in value.items() if isinstance(value, dict) else ():
            met.add(f"{path}.{key}")
            walk(item, key)
        for item in value if isinstance(value, list) else ():
            walk(item, path)

    kinds = "Tier Profile Service Endpoints EndpointSlice ServiceAccount List Node ClusterNetworkPolicy"
    kinds += " Deployment StatefulSet DaemonSet ReplicaSet Job CronJob"
    kinds += " StagedNetworkPolicy StagedGlobalNetworkPolicy StagedKubernetesNetworkPolicy"
    fields = "spec.serviceAccountSelector spec.applyOnForward spec.doNotTrack spec.preDNAT spec.stagedAction"
    fields += " spec.policyTypes namesakes crd.projectcalico.org/v1"
    fields += " source.serviceAccounts destination.serviceAccounts source.services destination.services"
    fields += " ports.endPort from.ipBlock ipBlock.except from.podSelector from.namespaceSelector to.networks"
    fields += " protocols.destinationNamedPort range.start subject.pods subject.namespaces spec.labelsToApply"
    wanted = set(kinds.split()) | set(fields.split())
    for seed in range(400):  # the rarest field comes about once in a hundred worlds
        objects = build_world(seed, language="whole").objects
        for one in objects:
            met |= {one["kind"], one["apiVersion"]}
            walk(one, one["kind"])
        if [one["metadata"]["name"] for one in objects if "metadata" in one].count("made") == 2:
            met.add("namesakes")
        if wanted <= met:
            break
    assert wanted <= met


@pytest.mark.parametrize("language", ["narrow", "whole"])
def test_the_same_seed_gives_the_same_world_under_any_hash_seed(language: str) -> None:
    code = (
        "from random import Random; from polc.tests.generators.worlds import build_world;"
        f"w = build_world(5, language={language!r});"
        "print(w.objects, list(w.packets(Random(1), 'ingress', 50)))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


def test_frames_carry_their_five_tuple() -> None:
    for seed in range(16):
        world, rng = build_world(seed % 4), Random(seed)
        for packet in world.packets(rng, "ingress", 20):
            for frame in (frame_of(packet), dressed_frame(rng, packet)):
                _compare(packet, Ether(frame))


def _compare(packet: Packet, seen: Any) -> None:
    network = seen[IP] if packet.family == 4 else seen[IPv6]
    assert int(ip_address(network.src)) == packet.source
    assert int(ip_address(network.dst)) == packet.destination
    for number, layer in ((6, TCP), (17, UDP)):
        if packet.protocol == number and layer in seen:
            assert (seen[layer].sport, seen[layer].dport) == (packet.sport, packet.dport)
    if packet.family == 4:
        assert network.proto == packet.protocol
        copy = IP(bytes(network))
        del copy.chksum
        assert IP(bytes(copy)).chksum == network.chksum
        if packet.is_icmp and ICMP in seen:
            assert (seen[ICMP].type, seen[ICMP].code) == (packet.icmp_type, packet.icmp_code)


def test_odd_frames_are_no_plain_frames() -> None:
    rng = Random(3)
    world = build_world(1)
    for packet in world.packets(rng, "egress", 100):
        frame = odd_frame(rng, packet)
        assert len(frame) >= 15
        assert frame != frame_of(packet)


def _loaded(texts: list[str]) -> list[Any]:
    return [one for text in texts for one in yaml.safe_load_all(text) if one is not None]


@pytest.mark.parametrize("language", ["narrow", "whole"])
def test_styles_keep_every_value(language: str) -> None:
    for seed in range(10):
        objects = build_world(seed, language=language).objects
        assert _loaded([plain_text(objects)]) == objects
        text = document_text(Random(seed), objects)
        assert _loaded([text]) == objects
        assert _loaded([reformat(text, seed)]) == objects
        spread = _loaded(list(files_of(objects, seed).values()))
        assert sorted(map(repr, spread)) == sorted(map(repr, objects))


@pytest.mark.parametrize("language", ["narrow", "whole"])
def test_reordering_keeps_every_verdict(language: str) -> None:
    for seed in range(10):
        world, rng = build_world(seed, language=language), Random(seed)
        moved = reorder(world.objects, seed)
        assert moved != world.objects
        readings = Oracle(moved).endpoint(*world.subject)
        for direction in DIRECTIONS:
            for packet in world.packets(rng, direction, 40):
                assert readings[direction].judge(packet) == world.readings[direction].judge(packet)


def test_mutations_are_many_and_single() -> None:
    changes = [change for seed in range(14) for _, change in mutations(build_world(seed), 10)]
    assert len(changes) >= 50
    # Each sort of change turns up: actions, CIDRs, ports, orders, members, labels, swapped rules.
    for word in ("action", "ets ", "orts ", "order", "set ", "label", "swapped"):
        assert any(word in change for change in changes), word
