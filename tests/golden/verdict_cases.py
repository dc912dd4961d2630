"""Reads the golden cases: policies, an endpoint, and packets each with the verdict written by hand.

One file a field. A packet is one line:

    DIRECTION PROTOCOL SOURCE > DESTINATION = VERDICT DECIDER [via PASS-RULE,…] [log RULE…]

PROTOCOL: tcp, udp, sctp, icmp/TYPE/CODE, or a number. SOURCE, DESTINATION: `10.0.0.1:80`, `[fd00::1]:80`,
or a bare address where the protocol has no ports. DECIDER: `namespace/policy/direction/number` (a global
policy has no namespace; numbers count from 0), `default` (the tier's), `end` (after a Pass), `no-policy`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import yaml
from polc.tests.oracle.rule_reading import Packet

FOLDER = Path(__file__).parent / "verdicts"

_LINE = re.compile(
    r"(?P<direction>ingress|egress) (?P<protocol>\S+) (?P<source>\S+) > (?P<destination>\S+)"
    r" = (?P<verdict>allow|deny) (?P<decider>\S+)(?: via (?P<via>\S+))?(?: log (?P<logs>.+))?"
)
_ENDPOINT = re.compile(
    r"\[(?P<six>[0-9a-f:.]+)\]:(?P<port6>\d+)|(?P<four>[0-9.]+):(?P<port4>\d+)|(?P<bare>.+)"
)
_NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}
_WORDS = {"default": "tier-default"}


@dataclass(frozen=True)
class Expected:
    """One packet line. decider, via, logs: in the oracle's words, without the policy's kind."""

    line: str
    direction: str
    packet: Packet
    allowed: bool
    decider: str
    via: tuple[str, ...]
    logs: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """text: inventory and policies as one file. endpoint: (namespace, name), or labels in a namespace."""

    file: str
    promise: str
    dossier: str
    text: str
    namespace: str
    name: str
    labels: Mapping[str, str] | None
    packets: tuple[Expected, ...]

    @property
    def objects(self) -> list[Any]:
        """As the oracle reads them: every scalar stays text, as in the language (design §4)."""
        return [one for one in yaml.load_all(self.text, Loader=yaml.BaseLoader) if one]


def read_packet(line: str) -> Expected:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"not a packet line: {line}")
    source, sport = _address(found["source"])
    destination, dport = _address(found["destination"])
    if source.version != destination.version:
        raise ValueError(f"addresses of two families: {line}")
    word, _, rest = found["protocol"].partition("/")
    kind, code = (int(part) for part in rest.split("/")) if rest else (0, 0)
    icmp = 1 if source.version == 4 else 58
    protocol = icmp if word == "icmp" else _NUMBERS.get(word) or int(word)
    packet = Packet(source.version, protocol, int(source), int(destination), sport, dport, kind, code)
    decider = found["decider"]
    return Expected(
        line,
        found["direction"],
        packet,
        found["verdict"] == "allow",
        _WORDS.get(decider, decider),
        tuple((found["via"] or "").split(",")) if found["via"] else (),
        tuple((found["logs"] or "").split()),
    )


def _address(text: str) -> tuple[Any, int]:
    found = _ENDPOINT.fullmatch(text)
    if found is None:
        raise ValueError(f"not an address: {text}")
    return ip_address(found["six"] or found["four"] or found["bare"]), int(
        found["port6"] or found["port4"] or 0
    )


def read_cases() -> list[Case]:
    """Every case of every file, by file name."""
    cases = []
    for path in sorted(FOLDER.glob("*.yaml")):
        content = yaml.safe_load(path.read_text())
        for raw in content["cases"]:
            namespace, _, name = (raw.get("endpoint") or content.get("endpoint") or "").partition("/")
            labels = content.get("labels")
            cases.append(
                Case(
                    path.stem,
                    raw["promise"],
                    raw["dossier"],
                    content["inventory"] + "---\n" + raw["policies"],
                    content.get("namespace", namespace),
                    name,
                    labels,
                    tuple(read_packet(line) for line in raw["packets"]),
                )
            )
    return cases
