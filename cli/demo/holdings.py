"""What of the kernel's a run made: ids, so that the end can show that every one of them is gone."""

from __future__ import annotations

import time

from ...runtime.bpf import Bpf, Object
from ...runtime.kernel import Kernel
from ...runtime.policy import Policy
from ...runtime.readback import read
from ..table import counted


class Holdings:
    """Programs, maps and links by id; the kernel does not give an id twice while it runs."""

    def __init__(self, bpf: Bpf) -> None:
        self._bpf = bpf
        self._ids: set[tuple[Object, int]] = set()

    def note(self, kernel: Kernel, interface: str) -> None:
        """Remembers everything that hangs on the interface's gates now."""
        reading = read(kernel, kernel.net.link(interface))
        for gate in reading.gates:
            self._program(kernel.bpf, gate.runner.program)
            if gate.runner.link:
                self._ids.add((Object.LINK, gate.runner.link))
        for core in reading.cores.values():
            self._ids |= {(Object.MAP, core.slots), (Object.MAP, core.word)}
            for policy in core.contents:
                if isinstance(policy, Policy):
                    self._program(kernel.bpf, policy.program)

    def _program(self, bpf: Bpf, number: int) -> None:
        self._ids.add((Object.PROG, number))
        program = bpf.fd_by_id(Object.PROG, number)
        if program is not None:
            with program:
                self._ids |= {(Object.MAP, one) for one in bpf.prog_info(program).map_ids}

    def left(self, seconds: float) -> list[str]:
        """Those that still live after so long: the kernel frees them behind the scenes.

        Asked by listing ids, never by opening one: opening and closing a slot map whose last user has just
        gone queues its clearing twice, and the kernel then keeps it for ever (kernel/bpf/arraymap.c,
        prog_array_map_clear).
        """
        until = time.monotonic() + seconds
        while True:
            alive = [one for one in sorted(self._ids) if one[1] in self._bpf.ids(one[0])]
            if not alive or time.monotonic() > until:
                return [f"{kind.name.lower()} {number}" for kind, number in alive]
            time.sleep(0.02)

    def summary(self) -> str:
        """How many of each kind were made."""
        words = {Object.PROG: "program", Object.MAP: "map", Object.LINK: "link"}
        counts = [
            counted(count, word)
            for kind, word in words.items()
            if (count := sum(one is kind for one, _ in self._ids))
        ]
        return ", ".join(counts) or "nothing was made"
