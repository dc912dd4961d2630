"""Reads the folders of policies and inventory so that nobody but root and the agent's user can play tricks.

A folder holds *.yaml, *.yml and *.json files, at any depth; hidden names are passed over. Every component is
opened from its parent's descriptor with O_NOFOLLOW. A symbolic link to a file is followed when what it means
lies beneath the folder (a ConfigMap's files are links through `..data`): its target is looked up first, and
then walked like any other path, so a link exchanged in between leads to a refusal, never elsewhere. The
folder itself may be given by a link, if nobody else could change that.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

SUFFIXES: Final = (".yaml", ".yml", ".json")
ATTEMPTS: Final = 3  # readings of folders that change under the reader

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_BLOCK: Final = 1 << 20
_FRESH: Final = 3_000_000_000  # ns; no file system's clock is coarser than two seconds
_LINKS: Final = 40  # on one way; MAXSYMLINKS of include/linux/namei.h


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of one file and of all, number of files, depth of folders below the one given."""

    file: int = 16 << 20
    total: int = 64 << 20
    files: int = 10_000
    depth: int = 16


@dataclass(frozen=True, slots=True)
class Text:
    """One file. path: below the folder, after the folder's own name; never absolute. digest: SHA-256, hex."""

    path: str
    data: bytes = field(repr=False)
    digest: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A file or folder that cannot be used. reason: what is wrong and what to do."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Mark(NamedTuple):
    """What tells one state of a file from every other: the kernel sets the last, at each change, and lets
    nobody choose it."""

    device: int
    inode: int
    mode: int
    user: int
    group: int
    size: int
    modified: int  # ns
    changed: int  # ns


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds. digest: SHA-256, hex."""

    data: bytes = field(repr=False)
    digest: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the folders hold. digest: of all paths and bytes, hex; equal inputs have equal digests.

    problems: any of them means that this reading must not be used. known: the files that a later reading need
    not open while they are marked so: a file that changed a moment before it was read is not among them.
    """

    texts: tuple[Text, ...]
    digest: str
    problems: tuple[Problem, ...]
    known: Mapping[Mark, Content] = field(default_factory=dict, repr=False, compare=False)


def read_inputs(folders: Sequence[str], limits: Limits | None = None, before: Inputs | None = None) -> Inputs:
    """Every file of the folders, by path. Raises nothing: what is wrong is among the problems.

    Folders that change while they are read are read again, so that no mixture of two states is returned.
    before: an earlier reading; what it knows is not read again.
    """
    known = before.known if before is not None else {}
    reading = _Reading(limits or Limits(), known)
    for _ in range(ATTEMPTS):
        reading = _Reading(limits or Limits(), known)
        for folder in folders:
            reading.given(folder)
        if not reading.moved():
            break
    else:
        reading.problems.append(Problem(", ".join(folders), "changes while it is being read"))
    texts = tuple(sorted(reading.texts, key=lambda text: text.path))
    digest = hashlib.sha256("".join(f"{text.path}\0{text.digest}\n" for text in texts).encode())
    return Inputs(texts, digest.hexdigest(), tuple(reading.problems), reading.known)


def read_trusted(path: str, limit: int) -> bytes:
    """One file outside of the folders, read with the same care. Raises OSError, and Unfit with the reason."""
    *folders, name = Path(_resolved(path)).parts[1:]
    with _walked("/", folders, ancestor=True) as folder:
        _require_trust(folder, above=True)
        _require_regular(os.stat(name, dir_fd=folder, follow_symlinks=False))
        with _opened(name, _FILE, folder) as descriptor:
            _require_regular(os.fstat(descriptor))
            _require_trust(descriptor)
            data = b""
            while part := os.read(descriptor, _BLOCK):
                data += part
                if len(data) > limit:
                    raise Unfit(f"has more than the {limit} bytes that are allowed")
            return data


class Unfit(Exception):
    """This file or folder cannot be used; the message says why."""


class _Reading:
    """One pass over the folders."""

    def __init__(self, limits: Limits, before: Mapping[Mark, Content]) -> None:
        self.texts: list[Text] = []
        self.problems: list[Problem] = []
        self.known: dict[Mark, Content] = {}
        self._limits = limits
        self._before = before
        self._left = limits.total
        self._taken: set[str] = set()
        self._links: list[tuple[str, str]] = []
        self._torn = False

    def moved(self) -> bool:
        """Whether something that was read is not there any more as it was."""
        return self._torn or any(os.path.realpath(link) != target for link, target in self._links)

    def given(self, folder: str) -> None:
        shown = (
            os.path.basename(os.path.normpath(folder)) if os.path.isabs(folder) else os.path.normpath(folder)
        )
        try:
            real = _resolved(folder)
            if not os.path.isdir(real):
                raise Unfit("is no folder: give the one that it lies in")
            with _walked("/", Path(real).parts[1:], ancestor=True) as descriptor:
                _require_trust(descriptor)
                self._folder(descriptor, real, (), shown)
        except (OSError, Unfit) as error:
            self._refuse(folder, error)

    def _folder(self, descriptor: int, root: str, below: tuple[str, ...], shown: str) -> None:
        """descriptor: of the folder. root: the real path of the one given; below: the way from there."""
        if len(below) > self._limits.depth:
            raise Unfit(f"lies deeper than {self._limits.depth} folders")
        with os.scandir(descriptor) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            if entry.name.startswith("."):
                continue
            path = f"{shown}/{entry.name}"
            try:
                if entry.is_dir(follow_symlinks=False):
                    with _opened(entry.name, _FOLDER, descriptor) as inner:
                        _require_trust(inner)
                        self._folder(inner, root, (*below, entry.name), path)
                elif entry.name.endswith(SUFFIXES):
                    self._entry(entry, descriptor, root, below, path)
            except (OSError, Unfit) as error:
                self._refuse(path, error)

    def _entry(
        self, entry: os.DirEntry[str], descriptor: int, root: str, below: tuple[str, ...], path: str
    ) -> None:
        if not entry.name.isprintable():
            raise Unfit("its name has characters that cannot be shown")
        if not entry.is_symlink():
            self._file(descriptor, entry.name, path)
            return
        link = os.path.join(root, *below, entry.name)
        target = os.path.realpath(link, strict=True)
        self._links.append((link, target))
        if os.path.commonpath((root, target)) != root or target == root:
            raise Unfit("is a link that leads out of the folder")
        *folders, name = Path(target).relative_to(root).parts
        with _walked(root, folders) as inner:
            if not stat.S_ISDIR(os.stat(name, dir_fd=inner, follow_symlinks=False).st_mode):
                self._file(inner, name, path)

    def _file(self, folder: int, name: str, path: str) -> None:
        if len(self._taken) >= self._limits.files:
            raise Unfit(f"is one file too many: {self._limits.files} are read at most")
        # Looked at before it is opened: opening a device may do something.
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        _require_regular(status)
        mark = _mark(status)
        content = self._before.get(mark) if _is_trusted(status) else None
        if content is None:
            content = self._content(folder, name)
        else:
            self._spend(status.st_size)
            self.known[mark] = content
        unique, number = path, 1
        while unique in self._taken:
            number += 1
            unique = f"{path}({number})"
        self._taken.add(unique)
        self.texts.append(Text(unique, content.data, content.digest))

    def _content(self, folder: int, name: str) -> Content:
        """Read, and known from now on if it did not just change."""
        began = time.time_ns()
        with _opened(name, _FILE, folder) as descriptor:
            before = os.fstat(descriptor)
            _require_regular(before)
            _require_trust(descriptor)
            data = self._bytes(descriptor)
            after = os.fstat(descriptor)
        content = Content(data, hashlib.sha256(data).hexdigest())
        if _mark(before) != _mark(after):
            self._torn = True
        elif max(before.st_mtime_ns, before.st_ctime_ns) + _FRESH < began:
            self.known[_mark(before)] = content
        return content

    def _bytes(self, descriptor: int) -> bytes:
        """All of the file, within the limits, however it grows meanwhile."""
        parts: list[bytes] = []
        size = 0
        while part := os.read(descriptor, _BLOCK):
            size += len(part)
            self._require_room(size)
            parts.append(part)
        self._spend(size)
        return b"".join(parts)

    def _spend(self, size: int) -> None:
        self._require_room(size)
        self._left -= size

    def _require_room(self, size: int) -> None:
        limit = min(self._limits.file, self._left)
        if size > limit:
            which = "it alone" if limit == self._limits.file else "together with the others"
            raise Unfit(f"has more than the {limit} bytes that are allowed {which}: split or remove")

    def _refuse(self, path: str, error: OSError | Unfit) -> None:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        shown = path if path.isprintable() else ascii(path)
        self.problems.append(
            Problem(shown, f"cannot be read: {reason}" if isinstance(error, OSError) else reason)
        )


def _resolved(path: str) -> str:
    """The path without links; whoever could have it lead elsewhere is trusted. Raises OSError, Unfit."""
    rest = os.path.join(os.getcwd(), path).split("/")[::-1]
    real, links = "/", 0
    while rest:
        name = rest.pop()
        if name == "..":
            real = os.path.dirname(real)
        if name in ("", ".", ".."):
            continue
        place = os.path.join(real, name)
        status = os.lstat(place)
        if not stat.S_ISLNK(status.st_mode):
            real = place
            continue
        links += 1
        if links > _LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        with _walked("/", Path(real).parts[1:], ancestor=True) as folder:
            _require_trust(folder, above=True)
        if status.st_uid not in _trusted():
            raise Unfit(f"user {status.st_uid} owns the link {place} on the way to it: give it to root")
        target = os.readlink(place)
        real = "/" if target.startswith("/") else real
        rest += target.split("/")[::-1]
    return real


@contextmanager
def _opened(name: str, flags: int, folder: int | None = None) -> Iterator[int]:
    descriptor = os.open(name, flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _walked(start: str, names: Sequence[str], *, ancestor: bool = False) -> Iterator[int]:
    """A folder, reached from `start` without following a link, each on the way being trusted. ancestor: the
    last is what is looked for, the others only lie above it."""
    with ExitStack() as stack:
        descriptor = stack.enter_context(_opened(start, _FOLDER))
        for at, name in enumerate(names):
            _require_trust(descriptor, above=ancestor)
            descriptor = stack.enter_context(_opened(name, _FOLDER, descriptor))
            if at + 1 == len(names) and not ancestor:
                _require_trust(descriptor)
        yield descriptor


def _require_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Unfit(f"is {_kind(status.st_mode)}, not a regular file")


def _kind(mode: int) -> str:
    kinds = (
        (stat.S_ISFIFO, "a fifo"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
        (stat.S_ISLNK, "a link"),
        (stat.S_ISDIR, "a folder"),
    )
    return next((word for test, word in kinds if test(mode)), "something else")


def _mark(status: os.stat_result) -> Mark:
    return Mark(
        status.st_dev,
        status.st_ino,
        status.st_mode,
        status.st_uid,
        status.st_gid,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def _trusted() -> tuple[int, ...]:
    """Users who may decide what is read."""
    return 0, os.geteuid()


def _is_trusted(status: os.stat_result, above: bool = False) -> bool:
    """Whether, by owner and mode, only who is trusted may write it; arguments as of `_require_trust`."""
    others = status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and status.st_gid != 0)
    return status.st_uid in _trusted() and (not others or (above and bool(status.st_mode & stat.S_ISVTX)))


def _require_trust(descriptor: int, *, above: bool = False) -> None:
    """Nobody but root and this process's user may write it. above: a folder higher up, where a sticky bit is
    enough, since others cannot rename there what is not theirs. On a mount that is read-only, as kubelet's of
    a ConfigMap whose folder has mode 0777, nobody can write anything."""
    status = os.fstat(descriptor)
    if _is_trusted(status, above):
        return
    if os.fstatvfs(descriptor).f_flag & os.ST_RDONLY:
        return
    what = "a folder above it" if above else "it"
    if status.st_uid not in _trusted():
        raise Unfit(f"user {status.st_uid} owns {what}, and could change it: give it to root")
    raise Unfit(
        f"others than its owner may write {what} (mode {stat.S_IMODE(status.st_mode):04o}): chmod go-w"
    )
