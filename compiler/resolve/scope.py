"""Calico's selector scoping, on the syntax tree: whom a policy applies to, and whom a rule means.

Dossier §4.1. Calico rewrites the selectors' text; here the tree is rewritten instead, so that `all()` inside
a quoted literal, or in the user's own `selector`, keeps its meaning (QUIRK 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from ..resources import Entity, Policy
from ..selector import All, And, Compare, Global, Has, In, Not, Operator, Or, Selector

LABEL_NAMESPACE: Final = "projectcalico.org/namespace"
LABEL_ORCHESTRATOR: Final = "projectcalico.org/orchestrator"
LABEL_SERVICE_ACCOUNT: Final = "projectcalico.org/serviceaccount"
LABEL_NAME: Final = "projectcalico.org/name"
PREFIX_NAMESPACE: Final = "pcns."
PREFIX_SERVICE_ACCOUNT: Final = "pcsa."

_ALL: Final = All()
_GLOBAL: Final = Global()


@dataclass(frozen=True, slots=True)
class Peer:
    """What one side of a rule asks of endpoints and sets (§4.1 steps 1 to 5).

    positive: the address must belong to an entity that this selects; a `notSelector` is merged into it.
    negative: only without a positive: the address must belong to no entity that this selects.
    """

    positive: Selector | None = None
    negative: Selector | None = None


def namespace_selector(selector: Selector) -> Selector:
    """A `namespaceSelector` as a selector on entities: keys become `pcns.…`, `all()` means "in any
    namespace" and `global()` "in none"."""
    return prefixed(selector, PREFIX_NAMESPACE, Has(LABEL_NAMESPACE), Not(Has(LABEL_NAMESPACE)))


def prefixed(
    selector: Selector, prefix: str, every: Selector = _ALL, without: Selector = _GLOBAL
) -> Selector:
    """The selector on inherited labels: `prefix` before each key, `every` for `all()`, `without` for
    `global()`."""

    def deeper(operand: Selector) -> Selector:
        return prefixed(operand, prefix, every, without)

    match selector:
        case All():
            return every
        case Global():
            return without
        case Compare(label) | In(label) | Has(label):
            return replace(selector, label=prefix + label)
        case Not(operand):
            return Not(deeper(operand))
        case And(operands):
            return And(tuple(map(deeper, operands)))
        case Or(operands):
            return Or(tuple(map(deeper, operands)))


def in_namespace(namespace: str) -> Selector:
    """What confines a NetworkPolicy, and its peers, to its own namespace."""
    return Compare(LABEL_NAMESPACE, Operator.EQUAL, namespace)


def peer(entity: Entity, namespace: str) -> Peer:
    """The selectors of a rule's side; namespace: the policy's, `` for a GlobalNetworkPolicy."""
    own = _both(_service_accounts(entity), entity.selector.selector if entity.selector else None)
    negative = entity.not_selector.selector if entity.not_selector else None
    scope: Selector | None = in_namespace(namespace) if namespace else None
    if entity.namespace_selector:
        scope = namespace_selector(entity.namespace_selector.selector)
    asked = own is not None or negative is not None or entity.namespace_selector is not None
    positive = _both(scope, own) if scope is not None and asked else own
    if positive is None:
        return Peer(negative=negative)
    return Peer(positive=_both(positive, Not(negative) if negative is not None else None))


def _service_accounts(entity: Entity) -> Selector | None:
    """§4.1 step 2: by the labels of the account, and by its name; `all()` in there is true of everything."""
    asked = entity.service_accounts
    if asked is None:
        return None
    by_labels = prefixed(asked.selector.selector, PREFIX_SERVICE_ACCOUNT) if asked.selector else None
    names = tuple(sorted(set(asked.names)))
    return _both(by_labels, In(LABEL_SERVICE_ACCOUNT, names) if names else None)


def _both(first: Selector | None, second: Selector | None) -> Selector | None:
    if first is None or second is None:
        return second if first is None else first
    return And((first, second))


def applicability(policy: Policy) -> Selector:
    """Whom a policy applies to, as a selector on endpoints. `all()` in the serviceAccountSelector of a policy
    without a namespace means "with a service account", of one with a namespace it means nothing (QUIRK 4)."""
    own = policy.selector.selector if policy.selector else None
    accounts = policy.service_account_selector
    if policy.metadata.namespace:
        scope: Selector | None = in_namespace(policy.metadata.namespace)
        every: Selector = _ALL
    else:
        field = policy.namespace_selector
        scope = namespace_selector(field.selector) if field else None
        every = Has(LABEL_SERVICE_ACCOUNT)
    asked = prefixed(accounts.selector, PREFIX_SERVICE_ACCOUNT, every) if accounts else None
    return _both(_both(scope, own), asked) or All()


def endpoint_labels(
    own: Mapping[str, str],
    namespace: str,
    orchestrator: str,
    service_account: str,
    inherited: Mapping[str, str],
) -> dict[str, str]:
    """The labels selectors see on a workload endpoint (§2.7, §4.6).

    Its own `pcns.` and `pcsa.` labels are taken away, so that it cannot pretend; Calico's labels replace
    its own of those names; inherited ones stand behind both.
    """
    stripped = {
        key: value
        for key, value in own.items()
        if not key.startswith((PREFIX_NAMESPACE, PREFIX_SERVICE_ACCOUNT))
    }
    given = {LABEL_NAMESPACE: namespace}
    if orchestrator:
        given[LABEL_ORCHESTRATOR] = orchestrator
    if service_account:
        given[LABEL_SERVICE_ACCOUNT] = service_account
    return {**inherited, **stripped, **given}
