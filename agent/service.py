"""The agent as a process: what stands around the loop is put up, and taken down again.

SIGTERM and SIGINT end it and leave every policy in force; SIGHUP has it look at everything now.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

from ..runtime import netns
from .board import Board
from .books import Books
from .compiling import COMMAND, Compiler
from .dispatch import Partners
from .garbage import patient
from .http import Address, Pages, Server
from .listing import Listing, rule_of
from .logs import Changes, logger
from .loop import Around, Loop
from .mailbox import Mailbox
from .metrics import Metrics
from .settings import LogFormat, Ready, Settings
from .states import AgentReport
from .watching import Watcher


def serve(settings: Settings) -> AgentReport:
    """Keeps everything right until told to stop; the last report. Raises CannotError, MappingError."""
    return _run(settings, once=False, dry=False)


def one_pass(settings: Settings, dry: bool) -> AgentReport:
    """Brings everything right once (dry: only finds out what there is to do), and says how it stands."""
    return _run(settings, once=True, dry=dry)


def _run(settings: Settings, once: bool, dry: bool) -> AgentReport:
    clock = time.monotonic
    found = rule_of(settings)
    listing = found if isinstance(found, Listing) else None
    rule = found.read() if isinstance(found, Listing) else found
    mailbox = Mailbox()
    log = logger(as_json=settings.log_format is LogFormat.JSON)
    board = Board(clock, Books(settings.node, 0, clock()).report(None, clock()))
    metrics = Metrics(board)
    with ExitStack() as held:
        held.callback(mailbox.close)
        command = (*COMMAND, *settings.failsafes)
        compiler = Compiler(mailbox.answers, command=command, limit=settings.compile_timeout)
        held.callback(compiler.close)
        watcher = Watcher(
            settings.folders,
            compiler.submit,
            mailbox.reading,
            settings.reread,
            listing=listing,
            relist=mailbox.rule,
        )
        partners = Partners(compiler, watcher.again, metrics, Changes(log, clock))
        around = Around(mailbox, board, partners)
        loop = Loop(settings, rule, around, clock, random.random, once, dry)
        if settings.http and not once:
            pages = Pages(board, metrics.text, settings.ready is Ready.STRICT)
            address = Address.parse(settings.http)
            server = Server(address, pages)
            server.start()
            held.callback(server.close)
            log.info("listening", address=str(Address(address.host, server.port)))
        watcher.start()
        held.callback(watcher.close)
        with _signals(mailbox), patient():
            report = netns.run(settings.netns, loop.run)
        if not once:
            log.info("stopped: what is in force stays in force")
        return report


@contextmanager
def _signals(mailbox: Mailbox) -> Iterator[None]:
    """Signals only post. In the main thread, which does nothing else meanwhile."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        mailbox.stop()

    def look(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        mailbox.look()

    wanted = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: look}
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
