"""LLVM IR text → BPF object, in a child process: LLVM ends its process on a code generation error.

Run as `python -m polc.compiler.codegen.emit`; frames on stdin and stdout are a JSON header's length, the
header, and the bytes it announces. One child serves many modules; `Emitter` keeps it and starts another
after a death.
"""

from __future__ import annotations

import atexit
import json
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import IO, Any, Final

CPU: Final = "v3"  # 32-bit sub-registers and atomics, kernel 5.12 and later
FEATURES: Final = "+allows-misaligned-mem-access"
LENGTH: Final = struct.Struct("<I")


class EmitError(Exception):
    """LLVM could not make the object: a fault of ours, with LLVM's own words."""


@dataclass(frozen=True, slots=True)
class Emitted:
    data: bytes
    assembly: str


def _send(stream: IO[bytes], header: dict[str, Any], *parts: bytes) -> None:
    text = json.dumps({**header, "sizes": [len(part) for part in parts]}).encode()
    stream.write(LENGTH.pack(len(text)) + text + b"".join(parts))
    stream.flush()


def _receive(stream: IO[bytes]) -> tuple[dict[str, Any], list[bytes]] | None:
    raw = stream.read(LENGTH.size)
    if len(raw) < LENGTH.size:
        return None
    text = stream.read(LENGTH.unpack(raw)[0])
    header: dict[str, Any] = json.loads(text)
    return header, [stream.read(size) for size in header["sizes"]]


def translate(text: str, assembly: bool) -> Emitted:
    """In this process: parses, verifies, promotes variables to registers, emits. Raises RuntimeError."""
    from llvmlite import binding

    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    machine = binding.Target.from_triple("bpfel").create_target_machine(
        cpu=CPU, opt=2, codemodel="default", features=FEATURES
    )
    module = binding.parse_assembly(text)
    module.verify()
    builder = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(2))
    passes = binding.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.run(module, builder)
    return Emitted(machine.emit_object(module), machine.emit_assembly(module) if assembly else "")


def serve() -> None:
    """The child's loop."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while (request := _receive(source)) is not None:
        header, (text,) = request
        try:
            made = translate(text.decode(), bool(header["assembly"]))
        except RuntimeError as error:
            _send(sink, {"error": str(error)})
        else:
            _send(sink, {"error": ""}, made.data, made.assembly.encode())


class Emitter:
    """The parent's side: one child at a time."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._complaints: IO[bytes] | None = None

    def emit(self, text: str, *, assembly: bool = False) -> Emitted:
        """Raises EmitError with LLVM's message."""
        child = self._start()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            _send(child.stdin, {"assembly": assembly}, text.encode())
            answer = _receive(child.stdout)
        except OSError:
            answer = None
        if answer is None:
            raise EmitError(f"LLVM ended: {self._last_words()}")
        header, parts = answer
        if header["error"]:
            raise EmitError(header["error"])
        return Emitted(parts[0], parts[1].decode())

    def _start(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self.close()
            self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the child)
            self._child = subprocess.Popen(
                [sys.executable, "-m", "polc.compiler.codegen.emit"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
            )
        return self._child

    def _last_words(self) -> str:
        """What the dead child wrote, and its end."""
        assert self._child is not None
        assert self._complaints is not None
        code = self._child.wait()
        self._complaints.seek(0)
        words = self._complaints.read().decode(errors="replace").strip()
        self.close()
        return words or f"exit status {code}"

    def close(self) -> None:
        if self._child is not None:
            for stream in (self._child.stdin, self._child.stdout):
                if stream is not None:
                    stream.close()
            self._child.wait()
            self._child = None
        if self._complaints is not None:
            self._complaints.close()
            self._complaints = None


EMITTER: Final = Emitter()
atexit.register(EMITTER.close)

if __name__ == "__main__":
    serve()
