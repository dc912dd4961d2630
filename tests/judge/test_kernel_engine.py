"""The kernel as a judge: verdicts, rules, flows and swaps of a real pair, as pair/flow.py words them."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest
from polc.compiler.pipeline import compile_labels, load_sources
from polc.compiler.source import Source
from polc.judge.kernel import FRAME_MOST, KernelEngine, runnable
from polc.pair.flow import State
from polc.pair.layout import Config, ConfigFlag, Direction
from polc.pair.object import ObjectPair, read_pair
from polc.pair.packet import Reason
from polc.runtime.bpf import Bpf
from polc.runtime.errors import ObjectFault
from polc.tests.generators.frames import ACK, SYN, frame_of
from polc.tests.oracle.rule_reading import Packet
from polc.tests.pair.pairs import pair_of
from polc.tests.pair.specimen import Specimen

pytestmark = pytest.mark.kernel

IN, OUT = Direction.INGRESS, Direction.EGRESS
CLIENT, ENDPOINT = (int(ip_address(text)) for text in ("10.1.1.1", "10.65.0.2"))
POLICY = """\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  selector: app == 'web'
  types: [Ingress, Egress]
  ingress:
  - {action: Log, protocol: TCP}
  - {action: Allow, protocol: TCP, destination: {ports: [PORT]}}
  - {action: Deny, protocol: UDP}
  egress:
  - {action: Allow, protocol: UDP, destination: {ports: [53]}}
"""
PLAIN = Config()
LOG, ALLOW, DENY = 0, 1, 2  # indices of the ingress rules, in the order written


def _pair(port: int) -> ObjectPair:
    source = Source.of("web.yaml", POLICY.replace("PORT", str(port)))
    compiled = compile_labels(load_sources([source]), {"app": "web"}, "shop")
    return read_pair(compiled.ingress, compiled.egress)


@pytest.fixture(scope="module")
def web() -> ObjectPair:
    return _pair(80)


@pytest.fixture(scope="module")
def moved() -> ObjectPair:
    """The same policy with another port allowed."""
    return _pair(8080)


def _towards(port: int, flags: int, protocol: int = 6) -> bytes:
    return frame_of(Packet(4, protocol, CLIENT, ENDPOINT, 40000, port), flags)


def _back(port: int, flags: int, protocol: int = 6) -> bytes:
    return frame_of(Packet(4, protocol, ENDPOINT, CLIENT, port, 40000), flags)


Open = Callable[..., KernelEngine]


@pytest.fixture
def engine(web: ObjectPair) -> Iterator[Open]:
    """Opens engines on `web` and closes them."""
    opened: list[KernelEngine] = []

    def open_(config: Config = PLAIN, alone: bool = False) -> KernelEngine:
        opened.append(KernelEngine(Bpf(), web, config, alone=alone))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


def _handshake(engine: KernelEngine) -> None:
    for direction, frame in (
        (IN, _towards(80, SYN)),
        (OUT, _back(80, SYN | ACK)),
        (IN, _towards(80, ACK)),
    ):
        assert engine.run(direction, frame).allowed


def test_a_drop_names_its_rule_and_reason(engine: Open) -> None:
    run = engine().run(IN, _towards(81, 0, protocol=17))
    assert (run.allowed, run.rule, run.reason, run.direction) == (False, DENY, Reason.POLICY, IN)
    assert [event.dport for event in run.events] == [81]


def test_an_allowed_flow_names_its_rule_in_its_entry(engine: Open) -> None:
    judge = engine()
    run = judge.run(IN, _towards(80, SYN))
    assert (run.allowed, run.reason, run.logs) == (True, Reason.NONE, (LOG,))
    ((key, entry),) = judge.flows().items()
    assert judge.flow(key) == entry
    assert (entry.generation, entry.rule, entry.owner, entry.state) == (1, ALLOW, IN, State.SYN_SENT)
    assert judge.flow(bytes(len(key))) is None


def test_the_answers_of_an_allowed_flow_pass_and_nothing_else_does(engine: Open) -> None:
    judge = engine()
    _handshake(judge)
    assert [entry.state for entry in judge.flows().values()] == [State.ESTABLISHED]
    assert judge.run(OUT, _back(80, ACK)).allowed
    strange = judge.run(OUT, _back(81, ACK))
    assert (strange.allowed, strange.rule, strange.reason) == (False, None, Reason.NO_FLOW)


def test_runs_come_in_the_order_of_the_frames(engine: Open) -> None:
    frames = [(IN, _towards(80, ACK)), (IN, _towards(80, SYN)), (OUT, _back(80, ACK))]
    assert [run.allowed for run in engine().run_all(frames)] == [False, True, True]


def test_a_swap_cuts_an_established_flow_that_the_new_policy_denies(engine: Open, moved: ObjectPair) -> None:
    judge = engine()
    _handshake(judge)
    judge.swap(moved)
    assert judge.generation == 2
    # The answer's direction has to ask the other one, which owns the flow.
    run = judge.run(OUT, _back(80, ACK))
    assert (run.allowed, run.reason, run.direction) == (False, Reason.CUT, IN)
    assert judge.flows() == {}


def test_a_swap_restamps_a_flow_that_the_new_policy_allows(engine: Open, web: ObjectPair) -> None:
    judge = engine()
    _handshake(judge)
    for generation in (2, 3):
        judge.swap(web)
        assert judge.run(OUT, _back(80, ACK)).allowed
        ((_, entry),) = judge.flows().items()
        assert (entry.generation, entry.rule, entry.state) == (generation, ALLOW, State.ESTABLISHED)


def test_established_flows_are_kept_when_the_attachment_says_so(engine: Open, moved: ObjectPair) -> None:
    judge = engine(Config(flags=ConfigFlag.KEEP_ESTABLISHED))
    _handshake(judge)
    judge.swap(moved)
    assert judge.run(OUT, _back(80, ACK)).allowed
    assert not judge.run(IN, _towards(80, SYN)).allowed


def test_an_idle_flow_is_gone_after_its_time(engine: Open) -> None:
    judge = engine(Config(timeouts=(0, 100, 0, 0, 0, 0, 0, 0)))
    _handshake(judge)
    judge.age(90)
    assert judge.run(OUT, _back(80, ACK)).allowed
    judge.age(101)
    run = judge.run(OUT, _back(80, ACK))
    assert (run.allowed, run.reason) == (False, Reason.NO_FLOW)


def test_forgetting_leaves_no_flow(engine: Open) -> None:
    judge = engine()
    _handshake(judge)
    judge.forget()
    assert judge.flows() == {}
    assert not judge.run(OUT, _back(80, ACK)).allowed


def test_an_object_alone_cannot_ask_the_other_direction(engine: Open, web: ObjectPair) -> None:
    judge = engine(alone=True)
    _handshake(judge)
    judge.swap(web)
    run = judge.run(OUT, _back(80, ACK))
    assert (run.allowed, run.reason) == (False, Reason.NO_PEER)
    assert judge.run(IN, _towards(80, ACK)).allowed, "its own direction needs nobody"


def test_a_refused_swap_leaves_the_pair_in_force(engine: Open, web: ObjectPair) -> None:
    judge = engine()
    _handshake(judge)
    bad = replace(web, egress=pair_of(Specimen(capacity=65536), bytes(4)).egress)
    with pytest.raises(ObjectFault):
        judge.swap(bad)
    assert judge.generation == 1
    assert judge.run(OUT, _back(80, ACK)).allowed


_ARP = bytes(12) + b"\x08\x06" + bytes(100)
_IPV4 = _towards(81, 0, protocol=17)
_IPV6 = frame_of(Packet(6, 17, CLIENT, ENDPOINT, 40000, 81))


@pytest.mark.parametrize(("frame", "least"), [(_ARP, 15), (_IPV4, 34), (_IPV6, 54)])
def test_a_frame_is_runnable_from_the_length_that_the_kernel_takes(
    engine: Open, frame: bytes, least: int
) -> None:
    judge = engine()
    assert judge.run(IN, frame[:least]).allowed is (frame is _ARP)
    for size in (least - 1, 13, 0):
        assert not runnable(frame[:size])
        with pytest.raises(ValueError, match=f"of {size} bytes"):
            judge.run(IN, frame[:size])


@pytest.mark.parametrize("size", [FRAME_MOST, FRAME_MOST + 1, 70_000])
def test_a_long_frame_is_judged_by_its_beginning(engine: Open, size: int) -> None:
    assert engine().run(IN, _IPV4.ljust(size, b"\0")).rule == DENY


def test_nothing_is_left_when_the_judge_is_closed(web: ObjectPair) -> None:
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    with KernelEngine(Bpf(), web) as judge:
        judge.run(IN, _towards(80, SYN))
        judge.swap(web)
    assert len(os.listdir("/proc/self/fd")) == before
