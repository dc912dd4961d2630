"""Laws that no row of the flow table may break (pair/flow.py), whatever trace one thinks of."""

from __future__ import annotations

from polc.pair.flow import (
    TRANSITIONS,
    Event,
    ProtocolClass,
    State,
    Step,
    Timeout,
    Who,
    timeout_of,
    transition,
)
from polc.pair.packet import Reason

TCP = ProtocolClass.TCP


def test_every_combination_has_a_row() -> None:
    assert len(TRANSITIONS) == len(ProtocolClass) * len(State) * len(Who) * len(Event)


def test_nothing_is_accepted_without_a_flow() -> None:
    for (_, state, _, _), row in TRANSITIONS.items():
        assert state is not State.NONE or row.step is not Step.ACCEPT


def test_without_a_flow_only_what_may_open_one_is_judged() -> None:
    openers = {event for event in Event if transition(TCP, State.NONE, Who.OWNER, event).step is Step.JUDGE}
    assert openers == {Event.SYN}
    for cls in (ProtocolClass.UDP, ProtocolClass.QUERY, ProtocolClass.GENERIC):
        assert transition(cls, State.NONE, Who.OWNER, Event.PACKET).adopt
        assert transition(cls, State.NONE, Who.OWNER, Event.REPLY).reason is Reason.NO_FLOW


def test_a_drop_has_a_reason_and_only_a_judged_packet_opens_a_flow() -> None:
    for row in TRANSITIONS.values():
        assert (row.reason is not Reason.NONE) == (row.step is Step.DROP)
        assert not row.adopt or row.step is Step.JUDGE


def test_a_syn_is_judged_in_every_state() -> None:
    for state in State:
        for who in Who:
            row = transition(TCP, state, who, Event.SYN)
            assert row.step is Step.JUDGE
            assert row.adopt == (state in (State.NONE, State.CLOSED))
            assert row.state is (State.SYN_SENT if row.adopt else state)


def reachable(start: State, whose: tuple[Who, ...]) -> set[State]:
    """The TCP states that packets of these sides can lead to, without a new SYN."""
    found, todo = {start}, [start]
    while todo:
        state = todo.pop()
        for who in whose:
            for event in Event:
                row = transition(TCP, state, who, event)
                if row.step is Step.ACCEPT and row.state not in found:
                    found.add(row.state)
                    todo.append(row.state)
    return found


def test_neither_side_alone_establishes_a_connection() -> None:
    """A scanner whose SYN was allowed, or a host that answers nobody, gets no hour-long entry."""
    for who in Who:
        assert State.ESTABLISHED not in reachable(State.SYN_SENT, (who,))
    assert State.ESTABLISHED in reachable(State.SYN_SENT, tuple(Who))


def test_a_closed_flow_stays_closed_until_a_new_syn() -> None:
    assert reachable(State.CLOSED, tuple(Who)) == {State.CLOSED}


def test_a_reset_closes_from_every_state() -> None:
    for state in set(State) - {State.NONE}:
        for who in Who:
            assert transition(TCP, state, who, Event.RST).state is State.CLOSED


def test_only_an_established_connection_lives_for_the_long_time_out() -> None:
    for state in State:
        long = timeout_of(TCP, state) is Timeout.TCP_ESTABLISHED
        assert long == (state is State.ESTABLISHED)
    for (cls, _, _, _), row in TRANSITIONS.items():
        if row.step is not Step.DROP:
            assert row.timeout is timeout_of(cls, row.state)
