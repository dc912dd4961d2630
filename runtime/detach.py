"""`detach`: word 0, grace, gates, pins, and the clsact when we made it and nothing else is in it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from . import hooks
from .bpf import Object
from .bpffs import Bpffs
from .errors import CannotError, NotInForce, cannot
from .gate import Gates
from .grace import Grace
from .interface import find_interface
from .kernel import Kernel
from .netlink import Link
from .readback import Core, Reading, read
from .surroundings import Surroundings
from .word import Word

DETACH_VERSION: Final = 1


class DetachReport(BaseModel):
    """`polc detach --format json`. removed: what was taken away, in order; empty when nothing was there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = DETACH_VERSION
    interface: str
    removed: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def changed(self) -> bool:
        return bool(self.removed)


def detach(kernel: Kernel, interface: str, root: Path, gates: Gates | None = None) -> DetachReport:
    """Removes everything of ours from the interface, however much of it is there; a second run does nothing.

    root: of the bpf filesystem. Raises CannotError with nothing changed, NotInForce when some of it could
    not be removed.
    """
    kernel.host.refuse_netns_exec()
    link = find_interface(kernel, interface)
    place, cookie = kernel.host.find_bpffs(root), kernel.host.cookie()
    with kernel.host.locked(cookie, link.index):
        return _detached(kernel, link, root, place, cookie, gates)


def _detached(
    kernel: Kernel, link: Link, root: Path, place: Bpffs | None, cookie: int, gates: Gates | None
) -> DetachReport:
    reading = read(kernel, link, gates)
    around = Surroundings(kernel, place or Bpffs(root), cookie)
    try:
        own = _own_cores(around, reading)
    except OSError as error:
        raise cannot(error, f"look at the pins of {link.name}") from error
    try:
        removed = [*_disarm(kernel, own), *_remove_gates(kernel, link, reading)]
        notes: tuple[str, ...] = (f"no bpf filesystem at {root}: pins, if any, stay where they are",)
        if place is not None:
            removed += _remove_pins(around, reading, own)
            notes = ()
    except (OSError, CannotError) as error:
        why = error.message if isinstance(error, CannotError) else error.strerror or error
        raise NotInForce(
            f"{link.name} could not be detached wholly: {why}",
            "run `polc detach` again; `polc status` shows what is left",
        ) from error
    return DetachReport(interface=link.name, removed=tuple(removed), notes=notes)


def _own_cores(around: Surroundings, reading: Reading) -> tuple[Core, ...]:
    """Those behind gates of this version that no gate elsewhere reads too."""
    cores = dict.fromkeys(gate.core for gate in reading.gates)
    pinned = around.pins(reading.link.index).slots()
    odd = len(cores) > 1 or any(slots != pinned for slots, _ in cores)
    foreign = around.foreign(reading) if odd else ()
    return tuple(reading.cores[one] for one in cores if one not in foreign)


def _disarm(kernel: Kernel, cores: Iterable[Core]) -> list[str]:
    """Both directions stop being enforced at once; then no packet is left inside a policy program."""
    done = []
    with ExitStack() as held:
        for core in cores:
            map_ = kernel.bpf.fd_by_id(Object.MAP, core.word) if core.value else None
            if map_ is not None:
                held.enter_context(map_)
                with Word(kernel.bpf, map_, writable=True) as word:
                    word.store(0)
                done.append("commit word: 0, nothing is enforced any more")
        if done:
            Grace().wait(kernel.bpf)
    return done


def _remove_gates(kernel: Kernel, link: Link, reading: Reading) -> list[str]:
    done = []
    gates = (*reading.gates, *reading.elders)
    for gate in gates:
        hooks.remove(kernel, link.index, gate.runner)
        done.append(f"{gate.direction.word} gate on {gate.runner.place}")
    if hooks.drop_own_clsact(kernel, link.index, [gate.runner for gate in gates]):
        done.append("the clsact qdisc, which polc made and which is empty")
    return done


def _remove_pins(around: Surroundings, reading: Reading, cores: Iterable[Core]) -> list[str]:
    pins = around.pins(reading.link.index)
    twins = [(twin, core.slots) for core in cores for twin in around.twins(reading, core.slots)]
    every = [(pins, pins.clear())]
    every += [(one, around.clear(one, slots)) for one, slots in twins]
    every += [(one, around.clear(one)) for one in around.stale(reading.link.index, elsewhere=True)]
    return [f"pin {one.directory.name}/{name}" for one, names in every for name in names]
