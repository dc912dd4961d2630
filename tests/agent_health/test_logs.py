"""The log tells changes: a failure once, then ever more rarely; nobody writes lines of his own into it."""

from __future__ import annotations

import errno
import io
import json
from typing import Any

from polc.agent.books import tell
from polc.agent.logs import FIRST_WAIT, LONGEST_WAIT, Changes, logger
from polc.agent.states import InputsHealth, State
from polc.tests.agent_health.reports import BROKEN, GOOD, Clock, Y, interface, report


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_state_is_logged_when_it_changes() -> None:
    stream = io.StringIO()
    changes = Changes(logger(as_json=True, stream=stream), Clock())
    for kind in ("enforcing", "enforcing", "unknown", "unknown", "enforcing"):
        changes.state("cali1", kind, "state", interface="cali1", state=kind)
        changes.state("cali2", "enforcing", "state", interface="cali2", state="enforcing")
    found = [(one["interface"], one["state"]) for one in lines(stream)]
    assert found == [
        ("cali1", "enforcing"),
        ("cali2", "enforcing"),
        ("cali1", "unknown"),
        ("cali1", "enforcing"),
    ]
    assert set(lines(stream)[0]) == {"event", "interface", "level", "state", "timestamp"}


def test_the_same_failure_is_logged_ever_more_rarely_and_says_how_often_it_was_not() -> None:
    stream, clock = io.StringIO(), Clock()
    changes = Changes(logger(as_json=True, stream=stream), clock)
    hours = 24
    for _ in range(hours * 3600 // 10):
        changes.failure("cali1", "no memory", "attach failed")
        clock.now += 10
    found = lines(stream)
    grown = [FIRST_WAIT * 2**n for n in range(7) if FIRST_WAIT * 2**n < LONGEST_WAIT]
    most = 1 + len(grown) + hours
    assert most - 2 <= len(found) <= most
    assert sum(one.get("repeated", 1) for one in found) <= hours * 360
    assert [one.get("repeated") for one in found[:3]] == [None, 6, 12]


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device", text)

    changes = Changes(logger(as_json=True, stream=Full()), Clock())
    changes.failure("cali1", "no memory", "attach failed")
    changes.over("cali1", "attached again")


def test_another_failure_shows_at_once_and_its_end_too() -> None:
    stream = io.StringIO()
    changes = Changes(logger(as_json=True, stream=stream), Clock())
    for text in ("no memory", "no memory", "no such device"):
        changes.failure("cali1", text, "attach failed")
    changes.over("cali1", "attached again")
    changes.over("cali1", "attached again")
    changes.failure("cali1", "no such device", "attach failed")
    changes.forget("cali1")
    changes.failure("cali1", "no such device", "attach failed")
    assert [one.get("reason", one["event"]) for one in lines(stream)] == [
        "no memory",
        "no such device",
        "attached again",
        "no such device",
        "no such device",
    ]


def test_a_hostile_text_stays_one_bounded_value_on_one_line() -> None:
    hostile = '%s {0} "x" \n2026-01-01 level=error event=forged\x1b[31m\u2028' + "a" * 100_000
    for as_json in (True, False):
        stream = io.StringIO()
        logger(as_json=as_json, stream=stream).info("state", interface=hostile)
        (line,) = stream.getvalue().splitlines()
        assert len(line) < 3000
        assert "\x1b" not in line
        assert line.startswith('{"interface": "%s {0}' if as_json else "timestamp=")
        if not as_json:
            assert ' level=info event=state interface="%s {0} \\"x\\" \\\\n2026' in line


def test_a_revision_that_swaps_many_interfaces_is_one_line_and_one_that_fails_stands_out() -> None:
    stream, clock = io.StringIO(), Clock()
    changes = Changes(logger(as_json=True, stream=stream), clock)

    def told(revision: int, *states: State) -> list[dict[str, Any]]:
        stream.seek(0)
        stream.truncate()
        inputs = InputsHealth(state="in-use", number=revision, in_use=revision, endpoints=len(states))
        found = [interface(state, f"cali{number}") for number, state in enumerate(states)]
        tell(report(*found, inputs=inputs), changes)
        return lines(stream)

    assert len(told(1, *[GOOD] * 300)) == 301
    swapped = GOOD.model_copy(update={"identity": Y, "generation": 4})
    (line,) = told(2, *[swapped] * 300)
    assert (line["event"], line["number"], line["endpoints"]) == ("revision", 2, 300)
    (line,) = told(2, BROKEN, *[swapped] * 299)
    assert (line["event"], line["interface"], line["reason"]) == ("not-enforcing", "cali0", BROKEN.reason)
    clock.now += 5
    assert told(2, BROKEN.model_copy(update={"next_try": 3.0}), *[swapped] * 299) == []
    (line,) = told(2, *[swapped] * 300)
    assert (line["event"], line["interface"]) == ("right again", "cali0")
    assert told(2, *[swapped] * 299) == []
    (line,) = told(2, *[swapped] * 300)  # cali299 is another device of that name
    assert (line["event"], line["identity"], line["generation"]) == ("enforcing", Y, 4)
