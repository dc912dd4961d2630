"""Every constraint on a field is an error with its code, at its own line and column (dossier §1–§3)."""

from __future__ import annotations

import pytest
from polc.tests.front.reading import marked, places, policy, read, rule

TCP = "action: Allow\nprotocol: TCP\n"

RULES = {
    "action missing": ("‸protocol: TCP", "POLC-E0202"),
    "action in lower case": ("action: ‸allow", "POLC-E0208"),
    "action a list": ("action: ‸[Allow]", "POLC-E0207"),
    "ipVersion 5": ("action: Allow\nipVersion: ‸5", "POLC-E0209"),
    "ipVersion 3": ("action: Allow\nipVersion: ‸3", "POLC-E0209"),
    "ipVersion quoted": ('action: Allow\nipVersion: ‸"4"', "POLC-E0207"),
    "protocol in lower case": ("action: Allow\nprotocol: ‸tcp", "POLC-E0504"),
    "protocol 0": ("action: Allow\nprotocol: ‸0", "POLC-E0504"),
    "protocol 256": ("action: Allow\nprotocol: ‸256", "POLC-E0504"),
    "notProtocol unknown": ("action: Allow\nnotProtocol: ‸TPC", "POLC-E0504"),
    "protocol a mapping": ("action: Allow\nprotocol: ‸{a: b}", "POLC-E0207"),
    "protocol with a leading zero": ("action: Allow\nprotocol: ‸017", "POLC-E0207"),
    "icmp without protocol": ("action: Allow\nicmp: ‸{type: 8}", "POLC-E0505"),
    "icmp with TCP": ("action: Allow\nprotocol: TCP\nicmp: ‸{type: 8}", "POLC-E0505"),
    "icmp code alone": ("action: Allow\nprotocol: ICMP\nicmp: {code: ‸0}", "POLC-E0506"),
    "notICMP code alone": ("action: Allow\nnotICMP: {code: ‸0}", "POLC-E0506"),
    "icmp type 255": ("action: Allow\nprotocol: ICMP\nicmp: {type: ‸255}", "POLC-E0209"),
    "icmp code 256": ("action: Allow\nprotocol: ICMP\nicmp: {type: 3, code: ‸256}", "POLC-E0209"),
    "icmp type a word": ("action: Allow\nprotocol: ICMP\nicmp: {type: ‸echo}", "POLC-E0207"),
    "ICMP with ipVersion 6": ("action: Allow\nipVersion: 6\nprotocol: ‸ICMP", "POLC-E0507"),
    "ICMPv6 with ipVersion 4": ("action: Allow\nipVersion: 4\nprotocol: ‸ICMPv6", "POLC-E0507"),
    "notProtocol ICMP with 6": ("action: Allow\nipVersion: 6\nnotProtocol: ‸ICMP", "POLC-E0507"),
    "unknown key": ("action: Allow\n‸protcol: TCP", "POLC-E0206"),
    "key of the entity": ("action: Allow\n‸ports: [80]", "POLC-E0206"),
    "key of the rule": ("action: Allow\nsource: {‸protocol: TCP}", "POLC-E0206"),
    "rule metadata": ("action: Allow\nmetadata: {‸labels: {}}", "POLC-E0206"),
    "rule annotation": ("action: Allow\nmetadata: {annotations: {‸'a b': c}}", "POLC-E0304"),
    "source a list": ("action: Allow\nsource: ‸[]", "POLC-E0207"),
    "nets a text": ("action: Allow\nsource: {nets: ‸10.0.0.0/8}", "POLC-E0207"),
    "net too long": ("action: Allow\nsource: {nets: [‸10.0.0.0/33]}", "POLC-E0401"),
    "net of letters": ("action: Allow\nsource: {nets: [‸ten/8]}", "POLC-E0401"),
    "net with a mask": ("action: Allow\nsource: {nets: [‸10.0.0.0/255.0.0.0]}", "POLC-E0401"),
    "net with octal parts": ("action: Allow\nsource: {nets: [‸010.0.0.0/8]}", "POLC-E0401"),
    "net with a zone": ("action: Allow\nsource: {nets: [‸fe80::1%eth0/128]}", "POLC-E0401"),
    "net mapped": ('action: Allow\nsource: {nets: [‸"::ffff:10.0.0.0/104"]}', "POLC-E0401"),
    "net empty": ("action: Allow\nsource: {nets: [‸'']}", "POLC-E0401"),
    "net null": ("action: Allow\nsource:\n  nets:\n  - ‸~", "POLC-E0207"),
    "net bare": ("action: Allow\nsource: {nets: [‸10.0.0.1]}", "POLC-E0403"),
    "net with host bits": ("action: Allow\nsource: {nets: [‸10.0.0.1/8]}", "POLC-E0402"),
    "net v6 with host bits": ('action: Allow\nsource: {nets: [‸"fd00::1/64"]}', "POLC-E0402"),
    "net twice": ("action: Allow\nsource: {nets: [10.0.0.0/8, ‸10.0.0.0/8]}", "POLC-E0210"),
    "families in one list": ("action: Allow\nsource: {nets: [10.0.0.0/8, ‸fd00::/8]}", "POLC-E0404"),
    "families across": (
        "action: Allow\nsource: {nets: [10.0.0.0/8]}\ndestination: {notNets: [‸fd00::/8]}",
        "POLC-E0404",
    ),
    "family and ipVersion": ("action: Allow\nipVersion: 4\nsource: {nets: [‸fd00::/8]}", "POLC-E0405"),
    "everything negated": ("action: Allow\nipVersion: 4\nsource: {notNets: [‸0.0.0.0/0]}", "POLC-E0406"),
    "everything negated v6": (
        'action: Allow\nipVersion: 6\ndestination: {notNets: [‸"::/0"]}',
        "POLC-E0406",
    ),
    "port 0": (TCP + "destination: {ports: [‸0]}", "POLC-E0501"),
    "port 65536": (TCP + "destination: {ports: [‸65536]}", "POLC-E0501"),
    "port huge": (TCP + "destination: {ports: [‸" + "9" * 5000 + "]}", "POLC-E0501"),
    "port negative": (TCP + "destination: {ports: [‸-1]}", "POLC-E0501"),
    "port a float": (TCP + "destination: {ports: [‸80.0]}", "POLC-E0501"),
    "port with a leading zero": (TCP + "destination: {ports: [‸010]}", "POLC-E0207"),
    "port null": (TCP + "destination:\n  ports:\n  - ‸~", "POLC-E0207"),
    "range upside down": (TCP + "destination: {ports: [‸9:8]}", "POLC-E0502"),
    "range to 70000": (TCP + "destination: {ports: [‸'80:70000']}", "POLC-E0501"),
    "range by a dash": (TCP + "destination: {ports: [‸80-90]}", "POLC-E0501"),
    "range half open": (TCP + "destination: {ports: [‸'80:']}", "POLC-E0501"),
    "ports without protocol": ("action: Allow\nsource: {ports: [‸80]}", "POLC-E0503"),
    "notPorts without protocol": ("action: Allow\nsource: {notPorts: [‸80]}", "POLC-E0503"),
    "ports with notProtocol": ("action: Allow\nnotProtocol: UDP\nsource: {ports: [‸80]}", "POLC-E0503"),
    "ports with UDPLite": ("action: Allow\nprotocol: UDPLite\nsource: {ports: [‸80]}", "POLC-E0503"),
    "ports with 1": ("action: Allow\nprotocol: 1\nsource: {ports: [‸80]}", "POLC-E0503"),
    "selector a list": ("action: Allow\nsource: {selector: ‸[a]}", "POLC-E0207"),
    "global() in a selector": ("action: Allow\nsource: {selector: has(a) && ‸global()}", "POLC-E0602"),
    "global( in a text": ('action: Allow\nsource: {selector: a == "‸global("}', "POLC-E0602"),
    "global() in brackets": ("action: Allow\nsource: {namespaceSelector: (‸global())}", "POLC-E0602"),
    "global() negated": ("action: Allow\nsource: {namespaceSelector: '!‸global()'}", "POLC-E0602"),
    "selector too long": ("action: Allow\nsource: {selector: ‸" + "a" * 1025 + "}", "POLC-E0603"),
}

SPECS = {
    "order a word": ("order: ‸first", "POLC-E0207"),
    "order quoted": ('order: ‸"1"', "POLC-E0207"),
    "order not finite": ("order: ‸.inf", "POLC-E0207"),
    "order too large": ("order: ‸1e999", "POLC-E0209"),
    "order with a leading zero": ("order: ‸010", "POLC-E0207"),
    "types unknown": ("types: [‸ingress]", "POLC-E0208"),
    "types twice": ("types: [Ingress, ‸Ingress]", "POLC-E0210"),
    "types empty": ("types: ‸[]", "POLC-E0202"),
    "types a text": ("types: ‸Ingress", "POLC-E0207"),
    "a misspelt field": ("‸ordr: 1", "POLC-E0206"),
    "a field of the other kind": ("‸namespaceSelector: all()", "POLC-E0206"),
    "rules a mapping": ("ingress: ‸{action: Allow}", "POLC-E0207"),
    "a rule of nothing": ("ingress:\n  - ‸~", "POLC-E0207"),
    "a rule a text": ("ingress: [‸Allow]", "POLC-E0207"),
    "global() in the selector": ("selector: ‸global()", "POLC-E0602"),
    "a performance hint": ("performanceHints: [‸Fast]", "POLC-E0208"),
    "tier with a bad name": ("tier: ‸Default", "POLC-E0301"),
}

DOCUMENTS = {
    "no kind": ("‸apiVersion: v1\nmetadata: {name: a}\n", "POLC-E0202"),
    "no apiVersion": ("‸kind: Pod\nmetadata: {name: a}\n", "POLC-E0202"),
    "kind empty": ("apiVersion: v1\n‸kind:\nmetadata: {name: a}\n", "POLC-E0202"),
    "kind misspelt": ("apiVersion: projectcalico.org/v3\nkind: ‸NetworkPolcy\n", "POLC-E0203"),
    "version misspelt": ("apiVersion: ‸projectcalico.org/v1\nkind: NetworkPolicy\n", "POLC-E0203"),
    "an alias of nothing": ("apiVersion: v1\nkind: ‸*pod\nmetadata: {name: a}\n", "POLC-E0104"),
    "an alias inside its value": ("apiVersion: v1\nkind: Pod\nmetadata: &m {name: ‸*m}\n", "POLC-E0104"),
    "not a mapping": ("‸- a\n", "POLC-E0201"),
    "a text": ("‸hello\n", "POLC-E0201"),
    "a key of nobody": ("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n‸sepc: {}\n", "POLC-E0206"),
    "no metadata": ("‸apiVersion: v1\nkind: Pod\n", "POLC-E0202"),
    "no name": ("apiVersion: v1\nkind: Pod\n‸metadata: {namespace: a}\n", "POLC-E0202"),
    "name in capitals": ("apiVersion: v1\nkind: Pod\nmetadata: {name: ‸Web}\n", "POLC-E0301"),
    "name too long": ("apiVersion: v1\nkind: Pod\nmetadata: {name: ‸" + "a" * 254 + "}\n", "POLC-E0301"),
    "namespace with a dot": (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: ‸a.b}\n",
        "POLC-E0301",
    ),
    "namespace of a namespace": (
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: ‸b}\n",
        "POLC-E0302",
    ),
    "lables": ("apiVersion: v1\nkind: Pod\nmetadata: {name: a, ‸lables: {}}\n", "POLC-E0206"),
    "label name": ("apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {‸a b: c}}\n", "POLC-E0303"),
    "label prefix": ("apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {‸A_b/c: d}}\n", "POLC-E0303"),
    "label value": ("apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {b: ‸-c}}\n", "POLC-E0303"),
    "label a list": ("apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {b: ‸[c]}}\n", "POLC-E0207"),
    "annotation": ("apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: {‸/b: c}}\n", "POLC-E0304"),
    "annotations too large": (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: ‸{b: " + "c" * 262144 + "}}\n",
        "POLC-E0304",
    ),
    "policy without spec": (
        "‸apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: a}\n",
        "POLC-E0202",
    ),
    "policy name with two dots": (
        "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: ‸a.b.c}\nspec: {}\n",
        "POLC-E0301",
    ),
}


@pytest.mark.parametrize("case", RULES)
def test_a_rule_with(case: str) -> None:
    text, code = RULES[case]
    # A rule that lacks something is pointed at by its first key, which a marker in front finds too.
    source, line, column = marked(rule(text))
    _, found = read(source)
    assert (code, line, column) in places(found)
    assert [item.code for item in found] == [code]


@pytest.mark.parametrize("case", SPECS)
def test_a_policy_with(case: str) -> None:
    text, code = SPECS[case]
    source, line, column = marked(policy(text))
    _, found = read(source)
    assert places(found) == [(code, line, column)]


@pytest.mark.parametrize("case", DOCUMENTS)
def test_a_document_with(case: str) -> None:
    text, code = DOCUMENTS[case]
    source, line, column = marked(text)
    _, found = read(source)
    assert places(found)[0] == (code, line, column)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (rule("action: allow"), "`Allow`"),
        (rule("action: allow").replace("projectcalico.org/v3", "crd.projectcalico.org/v1"), "`Allow`"),
        (rule("action: Alow"), "`Allow`"),
        (rule("action: Allow\nprotcol: TCP"), "`protocol`"),
        (rule("action: Allow\nprotocol: icmpv6"), "`ICMPv6`"),
        (rule("action: Allow\nsource: {nets: [10.0.0.1]}"), "`10.0.0.1/32`"),
        (rule("action: Allow\nsource: {nets: [10.0.0.1/8]}"), "`10.0.0.0/8`"),
        (rule(TCP + "destination: {ports: [80-90]}"), "`80:90`"),
        (rule(TCP + "destination: {ports: [9:8]}"), "`8:9`"),
        (rule(TCP + "destination: {ports: [010]}"), "`10`"),
        (rule("action: Allow\nports: [80]"), "under `source` or `destination`"),
        (policy("types: [egress]"), "`Egress`"),
        (policy("doNotTrack: true"), "GlobalNetworkPolicy"),
        (policy("selector: a = 'b'"), "`==`"),
        ("apiVersion: projectcalico.org/v3\nKind: NetworkPolicy\nmetadata: {name: a}\n", "`Kind`"),
        (policy("podSelector: {}"), "`selector`"),
        (policy("policyTypes: [Egress]"), "`types`"),
        ("kind: networkpolicy\napiVersion: projectcalico.org/v3\n", "`NetworkPolicy`"),
    ],
)
def test_a_near_miss_is_offered(text: str, word: str) -> None:
    _, found = read(text)
    assert word in found[0].hint


@pytest.mark.parametrize(
    ("count", "name", "item"), [(257, "nets", "10.0.{}.{}/32"), (51, "ports", "{1}{0}1")]
)
def test_lists_have_calicos_limits(count: int, name: str, item: str) -> None:
    items = ", ".join(item.format(index // 250, index % 250) for index in range(1, count + 1))
    _, found = read(rule(TCP + f"source: {{{name}: [{items}]}}"))
    assert [finding.code for finding in found] == ["POLC-E0211"]
    fewer = items.rpartition(", ")[0]
    assert read(rule(TCP + f"source: {{{name}: [{fewer}]}}"))[1] == []


def test_a_policy_has_at_most_1024_rules_in_a_direction() -> None:
    rules = "egress:\n" + "  - action: Deny\n" * 1024
    assert read(policy(rules))[1] == []
    _, found = read(policy(rules + "  - action: Deny\n"))
    assert places(found) == [("POLC-E0211", 6 + 1024, 7)]


def test_a_misspelt_key_gives_one_finding_not_those_that_follow_from_it() -> None:
    text = rule("acton: Allow\nprotcol: TCP\nsource: {port: [80]}").replace("metadata", "metdata")
    _, found = read(text)
    assert [item.code for item in found] == ["POLC-E0206"] * 4
