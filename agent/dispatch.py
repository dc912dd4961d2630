"""What others have to say, told to the node; and what the node needs, asked of the compiler.

Answers may be late, doubled or about a revision that is past: a pair of an older revision is better than
none, and everything else counts for the revision in use only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

from ..runtime.hooks import Mode
from .backoff import Backoff, Chance
from .books import Books
from .compiling import OWN, Compiler, Failed, Loaded, Made, Same
from .endpoint import Place
from .logs import Changes
from .mailbox import Post, Reading
from .mapping import Rule, place
from .metrics import Metrics
from .node import Node
from .protocol import Endpoint, Findings
from .settings import Settings
from .turn import Clock

_OWN_BACKOFF: Final = Backoff(base=10.0, cap=600.0)


@dataclass(frozen=True, slots=True)
class Partners:
    """With whom it talks. again: has the input read and submitted once more, changed or not."""

    compiler: Compiler
    again: Callable[[], None]
    metrics: Metrics
    changes: Changes


class Dispatch:
    """Between the mailbox, the node and the compiler. deaths: of the compiler's process so far."""

    def __init__(
        self,
        node: Node,
        books: Books,
        partners: Partners,
        settings: Settings,
        rule: Rule,
        clock: Clock,
        chance: Chance,
    ) -> None:
        self.node, self.books = node, books
        self._around, self._settings, self._rule = partners, settings, rule
        self._clock, self._chance = clock, chance
        self._last: Loaded | None = None
        self._names: dict[Endpoint, str] = {}  # of those wanted on this node
        self._asked: set[Endpoint] = set()  # the compiler was asked for, in the revision in use
        self._open: set[Endpoint] = set()  # of these, those not answered for
        self._lost: set[Endpoint] = set()  # their pair is missing by the compiler's fault, not the policy's
        self._faults = 0
        self._retry: float | None = None
        self.deaths = 0

    @property
    def settled(self) -> bool:
        """Whether the newest input is in use and every answer to it is there."""
        inputs = self.books.inputs
        return bool(inputs.in_use) and inputs.in_use >= inputs.revision and not self._open

    def received(self, post: Post) -> None:
        """Files everything that lay in the mailbox."""
        if post.look:
            self.node.look_everywhere()
        for answer in post.by_endpoint.values():
            self._answered(answer)
        if post.reading is not None:
            self._read(post.reading)
        if post.rule is not None:
            self._rule = post.rule
            if self._last is not None:
                self._place(self._last.endpoints)
                self._loaded(self._last)
        if isinstance(post.revision, Loaded):
            self._loaded(post.revision)
        elif post.revision is not None and post.revision.revision == self.books.inputs.revision:
            self.books.inputs.refused = _said(post.revision.findings)
            self._refuse(self.books.inputs.refused)
            self._retry_if_own(post.revision.findings)
        if post.finished is not None and not self._lost:
            self._faults = 0
        if post.reviewed is not None:
            self._warn("inventory", post.reviewed.warnings)
        worker = self.books.worker
        if post.died is not None:
            self.deaths += post.deaths
            worker.restarts += post.deaths
            worker.reason, worker.again = post.died.reason, self._clock() + post.died.again
            self._around.changes.failure("worker", post.died.reason, "the compiler's process ended")
        elif post.by_endpoint or post.revision is not None:
            worker.started, worker.again = True, None
            self._around.changes.over("worker", "the compiler's process works again")

    def _read(self, reading: Reading) -> None:
        inputs = self.books.inputs
        inputs.digest = reading.digest
        inputs.unreadable = reading.problems
        if reading.problems:
            self._refuse(reading.problems)
        else:
            inputs.revision = reading.revision

    def _refuse(self, problems: tuple[str, ...]) -> None:
        """The newest input is unfit as a whole: what runs stays, and each interface says what is awaited."""
        self.node.obstacle(f"the newest input is refused: {problems[0]}")

    def _loaded(self, loaded: Loaded) -> None:
        before, self._last = self._last, loaded
        self._warn("files", loaded.warnings)
        inputs = self.books.inputs
        if loaded.revision >= inputs.revision:
            inputs.refused = ()
        inputs.in_use = loaded.revision
        if before is None or loaded.endpoints is not before.endpoints:
            self._place(loaded.endpoints)
        self._asked.clear()
        self._open.clear()
        self._lost.clear()

    def _place(self, endpoints: Iterable[Endpoint]) -> None:
        """Tells the node which of them is wanted on which interface."""
        node = self._settings.node
        placed = place((one for one in endpoints if not node or one.node in ("", node)), self._rule)
        inputs = self.books.inputs
        inputs.endpoints = len(placed.by_interface) + len(placed.problems)
        inputs.unplaced = tuple(f"{one.endpoint.title}: {one.reason}" for one in placed.problems)
        self._names = _names(placed.by_interface.values())
        self.node.want(
            {
                interface: Place(self._names[one], Mode.HOST if one.host else Mode.WORKLOAD)
                for interface, one in placed.by_interface.items()
            }
        )

    def _answered(self, answer: Made | Same | Failed) -> None:
        """Of an older revision, a pair is still better than the one before it; a failure is not."""
        name, current = self._names.get(answer.endpoint), answer.revision == self.books.inputs.in_use
        if current:
            self._open.discard(answer.endpoint)
        if isinstance(answer, Made):
            self._around.metrics.compiled(answer.seconds)
        if name is None:  # of an older revision, and wanted no more
            return
        if isinstance(answer, Made):
            self.node.pair(name, answer.pair)
        elif not current:
            return
        elif isinstance(answer, Failed):
            self.node.obstacle("; ".join(_said(answer.findings)), name)
            if self._retry_if_own(answer.findings):
                self._lost.add(answer.endpoint)
        elif self._held(answer.endpoint) == answer.identity:
            self.node.same(name)
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

    def ask(self) -> None:
        """Wants a pair for each endpoint whose interface is there, if it was not asked for already."""
        self._ask_again()
        there = {one.endpoint for one in self.node.records.values() if one.endpoint and one.link is not None}
        wanted = {endpoint for endpoint, name in self._names.items() if name in there}
        new = wanted - self._asked
        if new:
            self._asked |= new
            self._open = (self._open & wanted) | new
            held = {
                one: None if self._settings.refresh else self._held(one)
                for one in sorted(self._open, key=_order)
            }
            self._around.compiler.want(self.books.inputs.in_use, held)
        self.books.worker.pending = len(self._open)

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
        if self.books.inputs.refused:
            self._around.again()

    def _held(self, endpoint: Endpoint) -> bytes | None:
        record = self.node.of(self._names.get(endpoint, ""))
        return record.pair.identity if record is not None and record.pair is not None else None


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
