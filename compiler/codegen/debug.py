"""Debug metadata as text: it becomes the object's BTF and line records (reference notes §2).

Nodes are numbered in the order they are made, so equal input gives equal text. The policy's own lines are not
among them: the seal puts them into the object (compiler/seal/dressing.py).
"""

from __future__ import annotations

from collections.abc import Iterable


def quote(text: str) -> str:
    """An LLVM metadata string."""
    raw = text.encode()
    return '"' + "".join(chr(c) if 32 <= c < 127 and c not in (34, 92) else f"\\{c:02X}" for c in raw) + '"'


class Metadata:
    def __init__(self) -> None:
        self._nodes: list[str] = []
        self._known: dict[str, int] = {}

    def add(self, text: str) -> int:
        """A node's number; equal nodes (unless distinct) are one."""
        if not text.startswith("distinct"):
            known = self._known.get(text)
            if known is not None:
                return known
            self._known[text] = len(self._nodes)
        self._nodes.append(text)
        return len(self._nodes) - 1

    def reserve(self) -> int:
        """A number to be filled by `fill`, for cycles."""
        self._nodes.append("")
        return len(self._nodes) - 1

    def fill(self, number: int, text: str) -> None:
        self._nodes[number] = text

    def list(self, items: Iterable[int]) -> int:
        return self.add("!{" + ", ".join(f"!{item}" for item in items) + "}")

    def text(self) -> str:
        return "".join(f"!{number} = {node}\n" for number, node in enumerate(self._nodes))

    # --- types ------------------------------------------------------------------------------------

    def basic(self, name: str, bits: int, encoding: str) -> int:
        return self.add(f"!DIBasicType(name: {quote(name)}, size: {bits}, encoding: {encoding})")

    def array(self, element: int, count: int, element_bits: int) -> int:
        subrange = self.list([self.add(f"!DISubrange(count: {count})")])
        return self.add(
            f"!DICompositeType(tag: DW_TAG_array_type, baseType: !{element}, size: {count * element_bits}, "
            f"elements: !{subrange})"
        )

    def pointer(self, target: int) -> int:
        return self.add(f"!DIDerivedType(tag: DW_TAG_pointer_type, baseType: !{target}, size: 64)")

    def struct(self, name: str, members: Iterable[tuple[str, int, int]], bits: int, file: int) -> int:
        """members: (name, type node, offset in bits); each 64 bits wide unless it is the only one."""
        parts = list(members)
        width = 64 if len(parts) > 1 else bits
        nodes = [
            self.add(
                f"!DIDerivedType(tag: DW_TAG_member, name: {quote(member)}, file: !{file}, line: 1, "
                f"baseType: !{type_}, size: {width}, offset: {offset})"
            )
            for member, type_, offset in parts
        ]
        title = f"name: {quote(name)}, " if name else ""
        return self.add(
            f"distinct !DICompositeType(tag: DW_TAG_structure_type, {title}file: !{file}, line: 1, "
            f"size: {bits}, elements: !{self.list(nodes)})"
        )

    def variable(self, name: str, type_: int, unit: int, file: int) -> int:
        """A global's expression node, for its `!dbg` and the unit's list."""
        node = self.add(
            f"distinct !DIGlobalVariable(name: {quote(name)}, scope: !{unit}, file: !{file}, line: 1, "
            f"type: !{type_}, isLocal: false, isDefinition: true)"
        )
        return self.add(f"!DIGlobalVariableExpression(var: !{node}, expr: !DIExpression())")
