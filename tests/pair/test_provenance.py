"""A provenance table reads back exactly, is canonical, and a broken one is refused."""

from __future__ import annotations

import json

import pytest
from polc.pair.layout import Direction
from polc.pair.provenance import ProvenanceError, ProvenanceTable, RuleProvenance, decode, encode
from polc.tests.pair.pairs import table as specimen_table
from polc.tests.pair.specimen import Specimen

TABLE = specimen_table(Specimen(), Direction.EGRESS, "shop/wéb")


def test_a_table_reads_back() -> None:
    assert decode(encode(TABLE)) == TABLE
    assert decode(encode(TABLE) + bytes(7)) == TABLE


def test_a_rule_says_all_that_an_answer_needs() -> None:
    rule = decode(encode(TABLE)).rules[1]
    assert rule.place == "policy.yaml:5:5"
    assert (rule.key, rule.policy, rule.number) == ("0000000000000001", "NetworkPolicy/shop/web", 1)
    assert (rule.action, rule.annotations, rule.text) == ("deny", {"team": "shop"}, "- action: Deny")
    assert RuleProvenance(index=0, what="end", action="allow").place == ""


def test_equal_tables_are_equal_bytes_whatever_the_order_of_their_keys() -> None:
    def with_sources(*names: str) -> bytes:
        sources = {name: name * 2 for name in names}
        rule = RuleProvenance(index=0, what="rule", action="allow", annotations=dict.fromkeys(names, "x"))
        return encode(
            ProvenanceTable(endpoint="", direction=Direction.EGRESS, sources=sources, rules=(rule,))
        )

    assert with_sources("a", "b", "c") == with_sources("c", "a", "b")


def test_the_bytes_are_compact_json_with_one_nul_at_the_end() -> None:
    data = encode(
        ProvenanceTable(
            endpoint="é",
            direction=Direction.INGRESS,
            rules=(RuleProvenance(index=0, what="rule", action="log", text="nul \0"),),
        )
    )
    assert data.count(b"\0") == 1
    assert data.endswith(b"\0")
    assert "é".encode() in data
    assert json.loads(data[:-1])["direction"] == "ingress"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not terminated"),
        (b"{}", "not terminated"),
        (b"{}\0", "malformed at endpoint"),
        (b"\xff\0", "malformed"),
        (b"[" * 100000 + b"\0", "malformed"),
        (encode(TABLE).replace(b'"version":1', b'"version":2'), "version 2, known: 1"),
        (encode(TABLE).replace(b'"index":1', b'"index":2'), "gaps"),
        (encode(TABLE).replace(b'"direction":"egress"', b'"direction":"up"'), "malformed at direction"),
        (encode(TABLE).replace(b'"number":', b'"surprise":'), "malformed at rules.0.surprise"),
    ],
)
def test_a_broken_table_is_refused_with_the_place(data: bytes, words: str) -> None:
    with pytest.raises(ProvenanceError, match=words):
        decode(data)
