"""From a course to one direction's judge, and the provenance of each of its indices."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ...pair.layout import Direction
from ...pair.provenance import WOULD
from ..ir.nodes import Action, AddressSet, Criterion, End, Judge, Policy, Prefix, Rule, Tier
from ..ir.text import criterion_text
from ..resources import Rule as GivenRule
from .courses import Block, Course, FixedRule, Stretch
from .criteria import Piece, rule_pieces
from .resolved import Provenance
from .world import World


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
    """Builds one judge; another for what is staged goes on with the same indices. Log rules of a staged
    judge are left out: they are not enforced either."""

    world: World
    direction: Direction
    sets: SetTable
    provenance: list[Provenance] = field(default_factory=list)
    _staged: bool = False

    def build(self, course: Course) -> Judge:
        """The judge of the policies in force."""
        tiers = tuple(map(self._tier, course.stretches))
        index = len(self.provenance)
        key = self._key(course.what)
        self.provenance.append(Provenance(course.what, self._word(course.end), course.at, key=key))
        return Judge(self.direction, tiers, End(course.end, index))

    def build_staged(self, course: Course) -> Judge:
        """The judge that says what the staged policies would do; to be built after the other."""
        self._staged = True
        return self.build(course)

    def _tier(self, stretch: Stretch) -> Tier:
        built = tuple(map(self._block, stretch.blocks))
        index = len(self.provenance)
        self.provenance.append(
            Provenance(
                "tier-default",
                self._word(stretch.default),
                stretch.at,
                stretch.owner,
                key=self._key("tier-default", stretch.name),
            )
        )
        return Tier(stretch.name, stretch.default, index, built)

    def _block(self, block: Block) -> Policy:
        seen: Counter[str] = Counter()
        built = []
        rules: Sequence[GivenRule | FixedRule] = block.rules
        for number, rule in enumerate(rules):
            if self._staged and rule.action is Action.LOG:
                continue
            index = len(self.provenance)
            criteria, words = self._criteria(block, rule)
            built.append(Rule(index, rule.action, criteria))
            # Equal rules of one policy keep apart by their count, so a key names one rule.
            meaning = json.dumps([rule.action.value, *words])
            key = self._key("rule", block.name, meaning, str(seen[meaning]))
            seen[meaning] += 1
            if isinstance(rule, FixedRule):
                known = Provenance(rule.what, self._word(rule.action), rule.span, rule.owner, key=key)
            else:
                known = Provenance(
                    "rule", self._word(rule.action), rule.at, block.name, number, key, rule.annotations
                )
            self.provenance.append(known)
        return Policy(block.name, tuple(built))

    def _criteria(
        self, block: Block, rule: GivenRule | FixedRule
    ) -> tuple[tuple[Criterion, ...], Sequence[str]]:
        """The criteria, and the words that the rule's stable key is made of."""
        if isinstance(rule, FixedRule):
            criteria = rule.criteria(self.sets.name)
            return criteria, [rule.owner, *map(criterion_text, criteria)]
        pieces: tuple[Piece, ...] = rule_pieces(rule, block.namespace, self.world, self.sets.name)
        return tuple(piece.criterion for piece in pieces), [piece.words for piece in pieces]

    def _word(self, action: Action) -> str:
        return f"{WOULD}{action.value}" if self._staged else action.value

    def _key(self, *parts: str) -> str:
        staged = ["staged"] if self._staged else []
        text = json.dumps([self.direction.word, *staged, *parts])
        return hashlib.sha256(text.encode()).hexdigest()[:16]
