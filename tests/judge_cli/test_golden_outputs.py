"""What explain, replay and test print, in text and JSON, for right and for wrong input: golden files.

Each file of golden/ starts with its command line; `make golden-update` rewrites what follows. Verdicts are
held elsewhere, by hand; these files hold words and shapes.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from polc.tests.judge_cli.running import EXAMPLES, polc

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.txt")), ids=lambda path: path.stem)
def test_the_command_prints_what_its_golden_file_shows(
    path: Path, golden_update: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = path.read_text()
    line = text.splitlines()[0]
    monkeypatch.chdir(EXAMPLES)
    done = polc(*shlex.split(line.removeprefix("$ polc ")))
    found = f"{line}\n# exit {done.code}\n{done.out}"
    if done.err:
        found += f"# standard error\n{done.err}"
    if golden_update:
        path.write_text(found)
    assert found == path.read_text()


@pytest.mark.parametrize("command", ["explain", "replay", "test"])
def test_each_command_has_a_golden_text_and_json_and_three_wrong_inputs(command: str) -> None:
    files = [path.read_text() for path in GOLDEN.glob(f"{command}-*.txt")]
    right = [text for text in files if "# exit 0" in text]
    assert any("--format json" in text for text in right)
    assert any("--format json" not in text for text in right)
    assert sum("# exit 1\n" in text or "# exit 2\n" in text for text in files) >= 3
