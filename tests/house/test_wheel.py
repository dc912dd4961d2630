"""The wheel holds exactly the rooms' tracked files, so that nothing is forgotten or slips in."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile

import pytest
from polc.tests.house.listing import ROOT, tracked

ROOMS = ("grammar", "pair", "compiler", "runtime", "judge", "agent", "cli")


def belongs_in_wheel(name: str) -> bool:
    if name.startswith("examples/"):
        return name.endswith(".yaml")
    rooms = tuple(f"{room}/" for room in ROOMS)
    return name in {"__init__.py", "py.typed", "docs/errors.md"} or name.startswith(rooms)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel built from a copy of the tracked files alone."""
    source = tmp_path_factory.mktemp("source")
    for name in tracked():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target, follow_symlinks=False)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", "."],
        cwd=source,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    [path] = (source / "dist").glob("*.whl")
    return zipfile.ZipFile(path)


def test_wheel_holds_exactly_the_tracked_files_of_the_rooms(wheel: zipfile.ZipFile) -> None:
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert inside == {f"polc/{name}" for name in tracked() if belongs_in_wheel(name)}


def test_wheel_brings_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    [entry] = [name for name in names if name.endswith(".dist-info/entry_points.txt")]
    assert "polc = polc.cli.main:main" in wheel.read(entry).decode()
    assert [name for name in names if ".dist-info/" in name and name.endswith("LICENSE")]


def test_a_node_that_only_attaches_needs_neither_lark_nor_llvm(wheel: zipfile.ZipFile) -> None:
    [metadata] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    required = [
        line for line in wheel.read(metadata).decode().splitlines() if line.startswith("Requires-Dist:")
    ]
    plain = " ".join(line for line in required if "extra ==" not in line).lower()
    assert "pyroute2" in plain
    assert not [name for name in ("lark", "yaml", "llvmlite") if name in plain]
