"""`polc doctor`: what this machine can and cannot do for polc, and how to mend it."""

from __future__ import annotations

import os
from enum import StrEnum
from importlib.util import find_spec
from typing import Literal

import typer
from pydantic import BaseModel, ConfigDict

from ...runtime import bpffs
from ...runtime.bpf import Bpf
from ...runtime.errors import CannotError
from ...runtime.probe import Features, features
from ..options import BpffsRoot, Format, OutputFormat
from ..outcome import Code
from ..table import columns
from .agent import MEND, NEEDS

_COMPILER = ("lark", "yaml", "llvmlite")


class Health(StrEnum):
    GOOD = "good"
    POOR = "poor"  # polc works, with less
    MISSING = "missing"  # polc cannot attach, or cannot compile


class Check(BaseModel):
    """One thing looked at. hint: how to mend it, `` when there is nothing to mend."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    health: Health
    fact: str
    hint: str = ""


class Doctor(BaseModel):
    """The whole examination. can_compile, can_attach: whether every check that it needs is not missing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    can_compile: bool
    can_attach: bool
    checks: tuple[Check, ...]


def run(bpffs_root: BpffsRoot = None, format: OutputFormat = Format.TEXT) -> None:
    """Say what this machine can do, and how to mend the rest.

    Exit 3 when it cannot attach.
    """
    found = examine(features(Bpf()), str(bpffs_root) if bpffs_root else None)
    typer.echo(found.model_dump_json(indent=2) if format is Format.JSON else text(found))
    if not found.can_attach:
        raise typer.Exit(int(Code.CANNOT))


def examine(machine: Features, bpffs_option: str | None) -> Doctor:
    """Turns what the kernel answered into checks."""
    compiler = _compiler()
    attaching = (_privilege(machine), _programs(machine), _btf(machine), _bpffs(bpffs_option))
    others = (_hooks(machine), _jit(machine), _tick(machine), _agent())
    return Doctor(
        can_compile=compiler.health is not Health.MISSING,
        can_attach=all(check.health is not Health.MISSING for check in attaching),
        checks=(compiler, *attaching, *others),
    )


def text(found: Doctor) -> str:
    """The examination as a person reads it."""
    rows = [(check.health.value, check.name, check.fact) for check in found.checks]
    lines = columns(rows)
    hints = [f"  {check.name}: {check.hint}" for check in found.checks if check.hint]
    if hints:
        lines += ["", "to mend it:", *hints]
    able = [name for name, can in (("compile", found.can_compile), ("attach", found.can_attach)) if can]
    return "\n".join([*lines, "", f"this machine can {' and '.join(able) if able else 'do nothing of it'}"])


def _compiler() -> Check:
    absent = [name for name in _COMPILER if find_spec(name) is None]
    if absent:
        hint = "pip install 'polc[compile]'; attaching finished pairs works without it"
        return Check(name="compiler", health=Health.MISSING, fact=f"without {', '.join(absent)}", hint=hint)
    return Check(name="compiler", health=Health.GOOD, fact="Lark, PyYAML and LLVM are installed")


def _agent() -> Check:
    absent = [name for name in NEEDS if find_spec(name) is None]
    if absent:
        return Check(name="agent", health=Health.POOR, fact=f"without {', '.join(absent)}", hint=MEND)
    return Check(name="agent", health=Health.GOOD, fact="what `polc agent` needs is installed")


def _privilege(machine: Features) -> Check:
    if machine.missing:
        fact = f"this process lacks {', '.join(machine.missing)}"
        return Check(name="privilege", health=Health.MISSING, fact=fact, hint="run as root")
    return Check(name="privilege", health=Health.GOOD, fact="every capability that attaching needs")


def _programs(machine: Features) -> Check:
    if machine.bpf:
        return Check(name="bpf", health=Health.GOOD, fact=f"Linux {machine.release} loads BPF programs")
    hint = "run as root" if machine.missing else "the kernel needs CONFIG_BPF_SYSCALL and CONFIG_NET_CLS_ACT"
    return Check(name="bpf", health=Health.MISSING, fact="no BPF program can be loaded", hint=hint)


def _btf(machine: Features) -> Check:
    if machine.btf:
        return Check(name="btf", health=Health.GOOD, fact="the kernel takes type information")
    hint = "run as root" if machine.missing else "polc needs Linux 5.14 or newer"
    return Check(name="btf", health=Health.MISSING, fact="no type information can be loaded", hint=hint)


def _bpffs(option: str | None) -> Check:
    root = bpffs.chosen_root(option, os.environ)
    try:
        found = bpffs.find(root)
    except CannotError as error:
        return Check(name="bpffs", health=Health.MISSING, fact=error.message, hint=error.hint)
    if found is not None:
        return Check(name="bpffs", health=Health.GOOD, fact=f"a bpf filesystem is mounted at {root}")
    hint = f"mount -t bpf bpf {root} (or give `polc attach --mount-bpffs`)"
    return Check(name="bpffs", health=Health.MISSING, fact=f"no bpf filesystem at {root}", hint=hint)


def _hooks(machine: Features) -> Check:
    if machine.tcx:
        return Check(name="hooks", health=Health.GOOD, fact="tcx links, and clsact filters")
    if machine.tcx is None:
        return Check(
            name="hooks", health=Health.POOR, fact="unknown: asking needs privilege", hint="run as root"
        )
    return Check(
        name="hooks", health=Health.POOR, fact="clsact filters only", hint="tcx needs Linux 6.6 or newer"
    )


def _jit(machine: Features) -> Check:
    if not machine.jit:
        hint = "sysctl net.core.bpf_jit_enable=1"
        return Check(name="jit", health=Health.POOR, fact="BPF programs are interpreted", hint=hint)
    if machine.jit_hardened:
        hint = "sysctl net.core.bpf_jit_harden=1 hardens programs of unprivileged users only"
        return Check(name="jit", health=Health.POOR, fact="on, hardened: tail calls are slower", hint=hint)
    return Check(name="jit", health=Health.GOOD, fact="BPF programs are compiled to machine code")


def _tick(machine: Features) -> Check:
    if not machine.hz:
        return Check(
            name="tick", health=Health.POOR, fact="unknown: measuring it needs privilege", hint="run as root"
        )
    return Check(name="tick", health=Health.GOOD, fact=f"{machine.hz} jiffies a second ({machine.hz_from})")
