"""Reads the commands and outputs that a document shows, runs them in order, and compares."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^```console(?P<mark> root)?\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_OPTION = re.compile(r"^  (?:(?:-\w, )?--)?([a-z][a-z-]*)", re.MULTILINE)  # or a command, in the list of all
# What may differ between two machines or two versions of the code generation, not between two meanings.
_VOLATILE = (
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "<hex>"),
    (re.compile(r"\b\d+(?= (?:bytes|instructions?)\b)"), "<n>"),
    (re.compile(r"(?<=\bprogram )\d+"), "<id>"),
    (re.compile(r"\b\d+\.\d+(?= ?(?:s|ms|us)\b)"), "<time>"),
    (re.compile(r"\b\d+(?= (?:answers|since)\b)"), "<count>"),
    (re.compile(r"(?<=\bpin )\d+-\d+"), "<pins>"),
    (re.compile(r"(?<=:)(?:3[2-9]|[45]\d|6[0-5])\d{3}\b"), "<port>"),
    (re.compile(r"\b\d\d:\d\d:\d\d\.\d+"), "<clock>"),
    (re.compile(r"[ \t]+"), " "),
)


@dataclass(slots=True)
class Command:
    """One `$ ` line (with its continuations) and what the document says it prints. root: needs privilege."""

    text: str
    root: bool
    expected: list[str] = field(default_factory=list)


def commands(document: str) -> list[Command]:
    """Every command of a document's console blocks, in order."""
    found: list[Command] = []
    for block in _FENCE.finditer(document):
        for line in block["body"].splitlines():
            if line.startswith("$ "):
                found.append(Command(line.removeprefix("$ "), bool(block["mark"])))
            elif found and found[-1].text.endswith("\\") and not found[-1].expected:
                found[-1].text += "\n" + line
            else:
                found[-1].expected.append(line)
    return found


def replaced(document: str, outputs: list[str]) -> str:
    """The document with the outputs of its commands put in place."""
    rest = iter(outputs)

    def block(match: re.Match[str]) -> str:
        lines = []
        for command in commands(match[0]):
            lines += ["$ " + command.text, *next(rest).splitlines()]
        return f"```console{match['mark'] or ''}\n" + "\n".join(lines) + "\n```"

    return _FENCE.sub(block, document)


def agrees(command: Command, output: str) -> bool:
    """Whether the command printed what the document shows.

    A help text is laid out by a library whose next version may do it otherwise: its options are compared.
    """
    shown = "\n".join(command.expected)
    if command.text.endswith("--help"):
        return _OPTION.findall(output) == _OPTION.findall(shown)
    return comparable(output) == comparable(shown)


def comparable(text: str) -> str:
    """The text without what is volatile."""
    for pattern, stand_in in _VOLATILE:
        text = pattern.sub(stand_in, text)
    return "\n".join(line.strip() for line in text.strip().splitlines())


def run(wanted: list[Command], folder: Path, *, root: bool) -> list[str]:
    """Runs the commands in one shell in `folder` (with a copy of the examples); their outputs.

    root: the shell gets mounts and a network of its own, with a bpf filesystem and an empty /run.
    """
    shutil.copytree(ROOT / "examples", folder / "examples")
    script = ["set -u", f"export PATH='{Path(sys.executable).parent}':$PATH NO_COLOR=1 COLUMNS=200 LC_ALL=C"]
    if root:
        script += [
            "mount -t tmpfs none /run",
            "mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf",
            "ip link set lo up",
        ]
    script += [f"{{\n{command.text}\n}} >out.{at} 2>&1" for at, command in enumerate(wanted)]
    shell = ["unshare", "--mount", "--net", "bash"] if root else ["bash"]
    (folder / "script").write_text("\n".join(script) + "\n")
    done = subprocess.run([*shell, "script"], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.stderr == "", done.stderr
    return [(folder / f"out.{at}").read_text() for at in range(len(wanted))]
