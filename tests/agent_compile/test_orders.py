"""What a child is told again: only what it does not know."""

from __future__ import annotations

from collections import Counter

from polc.agent.orders import Order, Told
from polc.agent.protocol import Compile, Endpoint

A, B, C = (Endpoint(namespace="shop", name=name, kind="Pod") for name in "abc")
ONE, TWO = b"1" * 32, b"2" * 32


class Asker:
    def __init__(self) -> None:
        self.told, self.order = Told(), Order()
        self.killers: Counter[Endpoint] = Counter()

    def ask(self, held: dict[Endpoint, bytes | None]) -> dict[str, str] | None:
        """Of whom the child is told, and what is held; `rest` stands for those it was told of before."""
        self.order = Order(self.order.revision + 1)
        self.told.revise(self.order)
        self.order.want(held)
        request = self.told.compile(self.order, self.killers)
        return said(request) if request is not None else None


def said(request: Compile) -> dict[str, str]:
    words = {one.endpoint.name: ("last " if one.last else "") + one.held[:2] for one in request.wanted}
    return words | ({"rest": ""} if request.rest else {})


def test_only_what_is_new_is_said() -> None:
    asker = Asker()
    assert asker.ask({A: None, B: ONE}) == {"a": "", "b": "31", "rest": ""}
    assert asker.ask({A: TWO, B: ONE}) == {"a": "32", "rest": ""}
    assert asker.ask({A: TWO, B: ONE}) == {"rest": ""}
    assert asker.ask({A: TWO, B: ONE, C: None}) == {"c": "", "rest": ""}
    asker.killers[B] = 1
    assert asker.ask({A: TWO, B: ONE, C: None}) == {"b": "last 31", "rest": ""}


def test_who_is_wanted_no_more_takes_a_whole_request() -> None:
    asker = Asker()
    asker.ask({A: ONE, B: ONE})
    assert asker.ask({B: ONE}) == {"b": "31"}
    assert asker.ask({B: ONE}) == {"rest": ""}
    assert asker.ask({A: ONE, B: ONE}) == {"a": "31", "rest": ""}


def test_another_child_is_told_everything() -> None:
    asker = Asker()
    asker.ask({A: ONE, B: ONE})
    asker.told = Told()
    assert asker.ask({A: ONE, B: ONE}) == {"a": "31", "b": "31", "rest": ""}
