"""Back-off and breaker: how often, and no more."""

from __future__ import annotations

from polc.agent.backoff import Backoff
from polc.agent.breaker import Breaker


def test_each_failure_doubles_the_wait_up_to_the_cap_and_jitter_stays_within_its_share() -> None:
    backoff = Backoff(base=1.0, cap=60.0, jitter=0.25)
    plain = [backoff.delay(failures, lambda: 0.5) for failures in range(1, 9)]
    assert plain == [1, 2, 4, 8, 16, 32, 60, 60]
    for failures in (1, 5, 5000):
        low, high = backoff.delay(failures, lambda: 0.0), backoff.delay(failures, lambda: 0.999999)
        middle = backoff.delay(failures, lambda: 0.5)
        assert 0.74 * middle < low < middle
        assert middle <= high < 1.26 * middle
        assert high <= 60


def test_a_full_node_attaches_in_one_burst_and_a_fight_is_held_to_the_rate() -> None:
    breaker = Breaker(rate=10, burst=100)
    assert breaker.room(0.0) == 100
    breaker.spend(99, 0.0)
    assert not breaker.open
    breaker.spend(30, 0.0)
    assert (breaker.open, breaker.opened, breaker.room(0.0)) == (True, 1, 0)
    made = 0
    for tick in range(1, 10_001):  # 1000 seconds, ten looks a second
        now = tick / 10
        if breaker.room(now):
            breaker.spend(3, now)
            made += 3
    assert 9_800 < made <= 10_000


def test_an_open_breaker_says_when_it_closes_and_does_not_flutter() -> None:
    breaker = Breaker(rate=10, burst=100)
    breaker.spend(100, 5.0)
    assert breaker.closes_in(5.0) == 1.0
    assert breaker.room(5.9) == 0
    assert breaker.room(6.0) == 10
    assert breaker.closes_in(6.0) == 0
    assert breaker.opened == 1
