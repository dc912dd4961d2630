"""The doors to the kernel in one bundle: every function of the runtime takes it, so a fake fits behind it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .bpf import Bpf
from .gate import Gates
from .grace import Grace
from .netlink import Netlink


@dataclass(frozen=True, slots=True)
class Kernel:
    """bpf: the bpf(2) door. net: the netlink door (its sockets belong to one network namespace).

    gates: loads gates and knows them again. grace: the RCU barrier. Both are here so that a test can stretch
    the one and leave out the other.
    """

    net: Netlink
    bpf: Bpf = field(default_factory=Bpf)
    gates: Gates = field(default_factory=Gates)
    grace: Grace = field(default_factory=Grace)

    @property
    def writes(self) -> int:
        """Changes of kernel state asked for so far, over all doors."""
        return self.bpf.writes.total() + len(self.net.writes)
