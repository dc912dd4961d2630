"""The scenes of the kernel tests, here too."""

from polc.tests.kernel.conftest import bpffs, door, namespace, scene, veth

__all__ = ["bpffs", "door", "namespace", "scene", "veth"]
