"""The unit of systemd and the settings file in examples/agent/ are such as systemd and polc take them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from polc.agent.settings import Settings, SettingsError, settings
from polc.pair.failsafes import DEFAULTS, read_ports
from polc.runtime.privilege import NEEDED

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "agent"
UNIT = (FOLDER / "polc-agent.service").read_text()
POLC = Path(sys.executable).with_name("polc")


def directives(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)


def test_the_command_line_has_the_options_that_the_unit_gives() -> None:
    (command,) = directives("ExecStart")
    assert command.split()[1] == "agent"
    shown = subprocess.run([POLC, "agent", "--help"], capture_output=True, text=True, check=True).stdout
    given = re.findall(r"(--[a-z-]+)", command)
    assert given
    assert set(given) <= set(re.findall(r"^  (--[a-z-]+)", shown, re.MULTILINE))


def test_the_unit_grants_what_the_agent_keeps_and_what_giving_up_takes() -> None:
    (granted,) = directives("CapabilityBoundingSet")
    assert set(granted.split()) == {f"CAP_{one.name}" for one in NEEDED} | {"CAP_SETPCAP"}


def test_the_operations_page_names_the_capabilities_that_are_kept() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    assert set(re.findall(r"^\| `CAP_(\w+)` \|", page, re.MULTILINE)) == {one.name for one in NEEDED}


def test_the_settings_file_is_taken_and_gives_the_defaults_that_it_speaks_of() -> None:
    told = settings({}, FOLDER / "agent.toml")
    plain = Settings(folders=told.folders)
    assert (told.http, told.ready) == (plain.http, plain.ready)
    assert told.keep_established is plain.keep_established
    ports = zip(
        (told.failsafe_inbound, told.failsafe_outbound), (DEFAULTS.inbound, DEFAULTS.outbound), strict=True
    )
    for given, default in ports:
        assert read_ports(given or "", "default failsafe") == default
    assert told.node == "node-1"


def test_the_port_is_an_address_and_a_number_or_nothing() -> None:
    assert Settings(folders=(FOLDER,), http="").http == ""
    with pytest.raises(SettingsError, match=r"http: .*'localhost:9095' is not ADDRESS:PORT"):
        settings({"folders": (FOLDER,), "http": "localhost:9095"}, None)


def test_every_line_of_the_unit_is_a_section_or_a_directive() -> None:
    lines = [line for line in UNIT.splitlines() if line and not line.startswith("#")]
    assert [
        line for line in lines if not re.fullmatch(r"\[(Unit|Service|Install)\]|[A-Z]\w+=\S.*", line)
    ] == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """With polc where it is here: systemd also looks whether the command is there."""
    (tmp_path / "polc-agent.service").write_text(UNIT.replace("/opt/polc/bin/polc", str(POLC)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / "polc-agent.service"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
