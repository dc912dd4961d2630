"""Files made to hurt, and the code that each has to lead to."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from polc.compiler import codes

_ANCHOR = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
_POLICY = "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: p}\nspec:\n"


def _bomb() -> str:
    levels = (f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    return _ANCHOR + "".join(levels)


def _quadratic() -> str:
    return "a: &a [" + "x, " * 2000 + "x]\nb: [" + "*a, " * 2000 + "*a]\n"


def _many_anchors() -> str:
    return "".join(f"k{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" if n else "k0: &a0 [x]\n" for n in range(10_000))


def _long_names() -> str:
    name, label = "a-" * 500_000, "a." * 500_000
    return f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  labels:\n    ? {label}/\n    : {name}\n"


def _long_networks() -> str:
    nets = ", ".join(repr(part * 500_000) for part in ("1.", "1:", "1"))
    ports = ", ".join(repr(part * 500_000) for part in ("1:", "1", "a-"))
    rule = f"{{action: Allow, protocol: TCP, source: {{nets: [{nets}]}}, destination: {{ports: [{ports}]}}}}"
    return f"{_POLICY}  ingress: [{rule}]\n"


# Name → (what the file holds, the code that must be among the findings).
FILES: Final[dict[str, tuple[Callable[[], bytes], str]]] = {
    "a line of 100 MB": (lambda: b"a: " + b"x" * 100_000_000, codes.TOO_LARGE),
    "a line of 20 MB": (lambda: b"a: " + b"x" * 20_000_000 + b"\n", codes.MISSING),
    "an alias bomb": (lambda: _bomb().encode(), codes.EXPANSION),
    "quadratic aliases": (lambda: _quadratic().encode(), codes.EXPANSION),
    "ten thousand anchors": (lambda: _many_anchors().encode(), codes.EXPANSION),
    "10,000 nested lists": (lambda: b"[" * 10_000 + b"]" * 10_000, codes.DEPTH),
    "10,000 nested block lists": (lambda: b"- " * 10_000 + b"x\n", codes.DEPTH),
    "10,000 nested mappings": (lambda: b"{a: " * 10_000 + b"}" * 10_000, codes.DEPTH),
    "NUL bytes": (lambda: b"\0" * 1_000_000, codes.BAD_CHARACTER),
    "a NUL in a text": (lambda: (_POLICY + "  selector: a\0b == 'c'\n").encode(), codes.BAD_CHARACTER),
    "invalid UTF-8": (lambda: b"kind: \xff\xfe\x80\n", codes.NOT_UTF8),
    "UTF-16": (lambda: _POLICY.encode("utf-16"), codes.NOT_UTF8),
    "noise": (lambda: Random(1).randbytes(1_000_000), codes.NOT_UTF8),
    "a selector of 1 MB": (
        lambda: (_POLICY + "  selector: '" + "has(a) && " * 100_000 + "has(b)'\n").encode(),
        codes.SELECTOR_LENGTH,
    ),
    "100,000 empty documents": (lambda: b"---\n" * 100_000 + b"x\n", codes.NOT_A_RESOURCE),
    "100,000 broken documents": (lambda: b"---\n[\n" * 100_000, codes.GIVEN_UP),
    "100,000 equal keys": (lambda: b"a: 1\n" * 100_000, codes.GIVEN_UP),
    "two million values": (lambda: b"- x\n" * 2_000_000, codes.SIZE),
    "names of 1 MB": (lambda: _long_names().encode(), codes.NAME),
    "networks and ports of 1 MB": (lambda: _long_networks().encode(), codes.ADDRESS),
    "a key of 1 MB": (lambda: b"k" * 1_000_000 + b": x\n", codes.SYNTAX),
}
