"""`polc explain`: what becomes of one packet, and every tier, policy and rule on the way to that verdict."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated

import typer

from ..judging import read, whom
from ..options import (
    DirectionOption,
    FailsafeInbound,
    FailsafeOutbound,
    Files,
    Format,
    Labels,
    Namespace,
    OneEndpoint,
    OutputFormat,
    parse_endpoint,
)
from ..outcome import Code, fail
from ..table import columns

if TYPE_CHECKING:
    from ...judge.compiled import Whom
    from ...judge.ends import Side
    from ...judge.explaining import Explanation, Judgement
    from ...judge.packets import Address, Wanted


def run(
    files: Files,
    endpoint: OneEndpoint = None,
    labels: Labels = None,
    namespace: Namespace = None,
    direction: DirectionOption = None,
    sender: Annotated[
        str | None, typer.Option("--from", metavar="[[KIND/]NS/]NAME", help="The endpoint that sends.")
    ] = None,
    receiver: Annotated[
        str | None, typer.Option("--to", metavar="[[KIND/]NS/]NAME", help="The endpoint that receives.")
    ] = None,
    src: Annotated[str | None, typer.Option("--src", metavar="ADDRESS", help="Source address.")] = None,
    dst: Annotated[str | None, typer.Option("--dst", metavar="ADDRESS", help="Destination address.")] = None,
    proto: Annotated[
        str,
        typer.Option(
            "--proto", metavar="NAME|NUMBER", help="TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or 0–255."
        ),
    ] = "TCP",
    sport: Annotated[
        int | None, typer.Option("--sport", min=0, max=65535, help="Source port (default: 49152).")
    ] = None,
    dport: Annotated[int | None, typer.Option("--dport", min=0, max=65535, help="Destination port.")] = None,
    icmp_type: Annotated[
        int | None, typer.Option("--icmp-type", min=0, max=255, help="ICMP type (default: echo request).")
    ] = None,
    icmp_code: Annotated[
        int | None, typer.Option("--icmp-code", min=0, max=255, help="ICMP code (default: 0).")
    ] = None,
    ip_version: Annotated[
        int | None,
        typer.Option("--ip-version", min=4, max=6, help="Which of the endpoints' addresses: 4 or 6."),
    ] = None,
    failsafe_inbound: FailsafeInbound = None,
    failsafe_outbound: FailsafeOutbound = None,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Explain the verdict on one packet.

    The packet opens its flow. With --from and --to the sender's egress and the receiver's ingress are judged:
    both must allow. Exit 0 whatever the verdict is.
    """
    from ...judge.ends import EndsError, addresses, ends_of
    from ...judge.explaining import explain

    source, destination = _sides(endpoint, labels, namespace, direction, sender, receiver, src, dst)
    if ip_version == 5:
        raise typer.BadParameter("it is 4 or 6", param_hint="--ip-version")
    policies = read(files, (failsafe_inbound, failsafe_outbound))
    try:
        near, far = addresses(policies, source, destination, ip_version)
    except EndsError as error:
        fail(Code.USAGE, str(error), "give addresses by --src and --dst")
    wanted = _packet(proto, near, far, sport, dport, icmp_type, icmp_code)
    found = explain(policies, wanted, ends_of(source, destination))
    typer.echo(found.model_dump_json(indent=2) if format is Format.JSON else text(found))


def text(found: Explanation) -> str:
    """The explanation as a person reads it; the same on a terminal and in a pipe."""
    lines = [f"{found.verdict}: {found.packet.text}"]
    for judgement in found.judgements:
        lines += ["", *_judgement(judgement)]
    return "\n".join(lines)


def _judgement(judgement: Judgement) -> Iterator[str]:
    yield f"{judgement.direction} of {judgement.endpoint}: {judgement.verdict}"
    yield f"  {judgement.why}" + (f", at {judgement.at}" if judgement.at else "")
    if judgement.staged is not None:
        staged = judgement.staged
        where = f", at {staged.at}" if staged.at else ""
        yield f"  staged policies would {staged.verdict} it: {staged.rule}{where}"
    for tier in judgement.walk:
        yield f"  tier {tier.tier}"
        for policy in tier.policies:
            yield f"    {policy.policy}" + ("" if policy.rules else ": no rules in this direction")
            rows = [
                ("    ", rule.at, rule.action, rule.because or _MATCHED[rule.result]) for rule in policy.rules
            ]
            yield from columns(rows)
        if tier.result == "default":
            yield f"    no rule matches: the tier's default, {tier.default}"


_MATCHED = {"decided": "matches: decides", "passed": "matches: leaves the tier", "logged": "matches: goes on"}


def _sides(
    endpoint: str | None,
    labels: str | None,
    namespace: str | None,
    direction: str | None,
    sender: str | None,
    receiver: str | None,
    src: str | None,
    dst: str | None,
) -> tuple[Side, Side]:
    """Sender and receiver, however they were given; typer.BadParameter for what contradicts itself."""
    from ...judge.ends import Side

    near, far = _address(src, "--src"), _address(dst, "--dst")
    if sender is not None or receiver is not None:
        if endpoint or labels or direction:
            raise typer.BadParameter("--from and --to exclude --endpoint, --labels and --direction")
        sides = Side(_end(sender, "--from"), near), Side(_end(receiver, "--to"), far)
    else:
        chosen = whom(endpoint, labels, namespace)
        if chosen is None:
            raise typer.BadParameter("give one of --endpoint, --labels, or --from and --to")
        if direction is None:
            raise typer.BadParameter("say which policy judges: ingress or egress", param_hint="--direction")
        inwards = direction == "ingress"
        sides = Side(None if inwards else chosen, near), Side(chosen if inwards else None, far)
    for side, option in zip(sides, ("--src", "--dst"), strict=True):
        if side.address is None and (side.whom is None or not side.whom.name):
            raise typer.BadParameter("the packet needs this address", param_hint=option)
    return sides


def _end(text: str | None, option: str) -> Whom | None:
    from ...judge.compiled import Whom

    return Whom.of(parse_endpoint(text, option)) if text is not None else None


def _address(text: str | None, option: str) -> Address | None:
    try:
        return ip_address(text) if text is not None else None
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no address", param_hint=option) from None


def _packet(
    proto: str,
    source: Address,
    destination: Address,
    sport: int | None,
    dport: int | None,
    icmp_type: int | None,
    icmp_code: int | None,
) -> Wanted:
    from ...judge.packets import EPHEMERAL, Wanted, echo_type, parse_protocol
    from ...pair.packet import PORT_PROTOCOLS

    try:
        number = parse_protocol(proto)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--proto") from None
    wanted = Wanted(number, source, destination)
    if not wanted.is_icmp and {"icmp": 4, "icmpv6": 6}.get(proto.lower(), source.version) != source.version:
        raise typer.BadParameter(f"{proto} is not of IPv{source.version}", param_hint="--proto")
    if not wanted.is_icmp and (icmp_type is not None or icmp_code is not None):
        raise typer.BadParameter("only an ICMP packet has a type and a code", param_hint="--icmp-type")
    if number not in PORT_PROTOCOLS:
        if sport is not None or dport is not None:
            raise typer.BadParameter("packets of this protocol have no ports", param_hint="--dport")
        kind = icmp_type if icmp_type is not None else echo_type(wanted.version)
        return Wanted(number, source, destination, icmp_type=kind, icmp_code=icmp_code or 0)
    if dport is None:
        raise typer.BadParameter("the packet needs a destination port", param_hint="--dport")
    return Wanted(number, source, destination, EPHEMERAL if sport is None else sport, dport)
