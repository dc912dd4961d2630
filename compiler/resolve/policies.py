"""Which policies apply to an endpoint, in which order, and the judge they make (dossier §6.1, §6.2)."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...pair.layout import Direction
from ..ir.nodes import Action, AddressSet, End, Judge, Prefix, Rule, Tier
from ..ir.nodes import Policy as IrPolicy
from ..resources import Policy
from ..source import Span
from .criteria import Piece, rule_pieces
from .duplicates import owner_name
from .resolved import Provenance, What
from .scope import applicability
from .tiers import TierSettings, by_tier
from .world import World


def ordered(policies: Sequence[Policy]) -> tuple[Policy, ...]:
    """By order, without one last; ties by the string `name/namespace/kind`, byte by byte (QUIRK 12)."""

    def place(policy: Policy) -> tuple[bool, float, bytes]:
        meta = policy.metadata
        tie = f"{meta.name}/{meta.namespace}/{policy.kind}"
        return policy.order is None, policy.order or 0.0, tie.encode()

    return tuple(sorted(policies, key=place))


def applying(world: World, labels: Mapping[str, str]) -> tuple[Policy, ...]:
    """The policies that select an endpoint of these labels, in order, tier by tier."""
    chosen = ordered([policy for policy in world.policies if applicability(policy).matches(labels)])
    return tuple(policy for _, members in by_tier(chosen, world.tiers) for policy in members)


def policy_name(policy: Policy) -> str:
    """`Kind/namespace/name`, or `Kind/name`."""
    return owner_name(policy.kind, policy.metadata.namespace, policy.metadata.name)


@dataclass(slots=True)
class SetTable:
    """Address sets by content, named by first use."""

    names: dict[tuple[Prefix, ...], str] = field(default_factory=dict)

    def name(self, prefixes: tuple[Prefix, ...]) -> str:
        return self.names.setdefault(prefixes, f"${len(self.names)}")

    def sets(self) -> tuple[AddressSet, ...]:
        return tuple(AddressSet(name, prefixes) for prefixes, name in self.names.items())


@dataclass(slots=True)
class JudgeBuilder:
    """Makes one direction's judge, and the provenance of each of its indices."""

    world: World
    direction: Direction
    sets: SetTable
    provenance: list[Provenance] = field(default_factory=list)

    def build(self, policies: Sequence[Policy], end: Action, end_span: Span | None) -> Judge:
        """policies: those that apply, in order. end: the profiles' word on what no tier decides.

        end_span: the endpoint's place, or None when there is none.
        """
        mine = [policy for policy in policies if self.direction in policy.types]
        tiers = tuple(self._tier(*item) for item in by_tier(mine, self.world.tiers))
        what: What = "end" if mine else "no-policy"
        index = len(self.provenance)
        span = end_span or (mine[-1].at if mine else None)
        self.provenance.append(Provenance(what, end.value, span, key=self._key(what)))
        return Judge(self.direction, tiers, End(end, index))

    def _tier(self, tier: TierSettings, policies: Sequence[Policy]) -> Tier:
        built = tuple(map(self._policy, policies))
        index = len(self.provenance)
        last = policies[-1]
        self.provenance.append(
            Provenance(
                "tier-default",
                tier.default.value,
                last.at,
                policy_name(last),
                key=self._key("tier-default", tier.name),
            )
        )
        return Tier(tier.name, tier.default, index, built)

    def _policy(self, policy: Policy) -> IrPolicy:
        name = policy_name(policy)
        rules = policy.ingress if self.direction is Direction.INGRESS else policy.egress
        seen: Counter[str] = Counter()
        built = []
        for number, rule in enumerate(rules):
            pieces = rule_pieces(rule, policy.metadata.namespace, self.world, self.sets.name)
            meaning = _meaning(rule.action, pieces)
            built.append(Rule(len(self.provenance), rule.action, tuple(piece.criterion for piece in pieces)))
            # Equal rules of one policy keep apart by their count, so a key names one rule.
            key = self._key("rule", name, meaning, str(seen[meaning]))
            seen[meaning] += 1
            self.provenance.append(
                Provenance("rule", rule.action.value, rule.at, name, number, key, rule.annotations)
            )
        return IrPolicy(name, tuple(built))

    def _key(self, *parts: str) -> str:
        text = json.dumps([self.direction.word, *parts])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _meaning(action: Action, pieces: Sequence[Piece]) -> str:
    return json.dumps([action.value, *(piece.words for piece in pieces)])
