"""What every test shares: the kernel tests' law (run as root, or say why not), who runs what when there are
two workers, and the golden switch."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
# Rooms whose kernel tests run programs by BPF_PROG_TEST_RUN and attach nothing: they disturb nobody.
_RUN_ONLY = frozenset(
    {"codegen", "differential", "golden", "judge", "judge_cli", "pair", "regressions", "scale"}
)
_DEMO = ("demo", "docs")  # both play the demo, and look whether one left something


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("polc")
    group.addoption(
        "--allow-kernel-skip",
        action="store_true",
        help="as root too, a kernel test may skip (for a container without BPF); never with POLC_CI=1",
    )
    group.addoption("--golden-update", action="store_true", help="rewrite the recorded golden files")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker `long`; and lets Ctrl-C work in the commands that tests start: a shell that starts
    pytest in the background has it ignored, and children inherit that."""
    config.addinivalue_line("markers", "long: takes more than ten seconds; workers begin with it")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _privileged() -> bool:
    return os.geteuid() == 0


def _skips_are_failures(config: pytest.Config) -> bool:
    if os.environ.get("POLC_CI") == "1":
        return True
    return _privileged() and not config.getoption("--allow-kernel-skip")


def _group(item: pytest.Item) -> str | None:
    """What runs one after the other, in one worker. None: the test stands by itself."""
    path = item.path.relative_to(_TESTS)
    room = path.parts[0]
    if room in _DEMO:
        return "kernel demo"
    if item.get_closest_marker("kernel") and room not in _RUN_ONLY:
        return f"kernel {room}"
    return None if item.get_closest_marker("long") else str(path.with_suffix(""))


def _share_out(items: list[pytest.Item]) -> None:
    """For `--dist loadgroup --no-loadscope-reorder`: what takes longest comes first, so that no worker ends
    late. Tests that attach something stay one at a time in their room."""
    groups = {item: _group(item) for item in items}
    items.sort(key=lambda item: (not (groups[item] or "").startswith("kernel "), groups[item] is not None))
    for item, group in groups.items():
        if group is not None:
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    _share_out(items)
    if _privileged() or _skips_are_failures(config):
        return
    reason = pytest.mark.skip(reason="needs root and a kernel with BPF")
    for item in items:
        if item.get_closest_marker("kernel"):
            item.add_marker(reason)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Ends a worker that would not keep groups together: tests of one room would disturb each other."""
    if not getattr(session.config.option, "loadgroup", False):
        return
    apart = [one for one in session.items if _group(one) is not None and "@" not in one.nodeid]
    if apart:
        raise pytest.UsageError(f"this pytest-xdist does not group {apart[0].nodeid}: see pyproject.toml")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns the skip of a kernel test into a failure where it must run."""
    report = yield
    kernel = item.get_closest_marker("kernel") is not None
    if kernel and report.skipped and not hasattr(report, "wasxfail") and _skips_are_failures(item.config):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"a kernel test must run here, but: {reason}"
    return report


@pytest.fixture
def golden_update(request: pytest.FixtureRequest) -> bool:
    """Whether recorded golden files are to be rewritten (`make golden-update`)."""
    return bool(request.config.getoption("--golden-update"))
