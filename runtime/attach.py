"""`attach`: from a verified pair and an interface to a pair in force, or a refusal that changed nothing."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from ..pair.layout import SECTION_PROVENANCE, Config, ConfigFlag, Direction
from ..pair.object import ObjectPair
from . import bpffs
from .bpf import Bpf
from .change import Change, Wish, decide
from .errors import CannotError, NotInForce, cannot
from .gate import Gates
from .hooks import Mechanism, Mode
from .install import Site, install, orphans, wanted_pins
from .interface import find_interface
from .kernel import Kernel
from .link_layer import header_length
from .netlink import Link
from .pins import Pins
from .policy import Policy
from .probe import has_tcx
from .readback import read
from .request import AttachReport, AttachRequest
from .standing import Standing, judge
from .status import InterfaceStatus, interface_status

__all__ = ["AttachReport", "AttachRequest", "attach"]


def attach(
    kernel: Kernel, pair: ObjectPair, request: AttachRequest, gates: Gates | None = None
) -> AttachReport:
    """Brings the pair into force on the interface by the smallest change, and reads back what is in force.

    Raises CannotError (exit 3) and ObjectFault (exit 1) with nothing changed, NotInForce (exit 4) when what
    the kernel shows afterwards is not the pair.
    """
    kernel.host.refuse_netns_exec()
    known = gates or Gates()
    link = find_interface(kernel, request.interface)
    with ExitStack() as held:  # the slot map, over the whole command: see readback.read
        return _attached(kernel, pair, request, link, known, held)


def _attached(
    kernel: Kernel, pair: ObjectPair, request: AttachRequest, link: Link, known: Gates, held: ExitStack
) -> AttachReport:
    looked = _decided(kernel, pair, request, link, known, held)
    place = kernel.host.require_bpffs(request.bpffs, request.mount and not request.dry_run)
    cookie = kernel.host.cookie()
    site = Site(kernel, link, Pins(kernel.bpf, place, place.directory(cookie, link.index)), known)
    try:
        plan, notes = _plan(site, looked), looked.change.notes
        if plan and not request.dry_run:
            with kernel.host.locked(cookie, link.index):
                looked = _decided(kernel, pair, request, link, known, held)  # another polc came first?
                plan = _plan(site, looked)
                left = install(site, looked.standing, looked.change, pair, looked.wish.config) if plan else ()
                notes = (*looked.change.notes, *left)
    except OSError as error:
        raise cannot(error, f"attach to {link.name}") from error
    changed = bool(plan) and not request.dry_run
    report = AttachReport(
        changed=changed,
        dry_run=request.dry_run,
        plan=plan,
        notes=(*notes, *_stacked(place)),
        status=_read_back(kernel, link, known, changed),
    )
    return report if request.dry_run else _confirmed(report, pair)


@dataclass(frozen=True, slots=True)
class _Decision:
    """What is there, what is wanted, and what to do about it."""

    standing: Standing
    wish: Wish
    change: Change


def _decided(
    kernel: Kernel, pair: ObjectPair, request: AttachRequest, link: Link, gates: Gates, held: ExitStack
) -> _Decision:
    standing = judge(read(kernel, link, gates, held))
    wish = _wish(kernel, pair, request, link, standing)
    change = decide(standing, wish, lambda: bool(has_tcx(kernel.bpf)))
    _refuse_missing_tcx(kernel.bpf, change)
    return _Decision(standing, wish, change)


def _plan(site: Site, looked: _Decision) -> tuple[str, ...]:
    """What there is to do, in order, a line each."""
    return (*looked.change.lines(), *_wrong_pins(site, looked.standing, looked.change))


def _wish(kernel: Kernel, pair: ObjectPair, request: AttachRequest, link: Link, standing: Standing) -> Wish:
    l2_header = header_length(link.hardware)
    if l2_header is None:
        raise CannotError(
            f"{link.name} is a device of hardware type {link.hardware}, whose frames polc cannot read",
            "attach to an Ethernet-like or a bare-IP device",
        )
    flags = ConfigFlag.HOST if request.mode is Mode.HOST else ConfigFlag(0)
    if request.host_access and request.mode is Mode.WORKLOAD:
        flags |= ConfigFlag.HOST_ACCESS
    if request.keep_established:
        flags |= ConfigFlag.KEEP_ESTABLISHED
    config = Config(l2_header=l2_header, hz=_hz(kernel, standing), flags=flags)
    sections = [pair.side(direction).elf.section(SECTION_PROVENANCE).data for direction in Direction]
    return Wish(
        pair.identity.hex(),
        (sections[0], sections[1]),
        config,
        request.mode,
        request.mechanism,
        request.refresh,
        request.closed,
    )


def _hz(kernel: Kernel, standing: Standing) -> int:
    """A running kernel's tick does not change: what is in force says it without measuring again."""
    core = standing.core
    known = [one.config.hz for one in core.active if isinstance(one, Policy)] if core else []
    return known[0] if known and known[0] else kernel.host.jiffies_hz(kernel.bpf)


def _refuse_missing_tcx(bpf: Bpf, change: Change) -> None:
    if change.mechanism is Mechanism.TCX and change.missing and not has_tcx(bpf):
        raise CannotError("this kernel has no tcx hooks", "tcx needs Linux 6.6 or newer; use --hook clsact")


def _wrong_pins(site: Site, standing: Standing, change: Change) -> tuple[str, ...]:
    """What is to be done to the pins of an interface whose gates and maps stay as they are."""
    if change.core is None or change.missing or change.surplus:
        return ()
    wrong = [f"set pin {name} right" for name in site.pins.wrong(wanted_pins(standing))]
    stale = (*site.pins.twins(change.core.slots), *orphans(site.kernel, site.pins))
    return (*wrong, *(f"remove the pins under {one.directory.name}" for one in stale))


def _read_back(kernel: Kernel, link: Link, gates: Gates, changed: bool) -> InterfaceStatus:
    """The status; when it cannot be read after a change, that is no `nothing was changed`."""
    try:
        return interface_status(kernel, link, gates)
    except CannotError as error:
        if not changed:
            raise
        raise NotInForce(
            f"attached to {link.name}, but what is in force there could not be read back: {error.message}",
            "see `polc status`",
        ) from error


def _stacked(place: bpffs.Bpffs) -> tuple[str, ...]:
    hidden = place.stacked()
    if not hidden:
        return ()
    return (
        f"{hidden} more bpf filesystem(s) are mounted at {place.root}, one over the other: pins are hidden",
    )


def _confirmed(report: AttachReport, pair: ObjectPair) -> AttachReport:
    status = report.status
    if status.in_force and status.identity == pair.identity.hex():
        return report
    raise NotInForce(
        f"after attaching, {status.interface} is {status.summary}",
        "see `polc status`; another program may be changing the same interface",
        status.facts,
    )
