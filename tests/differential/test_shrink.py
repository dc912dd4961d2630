"""A failure becomes small, and stays a failure."""

from __future__ import annotations

from typing import Any

from polc.tests.differential.shrink import report, shrink
from polc.tests.generators.worlds import build_world
from polc.tests.oracle.rule_reading import Packet


def _ports(objects: list[dict[str, Any]]) -> list[Any]:
    return [
        port
        for one in objects
        if "Policy" in one["kind"]
        for rule in one["spec"].get("ingress") or ()
        for port in rule.get("destination", {}).get("ports", ())
    ]


def test_shrinking_keeps_only_what_the_failure_needs() -> None:
    world = next(world for seed in range(20) if _ports((world := build_world(seed)).objects))
    wanted = _ports(world.objects)[0]
    small = shrink(world.objects, lambda objects: wanted in _ports(objects))
    assert len(small) == 1
    assert small[0]["spec"] == {
        "ingress": [{"action": small[0]["spec"]["ingress"][0]["action"], "destination": {"ports": [wanted]}}]
    }
    assert world.objects == build_world(world.seed).objects
    text = report(small, "ingress", Packet(4, 6, 1, 2), "they differ")
    assert "they differ\ningress Packet(" in text
    assert "ports:" in text


def test_shrinking_gives_up_after_its_tries() -> None:
    tries: list[int] = []

    def never(objects: list[dict[str, Any]]) -> bool:
        tries.append(len(objects))
        return False

    shrink(build_world(0).objects, never, most=7)
    assert len(tries) == 7
