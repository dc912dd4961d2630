"""A field of interfaces in a throw-away namespace; whatever a test starts there ends with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from polc.runtime.bpffs import Bpffs
from polc.tests.agent_live.field import Field
from polc.tests.kernel.conftest import bpffs, namespace

__all__ = ["bpffs", "namespace"]


@pytest.fixture
def plough(namespace: Callable[[], str], bpffs: Bpffs, tmp_path: Path) -> Iterator[Callable[[int], Field]]:
    """Makes fields of so many interfaces."""
    made: list[Field] = []

    def make(size: int) -> Field:
        folder = tmp_path / f"policies-{len(made)}"
        folder.mkdir(mode=0o755)
        one = Field(namespace(), bpffs.root, folder, size)
        made.append(one)
        for name in one.names:
            one.add(name)
        return one

    yield make
    for one in made:
        one.close()
