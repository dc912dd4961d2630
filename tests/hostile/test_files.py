"""Files made to hurt: each ends in a clear finding after little work and in 1 GiB, in another process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from polc.tests.hostile.files import FILES

CALLS: Final = 7_000_000  # of functions: some 3 s of CPU here (docs/trust.md)
MIB: Final = 1024
SHOWN: Final = 200_000  # characters of findings: enough for a person, no flood

_CHECK = "import sys; from polc.cli.main import main; sys.argv[1:1] = ['check']; main()"


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
