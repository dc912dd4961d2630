"""What README and docs show is what the commands print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from polc.cli.main import COMMANDS
from polc.tests.docs import documents

DOCUMENTS = ["README.md", *sorted(f"docs/{path.name}" for path in (documents.ROOT / "docs").glob("*.md"))]


def _check(name: str, folder: Path, *, root: bool, update: bool) -> None:
    path = documents.ROOT / name
    text = path.read_text()
    shown = documents.commands(text)
    wanted = [command for command in shown if root or not command.root]
    if not wanted:
        return
    outputs = documents.run(wanted, folder, root=root)
    if update:
        if len(wanted) == len(shown):
            path.write_text(documents.replaced(text, outputs))
        return
    for command, output in zip(wanted, outputs, strict=True):
        assert documents.agrees(command, output), f"{command.text}\n{output}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_without_privilege_print_what_the_document_shows(
    name: str, tmp_path: Path, golden_update: bool
) -> None:
    _check(name, tmp_path, root=False, update=golden_update)


@pytest.mark.kernel
@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_on_the_kernel_print_what_the_document_shows(
    name: str, tmp_path: Path, golden_update: bool
) -> None:
    if "```console root\n" in (documents.ROOT / name).read_text():
        _check(name, tmp_path, root=True, update=golden_update)


def test_every_command_has_a_section_in_the_reference() -> None:
    sections = re.findall(r"^## (\w+)$", (documents.ROOT / "docs/commands.md").read_text(), re.MULTILINE)
    assert sorted(sections) == sorted(COMMANDS)


def test_readme_and_the_command_reference_show_commands() -> None:
    for name in ("README.md", "docs/commands.md"):
        assert documents.commands((documents.ROOT / name).read_text()), name
