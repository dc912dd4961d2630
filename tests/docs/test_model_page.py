"""The documentation of the language is the model itself: the page says what the source says."""

from __future__ import annotations

from polc.tests.docs.model_page import PAGE, page


def test_the_page_says_what_the_model_says(golden_update: bool) -> None:
    if golden_update:
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "the model has changed: make docs-update"


def test_the_page_holds_the_walk_and_every_state() -> None:
    text = page()
    for word in ("def decide", "def holds", "ESTABLISHED", "FIN_PEER", "Time-outs", "IPv6"):
        assert word in text
