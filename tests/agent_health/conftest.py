"""The namespaces, veths and bpf filesystems of the kernel tests, for the few tests here that need them."""

from __future__ import annotations

from polc.tests.agent_live.conftest import plough
from polc.tests.kernel.conftest import bpffs, door, namespace, tcx, veth

__all__ = ["bpffs", "door", "namespace", "plough", "tcx", "veth"]
