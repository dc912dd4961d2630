"""Everything a polc command could change, as one comparable value: for proofs that nothing was changed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from .bpf import Object
from .hooks import TcHook, tcx_state
from .kernel import Kernel


@dataclass(frozen=True, slots=True)
class Snapshot:
    """programs, maps, links: ids of the whole machine. filters, tcx, clsact: of this network namespace, by
    device and hook. tree: every path under the bpf filesystem's root."""

    programs: frozenset[int]
    maps: frozenset[int]
    links: frozenset[int]
    filters: frozenset[str]
    tcx: frozenset[str]
    clsact: frozenset[int]
    tree: frozenset[str]

    def changes(self, later: Snapshot) -> tuple[str, ...]:
        """What `later` has more (+) or less (-), a line each; empty when nothing changed."""
        out = []
        for field in fields(self):
            before, after = getattr(self, field.name), getattr(later, field.name)
            out += [f"+ {field.name} {one}" for one in sorted(after - before)]
            out += [f"- {field.name} {one}" for one in sorted(before - after)]
        return tuple(out)


def snapshot(kernel: Kernel, bpffs_root: Path) -> Snapshot:
    """Reads it all. Needs CAP_SYS_ADMIN (ids of all objects)."""
    links = kernel.net.links()
    return Snapshot(
        programs=frozenset(kernel.bpf.ids(Object.PROG)),
        maps=frozenset(kernel.bpf.ids(Object.MAP)),
        links=frozenset(kernel.bpf.ids(Object.LINK)),
        filters=frozenset(
            f"{link.index} {found}"
            for link in links
            for hook in TcHook
            for found in kernel.net.filters(link.index, hook.parent)
        ),
        tcx=frozenset(
            f"{link.index} {hook.word} {tcx_state(kernel, link.index, hook)}"
            for link in links
            for hook in TcHook
        ),
        clsact=frozenset(link.index for link in links if kernel.net.has_clsact(link.index)),
        tree=frozenset(str(path) for path in bpffs_root.rglob("*")),
    )
