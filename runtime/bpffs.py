"""The bpf filesystem: where it is, polc's pins in it, and the directory work around them.

A pin keeps an object alive and gives it a name for people; it is never a witness of what runs. Layout:

    ROOT/polc/<netns cookie>-<ifindex>/{slots,word,gate-tc-ingress,gate-tc-egress}

(the gates only when they are tcx links; a clsact filter lives in its qdisc and needs no pin).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .errors import CannotError, cannot
from .mounts import Mount, mounts
from .netns import in_private_mounts
from .ownership import MODE, require_own

DEFAULT_ROOT: Final = Path("/sys/fs/bpf")
ENVIRONMENT: Final = "POLC_BPFFS"

_OWN: Final = "polc"
_KIND: Final = "bpf"


class Bpffs:
    """One mounted bpf filesystem. `writes` lists what this process changed in it, pins excepted.

    (Pins themselves are made by the bpf syscall, BPF_OBJ_PIN, and counted there.)
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.writes: list[str] = []

    def directory(self, cookie: int, ifindex: int) -> Path:
        return self.root / _OWN / f"{cookie}-{ifindex}"

    def make(self, directory: Path) -> list[Path]:
        """Makes the directory and the missing ones above it; the ones it made, outermost first."""
        missing = [path for path in (directory, *directory.parents) if not path.exists()]
        for path in reversed(missing):
            self.writes.append(f"mkdir {path}")
            path.mkdir(mode=MODE)
        return missing[::-1]

    def remove(self, path: Path) -> bool:
        """Removes one pin; false when there was none."""
        if not path.exists():
            return False
        self.writes.append(f"unlink {path}")
        path.unlink(missing_ok=True)
        return True

    def prune(self, directory: Path) -> None:
        """Removes the directory and polc's own above it, as far as they are empty."""
        for path in (directory, *directory.parents):
            if path == self.root:
                return
            if not path.is_dir():
                continue  # making it failed half way down
            if any(path.iterdir()):
                return
            self.writes.append(f"rmdir {path}")
            path.rmdir()

    def interfaces(self) -> tuple[tuple[int, int], ...]:
        """The (cookie, ifindex) of every pin directory; what is called otherwise is not ours."""
        return tuple(sorted(one for name in self._names() if (one := interface_of(name)) != (0, 0)))

    def _names(self) -> list[str]:
        try:
            return os.listdir(self.root / _OWN)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def stacked(self) -> int:
        """How many further bpf filesystems are mounted on the same place, each hiding the pins below it."""
        return max(0, len(_at(self.root, mounts("self"))) - 1)


def interface_of(name: str) -> tuple[int, int]:
    """The (cookie, ifindex) that a pin directory is named after; zeros when it is not one of polc's."""
    cookie, _, index = name.partition("-")
    if not (cookie.isdecimal() and index.isdecimal()):
        return 0, 0
    found = int(cookie), int(index)
    return found if found[1] and name == f"{found[0]}-{found[1]}" else (0, 0)


def chosen_root(option: str | None, environment: Mapping[str, str]) -> Path:
    """`--bpffs PATH` before POLC_BPFFS before /sys/fs/bpf."""
    return Path(os.path.abspath(option or environment.get(ENVIRONMENT) or DEFAULT_ROOT))


def find(root: Path) -> Bpffs | None:
    """The bpf filesystem at `root` (a mount point, or a directory inside one); None when there is none.

    CannotError when polc's directory in it is not root's own: no pin there can be relied on.
    """
    table = mounts("self")
    for place in (root, *root.parents):
        here = [mount for mount in table if mount.point == str(place)]
        if here:
            if here[-1].kind != _KIND or not root.is_dir():
                return None
            _require_own(root / _OWN)
            return Bpffs(root)
    return None


def require(root: Path, mount: bool = False) -> Bpffs:
    """The bpf filesystem at `root`, mounted there first when `mount` says so; else CannotError."""
    found = find(root)
    if found is not None:
        return found
    if not mount:
        raise CannotError(
            f"no bpf filesystem is mounted at {root}: the policy could not outlive this command",
            f"mount -t bpf bpf {root} (or give --mount-bpffs)",
        )
    return mount_bpffs(root)


def mount_bpffs(root: Path) -> Bpffs:
    """Mounts a bpf filesystem at `root`. CannotError outside pid 1's mounts: it would vanish with us."""
    if in_private_mounts() is not False:
        raise CannotError(
            "--mount-bpffs works only where pid 1's mounts are seen: elsewhere the pins would vanish",
            f"as root on the host: mount -t bpf bpf {root}",
        )
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"bpf", os.fsencode(root), b"bpf", 0, b"mode=0700") != 0:
        reason = os.strerror(ctypes.get_errno())
        raise CannotError(f"cannot mount a bpf filesystem at {root}: {reason}", "this needs root")
    return Bpffs(root)


def _require_own(directory: Path) -> None:
    try:
        require_own(directory)
    except FileNotFoundError:
        return  # nothing was attached here yet
    except OSError as error:
        raise cannot(error, f"look at {directory}") from error


def _at(root: Path, table: tuple[Mount, ...]) -> list[Mount]:
    return [mount for mount in table if mount.point == str(root) and mount.kind == _KIND]
