"""The agent's loop: one thread, in the network namespace, that owns the kernel's doors and does all work.

Round and round: what the kernel announced and what lies in the mailbox only mark the node's records; one
`step` of the node works; then it sleeps until something is due or told. Compiling, reading files and
answering HTTP are other threads' and processes' business, and none of them is ever waited for.
"""

from __future__ import annotations

import select
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from ..runtime import netns
from ..runtime.errors import CannotError
from ..runtime.flows import flow_fill
from ..runtime.hooks import Mode
from ..runtime.host import Host
from ..runtime.kernel import Kernel
from ..runtime.lock import locked
from ..runtime.netlink import Netlink
from ..runtime.netlink_events import Event, Events, LinkEvent, Lost, TcEvent
from .backoff import Backoff, Chance
from .board import Board
from .books import Books, tell
from .compiling import OWN, Compiler, Failed, Loaded, Made, Same
from .endpoint import Place
from .logs import Changes
from .mailbox import Mailbox, Post, Reading
from .mapping import Rule, place
from .metrics import Metrics
from .node import Node
from .protocol import Endpoint, Findings
from .settings import Settings
from .states import AgentReport

Clock = Callable[[], float]

HEARTBEAT: Final = 5.0  # seconds; the longest sleep
REPORT_EVERY: Final = 0.5  # seconds between two reports, at least
_OWN_BACKOFF: Final = Backoff(base=10.0, cap=600.0)
DEATHS: Final = 3  # of the compiler's process, after which a single pass gives up


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around the loop: threads and processes of their own. again: reads and submits the input."""

    mailbox: Mailbox
    compiler: Compiler
    again: Callable[[], None]
    board: Board
    metrics: Metrics
    changes: Changes


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
        self._last: Loaded | None = None
        self._names: dict[Endpoint, str] = {}  # of those wanted on this node
        self._asked: set[Endpoint] = set()  # the compiler was asked for, in the revision in use
        self._open: set[Endpoint] = set()  # of these, those not answered for
        self._deaths = 0
        self._lost: set[Endpoint] = set()  # their pair is missing by the compiler's fault, not the policy's
        self._faults = 0
        self._retry: float | None = None
        self._reported = clock() - REPORT_EVERY
        self._stopping = False

    def run(self) -> AgentReport:
        """Works until told to stop; the last report. In a thread that is in the network namespace.

        Raises CannotError when another agent works in this namespace, or when it cannot even look.
        """
        cookie = netns.cookie()
        netns.refuse_netns_exec()
        Host().require_bpffs(self._settings.bpffs)
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
                self._node = Node(kernel, self._settings, self._clock, self._chance, self._dry, flow_fill)
                while not self._stopping:
                    self._round(events)
        self._books.phase = "stopping"
        return self._report()

    def _round(self, events: Events) -> None:
        for event in events.read():
            self._noticed(event)
        self._received(self._around.mailbox.take())
        pause = self._node.step()
        self._ask_again()
        self._ask()
        if self._books.phase == "starting" and self._node.looked_everywhere:
            self._books.phase = "running"
        if self._once and self._passed():
            self._stopping = True
        self._around.board.beat()
        wait = self._report_in(HEARTBEAT if pause is None else min(pause, HEARTBEAT))
        if not self._stopping:
            select.select([events.fileno(), self._around.mailbox.fileno()], [], [], wait)

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

    def _received(self, post: Post) -> None:
        if post.stop:
            self._stopping = True
        if post.look:
            self._node.look_everywhere()
        for answer in post.by_endpoint.values():
            self._answered(answer)
        if post.reading is not None:
            self._read(post.reading)
        if post.rule is not None:
            self._rule = post.rule
            if self._last is not None:
                self._loaded(self._last)
        if isinstance(post.revision, Loaded):
            self._loaded(post.revision)
        elif post.revision is not None and post.revision.revision == self._books.inputs.revision:
            self._books.inputs.refused = _said(post.revision.findings)
            self._refuse(self._books.inputs.refused)
            self._retry_if_own(post.revision.findings)
        if post.finished is not None and not self._lost:
            self._faults = 0
        if post.reviewed is not None:
            self._warn("inventory", post.reviewed.warnings)
        worker = self._books.worker
        if post.died is not None:
            self._deaths += post.deaths
            worker.restarts += post.deaths
            worker.reason, worker.again = post.died.reason, self._clock() + post.died.again
            self._around.changes.failure("worker", post.died.reason, "the compiler's process ended")
        elif post.by_endpoint or post.revision is not None:
            worker.started, worker.again = True, None
            self._around.changes.over("worker", "the compiler's process works again")

    def _read(self, reading: Reading) -> None:
        inputs = self._books.inputs
        inputs.digest = reading.digest
        inputs.unreadable = reading.problems
        if reading.problems:
            self._refuse(reading.problems)
        else:
            inputs.revision = reading.revision

    def _refuse(self, problems: tuple[str, ...]) -> None:
        """The newest input is unfit as a whole: what runs stays, and each interface says what is awaited."""
        self._node.obstacle(f"the newest input is refused: {problems[0]}")

    def _loaded(self, loaded: Loaded) -> None:
        here = [
            one
            for one in loaded.endpoints
            if not self._settings.node or one.node in ("", self._settings.node)
        ]
        placed = place(here, self._rule)
        self._last = loaded
        self._warn("files", loaded.warnings)
        inputs = self._books.inputs
        if loaded.revision >= inputs.revision:
            inputs.refused = ()
        inputs.in_use, inputs.endpoints = loaded.revision, len(loaded.endpoints)
        inputs.unplaced = tuple(f"{one.endpoint.title}: {one.reason}" for one in placed.problems)
        self._names = _names(placed.by_interface.values())
        self._asked.clear()
        self._open.clear()
        self._lost.clear()
        self._node.want(
            {
                interface: Place(self._names[one], Mode.HOST if one.host else Mode.WORKLOAD)
                for interface, one in placed.by_interface.items()
            }
        )

    def _answered(self, answer: Made | Same | Failed) -> None:
        """Of an older revision, a pair is still better than the one before it; a failure is not."""
        name, current = self._names.get(answer.endpoint), answer.revision == self._books.inputs.in_use
        if current:
            self._open.discard(answer.endpoint)
        if isinstance(answer, Made):
            self._around.metrics.compiled(answer.seconds)
        if name is None:  # of an older revision, and wanted no more
            return
        if isinstance(answer, Made):
            self._node.pair(name, answer.pair)
        elif not current:
            return
        elif isinstance(answer, Failed):
            self._node.obstacle("; ".join(_said(answer.findings)), name)
            if self._retry_if_own(answer.findings):
                self._lost.add(answer.endpoint)
        elif self._held(answer.endpoint) == answer.identity:
            self._node.same(name)
        else:  # a pair of an older revision came in between
            self._asked.discard(answer.endpoint)

    def _warn(self, about: str, warnings: Findings) -> None:
        """Of warnings the log has the first and how many there are: `polc check` shows them all."""
        first = str(warnings[0]) if warnings else ""
        kind = f"{len(warnings)} {first}"
        if warnings:
            self._around.changes.state(
                about, kind, f"warnings about the {about}", count=len(warnings), first=first
            )
        else:
            self._around.changes.forget(about)

    # --- what is asked ------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Wants a pair for each endpoint whose interface is there, if it was not asked for already."""
        there = {one.endpoint for one in self._node.records.values() if one.endpoint and one.link is not None}
        wanted = {endpoint for endpoint, name in self._names.items() if name in there}
        new = wanted - self._asked
        if new:
            self._asked |= new
            self._open = (self._open & wanted) | new
            held = {
                one: None if self._settings.refresh else self._held(one)
                for one in sorted(self._open, key=_order)
            }
            self._around.compiler.want(self._books.inputs.in_use, held)
        self._books.worker.pending = len(self._open)

    def _retry_if_own(self, findings: Findings) -> bool:
        """A policy's fault stays; that the compiler died may not: asked again, ever later."""
        own = any(one.code == OWN for one in findings)
        if own and self._retry is None:
            self._faults += 1
            self._retry = self._clock() + _OWN_BACKOFF.delay(self._faults, self._chance)
        return own

    def _ask_again(self) -> None:
        if self._retry is None or self._clock() < self._retry:
            return
        self._retry = None
        self._asked -= self._lost
        self._lost.clear()
        if self._books.inputs.refused:
            self._around.again()

    def _held(self, endpoint: Endpoint) -> bytes | None:
        record = self._node.of(self._names.get(endpoint, ""))
        return record.pair.identity if record is not None and record.pair is not None else None

    # --- what is said -------------------------------------------------------------------------------

    def _report_in(self, wait: float) -> float:
        """Reports when it is time to; else shortens the sleep to when it is."""
        left = self._reported + REPORT_EVERY - self._clock()
        if left <= 0:
            self._report()
            return wait
        return min(wait, left)

    def _report(self) -> AgentReport:
        self._reported = self._clock()
        report = self._books.report(self._node, self._reported)
        self._around.board.pin(report)
        if not self._once:
            tell(report, self._around.changes)
        return report

    def _passed(self) -> bool:
        """Whether everything that one pass can do is done."""
        inputs = self._books.inputs
        if self._deaths >= DEATHS:
            raise CannotError(f"the compiler's process keeps ending: {self._books.worker.reason}")
        if inputs.problems:
            return self._node.looked_everywhere
        if (
            not inputs.in_use
            or inputs.in_use < inputs.revision
            or self._open
            or not self._node.looked_everywhere
        ):
            return False
        now = self._clock()
        return not any(one.due is not None and one.due <= now for one in self._node.records.values())


def _said(findings: Findings) -> tuple[str, ...]:
    """The errors among the findings, a line each; all when none is an error."""
    errors = [str(one) for one in findings if one.severity == "error"]
    return tuple(errors or map(str, findings)) or ("refused without a reason",)


def _names(endpoints: Collection[Endpoint]) -> dict[Endpoint, str]:
    """How each is called: with its kind where the name alone is several endpoints'."""
    count = Counter(one.title for one in endpoints)
    return {one: one.title if count[one.title] == 1 else one.ref.full for one in endpoints}


def _order(endpoint: Endpoint) -> tuple[str, str, str]:
    return endpoint.namespace, endpoint.name, endpoint.kind
