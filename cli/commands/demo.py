"""`polc demo`: the main path on real traffic, in namespaces of its own."""

from __future__ import annotations

from ..demo.play import play


def run() -> None:
    """Show a policy at work on real traffic.

    Client, node and workload in network namespaces of its own; everything is taken down at the end.
    """
    play()
