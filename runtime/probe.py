"""What this machine can do: privilege, BPF, BTF, tcx, JIT, HZ; asked of the kernel, never of its version."""

from __future__ import annotations

import errno
import gzip
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..pair import layout
from ..pair.btf import metadata_btf
from .assembler import Helper, Register, assemble, call, encode, leave, move
from .bpf import AttachType, Bpf, BpfError, ProgramCode
from .errors import cannot

# include/uapi/linux/capability.h. SYS_ADMIN: ids to descriptors, BPF and PERFMON: load, NET_ADMIN: attach.
_CAPABILITIES: Final = {12: "CAP_NET_ADMIN", 21: "CAP_SYS_ADMIN", 38: "CAP_PERFMON", 39: "CAP_BPF"}
_LOOPBACK: Final = 1  # the index of lo in every network namespace
_HZ_CHOICES: Final = (100, 250, 300, 1000)  # kernel/Kconfig.hz
_HZ_WINDOW: Final = 0.25  # seconds measured; at 100 Hz that is 25 ticks, so the nearest choice is certain
_FRAME: Final = bytes(60)


@dataclass(frozen=True, slots=True)
class Features:
    """release: of the kernel. missing: capabilities we lack. bpf: programs load. btf: BTF loads.

    tcx: None when it cannot be asked (no privilege). jit_hardened: then tail calls are indirect and slower.
    hz: jiffies a second, 0 when it could be neither read nor measured; hz_from: "config" or "measured".
    """

    release: str
    machine: str
    root: bool
    missing: tuple[str, ...]
    bpf: bool
    btf: bool
    tcx: bool | None
    jit: bool
    jit_hardened: bool
    hz: int
    hz_from: str


def features(bpf: Bpf) -> Features:
    """Asks for everything; refused questions are answers. Loads throw-away programs, changes nothing else."""
    try:
        hz, hz_from = _hz(bpf)
    except BpfError:
        hz, hz_from = 0, ""
    return Features(
        release=platform.release(),
        machine=platform.machine(),
        root=os.geteuid() == 0,
        missing=missing_capabilities(),
        bpf=_loads_programs(bpf),
        btf=_loads_btf(bpf),
        tcx=has_tcx(bpf),
        jit=_sysctl("bpf_jit_enable") > 0,
        jit_hardened=_sysctl("bpf_jit_harden") > 1,
        hz=hz,
        hz_from=hz_from,
    )


def missing_capabilities() -> tuple[str, ...]:
    """The capabilities of this thread that the runtime needs and does not have, by name."""
    for line in Path("/proc/thread-self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            effective = int(line.split()[1], 16)
            return tuple(name for bit, name in _CAPABILITIES.items() if not effective >> bit & 1)
    return tuple(_CAPABILITIES.values())


def has_tcx(bpf: Bpf) -> bool | None:
    """Whether the kernel has tcx hooks: asked at lo, without a change. None: not allowed to ask."""
    try:
        bpf.prog_query(_LOOPBACK, AttachType.TCX_INGRESS)
    except BpfError as error:
        return None if error.errno in (errno.EPERM, errno.EACCES) else False
    return True


def jiffies_hz(bpf: Bpf) -> int:
    """CONFIG_HZ, from the configuration where it can be read, else measured; raises CannotError."""
    try:
        return _hz(bpf)[0]
    except BpfError as error:
        raise cannot(error, "measure the kernel's tick") from None


def _hz(bpf: Bpf) -> tuple[int, str]:
    for path in (Path("/proc/config.gz"), Path(f"/boot/config-{platform.release()}")):
        try:
            found = configured_hz(path.read_bytes())
        except OSError:
            continue
        if found:
            return found, "config"
    return _measured_hz(bpf), "measured"


def configured_hz(config: bytes) -> int:
    """CONFIG_HZ of a kernel configuration, gzipped or plain; 0 when it is not in there."""
    text = gzip.decompress(config) if config.startswith(b"\x1f\x8b") else config
    for line in text.splitlines():
        if line.startswith(b"CONFIG_HZ="):
            return int(line.split(b"=")[1])
    return 0


def nearest_hz(ticks: int, seconds: float) -> int:
    """The tick rate a kernel can be built with that is nearest to a measurement."""
    return min(_HZ_CHOICES, key=lambda choice: abs(choice - ticks / seconds))


def _measured_hz(bpf: Bpf) -> int:
    """Reads jiffies twice by a program that answers their low 32 bits."""
    code = encode(assemble([call(Helper.JIFFIES64), leave()]))
    program, _ = bpf.prog_load(ProgramCode("polc_jiffies", code, layout.LICENSE))
    with program:
        start, first = time.monotonic(), bpf.test_run(program, _FRAME).retval
        time.sleep(_HZ_WINDOW)
        last, end = bpf.test_run(program, _FRAME).retval, time.monotonic()
    return nearest_hz((last - first) & 0xFFFFFFFF, end - start)


def _loads_programs(bpf: Bpf) -> bool:
    code = encode(assemble([move(Register.R0, layout.TC_NEXT), leave()]))
    try:
        bpf.prog_load(ProgramCode("polc_probe", code, layout.LICENSE))[0].close()
    except BpfError:
        return False
    return True


def _loads_btf(bpf: Bpf) -> bool:
    try:
        bpf.btf_load(metadata_btf(layout.SYMBOL_GATE, "probe")[0]).close()
    except BpfError:
        return False
    return True


def _sysctl(name: str) -> int:
    """A number under net.core; 0 when there is none (a kernel without JIT)."""
    try:
        return int(Path("/proc/sys/net/core", name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
