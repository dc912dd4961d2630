"""`polc demo` shows what it promises on the real kernel, leaves nothing, and does what it can without."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from polc.runtime.bpf import Bpf, Object
from polc.tests.cli.command import POWERLESS, polc


def traces() -> tuple[set[str], set[str]]:
    """Folders of a demo, and namespaces bound by name anywhere in this mount namespace."""
    folders = {path.name for path in Path(tempfile.gettempdir()).glob("polc-demo-*")}
    mounts = {one for one in Path("/proc/self/mountinfo").read_text().splitlines() if "polc-demo" in one}
    return folders, mounts


@pytest.mark.kernel
def test_demo_shows_policies_at_work_and_leaves_nothing() -> None:
    before = traces()
    done = polc("demo")
    assert done.code == 0, done.out + done.err
    assert "14 of 14 questions answered" in done.out
    asked = re.findall(r"expected (\w+) +seen (\w+)(.*)", done.out)
    assert len(asked) == 20
    assert all(expected == seen for expected, seen, _ in asked)
    assert all(re.search(r"policy(-next)?\.yaml:\d+:\d+", why) for _, seen, why in asked if seen == "denied")
    assert "none lost" in done.out
    assert re.search(r"answers, then cut: policy-next\.yaml:\d+:\d+", done.out)
    assert re.search(r"cali-web: enforcing [0-9a-f]{12}, generation 2", done.out)
    assert "everything came out as the policies say" in done.out
    assert traces() == before


@pytest.mark.kernel
def test_demo_leaves_no_program_map_or_link() -> None:
    """By id: whatever the demo made, it listed, and none of it is among the kernel's objects afterwards."""
    bpf = Bpf()
    done = polc("demo")
    seen = {int(number) for number in re.findall(r"program (\d+)", done.out)}
    assert len(seen) >= 4
    assert not seen & set(bpf.ids(Object.PROG))
    assert re.search(r"gone: \d+ programs, \d+ maps, \d+ links", done.out)
    assert "still there" not in done.out


def test_demo_without_privilege_compiles_inspects_and_says_what_it_leaves_out() -> None:
    done = polc("demo", under=POWERLESS)
    assert done.code == 0, done.err
    assert "left out on this machine" in done.out
    assert "lacks CAP_NET_ADMIN" in done.out
    assert re.search(r"rule 0 +deny +policy\.yaml:\d+:\d+ +- action: Deny", done.out)
    assert "expected" not in done.out
