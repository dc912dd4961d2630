"""Folders as others write them: file by file, by renaming, by exchanging a link, or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from polc.agent import inputs, watching
from polc.agent.inputs import Text
from polc.agent.listing import Listing
from polc.agent.mailbox import Reading
from polc.agent.mapping import MappingError, Rule
from polc.agent.watching import Watcher

PATIENCE = 30.0
NEVER = 3600.0


class Desk:
    """What was submitted, and what was reported."""

    def __init__(self) -> None:
        self.submitted: list[tuple[int, dict[str, bytes]]] = []
        self.readings: list[Reading] = []

    def submit(self, revision: int, texts: Sequence[Text]) -> None:
        self.submitted.append((revision, {one.path.rpartition("/")[2]: one.data for one in texts}))

    def until(self, found: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not found():
            assert time.monotonic() < end, (self.submitted, self.readings)
            time.sleep(0.005)

    def holds(self, **files: bytes) -> None:
        """Until the newest texts are these."""
        wanted = {f"{name}.yaml": data for name, data in files.items()}
        self.until(lambda: bool(self.submitted) and self.submitted[-1][1] == wanted)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "policies"
    made.mkdir(mode=0o755)
    return made


@pytest.fixture
def watch(folder: Path) -> Iterator[Callable[[float], Desk]]:
    watchers: list[Watcher] = []

    def start(reread: float) -> Desk:
        desk = Desk()
        watchers.append(Watcher([folder], desk.submit, desk.readings.append, reread))
        watchers[-1].start()
        return desk

    yield start
    for one in watchers:
        one.close()


def test_each_way_of_writing_is_noticed_by_its_event(folder: Path, watch: Callable[[float], Desk]) -> None:
    (folder / "a.yaml").write_bytes(b"1")
    desk = watch(NEVER)
    desk.holds(a=b"1")
    (folder / ".part").write_bytes(b"2")
    (folder / ".part").rename(folder / "a.yaml")
    desk.holds(a=b"2")
    (folder / "b.yaml").write_bytes(b"x")
    desk.holds(a=b"2", b=b"x")
    (folder / "b.yaml").unlink()
    desk.holds(a=b"2")
    (folder / "more").mkdir()
    (folder / "more" / "c.yaml").write_bytes(b"3")
    desk.holds(a=b"2", c=b"3")
    numbers = [revision for revision, _ in desk.submitted]
    assert numbers == sorted(set(numbers))
    assert [one.revision for one in desk.readings] == numbers


def test_a_config_map_is_exchanged_as_a_whole(folder: Path, watch: Callable[[float], Desk]) -> None:
    """As kubelet does it (pkg/volume/util/atomic_writer.go): a new folder, a new link, one rename."""
    for version in (b"1", b"2"):
        data = folder / f"..v{version.decode()}"
        data.mkdir()
        for name in ("a", "b"):
            (data / f"{name}.yaml").write_bytes(version)
    os.symlink("..v1", folder / "..data")
    for name in ("a", "b"):
        os.symlink(f"..data/{name}.yaml", folder / f"{name}.yaml")
    desk = watch(NEVER)
    desk.holds(a=b"1", b=b"1")
    os.symlink("..v2", folder / "..data_tmp")
    os.rename(folder / "..data_tmp", folder / "..data")
    desk.holds(a=b"2", b=b"2")
    assert all(len(set(texts.values())) == 1 for _, texts in desk.submitted)


def test_reading_what_has_not_changed_submits_nothing(folder: Path, watch: Callable[[float], Desk]) -> None:
    (folder / "a.yaml").write_bytes(b"1")
    desk = watch(0.01)
    desk.holds(a=b"1")
    (folder / "a.yaml").touch()
    (folder / "note.txt").write_bytes(b"1")
    (folder / "b.yaml").write_bytes(b"2")
    desk.holds(a=b"1", b=b"2")
    assert len(desk.submitted) == 2


def test_now_and_then_files_that_seem_unchanged_are_read_all_the_same(
    folder: Path, watch: Callable[[float], Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.yaml").write_bytes(b"1")
    monkeypatch.setattr(inputs, "_FRESH", -(1 << 62))
    desk = watch(0.02)
    desk.holds(a=b"1")
    monkeypatch.setattr(inputs, "_mark", lambda _status: inputs.Mark(*range(8)))  # as if times stood still
    (folder / "a.yaml").write_bytes(b"2")
    desk.holds(a=b"2")  # its mark is another one than the first reading's
    (folder / "a.yaml").write_bytes(b"3")
    time.sleep(0.2)
    desk.holds(a=b"2")
    monkeypatch.setattr(watching, "WHOLLY", 0.0)
    desk.holds(a=b"3")


@pytest.mark.parametrize(("glance", "reread"), [(0.02, NEVER), (NEVER, 0.02)])
def test_a_folder_that_comes_late_or_is_exchanged_is_found_by_looking_for_it(
    folder: Path,
    watch: Callable[[float], Desk],
    monkeypatch: pytest.MonkeyPatch,
    glance: float,
    reread: float,
) -> None:
    monkeypatch.setattr(watching, "GLANCE", glance)
    folder.rmdir()
    desk = watch(reread)
    desk.until(lambda: bool(desk.readings))
    assert desk.readings[0].revision == 0
    assert "No such file" in desk.readings[0].problems[0]
    folder.mkdir(mode=0o755)
    (folder / "a.yaml").write_bytes(b"1")
    desk.holds(a=b"1")
    folder.rename(folder.with_name("old"))
    folder.mkdir(mode=0o755)
    (folder / "a.yaml").write_bytes(b"2")
    desk.holds(a=b"2")
    (folder / "a.yaml").write_bytes(b"3")
    desk.holds(a=b"3")


def test_what_is_not_safe_to_read_is_reported_and_not_submitted(
    folder: Path, watch: Callable[[float], Desk]
) -> None:
    (folder / "a.yaml").write_bytes(b"1")
    desk = watch(NEVER)
    desk.holds(a=b"1")
    (folder / "b.yaml").symlink_to("/etc/hostname")
    desk.until(lambda: desk.readings[-1].problems != ())
    assert "leads out of the folder" in desk.readings[-1].problems[0]
    (folder / "b.yaml").unlink()
    desk.until(lambda: desk.readings[-1].revision == 2)
    desk.holds(a=b"1")
    assert [revision for revision, _ in desk.submitted] == [1, 2]


def test_a_list_of_interfaces_is_read_again_when_it_changes_and_a_bad_one_is_a_problem(
    folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "interfaces.toml"
    path.write_text('veth1 = "shop/web"\n')
    listing, rules, desk = Listing(path), list[Rule](), Desk()
    assert listing.read().interface("shop", "web") == "veth1"
    watcher = Watcher(
        [folder], desk.submit, desk.readings.append, NEVER, listing=listing, relist=rules.append
    )
    watcher.start()
    try:
        desk.until(lambda: len(desk.readings) == 1)
        assert rules == []
        part = tmp_path / "part"
        part.write_text('veth2 = "shop/web"\n')
        part.rename(path)
        desk.until(lambda: bool(rules))
        assert rules[-1].interface("shop", "web") == "veth2"
        path.write_text("veth3\n")
        desk.until(lambda: desk.readings[-1].problems != ())
        assert "interfaces.toml" in desk.readings[-1].problems[0]
        path.write_text('veth4 = "shop/web"\n')
        desk.until(lambda: desk.readings[-1].problems == ())
        assert rules[-1].interface("shop", "web") == "veth4"
    finally:
        watcher.close()


@pytest.mark.parametrize("what", ["link", "writable", "absent", "long"])
def test_a_list_is_read_as_carefully_as_the_folders(tmp_path: Path, what: str) -> None:
    path = tmp_path / "interfaces.toml"
    if what != "absent":
        path.write_text('veth1 = "shop/web"\n' * (1 if what != "long" else 1_000_000))
    if what == "writable":
        path.chmod(0o666)
    if what == "link":  # a link is followed, but what it leads to must be as safe
        path.rename(tmp_path / "real")
        (tmp_path / "real").chmod(0o666)
        path.symlink_to(tmp_path / "real")
    with pytest.raises(MappingError, match="interfaces"):
        Listing(path).read()
