"""The agent's folders: what is read, and that no link, device, size or owner leads anywhere else."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from polc.agent import inputs
from polc.agent.inputs import Limits, Unfit, read_inputs, read_trusted

TEXT = "kind: Pod\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "policies"
    made.mkdir(mode=0o755)
    return made


def problems(folder: Path, limits: Limits | None = None) -> list[str]:
    found = read_inputs([str(folder)], limits)
    return [str(problem) for problem in found.problems]


def paths(folder: Path) -> list[str]:
    found = read_inputs([str(folder)])
    assert not found.problems
    return [text.path for text in found.texts]


def test_manifests_at_any_depth_are_read_in_order_hidden_and_other_files_are_not(folder: Path) -> None:
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / ".git").mkdir()
    for name in ("b.yaml", "a.json", "deep/er/c.yml", "notes.txt", ".hidden.yaml", ".git/x.yaml", "b.yaml~"):
        (folder / name).write_text(TEXT)
    assert paths(folder) == ["policies/a.json", "policies/b.yaml", "policies/deep/er/c.yml"]


def test_equal_inputs_have_equal_digests_and_any_change_another(folder: Path) -> None:
    (folder / "a.yaml").write_text(TEXT)
    first = read_inputs([str(folder)])
    assert read_inputs([str(folder)]) == first
    (folder / "a.yaml").write_text(TEXT + "#")
    second = read_inputs([str(folder)])
    (folder / "a.yaml").rename(folder / "b.yaml")
    third = read_inputs([str(folder)])
    assert len({first.digest, second.digest, third.digest}) == 3
    assert second.texts[0].digest == third.texts[0].digest


def settled(*paths: Path) -> None:
    """As written an hour ago, as far as anybody can say that: what the kernel notes itself stays."""
    for path in paths:
        hour = 3600 * 1_000_000_000
        os.utime(path, ns=(path.stat().st_atime_ns - hour, path.stat().st_mtime_ns - hour))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the manifests that are opened; and no change is too young to be remembered."""
    names: list[str] = []
    real = os.open

    def watched(path: str, flags: int, *more: int, dir_fd: int | None = None) -> int:
        names.extend([path] if path.endswith(".yaml") else [])
        return real(path, flags, *more, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", watched)
    monkeypatch.setattr(inputs, "_FRESH", -(1 << 62))
    return names


def test_of_many_files_only_the_one_that_changed_is_read_again(folder: Path, opened: list[str]) -> None:
    for name in "abc":
        (folder / f"{name}.yaml").write_text(TEXT + name)
    first = read_inputs([str(folder)])
    assert opened == ["a.yaml", "b.yaml", "c.yaml"]
    again = read_inputs([str(folder)], before=first)
    assert (again, opened[3:]) == (first, [])
    (folder / "b.yaml").write_text(TEXT + "B")  # as long as before
    same = (folder / "a.yaml").stat()
    os.utime(folder / "b.yaml", ns=(same.st_atime_ns, same.st_mtime_ns))
    (folder / "c.yaml").rename(folder / "d.yaml")
    third = read_inputs([str(folder)], before=again)
    assert [(one.path, one.data.decode()[-1]) for one in third.texts] == [
        ("policies/a.yaml", "a"),
        ("policies/b.yaml", "B"),
        ("policies/d.yaml", "c"),
    ]
    assert set(opened[3:]) <= {"b.yaml", "d.yaml"}  # by Linux, a new name changes the file's times too
    assert "b.yaml" in opened[3:]
    assert third == read_inputs([str(folder)])


def test_what_changed_a_moment_ago_is_read_again(folder: Path) -> None:
    (folder / "a.yaml").write_text(TEXT)
    assert read_inputs([str(folder)]).known == {}
    settled(folder / "a.yaml")  # whatever its owner says: the kernel noted when that was said
    assert read_inputs([str(folder)]).known == {}


def test_what_is_known_is_held_to_trust_and_limits_all_the_same(folder: Path, opened: list[str]) -> None:
    for name in "ab":
        (folder / f"{name}.yaml").write_text(TEXT)
    first = read_inputs([str(folder)])
    assert len(first.known) == 2
    small = read_inputs([str(folder)], Limits(total=len(TEXT)), before=first)
    assert [one.path for one in small.problems] == ["policies/b.yaml"]
    (folder / "a.yaml").chmod(0o666)
    bad = read_inputs([str(folder)], before=first)
    assert [one.path for one in bad.problems] == ["policies/a.yaml"]
    assert opened[2:] == ["a.yaml"]


def test_files_of_one_name_in_two_folders_stay_two(tmp_path: Path) -> None:
    for parent in ("a", "b"):
        (tmp_path / parent / "x").mkdir(parents=True)
        (tmp_path / parent / "x" / "p.yaml").write_text(TEXT + parent)
    found = read_inputs([str(tmp_path / "a" / "x"), str(tmp_path / "b" / "x")])
    assert [text.path for text in found.texts] == ["x/p.yaml", "x/p.yaml(2)"]


def test_a_config_map_as_kubelet_lays_it_out_is_read_and_follows_the_exchange_of_its_link(
    folder: Path,
) -> None:
    for version in ("..2026_01", "..2026_02"):
        (folder / version).mkdir()
        (folder / version / "web.yaml").write_text(version)
    (folder / "..data").symlink_to("..2026_01")
    (folder / "web.yaml").symlink_to("..data/web.yaml")
    first = read_inputs([str(folder)])
    assert [(text.path, text.data) for text in first.texts] == [("policies/web.yaml", b"..2026_01")]
    (folder / "..new").symlink_to("..2026_02")
    (folder / "..new").rename(folder / "..data")
    assert [text.data for text in read_inputs([str(folder)]).texts] == [b"..2026_02"]


def test_a_folder_that_is_exchanged_while_it_is_read_is_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("..1", "..2"):
        (folder / version).mkdir()
        for name in ("a.yaml", "b.yaml"):
            (folder / version / name).write_text(version)
            if version == "..1":
                (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data").symlink_to("..1")
    real, seen = os.read, list[int]()

    def read(descriptor: int, size: int) -> bytes:
        if not seen:
            (folder / "..new").symlink_to("..2")
            (folder / "..new").rename(folder / "..data")
        seen.append(size)
        return real(descriptor, size)

    monkeypatch.setattr(os, "read", read)
    assert [text.data for text in read_inputs([str(folder)]).texts] == [b"..2", b"..2"]


def test_a_link_that_leads_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("token")
    (folder / "a.yaml").symlink_to("../secret.yaml")
    (folder / "b.yaml").symlink_to(tmp_path / "secret.yaml")
    (folder / "c.yaml").symlink_to("/etc/shadow")
    found = read_inputs([str(folder)])
    assert [problem.reason for problem in found.problems] == ["is a link that leads out of the folder"] * 3
    assert found.texts == ()


def test_a_component_exchanged_for_a_link_after_it_was_looked_up_is_not_followed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race: the target is looked up, then a folder on the way becomes a link to a secret."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "web.yaml").write_text("token")
    (folder / "..v").mkdir()
    (folder / "..v" / "web.yaml").write_text(TEXT)
    (folder / "web.yaml").symlink_to("..v/web.yaml")
    real, done = os.path.realpath, list[str]()

    def realpath(path: str, *, strict: bool = False) -> str:
        found = real(path, strict=strict)
        if str(path).endswith("web.yaml") and not done:
            done.append(path)
            (folder / "..v").rename(folder / "..old")
            (folder / "..v").symlink_to(tmp_path / "outside")
        return found

    monkeypatch.setattr(os.path, "realpath", realpath)
    found = read_inputs([str(folder)])
    assert done
    assert found.problems
    assert all(text.data != b"token" for text in found.texts)


def test_what_is_no_regular_file_is_refused_without_being_opened(folder: Path) -> None:
    os.mkfifo(folder / "fifo.yaml")
    (folder / "null.yaml").symlink_to("/dev/null")
    (folder / "gone.yaml").symlink_to("nothing.yaml")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "sock.yaml"))
        found = problems(folder)
    assert found == [
        "policies/fifo.yaml: is a fifo, not a regular file",
        "policies/gone.yaml: cannot be read: No such file or directory",
        "policies/null.yaml: is a link that leads out of the folder",
        "policies/sock.yaml: is a socket, not a regular file",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="a device is made by root")
def test_a_device_is_refused(folder: Path) -> None:
    os.mknod(folder / "tty.yaml", 0o600 | 0o020000, os.makedev(5, 0))
    assert problems(folder) == ["policies/tty.yaml: is a device, not a regular file"]


def test_sizes_numbers_and_depth_are_bounded(folder: Path) -> None:
    (folder / "a.yaml").write_text("x" * 100)
    (folder / "b.yaml").write_text("x" * 60)
    (folder / "d" / "e").mkdir(parents=True)
    assert problems(folder, Limits(file=99)) == [
        "policies/a.yaml: has more than the 99 bytes that are allowed it alone: split or remove"
    ]
    assert "together with the others" in problems(folder, Limits(total=150))[0]
    assert problems(folder, Limits(files=1)) == ["policies/b.yaml: is one file too many: 1 are read at most"]
    assert problems(folder, Limits(depth=1)) == ["policies/d/e: lies deeper than 1 folders"]


@pytest.mark.parametrize("mode", [0o666, 0o646])
def test_a_file_that_others_may_write_is_refused(folder: Path, mode: int) -> None:
    (folder / "a.yaml").write_text(TEXT)
    (folder / "a.yaml").chmod(mode)
    assert problems(folder) == [
        f"policies/a.yaml: others than its owner may write it (mode {mode:04o}): chmod go-w"
    ]


def test_a_folder_that_others_may_write_is_refused_also_above_and_with_a_sticky_bit(folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir()
    (inner / "a.yaml").write_text(TEXT)
    for mode in (0o777, 0o1777):
        inner.chmod(mode)
        assert "may write it" in problems(inner)[0]
        assert "may write it" in problems(folder)[0]
    inner.chmod(0o755)
    folder.chmod(0o777)
    assert "may write a folder above it" in problems(inner)[0]
    folder.chmod(0o1777)
    assert problems(inner) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_another_user_owns_is_refused(folder: Path) -> None:
    (folder / "a.yaml").write_text(TEXT)
    os.chown(folder / "a.yaml", 65534, 0)
    assert problems(folder) == ["policies/a.yaml: user 65534 owns it, and could change it: give it to root"]


def test_a_folder_that_is_not_there_or_is_none_is_a_problem(folder: Path) -> None:
    (folder / "a.yaml").write_text(TEXT)
    assert problems(folder / "none") == [f"{folder}/none: cannot be read: No such file or directory"]
    assert problems(folder / "a.yaml") == [f"{folder}/a.yaml: is no folder: give the one that it lies in"]


def test_a_folder_may_be_given_by_links_that_nobody_else_could_change(folder: Path) -> None:
    (folder / "a.yaml").write_text(TEXT)
    way, first, second = folder.parent / "way", folder.parent / "way" / "first", folder.parent / "second"
    way.mkdir(mode=0o755)
    first.symlink_to("../second")
    second.symlink_to(folder)
    assert problems(first) == []
    assert [one.path for one in read_inputs([f"{first}/../policies"]).texts] == ["policies/a.yaml"]
    way.chmod(0o777)
    (problem,) = problems(first)
    assert "others than its owner may write a folder above it (mode 0777)" in problem
    assert problems(second) == []
    way.chmod(0o1777)
    assert problems(first) == []
    second.unlink()
    second.symlink_to(first)
    assert "Too many levels of symbolic links" in problems(second)[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_link_of_another_user_on_the_way_to_a_folder_or_list_is_refused(folder: Path) -> None:
    (folder / "a.yaml").write_text(TEXT)
    link = folder.parent / "link"
    link.symlink_to(folder)
    os.chown(link, 65534, 0, follow_symlinks=False)
    said = f"user 65534 owns the link {link} on the way to it: give it to root"
    assert problems(link) == [f"{link}: {said}"]
    with pytest.raises(Unfit, match=said):
        read_trusted(f"{link}/a.yaml", 1000)


def test_a_name_that_cannot_be_shown_is_refused(folder: Path) -> None:
    for name in (b"a\nb.yaml", b"a\x1b[2J.yaml", b"\xff.yaml"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text(TEXT)
    found = read_inputs([str(folder)])
    assert [problem.reason for problem in found.problems] == [
        "its name has characters that cannot be shown"
    ] * 3
    assert all(str(problem).isprintable() for problem in found.problems)
