"""polc's state lies in directories that are root's own; one that others made or may write is refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from polc.runtime import bpffs as place
from polc.runtime.bpffs import Bpffs
from polc.runtime.errors import CannotError
from polc.runtime.lock import locked
from polc.runtime.ownership import require_own
from polc.tests.kernel.scene import sh

NOBODY = 65534


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_locks_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with locked("1-2.lock", tmp_path / "polc"):
            assert (mode(tmp_path / "polc"), mode(tmp_path / "polc" / "1-2.lock")) == (0o700, 0o600)
    finally:
        os.umask(before)


@pytest.mark.parametrize("bits", [0o701, 0o720, 0o755, 0o777])
def test_a_lock_directory_that_is_open_to_others_is_refused_and_left_alone(tmp_path: Path, bits: int) -> None:
    directory = tmp_path / "polc"
    directory.mkdir()
    directory.chmod(bits)
    with pytest.raises(CannotError, match=f"is open to others \\(mode {bits:04o}\\)") as caught:
        locked("1-2.lock", directory).__enter__()
    assert caught.value.hint == f"chmod 0700 {directory}"
    assert (mode(directory), list(directory.iterdir())) == (bits, [])


def test_no_link_and_no_file_passes_for_the_directory(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "file").touch()
    for name in ("link", "file"):
        with pytest.raises(CannotError, match="is no directory"):
            require_own(tmp_path / name)
    with pytest.raises(CannotError):
        locked("1-2.lock", tmp_path / "link").__enter__()
    assert list(target.iterdir()) == []


def test_a_directory_that_others_can_replace_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "above" / "polc"
    directory.mkdir(mode=0o700, parents=True)
    for bits, fine in ((0o755, True), (0o1777, True), (0o777, False), (0o775, False)):
        directory.parent.chmod(bits)
        if fine:
            require_own(directory)
        else:
            with pytest.raises(CannotError, match="can be replaced by others"):
                require_own(directory)


@pytest.mark.kernel
def test_pins_are_roots_alone_and_a_pin_directory_of_somebody_else_is_refused(bpffs: Bpffs) -> None:
    found = place.require(bpffs.root)
    pins = found.directory(1, 2)
    before = os.umask(0)
    try:
        found.make(pins)
    finally:
        os.umask(before)
    assert (mode(pins), mode(pins.parent)) == (0o700, 0o700)
    place.require(bpffs.root)
    for change, undo, words in (
        (f"chmod 0777 {pins.parent}", f"chmod 0700 {pins.parent}", "is open to others"),
        (f"chown {NOBODY} {pins.parent}", f"chown 0 {pins.parent}", f"belongs to user {NOBODY}"),
        (f"chmod 0777 {bpffs.root}", f"chmod 1777 {bpffs.root}", "can be replaced by others"),
    ):
        sh(*change.split())
        for look in (place.find, place.require):
            with pytest.raises(CannotError, match=words):
                look(bpffs.root)
        sh(*undo.split())
    assert place.find(bpffs.root) is not None
    found.prune(pins)
