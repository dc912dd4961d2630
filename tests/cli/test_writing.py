"""Several files are written all or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from polc.cli.writing import write_all


def test_all_files_are_written_and_nothing_else_is_left(tmp_path: Path) -> None:
    files = {tmp_path / "new" / "a": b"1", tmp_path / "new" / "b": b"2"}
    write_all(files)
    assert {path: path.read_bytes() for path in (tmp_path / "new").iterdir()} == files


def test_a_file_that_cannot_be_written_leaves_the_old_ones(tmp_path: Path) -> None:
    old = tmp_path / "a"
    old.write_bytes(b"old")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        write_all({old: b"new", tmp_path / "file" / "b": b"2"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "file"]
    assert old.read_bytes() == b"old"
