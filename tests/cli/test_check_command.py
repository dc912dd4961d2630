"""`polc check`: its three formats agree, warnings can be disabled, and the exit code tells errors alone."""

from __future__ import annotations

import json
from contextlib import chdir
from pathlib import Path

import pytest
from polc.cli.main import app
from polc.cli.pages import pages
from polc.tests.cli.command import Result
from polc.tests.cli.sarif_log import read_log
from polc.tests.front.test_codes import used
from typer.testing import CliRunner

HEAD = "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"
WARNED = HEAD + "metadata: {name: quiet}\nspec:\n  selector: has(a)\n  ingress: []\n"
WRONG = HEAD + "metadata: {name: wrong}\nspec:\n  selector: app === 'ä'\n  ingress:\n  - action: Alow\n"
WARNING = "POLC-W0001"


def polc(*arguments: str | Path, cwd: Path | None = None) -> Result:
    """One command line, in this process."""
    given = [str(argument) for argument in arguments]
    with chdir(cwd or "."):
        done = CliRunner().invoke(app(given), given, env={"NO_COLOR": "1", "COLUMNS": "120"})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Result(done.exit_code, done.stdout, done.stderr)


@pytest.fixture
def warned(tmp_path: Path) -> Path:
    path = tmp_path / "warned.yaml"
    path.write_text(WARNED)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a file: of mine.yaml").write_text(WRONG)
    (tmp_path / "warned.yaml").write_text(WARNED)
    return tmp_path


def test_warnings_alone_are_counted_and_no_failure(warned: Path) -> None:
    done = polc("check", warned)
    assert done.code == 0
    assert WARNING in done.out
    assert done.out.splitlines()[-1] == "1 warning"


def test_an_error_beside_warnings_is_a_failure_and_both_are_counted(folder: Path) -> None:
    done = polc("check", ".", cwd=folder)
    assert done.code == 1
    assert done.out.splitlines()[-1] == "2 errors, 1 warning"


def test_sarif_holds_what_json_holds_at_the_same_places(folder: Path) -> None:
    done = polc("check", ".", "--format", "sarif", cwd=folder)
    assert done.code == 1
    [run] = read_log(done.out).runs
    report = json.loads(polc("check", ".", "--format", "json", cwd=folder).out)
    assert len(run.results) == len(report["findings"]) == 3
    for result, finding in zip(run.results, report["findings"], strict=True):
        [location] = result.locations
        region = location.physicalLocation.region
        at = finding["at"]
        assert (result.ruleId, result.level) == (finding["code"], finding["severity"])
        assert result.message.text.startswith(finding["message"])
        for hint in (finding["hint"], finding["expected"]):
            assert hint in result.message.text
        assert (region.startLine, region.startColumn) == (at["line"], at["column"])
        assert (region.endLine, region.endColumn) == (at["end_line"], at["end_column"])
    assert run.columnKind == "unicodeCodePoints"


def test_sarif_names_files_as_they_were_given_and_every_file_that_was_read(folder: Path) -> None:
    [run] = read_log(polc("check", ".", "--format", "sarif", cwd=folder).out).runs
    assert [one.location.uri for one in run.artifacts] == ["a%20file%3A%20of%20mine.yaml", "warned.yaml"]


def test_sarif_explains_each_code_in_the_words_of_its_page(folder: Path) -> None:
    [run] = read_log(polc("check", ".", "--format", "sarif", cwd=folder).out).runs
    rules = {rule.id: rule for rule in run.tool.driver.rules}
    assert set(rules) == {result.ruleId for result in run.results}
    assert rules[WARNING].shortDescription.text == "An empty rule list without types."
    assert rules[WARNING].help.text == "Say `types`."
    assert rules[WARNING].defaultConfiguration.level == "warning"


def test_sarif_without_findings_is_a_log_without_results(tmp_path: Path) -> None:
    (tmp_path / "fine.yaml").write_text(WARNED.replace("  ingress: []\n", ""))
    every = json.loads(polc("check", "fine.yaml", "--format", "json", cwd=tmp_path).out)["findings"]
    options = [part for one in {one["code"] for one in every} for part in ("--disable", one)]
    done = polc("check", "fine.yaml", "--format", "sarif", *options, cwd=tmp_path)
    assert done.code == 0
    assert read_log(done.out).runs[0].results == []


def test_sarif_of_what_cannot_be_read_is_still_a_log(tmp_path: Path) -> None:
    done = polc("check", "nowhere.yaml", "--format", "sarif", cwd=tmp_path)
    assert done.code == 1
    [result] = read_log(done.out).runs[0].results
    assert result.level == "error"


def test_a_disabled_warning_is_in_no_format(warned: Path) -> None:
    for format in ("text", "json", "sarif"):
        shown = polc("check", warned, "--format", format)
        left = polc("check", warned, "--format", format, "--disable", WARNING)
        assert WARNING in shown.out
        assert WARNING not in left.out
        assert left.code == 0


def test_disabling_every_warning_leaves_no_findings(warned: Path) -> None:
    found = json.loads(polc("check", warned, "--format", "json").out)["findings"]
    codes = sorted({one["code"] for one in found})
    done = polc("check", warned, *(part for code in codes for part in ("--disable", code)))
    assert done.out == "no findings\n"


def test_compile_says_no_disabled_warning(warned: Path, tmp_path: Path) -> None:
    wanted = ("compile", warned, "--labels", "a=b", "-o", tmp_path / "out")
    assert WARNING in polc(*wanted).err
    done = polc(*wanted, "--disable", WARNING)
    assert done.code == 0
    assert WARNING not in done.err


def test_compile_says_no_disabled_warning_beside_errors(folder: Path, tmp_path: Path) -> None:
    wanted = ("compile", folder, "--labels", "a=b", "-o", tmp_path / "out")
    assert WARNING in polc(*wanted).err
    done = polc(*wanted, "--disable", WARNING)
    assert done.code == 1
    assert "POLC-E0208" in done.err
    assert WARNING not in done.err


@pytest.mark.parametrize("command", ["check", "compile"])
@pytest.mark.parametrize("code", ["POLC-W9999", "W0001", "POLC-E0208", "POLC-N0001", "", "polc-w0001"])
def test_only_warnings_can_be_disabled(warned: Path, command: str, code: str) -> None:
    done = polc(command, warned, *(("-o", "out") if command == "compile" else ()), "--disable", code)
    assert done.code == 2
    assert "--disable" in done.err


def test_every_code_has_a_page_that_the_command_can_read() -> None:
    assert set(pages()) == set(used())
    for code, page in pages().items():
        assert all(page), code
        assert not page.summary.endswith(".."), code
