"""Every command is listed, and explains each of its options."""

from __future__ import annotations

import re

import pytest
from polc.cli.main import COMMANDS, app
from typer.testing import CliRunner

# The explanation stands behind the option, or on the next line when the option is long.
OPTION = re.compile(r"^  (?:-\w, )?(--[a-z-]+)[^\n]*?(?:  +|\n {8,})(\S.*)$", re.MULTILINE)
OPTION_START = re.compile(r"^  (?:-\w, )?(--[a-z-]+)", re.MULTILINE)


def helped(*arguments: str) -> str:
    done = CliRunner().invoke(app(arguments), [*arguments, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert done.exit_code == 0, done.output
    return done.output


def test_help_lists_every_command_with_a_line_about_it() -> None:
    text = helped()
    for command in COMMANDS:
        assert re.search(rf"^  {command} +\S.*\.$", text, re.MULTILINE), command


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_explained(command: str) -> None:
    text = helped(command)
    explained = dict(OPTION.findall(text))
    assert "--help" in explained
    assert set(OPTION_START.findall(text)) == set(explained)


def test_only_the_command_that_is_asked_for_is_loaded() -> None:
    assert [command.name for command in app(["compile"]).registered_commands] == ["compile"]
    assert [command.name for command in app(["nonsense"]).registered_commands] == list(COMMANDS)
