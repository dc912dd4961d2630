"""The grace period: waits until no packet that entered a program before the call is still inside it.

From user space the kernel offers no RCU barrier by name, but an update of a map of maps waits for one
(kernel/bpf/syscall.c, maybe_wait_bpf_programs): programs of tc run inside an RCU read side. One tiny map
of maps is kept for that. About 10 ms under load.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from .bpf import Bpf, Fd, MapShape, MapType

_KEY: Final = bytes(4)


class Grace:
    """Makes its two maps at the first wait and keeps them; one wait serves any number of interfaces."""

    def __init__(self) -> None:
        self._maps: tuple[Fd, Fd] | None = None

    def wait(self, bpf: Bpf) -> None:
        """Returns after a full RCU grace period; raises BpfError."""
        if self._maps is None:
            with ExitStack() as undo:
                inner = undo.enter_context(bpf.map_create(MapShape("polc_inner", MapType.ARRAY, 4, 4, 1)))
                outer = bpf.map_create(MapShape("polc_grace", MapType.ARRAY_OF_MAPS, 4, 4, 1, inner=inner))
                undo.pop_all()
            self._maps = inner, outer
        inner, outer = self._maps
        bpf.map_update(outer, _KEY, inner.number.to_bytes(4, "little"))
