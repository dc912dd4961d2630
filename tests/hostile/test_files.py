"""Files made to hurt: each ends in a clear finding after little work and in 1 GiB, in another process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from polc.compiler import codes

CALLS: Final = 7_000_000  # of functions: some 3 s of CPU here (docs/trust.md)
MIB: Final = 1024
SHOWN: Final = 200_000  # characters of findings: enough for a person, no flood

_CHECK = "import sys; from polc.cli.main import main; sys.argv[1:1] = ['check']; main()"
_ANCHOR = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
_POLICY = "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: p}\nspec:\n"


def _bomb() -> str:
    levels = (f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    return _ANCHOR + "".join(levels)


def _quadratic() -> str:
    return "a: &a [" + "x, " * 2000 + "x]\nb: [" + "*a, " * 2000 + "*a]\n"


def _many_anchors() -> str:
    return "".join(f"k{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" if n else "k0: &a0 [x]\n" for n in range(10_000))


def _long_names() -> str:
    name, label = "a-" * 500_000, "a." * 500_000
    return f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  labels:\n    ? {label}/\n    : {name}\n"


def _long_networks() -> str:
    nets = ", ".join(repr(part * 500_000) for part in ("1.", "1:", "1"))
    ports = ", ".join(repr(part * 500_000) for part in ("1:", "1", "a-"))
    rule = f"{{action: Allow, protocol: TCP, source: {{nets: [{nets}]}}, destination: {{ports: [{ports}]}}}}"
    return f"{_POLICY}  ingress: [{rule}]\n"


# Name → (what the file holds, the code that must be among the findings).
FILES: Final[dict[str, tuple[Callable[[], bytes], str]]] = {
    "a line of 100 MB": (lambda: b"a: " + b"x" * 100_000_000, codes.TOO_LARGE),
    "a line of 20 MB": (lambda: b"a: " + b"x" * 20_000_000 + b"\n", codes.MISSING),
    "an alias bomb": (lambda: _bomb().encode(), codes.EXPANSION),
    "quadratic aliases": (lambda: _quadratic().encode(), codes.EXPANSION),
    "ten thousand anchors": (lambda: _many_anchors().encode(), codes.EXPANSION),
    "10,000 nested lists": (lambda: b"[" * 10_000 + b"]" * 10_000, codes.DEPTH),
    "10,000 nested block lists": (lambda: b"- " * 10_000 + b"x\n", codes.DEPTH),
    "10,000 nested mappings": (lambda: b"{a: " * 10_000 + b"}" * 10_000, codes.DEPTH),
    "NUL bytes": (lambda: b"\0" * 1_000_000, codes.BAD_CHARACTER),
    "a NUL in a text": (lambda: (_POLICY + "  selector: a\0b == 'c'\n").encode(), codes.BAD_CHARACTER),
    "invalid UTF-8": (lambda: b"kind: \xff\xfe\x80\n", codes.NOT_UTF8),
    "UTF-16": (lambda: _POLICY.encode("utf-16"), codes.NOT_UTF8),
    "noise": (lambda: Random(1).randbytes(1_000_000), codes.NOT_UTF8),
    "a selector of 1 MB": (
        lambda: (_POLICY + "  selector: '" + "has(a) && " * 100_000 + "has(b)'\n").encode(),
        codes.SELECTOR_LENGTH,
    ),
    "100,000 empty documents": (lambda: b"---\n" * 100_000 + b"x\n", codes.NOT_A_RESOURCE),
    "100,000 broken documents": (lambda: b"---\n[\n" * 100_000, codes.GIVEN_UP),
    "100,000 equal keys": (lambda: b"a: 1\n" * 100_000, codes.GIVEN_UP),
    "two million values": (lambda: b"- x\n" * 2_000_000, codes.SIZE),
    "names of 1 MB": (lambda: _long_names().encode(), codes.NAME),
    "networks and ports of 1 MB": (lambda: _long_networks().encode(), codes.ADDRESS),
    "a key of 1 MB": (lambda: b"k" * 1_000_000 + b": x\n", codes.SYNTAX),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process said of every file, in order."""
    folder = tmp_path_factory.mktemp("hostile")
    paths: list[Path] = []
    for number, (content, _) in enumerate(FILES.values()):
        paths.append(folder / f"{number}.yaml")
        paths[-1].write_bytes(content())
    done = subprocess.run(
        [sys.executable, "-m", "polc.tests.hostile.reading_files", *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    for path in paths:
        path.unlink()
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(zip(FILES, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused_quickly_in_little_memory(name: str, answers: dict[str, Any]) -> None:
    answer = answers[name]
    assert FILES[name][1] in answer["codes"]
    assert answer["calls"] < CALLS
    assert answer["mib"] < MIB
    assert answer["shown"] < SHOWN


def test_the_command_itself_says_it_without_a_traceback(tmp_path: Path) -> None:
    for name in ("an alias bomb", "NUL bytes"):
        content, code = FILES[name]
        path = tmp_path / "hostile.yaml"
        path.write_bytes(content())
        done = subprocess.run(
            [sys.executable, "-c", _CHECK, str(path)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 1, (name, done.stderr[-2000:])
        assert code in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
