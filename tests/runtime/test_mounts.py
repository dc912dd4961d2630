"""What the mount table tells about `ip netns exec` and about bpf filesystems."""

from __future__ import annotations

from pathlib import Path

import pytest
from polc.runtime import bpffs, netns
from polc.runtime.errors import CannotError
from polc.runtime.mounts import Mount, parse_mountinfo

HOST = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
23 27 0:22 / /sys rw,relatime shared:7 - sysfs sysfs rw
"""
NETNS_EXEC = (
    HOST.replace("22 27", "46 45").replace("23 27", "47 45")
    + "48 45 0:39 / /sys rw,relatime - sysfs red\\040one rw\n"
)


def test_a_mount_point_with_a_space_keeps_its_name() -> None:
    line = "31 23 0:28 / /mnt/a\\040b\\134c rw master:3 propagate_from:2 - bpf none rw,mode=700"
    assert parse_mountinfo(line) == (Mount(31, 23, "/mnt/a b\\c", "bpf", "none"),)


def test_ip_netns_exec_is_known_by_the_sysfs_it_mounts() -> None:
    assert netns.netns_exec_name(parse_mountinfo(NETNS_EXEC), private=True) == "red one"
    assert netns.netns_exec_name(parse_mountinfo(NETNS_EXEC), private=None) == "red one"


def test_the_host_and_a_plain_private_mount_namespace_are_no_netns_exec() -> None:
    assert netns.netns_exec_name(parse_mountinfo(HOST), private=True) is None
    assert netns.netns_exec_name(parse_mountinfo(NETNS_EXEC), private=False) is None


def test_the_option_names_the_bpffs_before_the_environment(tmp_path: Path) -> None:
    environment = {"POLC_BPFFS": "/run/polc"}
    assert bpffs.chosen_root(str(tmp_path), environment) == tmp_path
    assert bpffs.chosen_root(None, environment) == Path("/run/polc")
    assert bpffs.chosen_root(None, {}) == Path("/sys/fs/bpf")


def test_only_what_is_named_as_polc_names_it_is_an_interfaces_directory(tmp_path: Path) -> None:
    place = bpffs.Bpffs(tmp_path)
    assert place.interfaces() == ()
    for name in ("10-3", "9-12", "9-2", "09-2", "9-0", "9-", "-3", "9-x", "9--2", "lost+found", "\u0664-1"):
        (tmp_path / "polc" / name).mkdir(parents=True)
    assert place.interfaces() == ((9, 2), (9, 12), (10, 3))
    assert [place.directory(*one).name for one in place.interfaces()] == ["9-2", "9-12", "10-3"]


def test_without_a_bpffs_the_mount_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotError) as caught:
        bpffs.require(tmp_path)
    assert f"mount -t bpf bpf {tmp_path}" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
