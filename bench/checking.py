"""What checking policies costs beside merely reading their YAML: a ratio, from one interleaved run.

The text is 5,000 NetworkPolicies of two rules each, 24 lines a policy; then one NetworkSet of 200,000
addresses. A round times PyYAML's C loader over the text, then what `polc check` does with it, both in seconds
of CPU. Memory is the peak of a process that only checks. Last come the two files made to hurt (tests/hostile)
that take longest to be refused.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from contextlib import suppress

import yaml
from polc.compiler.pipeline import load_sources
from polc.compiler.source import CompileError, Source
from polc.tests.hostile.files import FILES

POLICIES = 5_000
ROUNDS = 7
GOAL = 4  # times the C loader
KIB = 1024
ADDRESSES = 200_000
HOSTILE = ("two million values", "100,000 empty documents")
HOSTILE_GOAL = 5  # seconds of CPU

_POLICY = """\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata:
  name: app-{number}
  namespace: team-{team}
spec:
  order: {order}
  selector: app == "app-{number}" && tier in {{"front", "back"}}
  types: [Ingress, Egress]
  ingress:
    - action: Allow
      protocol: TCP
      source:
        selector: app == "client-{number}"
        namespaceSelector: team == "team-{team}"
      destination:
        ports: [{port}, "9000:9100"]
  egress:
    - action: Deny
      protocol: UDP
      destination:
        nets:
          - 10.{high}.{low}.0/24
---
"""


def text(policies: int = POLICIES) -> str:
    """The policies, 24 lines each."""
    return "".join(
        _POLICY.format(
            number=number,
            team=number % 50,
            order=100 + number % 900,
            port=1024 + number % 5000,
            high=number // 256,
            low=number % 256,
        )
        for number in range(policies)
    )


def check(given: str) -> None:
    load_sources([Source.of("policies.yaml", given)])


def peak() -> int:
    """Bytes of memory at the peak of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


def _timed(given: str) -> tuple[float, float]:
    began = time.process_time()
    for _ in yaml.load_all(given, yaml.CSafeLoader):
        pass
    between = time.process_time()
    check(given)
    return between - began, time.process_time() - between


def addresses(count: int = ADDRESSES) -> str:
    """A NetworkSet, a line for each address."""
    lines = (f"  - 10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}\n" for n in range(count))
    head = "apiVersion: projectcalico.org/v3\nkind: NetworkSet\nmetadata: {name: many}\nspec:\n  nets:\n"
    return head + "".join(lines)


def _compare(what: str, given: str) -> None:
    rounds = [_timed(given) for _ in range(ROUNDS)]
    ratios = sorted(checked / loaded for loaded, checked in rounds)
    print(f"{what}, {given.count(chr(10))} lines, {ROUNDS} rounds")
    print(f"  C loader  min {min(one for one, _ in rounds):.2f} s")
    print(f"  check     min {min(one for _, one in rounds):.2f} s")
    print(
        f"  ratio     min {ratios[0]:.2f}  median {statistics.median(ratios):.2f}  (goal: at most {GOAL:g})"
    )


def _refused(given: str) -> float:
    """Seconds of CPU until a text is refused."""
    began = time.process_time()
    with suppress(CompileError):
        check(given)
        raise AssertionError("this text is right")
    return time.process_time() - began


def main() -> None:
    _compare(f"{POLICIES} policies", text())
    alone = subprocess.run(
        [sys.executable, "-c", f"from {__spec__.name} import *; check(text()); print(peak())"],
        capture_output=True,
        text=True,
        check=True,
    )
    print(
        f"  memory    {int(alone.stdout) / KIB**2:.0f} MiB at the peak of checking alone (goal: under 1024)"
    )
    _compare(f"{ADDRESSES} addresses", addresses())
    for name in HOSTILE:
        hostile = FILES[name][0]().decode()
        took = sorted(_refused(hostile) for _ in range(ROUNDS))
        print(
            f"{name}: refused after min {took[0]:.2f} s  median {statistics.median(took):.2f} s"
            f"  (goal: at most {HOSTILE_GOAL})"
        )


if __name__ == "__main__":
    main()
