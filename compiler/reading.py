"""Paths to sources: files, folders, globs and standard input become decoded text, or a clear finding."""

from __future__ import annotations

import glob
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from . import codes
from .source import Diagnostics, Source, Span

MAX_BYTES: Final = 64 * 1024 * 1024
SUFFIXES: Final = (".yaml", ".yml", ".json")
STANDARD_INPUT: Final = "-"


def read_sources(paths: Sequence[str], diagnostics: Diagnostics) -> tuple[Source, ...]:
    """The sources that the paths name, each file once, in the order of the paths.

    A folder stands for its *.yaml, *.yml and *.json files at any depth, sorted; a path that names no file
    may be a glob (`**` goes down); `-` is standard input. A byte order mark is dropped, CRLF and CR become
    LF. An absolute path is kept as its file name, so that nothing of the machine gets into an object.
    """
    sources: list[Source] = []
    seen: set[tuple[int, int] | str] = set()
    taken: set[str] = set()
    for path in paths:
        for file in _files(path, diagnostics):
            data = _read(file, seen, diagnostics)
            if data is None:
                continue
            shown = _shown(file, taken)
            text = decode(data, shown, diagnostics)
            if text is not None:
                sources.append(Source.of(shown, text))
    return tuple(sources)


def _files(path: str, diagnostics: Diagnostics) -> Iterator[str]:
    if path == STANDARD_INPUT or os.path.isfile(path):
        yield path
    elif os.path.isdir(path):
        found = sorted(_inside(path, diagnostics))
        if not found:
            hint = "it may hold files ending in " + ", ".join(SUFFIXES)
            diagnostics.error(codes.NOTHING_TO_READ, f"the folder {path} holds no manifest", None, hint=hint)
        yield from found
    elif os.path.exists(path):
        yield path
    else:
        matches = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else []
        if not matches:
            what = "matches nothing" if glob.has_magic(path) else "does not exist"
            diagnostics.error(codes.NOTHING_TO_READ, f"{path} {what}", None)
        for match in matches:
            if os.path.isdir(match):
                yield from sorted(_inside(match, diagnostics))
            else:
                yield match


def _inside(folder: str, diagnostics: Diagnostics) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        diagnostics.error(
            codes.UNREADABLE, f"{error.filename} cannot be read: {error.strerror or error}", None
        )

    for parent, _folders, names in os.walk(folder, onerror=refuse):
        for name in names:
            if name.endswith(SUFFIXES):
                yield os.path.join(parent, name)


def _read(file: str, seen: set[tuple[int, int] | str], diagnostics: Diagnostics) -> bytes | None:
    """The bytes of a file that was not read before; None when it was, or cannot be."""
    if file == STANDARD_INPUT:
        if file in seen:
            return None
        seen.add(file)
        data = sys.stdin.buffer.read(MAX_BYTES + 1)
        return _bounded(data, "standard input", diagnostics)
    try:
        with open(file, "rb") as stream:
            status = os.fstat(stream.fileno())
            if (status.st_dev, status.st_ino) in seen and stat.S_ISREG(status.st_mode):
                return None
            seen.add((status.st_dev, status.st_ino))
            return _bounded(stream.read(MAX_BYTES + 1), file, diagnostics)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        diagnostics.error(codes.UNREADABLE, f"{file} cannot be read: {reason}", None)
        return None


def _bounded(data: bytes, name: str, diagnostics: Diagnostics) -> bytes | None:
    if len(data) <= MAX_BYTES:
        return data
    limit = MAX_BYTES // (1024 * 1024)
    diagnostics.error(codes.TOO_LARGE, f"{name} has more than {limit} MiB", None, hint="split it")
    return None


def _shown(file: str, taken: set[str]) -> str:
    """The path as it is kept; two absolute paths that end in one name get a number."""
    shown = Path(file).name if os.path.isabs(file) else file
    unique, number = shown, 1
    while unique in taken:
        number += 1
        unique = f"{shown}({number})"
    taken.add(unique)
    return unique


def decode(data: bytes, path: str, diagnostics: Diagnostics) -> str | None:
    """The text of a file, without a byte order mark and with LF alone; None, and an error, when not UTF-8."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "replace")
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        byte = data[error.start]
        diagnostics.error(
            codes.NOT_UTF8,
            f"this file is not UTF-8: byte 0x{byte:02x} at offset {error.start}",
            Span(path, line, column, line, column + 1),
            hint="save it as UTF-8" if data[:2] not in (b"\xff\xfe", b"\xfe\xff") else "it looks like UTF-16",
        )
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")
