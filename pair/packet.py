"""Packet classes and drop reasons: the names every judge, event and message uses.

The parsers themselves are written twice on purpose (the model's in Python, the BPF one by codegen); both
take the classes, the protocol numbers and the ICMP type lists from here. Source of the classes: dossier
§11.3, with IPv6 extension headers by RFC 8200 and RFC 4302 (QUIRK 15).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Reason(IntEnum):
    """Why a packet was dropped."""

    NONE = 0
    POLICY = 1  # a Deny rule, a tier's default action, or the end of the walk
    MALFORMED = 2  # IPv4 with a header length under 20, or a version that contradicts the ethertype
    SHORT = 3  # less than the IP header + 8 bytes (TCP: + 20)
    NOT_IP = 4  # an ethertype other than ARP, IPv4, IPv6 on a workload's interface
    FRAGMENT = 5  # a fragment other than the first: its ports are unknown
    EXTENSION = 6  # an IPv6 extension header chain that ends in nothing, is unreadable or longer than 8
    NO_FLOW = 7  # a TCP segment without SYN, or an ICMP reply, that belongs to no allowed flow
    UNRELATED = 8  # an ICMP error about no allowed flow
    NO_PEER = 9  # the flow's own direction must judge again, but its program is not there
    CUT = 10  # an established flow that the policy now in force denies

    @property
    def word(self) -> str:
        return self.name.lower().replace("_", "-")


class PacketClass(IntEnum):
    """What the parser found."""

    ARP = 1  # passes, no policy
    NOT_IP = 2
    MALFORMED = 3
    SHORT = 4
    FRAGMENT = 5
    EXTENSION = 6
    NEIGHBOUR = 7  # ICMPv6 types in NEIGHBOUR_TYPES: pass, no policy
    TCP = 8
    UDP = 9
    QUERY = 10  # an ICMP request that expects a reply
    REPLY = 11  # the reply to one
    ERROR = 12  # an ICMP error: judged by the flow it speaks of
    ICMP = 13  # any other ICMP: judged each time, never remembered
    GENERIC = 14  # SCTP (with ports) and every other protocol (ports 0)


ETH_IPV4: Final = 0x0800
ETH_ARP: Final = 0x0806
ETH_IPV6: Final = 0x86DD

PROTO_ICMP: Final = 1
PROTO_TCP: Final = 6
PROTO_UDP: Final = 17
PROTO_ICMPV6: Final = 58
PROTO_SCTP: Final = 132
PROTO_UDPLITE: Final = 136
PORT_PROTOCOLS: Final = frozenset({PROTO_TCP, PROTO_UDP, PROTO_SCTP})

# Calico's list (dossier §11.3): MLD 130–132, router solicitation 133, neighbour discovery 135, 136.
# Router advertisement (134) and redirect (137) are not in it.
NEIGHBOUR_TYPES: Final = frozenset({130, 131, 132, 133, 135, 136})

# request → reply: echo, timestamp, information, address mask (RFC 792, RFC 950); echo (RFC 4443).
QUERY_TYPES_V4: Final = {8: 0, 13: 14, 15: 16, 17: 18}
QUERY_TYPES_V6: Final = {128: 129}
ERROR_TYPES_V4: Final = frozenset({3, 4, 5, 11, 12})
ERROR_TYPES_V6_BELOW: Final = 128

# Bytes that must follow the IP header (dossier §11.3).
MIN_L4: Final = 8
MIN_TCP: Final = 20

# IPv6 extension headers that are walked (RFC 8200 §4, RFC 4302): at most EXTENSION_LIMIT of them.
EXT_HOP_BY_HOP: Final = 0
EXT_ROUTING: Final = 43
EXT_FRAGMENT: Final = 44
EXT_AUTH: Final = 51
EXT_NONE: Final = 59
EXT_DESTINATION: Final = 60
EXTENSIONS: Final = frozenset({EXT_HOP_BY_HOP, EXT_ROUTING, EXT_FRAGMENT, EXT_AUTH, EXT_DESTINATION})
EXTENSION_LIMIT: Final = 8

TCP_FIN: Final = 0x01
TCP_SYN: Final = 0x02
TCP_RST: Final = 0x04
TCP_ACK: Final = 0x10
