"""A sealed pair of which one direction's code the verifier refuses: well-formed for everybody else."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from polc.compiler.seal import seal
from polc.pair.elf import read_elf
from polc.pair.layout import SECTION_PROGRAM, Direction
from polc.pair.object import ObjectPair, read_pair
from polc.tests.kernel.scene import ALLOW
from polc.tests.pair.pairs import raw_parts

_EXIT = bytes([0x95]) + bytes(7)
_READS_NOTHING = bytes([0xBF, 0x98]) + bytes(6)  # r8 = r9, where r9 was never written; and no exit follows


@cache
def rejected_pair(direction: Direction) -> ObjectPair:
    """The last instruction of that direction is not an exit but reads a register never written."""
    parts = {one: raw_parts(ALLOW, one) for one in Direction}
    data = parts[direction].data
    code = read_elf(data).section(SECTION_PROGRAM)
    last = code.offset + len(code.data) - len(_EXIT)
    assert data[last : last + 8] == _EXIT
    broken = data[:last] + _READS_NOTHING + data[last + 8 :]
    parts[direction] = replace(parts[direction], data=broken)
    both = seal(parts)
    return read_pair(both[Direction.INGRESS], both[Direction.EGRESS])
