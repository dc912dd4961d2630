"""The stable codes of findings in test cases; docs/errors.md has a page for each."""

from __future__ import annotations

from typing import Final

END: Final = "POLC-E0901"
ADDRESSES: Final = "POLC-E0902"
PACKET: Final = "POLC-E0903"
TWICE: Final = "POLC-E0904"
NO_CASES: Final = "POLC-E0905"
VERDICT: Final = "POLC-E0906"
