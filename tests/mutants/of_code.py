"""Mutants of what makes decisions run: plan, code, flow table. File → (name, old text, new text)."""

from __future__ import annotations

from polc.tests.mutants.of_policy import Changes

PLAN: Changes = {
    "compiler/plan/intervals.py": (
        ("half-a-prefix", "((1 << (width - p.length)) - 1))", "((1 << (width - p.length)) - 1) // 2)"),
        ("complement-loses-the-last", "if start <= last:", "if start < last:"),
        ("intersection-loses-single-values", "if low <= high:", "if low < high:"),
        ("intersection-steps-wrongly", "if left[i][1] < right[j][1]:", "if left[i][1] > right[j][1]:"),
    ),
    "compiler/plan/build.py": (
        (
            "too-few-words",
            "(len(deciding) + WORD_BITS - 1) // WORD_BITS",
            "max(1, len(deciding) // WORD_BITS)",
        ),
        ("logs-after-the-rule-count", "log.index < rule.index", "log.index > rule.index"),
        ("no-logs-where-nothing-matched", "*[len(part.logs)] * (entries", "*[0] * (entries"),
        ("families-swapped", "6 if at & 256 else 4", "4 if at & 256 else 6"),
        (
            "icmp-criterion-holds-for-ports",
            "if kind is FieldKind.ICMP else ()\n        else",
            "if kind is FieldKind.ICMP else iv.full(width)\n        else",
        ),
        (
            "icmp-packets-have-no-port",
            "parts = iv.full(width) if any(low == 0 for low, _ in parts) else ()",
            "parts = ()",
        ),
        ("last-icmp-code-lost", "((low, low | 0xFF),)", "((low, low | 0xFE),)"),
        ("negation-lost", "iv.complement(parts, width) if negated else parts", "parts"),
        ("padding-from-below", "starts += [(1 << width) - 1] * padding", "starts += [0] * padding"),
        (
            "source-ports-at-the-destination",
            "FieldKind.SPORT: Side.SOURCE,",
            "FieldKind.SPORT: Side.DESTINATION,",
        ),
        (
            "verdict-of-the-rule-before",
            "<< VERDICT_SHIFT | rule.index for",
            "<< VERDICT_SHIFT | max(0, rule.index - 1) for",
        ),
    ),
    "compiler/plan/alternatives.py": (
        (
            "not-ports-of-endpoints-positive",
            "MatchPort(side, entry.ranges, negated=True)",
            "MatchPort(side, entry.ranges)",
        ),
        (
            "strangers-forgotten",
            "yield protocol, *(MatchAddress(side, name, negated=True) for name in sets)",
            "pass",
        ),
    ),
    "compiler/plan/tables.py": (
        (
            "syn-before-rst",
            "if flags & packet.TCP_RST:",
            "if flags & packet.TCP_RST and not flags & packet.TCP_SYN:",
        ),
        ("auth-header-by-eights", "out[packet.EXT_AUTH] = 4", "out[packet.EXT_AUTH] = 8"),
        ("replies-judged-as-replies", "<< ICMP_REPLY_SHIFT, request)", "<< ICMP_REPLY_SHIFT, reply)"),
        ("icmp-of-the-other-family", "out[base + icmp]", "out[256 - base + icmp]"),
        ("sctp-without-ports", "flow.ProtocolClass.GENERIC | CARRIER_PORTS", "flow.ProtocolClass.GENERIC"),
        ("routing-header-final", "packet.EXT_ROUTING, packet.EXT_DESTINATION)", "packet.EXT_DESTINATION)"),
    ),
}

PARSE: Changes = {
    "compiler/codegen/parse.py": (
        ("short-ihl-allowed", 'b.test("ult", words, 5)', 'b.test("ult", words, 4)'),
        ("ihl-by-twos", 'b.op("shl", words, 2)', 'b.op("shl", words, 1)'),
        ("first-fragments-refused", "in_memory(0x1FFF)", "in_memory(0x3FFF)"),
        ("ipv4-header-of-21", "window(code, l2, 20,", "window(code, l2, 21,"),
        ("options-unchecked", 'b.leave_if(b.test("ult", length, end), code.dropping(Reason.SHORT))', "pass"),
        ("seven-extensions", 'b.test("eq", remaining, 0)', 'b.test("eq", remaining, 1)'),
        ("extension-unit-cut", 'b.op("and", kind, 15)', 'b.op("and", kind, 7)'),
        ("every-extension-is-a-fragment", 'b.op("sub", 0, is_fragment)', "-1"),
        (
            "nothing-follows-unseen",
            'b.test("eq", b.get(code.protocol), packet.EXT_NONE)',
            'b.test("eq", b.get(code.protocol), 256)',
        ),
        (
            "cut-extension-is-short",
            "peek(code, offset, 8, code.dropping(Reason.EXTENSION))",
            "peek(code, offset, 8, code.dropping(Reason.SHORT))",
        ),
        ("tcp-of-8-bytes", "packet.MIN_TCP, code", "packet.MIN_L4, code"),
        ("rst-unseen", 'b.op("and", flags, 31)', 'b.op("and", flags, 27)'),
        ("identifier-is-the-sequence", "b.address(header, 4)", "b.address(header, 6)"),
        ("replies-look-up-their-own", "int(code.direction)), answers)", "int(code.direction)), 0)"),
        ("reply-judged-by-its-code", 'b.op("and", subtype, b.op("sub", answers, 1))', "subtype"),
        ("icmp-code-dropped", 'b.op("or", b.op("and", entry, 0xFF00), asked)', 'b.op("and", entry, 0xFF00)'),
        (
            "local-is-remote",
            "(destination, source) if code.ingress else (source, destination)",
            "(source, destination) if code.ingress else (destination, source)",
        ),
        ("arp-is-foreign", 'in_memory(packet.ETH_ARP): "allow"', 'in_memory(packet.ETH_ARP): "not_ip"'),
    ),
}

FLOW: Changes = {
    "compiler/codegen/flow.py": (
        ("idle-a-moment-early", 'b.test("sgt", idle', 'b.test("sge", idle'),
        ("own-generation-is-stale", 'b.test("slt", b.op("sub", stamped', 'b.test("sle", b.op("sub", stamped'),
        ("nothing-is-stale", '"false", older, "i1"', '"false", "false", "i1"'),
        (
            "owner-is-who",
            'b.op("xor", owner, b.op("xor", b.get(code.resumed), int(code.direction)))',
            "owner",
        ),
        ("no-touch", "    touch(code, entry)\n    _tell", "    _tell"),
        ("nothing-adopted", "b.choose(adopt, cx.Mode.ADOPT, kept)", "kept"),
        (
            "peer-updates",
            "int(flow.Who.OWNER)), cx.Mode.UPDATE, cx.Mode.LEAVE",
            "int(flow.Who.OWNER)), cx.Mode.LEAVE, cx.Mode.UPDATE",
        ),
        (
            "cut-flows-stay",
            'code.call(Helper.MAP_DELETE, ("ptr", code.map(MAP_FLOWS)), ("ptr", code.key.name))',
            "pass",
        ),
        ("cut-is-policy", "b.set(code.reason, int(Reason.CUT))", "b.set(code.reason, int(Reason.POLICY))"),
        ("inner-query-of-the-other", "1 + int(code.direction.other)", "1 + int(code.direction)"),
        ("stale-errors-pass", "b.leave_if(is_stale(code, entry), unrelated)", "pass"),
        ("inner-ports-swapped", "code.inner_key, dport, sport", "code.inner_key, sport, dport"),
        ("inner-ports-of-all", 'b.op("sub", 0, has_ports)', "-1"),
        (
            "inner-addresses-swapped",
            'b.load("i32", header, 12), b.load("i32", header, 16), 0',
            'b.load("i32", header, 16), b.load("i32", header, 12), 0',
        ),
        ("inner-replies-relate", 'b.leave_if(b.test("ne", sort, int(IcmpKind.ECHO)), unrelated)', "pass"),
        (
            "peer-not-told-to-resume",
            "code.machine.set_field(b, Field.RESUME, CB_RESUME)",
            "code.machine.set_field(b, Field.RESUME, 0)",
        ),
        (
            "own-flow-needs-a-rule",
            'b.widen(b.test("eq", b.load("i32", entry, ENTRY_RULE',
            'b.widen(b.test("ne", b.load("i32", entry, ENTRY_RULE',
        ),
        ("no-default-timeout", 'b.op("and", default, b.op("ashr"', 'b.op("and", 0, b.op("ashr"'),
        ("seconds-are-jiffies", 'b.op("mul", seconds, hz)', "seconds"),
    ),
}

CLASSIFY: Changes = {
    "compiler/codegen/classify.py": (
        (
            "search-before-the-start",
            'b.op("sub", b.op("sub", start, key[0]), 1)',
            'b.op("sub", start, key[0])',
        ),
        ("wide-borrow-lost", "_borrow(code, key[0], high, borrow)", "_borrow(code, key[0], high, 0)"),
        (
            "last-word-unread",
            "following, tier.first_word + tier.words)",
            "following, tier.first_word + tier.words - 1)",
        ),
        (
            "words-of-32",
            'b.op("sub", b.get(word), tier.first_word), 6)',
            'b.op("sub", b.get(word), tier.first_word), 5)',
        ),
        ("every-default-denies", "if tier.default is Action.DENY:", "if tier.default is not None:"),
        ("pass-denies", "Action.PASS: next_tier}", 'Action.PASS: "denied"}'),
        ("one-log-too-many", 'b.op("sub", b.op("shl", 1, count), 1)', 'b.op("shl", 1, count)'),
        ("rule-index-cut", "(1 << VERDICT_SHIFT) - 1)", "(1 << 5) - 1)"),
        ("one-word-only", "if tier.words > 1:", "if False:"),
        ("protocol-without-family", "index, 0x1FF)", "index, 0xFF)"),
        ("source-port-is-destination", "sport, b.get(code.judged_sport)", "sport, b.get(code.judged_dport)"),
    ),
}

HITS: Changes = {
    "compiler/codegen/hits.py": (
        ("drops-count-for-no-reason", "b.choose(nobody, b.get(code.reason), ", "b.choose(nobody, 0, "),
        ("every-log-rule-counts", 'b.op("and", b.op("lshr", marks, bit), 1)', "1"),
        (
            "silent-log-rules-get-the-bytes",
            'b.op("mul", code.field(Field.LENGTH), packets)',
            "code.field(Field.LENGTH)",
        ),
    ),
}

TABLE: Changes = {
    "pair/flow.py": (
        ("closed-flows-cannot-reopen", "if state in (State.NONE, State.CLOSED):", "if state is State.NONE:"),
        ("no-flow-accepted", "if state is State.NONE or event is Event.REPLY:", "if event is Event.REPLY:"),
        (
            "rst-closes-nothing",
            "if event is Event.RST:\n        return State.CLOSED",
            "if event is Event.RST:\n        return state",
        ),
        ("fin-opens-closed", "if state is State.CLOSED or state is other:", "if state is other:"),
        (
            "owner-may-syn-ack",
            "state is State.SYN_SENT and who is Who.PEER and",
            "state is State.SYN_SENT and",
        ),
        (
            "peer-may-establish",
            "state is State.SYN_ACKED and who is Who.OWNER and",
            "state is State.SYN_ACKED and",
        ),
        ("syn-lasts-200-s", "Timeout.TCP_SYN: 20,", "Timeout.TCP_SYN: 200,"),
        (
            "generic-lasts-as-udp",
            "ProtocolClass.GENERIC: Timeout.GENERIC,",
            "ProtocolClass.GENERIC: Timeout.UDP,",
        ),
        ("replies-open-flows", "        if event is Event.REPLY:\n", "        if event is None:\n"),
        (
            "second-syn-unjudged",
            "timeout_of(ProtocolClass.TCP, state), Step.JUDGE)",
            "timeout_of(ProtocolClass.TCP, state), Step.ACCEPT)",
        ),
        (
            "fin-wait-lasts-an-hour",
            "State.FIN_OWNER: Timeout.TCP_CLOSED,",
            "State.FIN_OWNER: Timeout.TCP_ESTABLISHED,",
        ),
    ),
}
