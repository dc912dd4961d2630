"""LLVM IR text → BPF object, in a child process: LLVM ends its process on a code generation error.

Run as `python -m polc.compiler.codegen.emit`; frames on stdin and stdout are a JSON header's length, the
header, and the bytes it announces. A child serves many modules; `Emitter` keeps one for each direction and
starts another after a death. What it made lately it remembers by the module's text.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import struct
import subprocess
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, Final

CPU: Final = "v3"  # 32-bit sub-registers and atomics, kernel 5.12 and later
FEATURES: Final = "+allows-misaligned-mem-access"
LENGTH: Final = struct.Struct("<I")
CHILDREN: Final = 2  # one for each direction of a pair
MEMORY: Final = 64 << 20  # bytes of objects that an emitter remembers; a small policy's object has 30 KiB


class EmitError(Exception):
    """LLVM could not make the object: a fault of ours, with LLVM's own words."""


@dataclass(frozen=True, slots=True)
class Emitted:
    data: bytes
    assembly: str

    @property
    def size(self) -> int:
        return len(self.data) + len(self.assembly)


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


class _Child:
    """One process that runs LLVM."""

    def __init__(self) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the child)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "polc.compiler.codegen.emit"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
        )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, text: str, assembly: bool) -> None:
        """Returns when the child has the text; that it is dead shows in `receive`."""
        assert self._process.stdin is not None
        with suppress(OSError):
            _send(self._process.stdin, {"assembly": assembly}, text.encode())

    def receive(self) -> Emitted | str:
        """The object, or LLVM's words."""
        assert self._process.stdout is not None
        try:
            answer = _receive(self._process.stdout)
        except OSError:
            answer = None
        if answer is None:
            return f"LLVM ended: {self._last_words()}"
        header, parts = answer
        return header["error"] or Emitted(parts[0], parts[1].decode())

    def _last_words(self) -> str:
        """What the dead child wrote, and its end."""
        code = self._process.wait()
        self._complaints.seek(0)
        words = self._complaints.read().decode(errors="replace").strip()
        return words or f"exit status {code}"

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):  # what a dead child did not read
                    stream.close()
        self._process.wait()
        self._complaints.close()


class Emitter:
    """The parent's side: a child for each direction, and what they made lately.

    memory: bytes of objects to remember; 0 remembers nothing. emissions: how often LLVM has run.
    """

    def __init__(self, memory: int = MEMORY) -> None:
        self.emissions = 0
        self._children: list[_Child] = []
        self._made: OrderedDict[tuple[bytes, bool], Emitted] = OrderedDict()
        self._room = memory

    def emit(self, text: str, *, assembly: bool = False) -> Emitted:
        """Raises EmitError with LLVM's message."""
        return self.emit_all([text], assembly=assembly)[0]

    def emit_all(self, texts: Sequence[str], *, assembly: bool = False) -> tuple[Emitted, ...]:
        """The same for several, side by side; equal texts, now or lately, are emitted once."""
        keys = [(hashlib.sha256(text.encode()).digest(), assembly) for text in texts]
        found = {key: made for key in keys if (made := self._made.get(key)) is not None}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        for batch in _batches(list(missing), CHILDREN):
            found.update(self._run({key: missing[key] for key in batch}))
        for key in dict.fromkeys(keys):
            self._remember(key, found[key])
        return tuple(found[key] for key in keys)

    def _run(self, texts: Mapping[tuple[bytes, bool], str]) -> dict[tuple[bytes, bool], Emitted]:
        """At most one text a child."""
        children = [self._child(at) for at in range(len(texts))]
        for child, ((_, assembly), text) in zip(children, texts.items(), strict=True):
            child.send(text, assembly)
        self.emissions += len(texts)
        answers = [child.receive() for child in children]  # all of them, lest one answers the next question
        for answer in answers:
            if isinstance(answer, str):
                raise EmitError(answer)
        return {key: made for key, made in zip(texts, answers, strict=True) if isinstance(made, Emitted)}

    def _child(self, at: int) -> _Child:
        while len(self._children) <= at:
            self._children.append(_Child())
        if not self._children[at].alive:
            self._children[at].close()
            self._children[at] = _Child()
        return self._children[at]

    def _remember(self, key: tuple[bytes, bool], made: Emitted) -> None:
        """Makes it the last to be forgotten."""
        if key not in self._made:
            self._room -= made.size
        self._made[key] = made
        self._made.move_to_end(key)
        while self._room < 0:
            _, oldest = self._made.popitem(last=False)
            self._room += oldest.size

    def close(self) -> None:
        while self._children:
            self._children.pop().close()


def _batches(keys: Sequence[tuple[bytes, bool]], size: int) -> Iterator[Sequence[tuple[bytes, bool]]]:
    return (keys[at : at + size] for at in range(0, len(keys), size))


EMITTER: Final = Emitter()
atexit.register(EMITTER.close)

if __name__ == "__main__":
    serve()
