"""The stable codes of resolve's findings; docs/errors.md has a page for each, and none changes meaning."""

from __future__ import annotations

from typing import Final

NO_ENDPOINT: Final = "POLC-E0701"
DEFINED_TWICE: Final = "POLC-E0702"
TIER: Final = "POLC-E0705"
WHICH_NAMESPACE: Final = "POLC-E0706"
NOTHING_SELECTED: Final = "POLC-E0707"
AMBIGUOUS_ENDPOINT: Final = "POLC-E0708"
HOST_NETWORK: Final = "POLC-E0709"
UNTRACKED: Final = "POLC-E0720"
HOST_ADDRESSES: Final = "POLC-E0721"

# Warnings
EMPTY_SELECTION: Final = "POLC-W0701"
POLICY_WITHOUT_ENDPOINT: Final = "POLC-W0702"
STRIPPED_LABEL: Final = "POLC-W0703"
UNKNOWN_PORT: Final = "POLC-W0704"
UNKNOWN_SERVICE: Final = "POLC-W0705"
MISSING_PROFILE: Final = "POLC-W0720"
EVERY_INTERFACE: Final = "POLC-W0721"
HOST_LEFT_OUT: Final = "POLC-W0722"
