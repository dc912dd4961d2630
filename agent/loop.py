"""The agent's loop: one thread, in the network namespace, that owns the kernel's doors and does all work.

Round and round: what the kernel announced and what lies in the mailbox only mark the node's records; one
`step` of the node works; then it sleeps until something is due or told. Compiling, reading files and
answering HTTP are other threads' and processes' business, and none of them is ever waited for.
"""

from __future__ import annotations

import select
from dataclasses import dataclass
from typing import Final

from ..runtime import netns
from ..runtime.errors import CannotError
from ..runtime.flows import flow_fill
from ..runtime.host import Host
from ..runtime.kernel import Kernel
from ..runtime.lock import locked
from ..runtime.netlink import Netlink
from ..runtime.netlink_events import Event, Events, LinkEvent, Lost, TcEvent
from .backoff import Chance
from .board import Board
from .books import Books, tell
from .dispatch import Dispatch, Partners
from .garbage import sweep
from .mailbox import Mailbox, Post
from .mapping import Rule
from .node import Node
from .settings import Settings
from .states import AgentReport
from .turn import Clock

HEARTBEAT: Final = 5.0  # seconds; the longest sleep
REPORT_EVERY: Final = 0.5  # seconds between two reports, at least; more where one takes long
SHARE: Final = 1 / 30  # of the time that reports may take
REPORT_IDLE: Final = 30.0  # where nothing happens, and nothing ends by itself; readers carry its ages on
DEATHS: Final = 3  # of the compiler's process, after which a single pass gives up


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around the loop: threads and processes of their own."""

    mailbox: Mailbox
    board: Board
    partners: Partners


class Loop:
    """once: ends after one full pass. dry: writes nothing, and ends as `once` does."""

    def __init__(
        self,
        settings: Settings,
        rule: Rule,
        around: Around,
        clock: Clock,
        chance: Chance,
        once: bool,
        dry: bool,
    ) -> None:
        self._settings, self._rule, self._around = settings, rule, around
        self._clock, self._chance = clock, chance
        self._once, self._dry = once or dry, dry
        self._reported = clock() - REPORT_EVERY
        self._news = True  # since the last report
        self._cost = 0.0  # seconds that the last report took
        self._stopping = False

    def run(self) -> AgentReport:
        """Works until told to stop; the last report. In a thread that is in the network namespace.

        Raises CannotError when another agent works in this namespace, or when it cannot even look.
        """
        cookie = netns.cookie()
        netns.refuse_netns_exec()
        if Host().find_bpffs(self._settings.bpffs) is None:
            root = self._settings.bpffs
            raise CannotError(f"no bpf filesystem is mounted at {root}", f"mount -t bpf bpf {root}")
        self._books = Books(self._settings.node, cookie, self._clock(), self._settings.allow_before)
        if self._dry:
            return self._run()
        with locked(
            f"agent-{cookie}.lock", patience=0.0, busy="another agent works in this network namespace"
        ):
            return self._run()

    def _run(self) -> AgentReport:
        with Netlink() as net:
            net.links()  # binds the socket, so that its port is known
            with Events(frozenset({net.port})) as events:
                kernel = Kernel(net, host=Host(patience=0.0))
                node = Node(kernel, self._settings, self._clock, self._chance, self._dry, flow_fill)
                self._node, partners = node, self._around.partners
                self._dispatch = Dispatch(
                    node, self._books, partners, self._settings, self._rule, self._clock, self._chance
                )
                while not self._stopping:
                    self._round(events)
        self._books.phase = "stopping"
        return self._report()

    def _round(self, events: Events) -> None:
        noticed, turns = tuple(events.read()), self._node.turns
        for event in noticed:
            self._noticed(event)
        post = self._around.mailbox.take()
        self._stopping = post.stop
        self._dispatch.received(post)
        pause = self._node.step()
        self._dispatch.ask()
        if self._books.phase == "starting" and self._node.looked_everywhere:
            self._books.phase = "running"
        if self._once and self._passed():
            self._stopping = True
        self._around.board.beat()
        self._news |= bool(noticed) or post != Post() or self._node.turns != turns
        wait = self._report_in(HEARTBEAT if pause is None else min(pause, HEARTBEAT))
        if not self._stopping:
            heard, _, _ = select.select([events.fileno(), self._around.mailbox.fileno()], [], [], wait)
            if not heard:
                sweep()

    # --- what is told -------------------------------------------------------------------------------

    def _noticed(self, event: Event) -> None:
        match event:
            case LinkEvent(link, True):
                self._node.gone(link.index)
            case LinkEvent(link, False):
                self._node.link(link)
            case TcEvent(index):
                self._node.look(index)
            case Lost():
                self._node.look_everywhere()

    # --- what is said -------------------------------------------------------------------------------

    def _report_in(self, wait: float) -> float:
        """Reports when it is time to; else shortens the sleep to when it is."""
        left = self._reported + self._interval - self._clock()
        if left <= 0:
            self._report()
            return wait
        return min(wait, left)

    @property
    def _interval(self) -> float:
        """Seconds between this report and the next."""
        if self._news:
            return max(REPORT_EVERY, self._cost / SHARE)
        passing = self._node.breaker.open or self._books.worker.again is not None
        return HEARTBEAT if passing else REPORT_IDLE

    def _report(self) -> AgentReport:
        self._reported, self._news = self._clock(), False
        report = self._books.report(self._node, self._reported)
        self._around.board.pin(report)
        if not self._once:
            tell(report, self._around.partners.changes)
        self._cost = self._clock() - self._reported
        return report

    def _passed(self) -> bool:
        """Whether everything that one pass can do is done."""
        if self._dispatch.deaths >= DEATHS:
            raise CannotError(f"the compiler's process keeps ending: {self._books.worker.reason}")
        if not self._node.looked_everywhere:
            return False
        now = self._clock()
        rest = not any(one.due is not None and one.due <= now for one in self._node.records.values())
        return bool(self._books.inputs.problems) or (self._dispatch.settled and rest)
