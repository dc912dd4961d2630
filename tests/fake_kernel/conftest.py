"""Stages for the same scripts on the fake and on the real kernel."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest
from polc.runtime.bpffs import Bpffs
from polc.tests.fake_kernel.stages import RealStages
from polc.tests.fake_kernel.swift import make_swift
from polc.tests.kernel.conftest import bpffs, namespace

__all__ = ["bpffs", "namespace"]  # the fixtures of the kernel tests, here too


@pytest.fixture
def real(namespace: Callable[[], str], bpffs: Bpffs) -> RealStages:
    """Real devices, one after the other, in one namespace."""
    return RealStages(namespace(), bpffs.root)


@pytest.fixture(scope="module")
def swift() -> Iterator[None]:
    """What is computed from objects alone is computed once; what lives already is no garbage to look for."""
    gc.collect()
    gc.freeze()
    with pytest.MonkeyPatch.context() as patch:
        make_swift(patch)
        yield
    gc.unfreeze()
