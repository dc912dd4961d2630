"""Options that need reading are read strictly: what is not exactly right is a usage error."""

from __future__ import annotations

import pytest
import typer
from polc.cli.compiling import choice
from polc.cli.options import Emit, parse_emit, parse_endpoint, parse_labels
from polc.pair.naming import EndpointRef


def test_labels_are_pairs_in_any_number() -> None:
    assert parse_labels("app=web, tier=front,empty=") == {"app": "web", "tier": "front", "empty": ""}


@pytest.mark.parametrize(
    "text", ["", "app", "=web", "app=web,app=web", "app=we b", "a b=c", "app=web,,x=y", "-a=b"]
)
def test_labels_that_are_no_pairs_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_labels(text)


def test_an_endpoint_is_a_namespace_and_a_name() -> None:
    assert parse_endpoint("shop/web") == EndpointRef("shop", "web")


def test_an_endpoint_without_a_namespace_is_a_host() -> None:
    assert parse_endpoint("node-1-eth0") == EndpointRef("", "node-1-eth0")


@pytest.mark.parametrize(
    "text", ["deployment/shop/web", "Deployment/shop/web", "deploy/shop/web", "deployments/shop/web"]
)
def test_a_kind_may_stand_before_the_namespace_as_kubectl_writes_it(text: str) -> None:
    ref = parse_endpoint(text)
    assert (ref, str(ref), ref.full) == (
        EndpointRef("shop", "web", "Deployment"),
        "shop/web",
        "Deployment/shop/web",
    )
    assert ref.file_name_of_kind == "shop.web@deployment"


@pytest.mark.parametrize(
    "options", [("tcp:0", None), (None, "udp"), ("icmp:1", None), ("tcp:10.0.0.0/33:22", None)]
)
def test_failsafe_ports_that_are_none_are_refused(options: tuple[str | None, str | None]) -> None:
    with pytest.raises(typer.BadParameter):
        choice(None, None, None, options)


@pytest.mark.parametrize(
    "text", ["", "/web", "shop/", "a/b/c", "/shop/web", "pod//web", "pod/shop/", "pod/shop/web/x"]
)
def test_an_endpoint_that_is_not_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_endpoint(text)


def test_emit_takes_each_kind_once_in_the_given_order() -> None:
    assert parse_emit("plan,ir,plan") == (Emit.PLAN, Emit.IR)


def test_emit_refuses_unknown_kinds() -> None:
    with pytest.raises(typer.BadParameter):
        parse_emit("ir,wasm")


def test_endpoint_and_labels_exclude_each_other() -> None:
    with pytest.raises(typer.BadParameter):
        choice("a/b", "c=d", None)


def test_namespace_belongs_to_labels() -> None:
    with pytest.raises(typer.BadParameter):
        choice("a/b", None, "c")
    assert choice(None, "c=d", "ns").namespace == "ns"
