"""What the kernel says about its objects, as frozen values."""

from __future__ import annotations

from typing import NamedTuple


class ProgInfo(NamedTuple):
    """From struct bpf_prog_info. map_ids: in the kernel's order (first reference in the code, then bound).

    load_time: CLOCK_BOOTTIME ns. verified: instructions the verifier processed. insns: bytes of xlated code.
    """

    id: int
    type: int
    tag: bytes
    name: str
    map_ids: tuple[int, ...]
    btf_id: int
    load_time: int
    verified: int
    xlated_bytes: int
    jited_bytes: int

    def is_still(self, number: int, loaded: int) -> bool:
        """Whether this is the program that had that id and was loaded at that time. The kernel counts ids up
        and begins anew some day; it does not load two programs of one id in one nanosecond."""
        return (self.id, self.load_time) == (number, loaded)


class MapInfo(NamedTuple):
    """From struct bpf_map_info; `flags` are BPF_F_* as given at creation."""

    id: int
    type: int
    name: str
    key_size: int
    value_size: int
    max_entries: int
    flags: int
    btf_id: int
    btf_value_type_id: int


class LinkInfo(NamedTuple):
    """From struct bpf_link_info. ifindex and attach_type are a tcx link's (0 otherwise, or when detached)."""

    id: int
    type: int
    prog_id: int
    ifindex: int
    attach_type: int


class BtfInfo(NamedTuple):
    id: int
    size: int


class HookState(NamedTuple):
    """One tcx hook: programs in running order with their links (0 = attached without link), and the revision.

    The revision rises with every change at the hook and falls back to 1 when it empties.
    """

    revision: int
    prog_ids: tuple[int, ...]
    link_ids: tuple[int, ...]
