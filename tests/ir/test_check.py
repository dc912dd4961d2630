"""The checker refuses every program that breaks one of the IR's invariants."""

from __future__ import annotations

import pytest
from polc.compiler.ir.check import IrError, check
from polc.compiler.ir.text import load

GOOD = """\
polc-ir 1
set $0
  10.0.0.0/8
set $1
  fd00::/8
set $2
ingress
  tier default: deny #3
    policy NetworkPolicy/shop/a
      #0 allow: proto 6, src in $0, dst port 80|443-444
    policy NetworkPolicy/shop/b
      #1 deny: dst not in $1, dst endpoint 6:443 6:80@$0 6:80@$1 17:53@$1
    policy NetworkPolicy/shop/c
      #2 log: src in $2
  end: allow #4
egress
  end: allow #0
"""

BROKEN = [
    ("#1 deny", "#2 deny", "index 2 follows 0"),
    ("#1 deny", "#0 deny", "index 0 follows 0"),
    ("end: allow #4", "end: allow #3", "index 3 follows 3"),
    ("end: allow #4", "end: pass #4", "the end cannot pass"),
    ("end: allow #0", "end: log #0", "the end cannot log"),
    ("default: deny", "default: allow", "cannot default to allow"),
    ("shop/b", "shop/a", "two of one policy name"),
    ("shop/b", "shop/a b", "policy name"),
    ("proto 6", "proto 256", "out of range"),
    ("proto 6", "proto 6, version 5", "out of range"),
    ("proto 6", "proto 6, icmp 8/256", "out of range"),
    ("proto 6", "proto 1", "asks for a port"),
    ("proto 6", "proto not 6", "asks for a port"),
    ("80|443-444", "80|81-444", "sorted and merged"),
    ("80|443-444", "443-444|80", "sorted and merged"),
    ("80|443-444", "80|444-443", "sorted and merged"),
    ("80|443-444", "80|65536", "sorted and merged"),
    ("src in $0", "src in $1", "order of first use"),
    ("src in $0", "src in $3", "order of first use"),
    ("set $1", "set $7", "not named"),
    ("src in $2", "src in $1", "not those used"),
    ("6:443", "6:80-443", "out of range"),
    ("6:443", "6:443 6:444", "out of range"),
    ("6:443", "17:443", "out of range"),
    ("6:443", "1:443", "out of range"),
    ("6:443", "6:443-442", "out of range"),
    ("dst endpoint 6:443", "dst endpoint not 6:443", "out of range"),
    ("6:80@$1", "6:80@$0", r"sets \$0, \$0 of protocol 6 overlap"),
    ("  fd00::/8", "  10.1.0.0/16", r"sets \$0, \$1 of protocol 6 overlap"),
    ("  fd00::/8", "  10.0.0.0/8", r"\$0 and \$1 are equal"),
    ("10.0.0.0/8", "10.0.0.1/8", "has host bits"),
    ("10.0.0.0/8", "10.0.0.0/33", "is not a CIDR"),
    ("10.0.0.0/8", "10.0.0.0/8\n  10.1.0.0/16", "sorted, disjoint and merged"),
    ("10.0.0.0/8", "10.0.0.0/8\n  11.0.0.0/8", "sorted, disjoint and merged"),
    ("10.0.0.0/8", "20.0.0.0/8\n  10.0.0.0/8", "sorted, disjoint and merged"),
]


def test_a_good_program_passes() -> None:
    check(load(GOOD))


@pytest.mark.parametrize(("old", "new", "message"), BROKEN)
def test_a_broken_invariant_is_named(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(IrError, match=message):
        check(load(GOOD.replace(old, new, 1)))


def test_a_judge_in_the_other_direction_s_place_is_refused() -> None:
    program = load(GOOD)
    with pytest.raises(IrError, match="ingress: holds the judge of egress"):
        check(type(program)(program.sets, program.egress, program.ingress))


def test_gaps_between_indices_are_right_only_after_passes() -> None:
    program = load(GOOD.replace("#3", "#5").replace("#4", "#9"))
    check(program, dense=False)
    with pytest.raises(IrError, match="index 5 follows 2"):
        check(program)
