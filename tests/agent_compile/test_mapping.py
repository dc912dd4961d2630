"""Which interface an endpoint is on: Calico's names worked out by hand (`printf default.web | sha1sum`)."""

from __future__ import annotations

import pytest
from polc.agent.mapping import Calico, Listed, MappingError, Pattern, Unplaced, interface_fault, place
from polc.agent.protocol import Endpoint

WEB = Endpoint(namespace="default", name="web", kind="Pod")
API = Endpoint(namespace="shop", name="api-0", kind="Pod")


def test_calicos_rule_is_the_prefix_and_eleven_digits_of_the_sha1_of_namespace_dot_name() -> None:
    # 68caf03a5f4aa41b0a8b0a4b0ad8f3dd6f51c354
    assert Calico().interface("default", "web") == "cali68caf03a5f4"
    assert Calico("azv").interface("default", "web") == "azv68caf03a5f4"
    # A name that another project's test of the same rule gives for this pod.
    assert Calico().interface("default", "client-b6989bf87-2bgtc") == "calic95a4947e07"
    assert Calico().interface("", "node-1") is None


def test_a_pattern_replaces_its_two_fields_and_nothing_else() -> None:
    assert Pattern("v-{name}").interface("default", "web") == "v-web"
    assert Pattern("{namespace}.{name}").interface("a", "{name}") == "a.{name}"
    for text in ("v-{name!r}", "{name.__class__}", "{name}{0}", "{name", "v", "{namespace}"):
        with pytest.raises(MappingError):
            Pattern(text)


def test_a_list_gives_each_endpoint_one_interface() -> None:
    listed = Listed.read(b'veth0 = "default/web"\neth0 = "node-1"\n', "list.toml")
    assert listed.interface("default", "web") == "veth0"
    assert listed.interface("", "node-1") == "eth0"
    assert listed.interface("default", "db") is None
    assert Listed.read(b'{"veth0": "default/web"}', "list.json").interface("default", "web") == "veth0"
    for data, words in (
        (b'a = "x/y"\nb = "x/y"\n', "two interfaces: a and b"),
        (b"[table]\na = 1\n", "no table of interface"),
        (b"\xff", "cannot be read"),
    ):
        with pytest.raises(MappingError, match=words):
            Listed.read(data, "list.toml")
    with pytest.raises(MappingError, match="cannot be read"):
        Listed.read(b"[" * 100_000, "list.json")


def test_what_the_object_says_comes_first() -> None:
    own = WEB.model_copy(update={"interface": "ens3"})
    every = WEB.model_copy(update={"interface": "*"})
    assert place([own], Calico()).by_interface == {"ens3": own}
    assert place([every], Calico()).by_interface == {"cali68caf03a5f4": every}


def test_a_workload_that_makes_pods_waits_for_no_interface_and_listing_it_is_a_problem() -> None:
    kinds = (
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "ReplicaSet",
        "ReplicationController",
        "Job",
        "CronJob",
    )
    makers = [WEB.model_copy(update={"kind": kind}) for kind in kinds]
    for rule in (Calico(), Pattern("{name}"), Listed({"shop/api-0": "a"})):
        assert place([*makers, API], rule) == place([API], rule)
    listed = Listed({"default/web": "veth0"})
    assert place([*makers, WEB], listed) == place([WEB], listed)
    (problem,) = place(makers[:1], listed).problems
    assert problem == Unplaced(
        makers[0], "a Deployment has no interface of its own, its pods have: list these"
    )


@pytest.mark.parametrize(
    ("interface", "words"), [("*", "every interface of its host"), ("", "no interfaceName")]
)
def test_a_host_endpoint_without_an_interface_of_its_own_is_a_problem_unless_listed(
    interface: str, words: str
) -> None:
    host = Endpoint(namespace="", name="node-1", kind="HostEndpoint", interface=interface)
    for rule in (Calico(), Pattern("{name}"), Listed({})):
        placed = place([host], rule)
        assert not placed.by_interface
        assert [words in one.reason for one in placed.problems] == [True]
    assert place([host], Listed({"node-1": "eth0"})).by_interface == {"eth0": host}


def test_two_endpoints_on_one_interface_have_none_and_each_problem_names_both() -> None:
    other = Endpoint(namespace="b", name="web", kind="Pod")
    placed = place([WEB, API, other], Pattern("v-{name}"))
    assert placed.by_interface == {"v-api-0": API}
    reason = "interface v-web is claimed by Pod b/web and Pod default/web"
    assert placed.problems == (Unplaced(WEB, reason), Unplaced(other, reason))


@pytest.mark.parametrize(
    "name", ["..", ".", "", "a/b", "a b", "a" * 16, "é" * 8, "a\nb", "a:b", "a\x00", "a%d", "\udc80"]
)
def test_what_is_no_interfaces_name_is_refused(name: str) -> None:
    assert interface_fault(name)
    placed = place([WEB.model_copy(update={"interface": name})] if name else [], Calico())
    assert not placed.by_interface
    assert [problem.endpoint.title for problem in placed.problems] == (["default/web"] if name else [])


def test_names_of_fifteen_bytes_are_names() -> None:
    assert not interface_fault("cali68caf03a5f4")
    assert not interface_fault("eth0.100@x")
