"""Both kinds of hook behind one face: run order, the head, foreign programs left alone."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
from polc.pair.layout import Direction
from polc.runtime import hooks, netns
from polc.runtime.hooks import Mechanism, Mode, TcHook
from polc.runtime.kernel import Kernel
from polc.runtime.netlink import Netlink
from polc.tests.kernel.scene import Veth, returning, sh

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("hook", list(TcHook))
def test_a_tcx_gate_goes_to_the_head_and_leaves_the_foreign_program(veth: Veth, hook: TcHook) -> None:
    space, device = veth.namespace, veth.device

    def work() -> None:
        with Netlink() as net:
            kernel = Kernel(net)
            ifindex = net.link(device).index
            with (
                returning(kernel.bpf, "foreign", -1) as foreign,
                returning(kernel.bpf, "ours", -1) as ours,
                kernel.bpf.link_create(foreign, ifindex, hook.attach_type),
                hooks.attach_tcx(kernel, ifindex, hook, ours),
            ):
                found = hooks.runners(kernel, ifindex, hook)
                assert [(one.name, one.mechanism) for one in found] == [
                    ("ours", Mechanism.TCX),
                    ("foreign", Mechanism.TCX),
                ]
                hooks.remove(kernel, ifindex, found[0])
                hooks.remove(kernel, ifindex, found[0])
                assert [one.name for one in hooks.runners(kernel, ifindex, hook)] == ["foreign"]

    netns.run(space, work)


def test_neither_an_ingress_qdisc_nor_a_neighbours_clsact_is_taken_for_a_clsact(veth: Veth) -> None:
    sh("ip", "-n", veth.namespace, "link", "add", "other", "type", "veth", "peer", "name", "third")
    sh("tc", "-n", veth.namespace, "qdisc", "add", "dev", "other", "clsact")
    sh("tc", "-n", veth.namespace, "qdisc", "add", "dev", "third", "ingress")

    def work() -> dict[str, bool]:
        with Netlink() as net:
            return {link.name: net.has_clsact(link.index) for link in net.links()}

    assert netns.run(veth.namespace, work) == {
        "lo": False,
        "other": True,
        "third": False,
        veth.device: False,
    }


@pytest.mark.parametrize("hook", list(TcHook))
def test_a_clsact_gate_takes_the_smallest_free_preference_and_only_that_filter_is_removed(
    veth: Veth, hook: TcHook
) -> None:
    space, device = veth.namespace, veth.device

    def work() -> None:
        with Netlink() as net:
            kernel = Kernel(net)
            ifindex = net.link(device).index
            assert not net.has_clsact(ifindex)
            net.add_clsact(ifindex)
            assert net.has_clsact(ifindex)
            with returning(kernel.bpf, "foreign", -1) as foreign, returning(kernel.bpf, "ours", -1) as ours:
                net.add_bpf_filter(ifindex, hook.parent, 1, foreign.number, "cali_tc_preamble")
                net.add_bpf_filter(ifindex, hook.parent, 49152, foreign.number, "late")
                hooks.attach_clsact(kernel, ifindex, hook, ours, "polc")
                info = kernel.bpf.prog_info(ours)
            found = hooks.runners(kernel, ifindex, hook)
            added = found[1].filter
            assert added is not None
            assert (added.preference, added.program, added.tag) == (2, info.id, info.tag)
            assert [one.name for one in found] == ["cali_tc_preamble", "polc", "late"]
            assert hooks.runners(kernel, ifindex, TcHook(1 - hook)) == ()
            hooks.remove(kernel, ifindex, found[1])
            hooks.remove(kernel, ifindex, found[1])
            assert [one.name for one in hooks.runners(kernel, ifindex, hook)] == ["cali_tc_preamble", "late"]

    netns.run(space, work)


def test_tcx_programs_are_listed_before_clsact_filters(veth: Veth) -> None:
    space, device = veth.namespace, veth.device

    def work() -> None:
        with Netlink() as net:
            kernel = Kernel(net)
            ifindex = net.link(device).index
            net.add_clsact(ifindex)
            with returning(kernel.bpf, "one", -1) as one, returning(kernel.bpf, "two", -1) as two:
                hooks.attach_clsact(kernel, ifindex, TcHook.INGRESS, one, "filter")
                with hooks.attach_tcx(kernel, ifindex, TcHook.INGRESS, two):
                    found = hooks.runners(kernel, ifindex, TcHook.INGRESS)
            assert [runner.mechanism for runner in found] == [Mechanism.TCX, Mechanism.CLSACT]

    netns.run(space, work)


def test_an_interface_that_is_not_there_is_no_device(namespace: Callable[[], str]) -> None:
    def work() -> None:
        with Netlink() as net, pytest.raises(OSError, match="no interface 'gone'") as caught:
            net.link("gone")
        assert caught.value.errno == errno.ENODEV

    netns.run(namespace(), work)


def test_indices_of_devices_that_are_not_there_are_gone(namespace: Callable[[], str]) -> None:
    name = namespace()

    def look() -> tuple[frozenset[int], frozenset[int]]:
        with Netlink() as net:
            there = {link.index for link in net.links()}
            return net.gone(there), net.gone({*there, 7000, 1 << 30})

    assert netns.run(name, look) == (frozenset(), frozenset({7000, 1 << 30}))


def test_two_namespaces_have_two_cookies_and_one_namespace_has_one(namespace: Callable[[], str]) -> None:
    first, second = namespace(), namespace()
    cookies = [netns.run(name, netns.cookie) for name in (first, second, first, f"/run/netns/{second}")]
    assert cookies[0] == cookies[2] != cookies[1] == cookies[3]
    assert netns.cookie() not in cookies


def test_workload_mode_crosses_the_directions_and_host_mode_does_not() -> None:
    assert hooks.hook_of(Mode.WORKLOAD, Direction.INGRESS) is TcHook.EGRESS
    assert hooks.hook_of(Mode.WORKLOAD, Direction.EGRESS) is TcHook.INGRESS
    assert hooks.hook_of(Mode.HOST, Direction.INGRESS) is TcHook.INGRESS
    assert hooks.hook_of(Mode.HOST, Direction.EGRESS) is TcHook.EGRESS
