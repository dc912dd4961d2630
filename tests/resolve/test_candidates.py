"""Both indices find exactly what trying everything finds."""

from __future__ import annotations

from itertools import product
from random import Random

from polc.compiler.resolve.candidates import Candidates, Selectors
from polc.compiler.selector import All, And, Compare, Global, Has, In, Not, Operator, Or, Selector

KEYS, VALUES = "abc", ("x", "y", "xy", "")


def _selector(random: Random, depth: int = 0) -> Selector:
    kind = random.randrange(8 if depth < 3 else 5)
    if kind == 0:
        return Compare(random.choice(KEYS), random.choice(list(Operator)), random.choice(VALUES))
    if kind == 1:
        some = tuple(sorted(random.sample(VALUES, random.randrange(3))))
        return In(random.choice(KEYS), some, negated=random.random() < 0.3)
    if kind == 2:
        return Has(random.choice(KEYS))
    if kind == 3:
        return All()
    if kind == 4:
        return Global()
    if kind == 5:
        return Not(_selector(random, depth + 1))
    operands = tuple(_selector(random, depth + 1) for _ in range(2))
    return And(operands) if kind == 6 else Or(operands)


def test_the_index_finds_what_matches_and_in_order() -> None:
    random = Random("candidates")
    labels = [{key: random.choice(VALUES) for key in KEYS if random.random() < 0.6} for _ in range(40)]
    index = Candidates(labels)
    some = 0
    for _ in range(2000):
        selector = _selector(random)
        expected = [number for number, given in enumerate(labels) if selector.matches(given)]
        assert list(index.matching(selector)) == expected, str(selector)
        some += 0 < len(expected) < len(labels)
    assert some > 800


def test_the_index_of_selectors_finds_those_that_match_and_in_order() -> None:
    random = Random("selectors")
    selectors = [_selector(random) for _ in range(400)]
    index = Selectors(selectors)
    some = 0
    for _ in range(200):
        labels = {key: random.choice(VALUES) for key in KEYS if random.random() < 0.6}
        expected = [number for number, given in enumerate(selectors) if given.matches(labels)]
        assert list(index.matching(labels)) == expected, labels
        some += 0 < len(expected) < len(selectors)
    assert some == 200


def test_an_index_with_changed_selectors_is_as_good_as_a_new_one_and_leaves_the_old_as_it_was() -> None:
    random = Random("changed")
    selectors = [_selector(random) for _ in range(60)]
    index = Selectors(selectors)
    every = [dict(zip(KEYS, values, strict=True)) for values in product(VALUES, repeat=len(KEYS))]
    for _ in range(100):
        changed = {random.randrange(len(selectors)): _selector(random) for _ in range(random.randrange(4))}
        before, found = index, [list(index.matching(labels)) for labels in every]
        index = index.changed(changed)
        assert [list(before.matching(labels)) for labels in every] == found
        selectors = [changed.get(number, one) for number, one in enumerate(selectors)]
        for labels in every:
            expected = [number for number, given in enumerate(selectors) if given.matches(labels)]
            assert list(index.matching(labels)) == expected, labels
