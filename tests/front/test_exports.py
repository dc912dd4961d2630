"""What tools write around a policy changes nothing: kubectl's fields, and all that interfaces fill in."""

from __future__ import annotations

import json

from polc.compiler.parse import parse
from polc.compiler.resolve.duplicates import distinct
from polc.compiler.resources import Policy, Resource
from polc.compiler.source import Diagnostics, Source
from polc.tests.front.reading import read

PLAIN = """
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: default.web}
spec:
  order: 100
  selector: app == 'web'
  types: [Ingress, Egress]
  ingress:
  - {action: Allow, protocol: TCP, source: {selector: role == 'x'}, destination: {ports: [80, '443:444']}}
  egress:
  - {action: Allow}
"""
FILLED = """
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata:
  name: default.web
  labels: {}
  annotations: {}
  creationTimestamp: null
  generation: 3
  managedFields: [{apiVersion: x, fieldsType: FieldsV1, fieldsV1: {f:spec: {.: {}}}}]
  resourceVersion: '17'
  selfLink: ''
  uid: 0-0
  ownerReferences: []
  finalizers: []
spec:
  tier: default
  order: 100.0
  selector: app == 'web'
  namespaceSelector: ''
  serviceAccountSelector: ''
  doNotTrack: false
  preDNAT: false
  applyOnForward: false
  performanceHints: []
  types: [Ingress, Egress]
  ingress:
  - action: Allow
    protocol: TCP
    metadata: {annotations: {}}
    source:
      {nets: [], notNets: [], selector: role == 'x', notSelector: '', namespaceSelector: '', ports: [],
       notPorts: [], serviceAccounts: {names: [], selector: ''}, services: null}
    destination: {ports: ['80', '443:444'], notPorts: [], selector: '', nets: []}
  egress:
  - {action: Allow, source: {}, destination: {}, http: null, icmp: null, notICMP: null, notProtocol: null}
status: {}
"""


def only(text: str) -> tuple[Resource, ...]:
    resources, found = read(text)
    assert not found, found
    return resources


def same(first: str, second: str) -> bool:
    """Whether two texts define one object, and say the same of it."""
    found = Diagnostics()
    sources = [Source.of(name, text) for name, text in (("a.yaml", first), ("b.yaml", second))]
    kept = distinct(parse(sources, found), found)
    return len(kept) == 1 and not len(found)


def test_what_a_user_interface_fills_in_changes_nothing() -> None:
    (plain,), (filled,) = only(PLAIN), only(FILLED)
    assert isinstance(plain, Policy)
    assert isinstance(filled, Policy)
    assert filled.ingress[0].source.service_accounts is None
    assert [port.first for port in filled.ingress[0].destination.ports] == [80, 443]
    assert (filled.order, filled.types) == (plain.order, plain.types)


def test_an_export_is_the_same_object_as_the_plain_manifest() -> None:
    assert same(PLAIN, FILLED)
    assert not same(PLAIN, FILLED.replace("applyOnForward: false", "applyOnForward: true"))


def test_the_same_as_json_in_a_list() -> None:
    spec = {
        "podSelector": {},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"port": 80, "protocol": "TCP"}]}],
    }
    given = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "p", "namespace": "shop", "creationTimestamp": "x", "uid": "y", "generation": 1},
        "spec": spec,
    }
    exported = json.dumps(
        {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": [given]}
    )
    plain = (
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\n"
        "spec: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}\n"
    )
    assert same(plain, exported)
