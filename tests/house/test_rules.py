"""The house habits that no linter states: sizes, room descriptions, no trace of one machine."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from polc.tests.house.listing import ROOT, tracked

FILE_LINES = 400
FUNCTION_LINES = 60

# Assembled here so that this file does not hold what it forbids.
MACHINE_PATHS = re.compile(
    r"(?<![\w./-])/(?:" + "|".join(["wo" + "rk", "ho" + "me/[a-z]", "ro" + "ot"]) + r")/"
)
PLACEHOLDERS = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")


def files(*suffixes: str) -> list[Path]:
    """The project's files, those with one of the suffixes when any is given."""
    return [ROOT / name for name in tracked() if not suffixes or name.endswith(suffixes)]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_source_file_reaches_400_lines() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {count}"
        for path in files(".py", ".lark")
        if (count := len(path.read_text().splitlines())) >= FILE_LINES
    ]
    assert long == []


def test_no_function_reaches_60_lines() -> None:
    long = []
    for path in files(".py"):
        for function in functions(ast.parse(path.read_text())):
            length = (function.end_lineno or function.lineno) - function.lineno + 1
            if length >= FUNCTION_LINES:
                long.append(f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {length}")
    assert long == []


def test_every_file_says_its_reason_to_exist() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in files(".py")
        if not (ast.get_docstring(ast.parse(path.read_text())) or "").strip()
    ]
    assert silent == []


def test_no_file_names_a_path_of_one_machine() -> None:
    found = []
    for path in files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
            for number, line in enumerate(text.splitlines(), 1)
            if MACHINE_PATHS.search(line)
        ]
    assert found == []


def test_no_file_holds_a_placeholder() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files(".py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if PLACEHOLDERS.search(line)
    ]
    assert found == []


def test_no_file_or_room_has_a_name_that_says_nothing() -> None:
    empty_names = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"}
    found = [
        str(path.relative_to(ROOT))
        for path in files(".py")
        if empty_names & {part.removesuffix(".py") for part in path.relative_to(ROOT).parts}
    ]
    assert found == []


def test_tests_have_no_package_files() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    targets = set(phony.group(1).split())
    defined = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    listed = set(re.findall(r"^  make (\S+)", shown, re.MULTILINE))
    assert targets == defined == listed


@pytest.mark.parametrize("script", [".ci/run", ".ci/setup"])
def test_scripts_are_executable_and_parse(script: str) -> None:
    path = ROOT / script
    assert path.stat().st_mode & 0o111
    subprocess.run(["sh", "-n", str(path)], check=True)
