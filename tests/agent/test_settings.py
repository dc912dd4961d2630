"""Settings from options and a file: the command line wins, and what is wrong is named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from polc.agent.settings import SettingsError, settings
from polc.runtime.hooks import Mechanism


def test_the_command_line_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text('folders = ["a", "b"]\nhook = "tcx"\nretry-cap = 60\nallow-before = ["cali"]\n')
    found = settings({"hook": "clsact", "node": "n1", "refresh": None}, config)
    assert found.hook is Mechanism.CLSACT
    assert found.folders == (Path("a"), Path("b"))
    assert (found.node, found.refresh, found.retry_cap, found.retry_base) == ("n1", False, 60, 1.0)
    assert found.allow_before == ("cali",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("folders = []\n", "folders: must name one at least"),
        ('folders = ["a"]\nreread = inf\n', "reread: must be less than or equal to 31536000"),
        ('folders = ["a"]\nreread = nan\n', "reread: must be "),
        ('folder = ["a"]\n', "folder: is no setting; did you mean folders?"),
        ('folders = ["a"]\nno-host-access = true\n', "is no setting; did you mean host-access?"),
        ('folders = "a"\n', "folders: must be a list"),
        ('folders = ["a", 1]\n', "folders.1: "),
        ('folders = ["a"]\nretry-base = 0\n', "retry-base: must be greater than 0"),
        ('folders = ["a"]\nhook = "xdp"\n', "hook"),
        ('folders = ["a"]\nfailsafe-inbound = "tcp:0"\n', "failsafe-inbound: 0 is no port; expected 1"),
        ('folders = ["a"]\nfailsafe-outbound = "tpc:1"\n', "failsafe-outbound: `tpc` is no protocol"),
        ('folders = ["a"]\nkeep-established = "often"\n', "keep-established"),
        ("folders = \n", "is not TOML"),
        ('folders = ["a"]\nhttp = "localhost"\n', "127.0.0.1:9095"),
        ('folders = ["a"]\ninterface-pattern = "veth"\n', "lacks {name}"),
        ('folders = ["a"]\ninterface-pattern = "{name}"\ninterface-list = "b"\n', "exclude each other"),
        ("\xff", "agent.toml"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(text, encoding="latin-1")
    with pytest.raises(SettingsError) as caught:
        settings({}, config)
    assert said in str(caught.value)
    assert str(config) in str(caught.value)


def test_an_option_that_is_wrong_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text('folders = ["a"]\nfailsafe-inbound = "tcp:22"\n')
    with pytest.raises(SettingsError, match=r"^--failsafe-inbound: 0 is no port"):
        settings({"failsafe_inbound": "tcp:0"}, config)


def test_the_compilers_process_is_told_of_the_failsafe_ports_that_are_given(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text('folders = ["a"]\nfailsafe-inbound = "22,udp:10.0.0.0/8:68"\n')
    found = settings({"failsafe_outbound": "none"}, config)
    assert found.failsafes == ("--failsafe-inbound=22,udp:10.0.0.0/8:68", "--failsafe-outbound=none")
    assert settings({"folders": [Path("a")]}, None).failsafes == ()


def test_a_file_that_is_not_there_or_far_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        settings({}, tmp_path / "none.toml")
    long = tmp_path / "long.toml"
    long.write_text("#" * (1 << 21))
    with pytest.raises(SettingsError, match="more than the 1048576 bytes"):
        settings({}, long)


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text('folders = ["a"]\n')
    config.chmod(0o666)
    with pytest.raises(SettingsError, match=r"agent.toml: others than its owner may write it .*chmod go-w"):
        settings({}, config)


def test_no_folder_at_all_is_refused() -> None:
    with pytest.raises(SettingsError, match="no folder"):
        settings({"folders": None}, None)
