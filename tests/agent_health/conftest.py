"""The namespaces, veths and bpf filesystems of the kernel tests, for the few tests here that need them."""

from __future__ import annotations

from polc.tests.kernel.conftest import bpffs, namespace, veth

__all__ = ["bpffs", "namespace", "veth"]
