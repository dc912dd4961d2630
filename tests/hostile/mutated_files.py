"""Files that people have, spoilt at random: `polc check` of each ends in findings after little work.

    python -m polc.tests.hostile.mutated_files --count 100000 --jobs 2 --seed 1

What is spoilt: the examples, random worlds in many styles, and the corpus of real manifests where it is. Half
are spoilt as text and bytes, half as values (a field lost, moved, or given another's value): past YAML.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from resource import RLIMIT_AS, RUSAGE_SELF, getrusage, setrlimit
from typing import Any, Final

import yaml
from polc.cli.commands.check import findings
from polc.cli.diagnostics import render, render_json
from polc.cli.sarif import render_sarif
from polc.compiler.source import Diagnostic
from polc.tests.calls import calls
from polc.tests.front.test_hostile import EXAMPLE
from polc.tests.generators.styles import document_text
from polc.tests.generators.worlds import build_world

CALLS: Final = 400_000  # of functions for one file
MIB: Final = 1024
ROOM: Final = 2 << 30  # bytes of addresses: a runaway ends in an error, not the machine
LARGEST: Final = 24_000  # bytes of a file to be spoilt

ROOT: Final = Path(__file__).resolve().parents[2]
CORPUS: Final = Path(os.environ.get("POLC_CORPUS", ROOT.parent / "shared" / "corpus"))
_WORLDS: Final = 12

NOISE: Final = (
    "\0", "\t", "'", '"', "{", "}", "[", "]", ":", ": ", "- ", "---\n", "...\n", "*x", "&x ", "!!int ", "!",
    "|", ">", "\n", "#", " #", "é", "\u2028", "\x85", "\ufeff", "%", "%YAML 1.2\n", "<<: ", "null", "~", "0",
    "-1", "1e999", "0x10", "007", "::", "/", "/33", "&&", "||", "global()", "all()", "\ud800", "\U0001f600",
    "\r\n", "\r", ",", "? ",
)  # fmt: skip
_VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 65536, 2**70, 1.5, float("inf"), "", "x", "all()", "!a", "a == 'b' &&",
    "10.0.0.0/33", "fd00::/8", "0.0.0.0/0", "80:90", "90:80", "TCP", "tcp", 132, [], {}, [None], {"a": None},
    [[]], "é", "\u2028", "a\nb",
)  # fmt: skip


@cache
def originals() -> tuple[bytes, ...]:
    """The files to spoil, each at most `LARGEST` bytes, in a fixed order."""
    found = [EXAMPLE.encode(), *(path.read_bytes() for path in sorted((ROOT / "examples").rglob("*.yaml")))]
    for seed in range(_WORLDS):
        world = build_world(seed, language="whole" if seed % 2 else "narrow")
        dice = Random(seed)
        found.append(document_text(dice, dice.sample(world.objects, min(12, len(world.objects)))).encode())
    if CORPUS.is_dir():
        names = sorted(
            path for path in CORPUS.rglob("*") if path.suffix in (".yaml", ".yml", ".json", ".htpl")
        )
        found += [path.read_bytes() for path in names]
    return tuple(data for data in found if data and len(data) <= LARGEST)


def spoilt(dice: Random) -> bytes:
    """One of the originals with one to six things wrong."""
    data = dice.choice(originals())
    if dice.random() < 0.5:
        changed = _values_spoilt(dice, data)
        if changed is not None:
            return changed
    text = data.decode("utf-8", "replace")
    for _ in range(dice.randint(1, 6)):
        text = _text_spoilt(dice, text)
    data = text.encode("utf-8", "surrogatepass")
    return _bytes_spoilt(dice, data) if dice.random() < 0.1 else data


def _text_spoilt(dice: Random, text: str) -> str:
    """Characters put in, left out, doubled or replaced; lines lost, doubled or indented; another file's."""
    at = dice.randrange(len(text) + 1)
    lines = text.split("\n")
    line = dice.randrange(len(lines))
    match dice.randrange(8):
        case 0:
            return text[:at] + dice.choice(NOISE) + text[at:]
        case 1:
            return text[:at] + text[at + dice.randint(1, 8) :]
        case 2:
            return text[:at] + text[at : at + 40] * dice.choice((2, 2, 30)) + text[at + 40 :]
        case 3:
            return text[:at] + dice.choice(NOISE) + text[at + 1 :]
        case 4:
            lines[line] = dice.choice(("", "  ", "\t", "- ")) + lines[line][dice.randint(0, 3) :]
        case 5:
            lines.insert(dice.randrange(len(lines) + 1), lines[line])
        case 6:
            del lines[line : line + dice.randint(1, 4)]
        case _:
            other = dice.choice(originals()).decode("utf-8", "replace").split("\n")
            start = dice.randrange(len(other))
            lines[line:line] = other[start : start + dice.randint(1, 6)]
    return "\n".join(lines)


def _bytes_spoilt(dice: Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at, size = dice.randrange(len(out) + 1), dice.choice((1, 1, 2, 4))
        out[at : at + size] = dice.randbytes(dice.choice((0, size)))
    return bytes(out)


def _values_spoilt(dice: Random, data: bytes) -> bytes | None:
    """The same objects with some values lost or replaced, written anew; None when the file is no YAML."""
    try:
        objects = [one for one in _loaded(data) if isinstance(one, dict)]
    except (yaml.YAMLError, ValueError, UnicodeDecodeError):
        return None
    if not objects:
        return None
    objects = deepcopy(objects)
    for _ in range(dice.randint(1, 4)):
        places = [place for one in objects for place in _places(one)]
        holder, key = dice.choice(places)
        match dice.randrange(5):
            case 0:
                holder.pop(key)
            case 1:
                holder[key] = deepcopy(dice.choice(_VALUES))
            case 2:
                other, name = dice.choice(places)
                holder[key] = deepcopy(other[name])
            case 3 if isinstance(holder, dict):
                holder[dice.choice(_keys())] = holder.pop(key)
            case _ if isinstance(holder, list):
                holder.insert(dice.randrange(len(holder) + 1), deepcopy(holder[key]))
            case _:
                holder[dice.choice(_keys())] = deepcopy(dice.choice(_VALUES))
        objects = [one for one in objects if one]
        if not objects:
            return b""
    return yaml.dump_all(
        objects, Dumper=yaml.CSafeDumper, default_flow_style=dice.choice((None, True, False))
    ).encode()


@cache
def _loaded(data: bytes) -> tuple[Any, ...]:
    return tuple(yaml.load_all(data, Loader=yaml.CSafeLoader))


@cache
def _keys() -> tuple[str, ...]:
    """Every key that any original has."""
    found: set[str] = set()
    for data in originals():
        try:
            objects = _loaded(data)
        except (yaml.YAMLError, ValueError, UnicodeDecodeError):
            continue
        found |= {key for one in objects for _, key in _places(one) if isinstance(key, str)}
    return tuple(sorted(found))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place inside a value that can be assigned to: what holds it, and its key or index."""
    for key in (
        list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    ):
        yield value, key
        yield from _places(value[key])


@dataclass
class Tally:
    """files: how many were checked, right: without an error. codes: files with each. most: calls for one."""

    files: int = 0
    right: int = 0
    most: int = 0
    mib: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.files += other.files
        self.right += other.right
        self.most = max(self.most, other.most)
        self.mib = max(self.mib, other.mib)
        self.codes += other.codes
        self.wrong += other.wrong

    def __str__(self) -> str:
        return (
            f"{self.files:,} files: {self.right:,} without an error, {len(self.codes)} codes, "
            f"at most {self.most:,} calls and {self.mib} MiB, {len(self.wrong)} wrong"
        )


def check_file(path: Path, data: bytes) -> tuple[tuple[Diagnostic, ...], dict[str, str]]:
    """What `polc check` finds in these bytes, and its text in each format. Raises whatever escapes it."""
    path.write_bytes(data)
    every, sources = findings([str(path)])
    texts = {name: source.text for name, source in sources.items()}
    assert all(_inside(item, texts) for item in every), "a finding points out of the file"
    shown = {
        "text": render(every, sources),
        "json": render_json(every, sources),
        "sarif": render_sarif(every, sources),
    }
    assert bool(shown["text"]) == bool(every)
    return every, shown


def _inside(item: Diagnostic, texts: dict[str, str]) -> bool:
    """Whether a finding points into the file, or just past the end of a line."""
    span = item.span
    if span is None or span.file not in texts:
        return True
    lines = texts[span.file].split("\n")
    return 1 <= span.line <= len(lines) and 1 <= span.column <= len(lines[span.line - 1]) + 2


def run(seed: int, numbers: Sequence[int]) -> Tally:
    """Checks the files of these numbers; what goes wrong is told with the number that makes the file."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoilt.yaml"
        for number in numbers:
            data = spoilt(Random(f"{seed}/{number}"))
            every: tuple[Diagnostic, ...] = ()
            count = 0
            try:
                (every, _), count = calls(partial(check_file, path, data))
            except Exception as error:  # whatever it is, it is what we look for
                tally.wrong.append(f"{seed}/{number}: {type(error).__name__}: {error}")
            if count > CALLS:
                tally.wrong.append(f"{seed}/{number}: {count} calls")
            tally.files += 1
            tally.right += not any(item.code[5] == "E" for item in every)
            tally.most = max(tally.most, count)
            tally.codes.update({item.code for item in every})
    tally.mib = getrusage(RUSAGE_SELF).ru_maxrss >> 10
    if tally.mib > MIB:
        tally.wrong.append(f"{seed}: {tally.mib} MiB")
    return tally


def _bounded() -> None:
    setrlimit(RLIMIT_AS, (ROOM, ROOM))


def _run(given: tuple[int, range]) -> Tally:
    return run(*given)


def main() -> None:
    parser = argparse.ArgumentParser(description="Check spoilt files.")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number to begin with, to go on in pieces")
    given = parser.parse_args()
    last, step = given.first + given.count, 500
    parts = [(given.seed, range(at, min(at + step, last))) for at in range(given.first, last, step)]
    run(given.seed, range(1))  # everything is imported before the processes part, whatever changes on disk
    total, began = Tally(), time.monotonic()
    with get_context("fork").Pool(given.jobs, _bounded) as pool:
        for done, tally in enumerate(pool.imap_unordered(_run, parts), 1):
            total.add(tally)
            if done % 10 == 0 or done == len(parts):
                print(f"seed {given.seed}, {time.monotonic() - began:.0f} s: {total}", flush=True)
    for code, count in sorted(total.codes.items()):
        print(f"  {code} in {count:,}")
    for line in total.wrong:
        print(line)
    sys.exit(bool(total.wrong))


if __name__ == "__main__":
    main()
