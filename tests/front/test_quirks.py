"""What Calico widens silently is refused: QUIRKs 3 and 14 of the dossier."""

from __future__ import annotations

from polc.tests.front.reading import marked, places, policy, read


def test_quirk_3_an_http_match_is_refused_and_never_widened_to_all_of_tcp() -> None:
    spec = "ingress: [{action: Allow, protocol: TCP, ‸http: {methods: [GET], paths: [{exact: /}]}}]"
    text, line, column = marked(policy(spec))
    assert places(read(text)[1]) == [("POLC-E0205", line, column)]


def test_quirk_14_an_ip_block_that_is_no_network_is_refused_and_never_taken_for_everybody() -> None:
    head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec:\n"
    spec = "  {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: ‸10.0.0.0/33}}]}]}\n"
    text, line, column = marked(head + spec)
    found = read(text)[1]
    assert places(found) == [(found[0].code, line, column)]
    assert found[0].severity == "error"
