"""The doors to the kernel in one bundle: every function of the runtime takes it, so a fake fits behind it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .bpf import Bpf
from .host import Host
from .netlink import Netlink


@dataclass(frozen=True, slots=True)
class Kernel:
    """bpf: the bpf(2) door. net: the netlink door, of one network namespace. host: the machine besides."""

    net: Netlink
    bpf: Bpf = field(default_factory=Bpf)
    host: Host = field(default_factory=Host)

    @property
    def writes(self) -> int:
        """Changes of kernel state asked for so far, over all doors."""
        return self.bpf.writes.total() + len(self.net.writes)
