"""Mutants of what makes decisions of policies: resolve, passes. File → (name, old text, new text)."""

from __future__ import annotations

Changes = dict[str, tuple[tuple[str, str, str], ...]]

RESOLVE: Changes = {
    "compiler/resolve/scope.py": (
        (
            "own-namespace-inverted",
            "Compare(LABEL_NAMESPACE, Operator.EQUAL",
            "Compare(LABEL_NAMESPACE, Operator.NOT_EQUAL",
        ),
        ("peers-of-any-namespace", "_both(scope, own) if scope is not None and asked else own", "own"),
        (
            "not-selector-dropped",
            "Peer(positive=_both(positive, Not(negative) if negative is not None else None))",
            "Peer(positive=positive)",
        ),
        ("not-selector-positive", "Not(negative) if negative is not None else None", "negative"),
        ("all-of-namespaces-left-alone", "            return every", "            return _ALL"),
        ("global-of-namespaces-left-alone", "            return without", "            return _GLOBAL"),
        ("no-inherited-labels", "return {**inherited, **stripped, **given}", "return {**stripped, **given}"),
        (
            "policies-of-any-namespace",
            "return _both(_both(scope, own), asked) or All()",
            "return _both(own, asked) or All()",
        ),
        (
            "scope-is-only-namespace",
            "asked = own is not None or negative is not None or entity",
            "asked = own is not None or entity",
        ),
    ),
    "compiler/resolve/policies.py": (
        (
            "missing-order-first",
            "return policy.order is None, policy",
            "return policy.order is not None, policy",
        ),
        (
            "ties-by-kind-first",
            "{meta.name}/{meta.namespace}/{policy.kind}",
            "{policy.kind}/{meta.name}/{meta.namespace}",
        ),
        ("orders-descend", "policy.order or 0.0,", "-(policy.order or 0.0),"),
    ),
    "compiler/resolve/criteria.py": (
        (
            "families-of-not-nets-ignored",
            "versions &= {net.network.version for net in entity.not_nets}",
            "pass",
        ),
        ("ip-version-ignored", "versions &= {rule.ip_version}", "pass"),
        ("icmp-names-confine-nothing", "versions &= {_FAMILY_OF_NAME[rule.protocol.name]}", "pass"),
        ("not-protocol-positive", "rule.not_protocol.number, negated=True)", "rule.not_protocol.number)"),
        (
            "not-icmp-without-code",
            "rule.not_icmp.type, rule.not_icmp.code, negated",
            "rule.not_icmp.type, None, negated",
        ),
        ("icmp-without-code", "MatchIcmp(rule.icmp.type, rule.icmp.code)", "MatchIcmp(rule.icmp.type, None)"),
        ("not-nets-positive", "entity.not_nets, negated=True)", "entity.not_nets, negated=False)"),
        ("not-ports-positive", "MatchPort(side, numbers, negated=True)", "MatchPort(side, numbers)"),
        ("negative-selector-positive", "(asked.negative, True)", "(asked.negative, False)"),
        ("icmpv6-by-name-is-v4", '"ICMPv6": 6', '"ICMPv6": 4'),
    ),
    "compiler/resolve/ports.py": (
        (
            "near-ranges-joined",
            "if kept and first <= kept[-1][1] + 1:",
            "if kept and first <= kept[-1][1] + 2:",
        ),
        ("inner-range-shortens", "max(last, kept[-1][1])", "last"),
    ),
    "compiler/resolve/courses.py": (
        ("directions-exchanged", "rules = policy.ingress if", "rules = policy.egress if"),
        ("profile-directions-exchanged", "rules = profile.ingress if", "rules = profile.egress if"),
        ("types-ignored", "if direction in item.types and not (", "if not ("),
        ("pre-dnat-on-workloads", "not (item.do_not_track or item.pre_dnat)", "not item.do_not_track"),
        ("untracked-on-workloads", "not (item.do_not_track or item.pre_dnat)", "not item.pre_dnat"),
        ("tier-default-passes", "Stretch(tier.name, tier.default,", "Stretch(tier.name, Action.PASS,"),
        (
            "profiles-first",
            "(*found, *profile_stretches(behind, direction))",
            "(*profile_stretches(behind, direction), *found)",
        ),
        (
            "profiles-end-the-walk",
            "Stretch(PROFILES_TIER, Action.PASS,",
            "Stretch(PROFILES_TIER, Action.DENY,",
        ),
    ),
    "compiler/resolve/endpoint.py": (
        ("staged-in-force", "[item for item in policies if not item.staged]", "policies"),
        ("staged-forgotten", "if proposed != enforced:", "if proposed is None:"),
        ("host-without-profiles", 'world.behind(host.profiles, "")', 'world.behind((), "")'),
        ("account-of-labels-ignored", "labels.get(LABEL_SERVICE_ACCOUNT, _DEFAULT)", "_DEFAULT"),
    ),
    "compiler/resolve/hosts.py": (
        ("link-local-forwarded", '"127.0.0.0/8", "169.254.0.0/16", ', '"127.0.0.0/8", '),
        ("multicast-forwarded", '(*_NEAR, "224.0.0.0/4", ', "(*_NEAR, "),
        ("unspecified-forwarded", '(*_NEAR, "0.0.0.0/32", ', "(*_NEAR, "),
        ("own-side-is-the-source", "Direction.INGRESS: Side.DESTINATION", "Direction.INGRESS: Side.SOURCE"),
        ("forward-not-asked", "if item.apply_on_forward and not item.pre_dnat", "if not item.pre_dnat"),
        (
            "pre-dnat-forwards",
            "if item.apply_on_forward and not item.pre_dnat",
            "if item.apply_on_forward",
        ),
        ("failsafes-exchanged", "ports = failsafes.inbound if", "ports = failsafes.outbound if"),
        ("pre-dnat-ends-the-walk", '@pre-dnat", Action.PASS,', '@pre-dnat", made.default,'),
        (
            "failsafes-of-forwarded",
            "(MatchProtocol(item.protocol), own, *asked,",
            "(MatchProtocol(item.protocol), *asked,",
        ),
        ("failsafe-from-anywhere", "own, *asked, port)", "own, port)"),
        (
            "forwarded-denied",
            '"forwarded",\n            Action.ALLOW',
            '"forwarded",\n            Action.DENY',
        ),
        (
            "not-forwarded-negated",
            "lambda name_set: (self._is_own(name_set),),",
            "lambda name_set: (self._is_own(name_set, negated=True),),",
        ),
    ),
}

PASSES: Changes = {
    "compiler/passes/always.py": (
        ("not-protocol-always-holds", "return bool(_protocols(rule) - {number})", "return True"),
        ("negated-set-always-holds", "return not any(prefix.version in", "return any(prefix.version in"),
        (
            "half-the-addresses-are-all",
            "for prefix in prefixes if prefix.length == 0}",
            "for prefix in prefixes if prefix.length <= 1}",
        ),
        ("port-0-forgotten", "((0, 65535),)", "((1, 65535),)"),
        ("not-icmp-holds-for-v6", "- {PROTO_ICMP, PROTO_ICMPV6})", "- {PROTO_ICMP})"),
        (
            "one-criterion-lost",
            "distinct = dict.fromkeys(rule.criteria)",
            "distinct = dict.fromkeys(rule.criteria[:3])",
        ),
    ),
    "compiler/passes/never.py": (
        (
            "negated-half-is-all",
            "for prefix in prefixes if prefix.length == 0}",
            "for prefix in prefixes if prefix.length <= 1}",
        ),
        ("no-port-left", "left - ports if item.negated else left & ports", "left - ports"),
        (
            "one-family-of-a-set",
            "versions &= {prefix.version for prefix in prefixes}",
            "versions &= {prefix.version for prefix in prefixes[:1]}",
        ),
        (
            "icmp-in-no-family",
            "_ICMP_PROTOCOL[version] in protocols",
            "_ICMP_PROTOCOL[version] not in protocols",
        ),
        ("polarity-forgotten", "for item in told if not item.negated}", "for item in told}"),
    ),
    "compiler/passes/shadowed.py": (
        ("log-rules-shadow", "if rule.action is Action.LOG:", "if rule.action is None:"),
        ("pass-shadows-later-tiers", "passing = passing or rule.action is Action.PASS", "passing = False"),
        (
            "two-criteria-are-enough",
            "asked = frozenset(rule.criteria)",
            "asked = frozenset(rule.criteria[:2])",
        ),
    ),
    "compiler/passes/unreachable.py": (
        (
            "log-rules-end-a-tier",
            "return not rule.criteria and rule.action is not Action.LOG",
            "return not rule.criteria",
        ),
        ("pass-rules-stay-in-a-tier", "if any(rule.action is Action.PASS for rule in rules):", "if False:"),
        ("default-pass-stays-in-a-tier", "return tier.default is Action.PASS and", "return False and"),
        ("catch-all-itself-goes", "return rules[:count]", "return rules[: count - 1]"),
    ),
}
