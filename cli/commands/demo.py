"""`polc demo`: the main path on real traffic, in namespaces of its own."""

from __future__ import annotations

from ..demo.play import play


def run() -> None:
    """Show a policy at work between a client and a workload, on real traffic, and clean up."""
    play()
