"""Paths become sources: files, folders, globs, standard input; what cannot be read is said."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from polc.compiler import reading
from polc.compiler.reading import read_sources
from polc.compiler.source import Diagnostics, Source


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    for name in ("b.yaml", "a.yml", "sub/c.json", "sub/deep/d.yaml", "sub/notes.txt"):
        (tmp_path / name).write_text(f"# {name}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(*paths: str) -> tuple[tuple[Source, ...], list[str]]:
    diagnostics = Diagnostics()
    sources = read_sources(paths, diagnostics)
    return sources, [item.code for item in diagnostics]


@pytest.mark.usefixtures("folder")
def test_a_folder_stands_for_its_manifests_at_any_depth_sorted() -> None:
    sources, codes = load(".")
    assert [source.path for source in sources] == ["./a.yml", "./b.yaml", "./sub/c.json", "./sub/deep/d.yaml"]
    assert codes == []


@pytest.mark.usefixtures("folder")
def test_a_glob_is_matched_and_a_file_is_read_once() -> None:
    sources, codes = load("*.y*ml", "**/*.yaml", "b.yaml")
    assert [source.path for source in sources] == ["a.yml", "b.yaml", "sub/deep/d.yaml"]
    assert codes == []


@pytest.mark.usefixtures("folder")
def test_what_is_not_there_is_said_and_the_rest_read() -> None:
    os.mkdir("empty")
    sources, codes = load("nothing.yaml", "*.toml", "empty", "b.yaml")
    assert [source.path for source in sources] == ["b.yaml"]
    assert codes == ["POLC-E0005", "POLC-E0005", "POLC-E0005"]


def test_an_absolute_path_is_kept_as_its_file_name(folder: Path) -> None:
    (folder / "sub" / "b.yaml").write_text("other\n")
    sources, codes = load(str(folder / "b.yaml"), str(folder / "sub" / "b.yaml"))
    assert [source.path for source in sources] == ["b.yaml", "b.yaml(2)"]
    assert codes == []


@pytest.mark.usefixtures("folder")
def test_marks_and_line_ends_are_evened_out() -> None:
    Path("x.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\rc: \xc3\xa9\n")
    (source,), codes = load("x.yaml")
    assert source.text == "a: 1\nb: 2\nc: é\n"
    assert source.digest == Source.of("y", source.text).digest
    assert codes == []


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("data", "line", "column"),
    [(b"a: 1\nbc\xff: 2\n", 2, 3), ("é: 1\n".encode("utf-16"), 1, 1), (b"\xc3", 1, 1)],
)
def test_what_is_not_utf8_is_said_at_its_place(data: bytes, line: int, column: int) -> None:
    Path("x.yaml").write_bytes(data)
    diagnostics = Diagnostics()
    assert read_sources(["x.yaml"], diagnostics) == ()
    (item,) = diagnostics
    assert item.code == "POLC-E0002"
    assert item.span is not None
    assert (item.span.line, item.span.column) == (line, column)


@pytest.mark.usefixtures("folder")
def test_a_file_past_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 10)
    Path("x.yaml").write_bytes(b"0123456789a")
    assert load("x.yaml", "b.yaml")[1] == ["POLC-E0003"]


def test_standard_input_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a: 1\n")))
    sources, codes = load("-", "-")
    assert [(source.path, source.text) for source in sources] == [("-", "a: 1\n")]
    assert codes == []


@pytest.mark.usefixtures("folder")
def test_a_path_that_the_system_refuses_is_said() -> None:
    os.symlink("loop.yaml", "loop.yaml")
    os.symlink("gone", "sub/dangling.yaml")
    assert load("sub")[1] == ["POLC-E0001"]
    assert load("loop.yaml")[1] == ["POLC-E0005"]
