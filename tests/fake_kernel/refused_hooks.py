"""Refusals of tcx and netlink calls."""

from __future__ import annotations

from typing import Final

from polc.runtime.hooks import TcHook
from polc.runtime.netlink import ETH_P_ALL, Filter
from polc.tests.fake_kernel.situations import INGRESS, Call, Stage, situation

PARENT: Final = TcHook.INGRESS.parent
NO_DEVICE: Final = 4711

# --- tcx ------------------------------------------------------------------------------------------------


@situation("tcx attach: the program is on the hook already")
def _(stage: Stage) -> Call:
    program = stage.program()
    stage.link(program)
    return lambda: stage.link(program)


@situation("tcx attach: the hook is full")
def _(stage: Stage) -> Call:
    for number in range(64):
        stage.link(stage.program(number))
    return lambda: stage.link(stage.program(64))


@situation("tcx attach: the revision moved on")
def _(stage: Stage) -> Call:
    stage.link(stage.program(1))
    other, index = stage.program(2), stage.index
    return lambda: stage.kernel.bpf.link_create(other, index, INGRESS, revision=1)


@situation("link_create: no such device")
def _(stage: Stage) -> Call:
    program = stage.program()
    return lambda: stage.kernel.bpf.link_create(program, NO_DEVICE, INGRESS)


@situation("prog_attach: no such device")
def _(stage: Stage) -> Call:
    program = stage.program()
    return lambda: stage.kernel.bpf.prog_attach(program, NO_DEVICE, INGRESS)


@situation("prog_detach: no such device")
def _(stage: Stage) -> Call:
    program = stage.program()
    return lambda: stage.kernel.bpf.prog_detach(program, NO_DEVICE, INGRESS)


@situation("prog_query: no such device")
def _(stage: Stage) -> Call:
    return lambda: stage.kernel.bpf.prog_query(NO_DEVICE, INGRESS)


@situation("prog_detach: the program is not on the hook")
def _(stage: Stage) -> Call:
    program, index = stage.program(1), stage.index
    stage.link(stage.program(2))
    return lambda: stage.kernel.bpf.prog_detach(program, index, INGRESS)


@situation("prog_detach: a link holds the program")
def _(stage: Stage) -> Call:
    program, index = stage.program(), stage.index
    stage.link(program)
    return lambda: stage.kernel.bpf.prog_detach(program, index, INGRESS)


@situation("link_update: the link is detached")
def _(stage: Stage) -> Call:
    link, other = stage.link(stage.program(1)), stage.program(2)
    stage.kernel.bpf.link_detach(link)
    return lambda: stage.kernel.bpf.link_update(link, other)


@situation("link_update: another program is there")
def _(stage: Stage) -> Call:
    link, other = stage.link(stage.program(1)), stage.program(2)
    return lambda: stage.kernel.bpf.link_update(link, other, other)


@situation("link_update: the program is on the hook already")
def _(stage: Stage) -> Call:
    first, second = stage.program(1), stage.program(2)
    link = stage.link(first)
    stage.link(second)
    return lambda: stage.kernel.bpf.link_update(link, second)


# --- netlink ----------------------------------------------------------------------------------------------


@situation("qdisc add: there is a clsact")
def _(stage: Stage) -> Call:
    index = stage.index
    stage.kernel.net.add_clsact(index)
    return lambda: stage.kernel.net.add_clsact(index)


@situation("qdisc del: there is no clsact")
def _(stage: Stage) -> Call:
    index = stage.index
    return lambda: stage.kernel.net.delete_clsact(index)


@situation("qdisc del: the clsact is gone")
def _(stage: Stage) -> Call:
    index = stage.index
    stage.kernel.net.add_clsact(index)
    stage.kernel.net.delete_clsact(index)
    return lambda: stage.kernel.net.delete_clsact(index)


@situation("add: no such device")
def _(stage: Stage) -> Call:
    return lambda: stage.kernel.net.add_clsact(NO_DEVICE)


@situation("del: no such device")
def _(stage: Stage) -> Call:
    return lambda: stage.kernel.net.delete_clsact(NO_DEVICE)


@situation("add-filter: no such device")
def _(stage: Stage) -> Call:
    program = stage.program()
    return lambda: stage.kernel.net.add_bpf_filter(NO_DEVICE, PARENT, 1, program.number, "t")


@situation("replace-filter: no such device")
def _(stage: Stage) -> Call:
    program = stage.program()
    return lambda: stage.kernel.net.replace_bpf_filter(NO_DEVICE, PARENT, 1, 1, program.number, "t")


@situation("filter add: there is no clsact")
def _(stage: Stage) -> Call:
    program, index = stage.program(), stage.index
    return lambda: stage.kernel.net.add_bpf_filter(index, PARENT, 1, program.number, "t")


@situation("filter add: the descriptor is no program")
def _(stage: Stage) -> Call:
    map_, index = stage.map(), stage.index
    stage.kernel.net.add_clsact(index)
    return lambda: stage.kernel.net.add_bpf_filter(index, PARENT, 1, map_.number, "t")


def filter_of(preference: int, handle: int, protocol: int = ETH_P_ALL) -> Filter:
    return Filter(PARENT, preference, handle, protocol, 0, "bpf")


def _one_filter(stage: Stage) -> int:
    index = stage.index
    stage.kernel.net.add_clsact(index)
    stage.kernel.net.add_bpf_filter(index, PARENT, 1, stage.program().number, "t")
    return index


@situation("del-filter: no such device")
def _(stage: Stage) -> Call:
    return lambda: stage.kernel.net.delete_filter(NO_DEVICE, filter_of(1, 1))


@situation("filter del: there is no clsact")
def _(stage: Stage) -> Call:
    index = stage.index
    return lambda: stage.kernel.net.delete_filter(index, filter_of(1, 1))


@situation("filter del: no such preference and protocol")
def _(stage: Stage) -> Call:
    index = _one_filter(stage)
    return lambda: stage.kernel.net.delete_filter(index, filter_of(2, 1))


@situation("filter del: no such handle")
def _(stage: Stage) -> Call:
    index = _one_filter(stage)
    return lambda: stage.kernel.net.delete_filter(index, filter_of(1, 2))


@situation("filter add: the preference is of another protocol")
def _(stage: Stage) -> Call:
    program, index = stage.program(), stage.index
    stage.kernel.net.add_clsact(index)
    numbers = {"parent": PARENT, "prio": 1, "protocol": 0x0800}
    route = stage.kernel.net._route
    route.tc("add-filter", "bpf", index, 0, fd=program.number, name="t", direct_action=True, **numbers)
    return lambda: stage.kernel.net.add_bpf_filter(index, PARENT, 1, program.number, "t")


@situation("filter add: the handle is taken")
def _(stage: Stage) -> Call:
    index, program = _one_filter(stage), stage.program()
    return lambda: stage.kernel.net._bpf_filter("add-filter", index, PARENT, 1, 1, program.number, "t")
