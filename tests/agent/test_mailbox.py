"""The mailbox keeps the newest word of each and nothing else, whoever posts and however much."""

from __future__ import annotations

import select
import threading

from polc.agent.compiling import Failed, Finished, Loaded, Refused, Same, WorkerDied
from polc.agent.mailbox import Mailbox, Post, Reading
from polc.agent.protocol import Endpoint


def _rings(box: Mailbox) -> bool:
    return bool(select.select([box.fileno()], [], [], 0)[0])


def test_the_bell_rings_while_there_is_something_and_taking_leaves_nothing() -> None:
    box = Mailbox()
    assert not _rings(box)
    assert box.take() == Post()
    box.look()
    box.stop()
    assert _rings(box)
    post = box.take()
    assert (post.look, post.stop) == (True, True)
    assert not _rings(box)
    assert box.take() == Post()
    box.close()


def test_what_waits_is_bounded_by_the_endpoints_however_much_was_posted() -> None:
    box = Mailbox()
    ends = [Endpoint(namespace="shop", name=f"p{number}", kind="Pod") for number in range(5)]

    def post(thread: int) -> None:
        for number in range(500):
            box.answers([Same(number, ends[number % 5], bytes(32))])
            box.answers([Failed(number, ends[number % 5], ())])
            box.answers([Finished(number)])
            box.answers([WorkerDied(f"{thread}", 1.0)])
            box.answers([Loaded(number, (), (), 0.0)])
            box.reading(Reading(number, "d"))

    threads = [threading.Thread(target=post, args=(number,)) for number in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    box.answers([Refused(1000, ())])
    box.reading(Reading(1000, "e"))
    found = box.take()
    assert set(found.by_endpoint) == set(ends)
    assert all(isinstance(one, Failed) and one.revision >= 495 for one in found.by_endpoint.values())
    assert found.revision == Refused(1000, ())
    assert found.reading == Reading(1000, "e")
    assert found.deaths == 1500
    box.close()
