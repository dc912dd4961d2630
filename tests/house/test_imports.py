"""The doors of the house: import rules that hold for single modules, and imports that must stay lazy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from polc.tests.house.listing import ROOT


def test_the_arrows_between_the_rooms_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([str(lint), "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_a_node_without_the_compile_extra_can_start_every_command() -> None:
    """Lark, PyYAML and llvmlite are hidden: the command line and the whole runtime must still import."""
    program = """
import importlib.abc, pathlib, sys

class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"lark", "yaml", "llvmlite"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

sys.meta_path.insert(0, Hidden())
import importlib
import polc.cli.main
root = pathlib.Path(sys.argv[1])
for room in ("runtime", "pair"):
    for file in sorted((root / room).rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        importlib.import_module(".".join(["polc", *(p for p in parts if p != "__init__")]))
try:
    polc.cli.main.main(["--help"])
except SystemExit as stop:
    sys.exit(stop.code)
"""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(ROOT)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "attach" in result.stdout
