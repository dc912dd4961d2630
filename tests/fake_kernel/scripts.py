"""Scripts over the doors whose read-back must be the same on the fake and on the real kernel.

A script returns what it saw. Ids, which the kernel makes up, are replaced by the order of their first sight.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from polc.pair.layout import MAP_SLOTS, Direction
from polc.runtime.attach import AttachRequest, attach
from polc.runtime.bpf import AttachFlag, Fd, MapType, Object
from polc.runtime.detach import detach
from polc.runtime.gate import Gates, create_slots
from polc.runtime.hooks import Mechanism, TcHook
from polc.runtime.netlink import Filter
from polc.runtime.word import create_word
from polc.tests.fake_kernel.pairs import pair
from polc.tests.fake_kernel.situations import INGRESS, Stage

_HOOK: Final = TcHook.INGRESS
_MOVES: Final = 24
Seen = list[Any]


@dataclass
class Observer:
    """Turns answers into comparable values."""

    stage: Stage
    numbers: dict[tuple[str, int], int] = field(default_factory=dict)

    def number(self, kind: str, number: int) -> int:
        return self.numbers.setdefault((kind, number), len(self.numbers)) if number else -1

    def hook(self, hook: TcHook = _HOOK) -> object:
        found = self.stage.kernel.bpf.prog_query(self.stage.index, hook.attach_type)
        programs = [self.number("program", one) for one in found.prog_ids]
        return found.revision, programs, [self.number("link", one) for one in found.link_ids]

    def filters(self, hook: TcHook = _HOOK) -> object:
        found = self.stage.kernel.net.filters(self.stage.index, hook.parent)
        return [self._filter(one) for one in found]

    def _filter(self, one: Filter) -> object:
        numbers = (one.preference, one.handle, one.protocol, one.chain)
        return *numbers, one.kind, one.name, one.direct, one.tag, self.number("program", one.program)

    def errno(self, call: Callable[[], object]) -> object:
        """The errno of a refused call, else whether it answered None or False."""
        try:
            answer = call()
        except OSError as error:
            return error.errno
        return answer is None or answer


def slots_are_emptied_with_their_last_user(stage: Stage) -> Seen:
    bpf = stage.kernel.bpf
    program = stage.program()
    with create_slots(bpf) as slots, create_word(bpf) as word:
        number = bpf.map_info(slots).id
        bpf.map_update(slots, bytes(4), program.number.to_bytes(4, "little"))
        gate = stage.held.enter_context(Gates().load(bpf, Direction.INGRESS, slots, word))
    stage.settle()
    again = bpf.fd_by_id(Object.MAP, number)
    assert again is not None, "the gate holds it"
    with again:
        return [bpf.map_lookup(again, bytes(4), 4), bpf.map_info(again).name == MAP_SLOTS, gate.number > 0]


def slots_stay_while_they_are_pinned(stage: Stage) -> Seen:
    bpf = stage.kernel.bpf
    program, path = stage.program(), stage.root / "slots"
    with create_slots(bpf) as slots:
        bpf.map_update(slots, bytes(4), program.number.to_bytes(4, "little"))
        bpf.obj_pin(str(path), slots)
    stage.settle()
    again = bpf.obj_get(str(path))
    assert again is not None
    with again:
        seen: Seen = [bpf.map_lookup(again, bytes(4), 4) is not None]
    path.unlink()
    return seen


def a_link_lives_by_its_last_descriptor_or_pin(stage: Stage) -> Seen:
    bpf, see = stage.kernel.bpf, Observer(stage)
    path = stage.root / "link"
    link = bpf.link_create(stage.program(), stage.index, INGRESS)
    bpf.obj_pin(str(path), link)
    link.close()
    seen: Seen = [see.hook()]
    path.unlink()
    stage.settle()
    return [*seen, see.hook()]


def a_link_outlives_its_device_without_one(stage: Stage) -> Seen:
    bpf = stage.kernel.bpf
    link, other = stage.link(stage.program(1)), stage.program(2)
    index = stage.index
    seen: Seen = [bpf.link_info(link).ifindex == index]
    stage.delete_device()
    info = bpf.link_info(link)
    see = Observer(stage)
    return [
        *seen,
        (info.ifindex, info.attach_type),
        see.errno(lambda: bpf.link_update(link, other)),
        see.errno(lambda: bpf.link_detach(link)),
        see.errno(lambda: bpf.prog_query(index, INGRESS)),
        stage.kernel.net.filters(index, _HOOK.parent),
        stage.kernel.net.has_clsact(index),
    ]


def a_clsact_goes_with_its_filters_and_their_programs(stage: Stage) -> Seen:
    bpf, net, see = stage.kernel.bpf, stage.kernel.net, Observer(stage)
    index = stage.index
    net.add_clsact(index)
    program = stage.program()
    number = bpf.prog_info(program).id
    net.add_bpf_filter(index, _HOOK.parent, 1, program.number, "t")
    program.close()
    seen: Seen = [see.filters(), number in set(bpf.ids(Object.PROG))]
    net.delete_clsact(index)
    stage.settle()
    return [*seen, see.filters(), net.has_clsact(index), number in set(bpf.ids(Object.PROG))]


def random_moves(seed: int, stage: Stage) -> Seen:
    """Random calls on one hook, tcx and clsact mixed; after each the errno and the whole read-back."""
    see, random_ = Observer(stage), random.Random(seed)
    bpf, net, index = stage.kernel.bpf, stage.kernel.net, stage.index
    programs = [stage.program(answer) for answer in range(4)]
    slots = stage.map(MapType.PROG_ARRAY, max_entries=2)
    links: list[Fd] = []

    def create(program: Fd, flags: AttachFlag) -> None:
        links.append(stage.held.enter_context(bpf.link_create(program, index, INGRESS, flags)))

    seen: Seen = []
    for _ in range(_MOVES):
        program, preference, handle = random_.choice(programs), random_.randint(1, 3), random_.randint(1, 3)
        link = random_.choice(links) if links else None
        flags = random_.choice([AttachFlag.NONE, AttachFlag.BEFORE])
        key = random_.randint(0, 2).to_bytes(4, "little")
        place = index, _HOOK.parent, preference
        moves: list[partial[Any]] = [
            partial(create, program, flags),
            partial(bpf.prog_attach, program, index, INGRESS, flags),
            partial(bpf.prog_detach, program, index, INGRESS),
            partial(net.add_clsact, index),
            partial(net.add_bpf_filter, *place, program.number, "t"),
            partial(net.add_bpf_filter, *place, program.number, "u"),
            partial(net.replace_bpf_filter, *place, handle, program.number, "v"),
            partial(net.delete_filter, index, Filter(_HOOK.parent, preference, handle, 3, 0, "bpf")),
            partial(bpf.map_update, slots, key, program.number.to_bytes(4, "little")),
            partial(bpf.map_delete, slots, key),
        ]
        if link is not None:
            moves += [partial(bpf.link_detach, link), partial(bpf.link_update, link, program)]
        if random_.random() < 0.05:
            moves = [partial(net.delete_clsact, index)]
        move = random_.choice(moves)
        raw = [bpf.map_lookup(slots, at.to_bytes(4, "little"), 4) for at in range(2)]
        held = [see.number("program", int.from_bytes(one or b"", "little")) for one in raw]
        seen.append((move.func.__name__, see.errno(move), see.hook(), see.filters(), held))
    return seen


def commands(mechanism: Mechanism, stage: Stage) -> Seen:
    """The runtime's own commands: the same writes, by command, and the same status."""
    kernel = stage.kernel
    seen: Seen = []
    request = AttachRequest(stage.device, stage.root, mechanism=mechanism)
    for policy in (pair(0), pair(0), pair(1), pair(2)):
        kernel.bpf.writes.clear()
        kernel.net.writes.clear()
        report = attach(kernel, policy, request)
        seen += [report.plan, report.notes, report.status.state, report.status.generation]
        seen += [report.status.identity, report.status.facts, dict(kernel.bpf.writes)]
        seen += [len(kernel.net.writes), [len(hook.programs) for hook in report.status.hooks]]
        index = stage.index
        seen += [kernel.net.has_clsact(index)]
        seen += [len(kernel.bpf.prog_query(index, hook.attach_type).link_ids) for hook in TcHook]
    gone = detach(kernel, stage.device, stage.root)
    return [*seen, len(gone.removed), gone.notes, kernel.net.has_clsact(stage.index)]


SCRIPTS: Final[tuple[Callable[[Stage], Seen], ...]] = (
    slots_are_emptied_with_their_last_user,
    slots_stay_while_they_are_pinned,
    a_link_lives_by_its_last_descriptor_or_pin,
    a_link_outlives_its_device_without_one,
    a_clsact_goes_with_its_filters_and_their_programs,
)
