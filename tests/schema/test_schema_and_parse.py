"""`polc schema` describes what parse reads: the same keys, and no value that only one of the two takes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from polc.compiler import codes
from polc.compiler.parse.kinds import KINDS
from polc.compiler.parse.pods import READ
from polc.compiler.source import Severity
from polc.tests.schema.spots import ROOT, Spot, findings, sample, spots, taken
from polc.tests.schema.validation import faults, resolved

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CORPUS = Path(os.environ.get("POLC_CORPUS", EXAMPLES.parents[1] / "shared" / "corpus"))
SPOTS = list(spots())
STRICT = [spot for spot in SPOTS if spot.schema.get("additionalProperties") is False]
STRANGE = "zzqqx"

# Findings about a field's own form; others look at several fields at once, which a schema does not.
FORM = frozenset(
    (
        *(codes.UNSUPPORTED_FIELD, codes.UNKNOWN_KEY, codes.WRONG_TYPE, codes.UNKNOWN_WORD),
        *(codes.OUT_OF_RANGE, codes.DUPLICATE_ITEM, codes.TOO_MANY, codes.NAME, codes.NAMESPACE),
        *(codes.LABEL, codes.ADDRESS, codes.HOST_BITS, codes.BARE_ADDRESS, codes.PORT, codes.PROTOCOL),
        *(codes.SELECTOR, codes.SELECTOR_GLOBAL),
    )
)


def form(document: Any) -> list[str]:
    return [f"{item.code}: {item.message}" for item in findings(document) if item.code in FORM]


def errors(document: Any) -> set[str]:
    return {item.code for item in findings(document) if item.severity is Severity.ERROR}


def unsupported(schema: dict[str, Any]) -> bool:
    return str(schema.get("description", "")).startswith(("Not supported", "Of Calico Enterprise"))


def ignored(schema: dict[str, Any]) -> bool:
    return str(schema.get("description", "")).startswith("Ignored")


def fields(spot: Spot) -> list[tuple[str, dict[str, Any]]]:
    """The fields that are read, each with its schema."""
    return [item for item in spot.schema["properties"].items() if not unsupported(item[1])]


def test_every_kind_that_parse_reads_has_an_alternative_and_no_other_has() -> None:
    described = {
        (version, resolved(one, ROOT)["properties"]["kind"]["const"])
        for one in ROOT["oneOf"]
        if "const" in resolved(one, ROOT)["properties"]["kind"]
        for version in resolved(one, ROOT)["properties"]["apiVersion"]["enum"]
    }
    assert described == {(version, kind) for version, kinds in KINDS.items() for kind in kinds}


@pytest.mark.parametrize("spot", STRICT, ids=lambda spot: spot.path)
def test_parse_knows_exactly_the_keys_of_the_schema(spot: Spot) -> None:
    found = findings(spot.within({**spot.least, STRANGE: 1}))
    [strange] = [item for item in found if item.code == codes.UNKNOWN_KEY]
    known = strange.expected.removeprefix("one of ").replace("`", "").split(", ")
    assert known == sorted(name for name, schema in fields(spot) if not ignored(schema))


def test_parse_takes_other_keys_where_the_schema_does() -> None:
    loose = [spot for spot in SPOTS if spot not in STRICT]
    assert len(loose) > 5
    for spot in loose:
        assert codes.UNKNOWN_KEY not in errors(spot.within({**spot.least, STRANGE: 1})), spot.path


@pytest.mark.parametrize("spot", SPOTS, ids=lambda spot: spot.path)
def test_every_field_of_the_schema_says_what_it_takes_and_what_it_means(spot: Spot) -> None:
    for name, schema in spot.schema["properties"].items():
        described = name in ("apiVersion", "kind") or schema.get("description")
        assert described, f"{spot.path}.{name}: write its schema in compiler/schema"


@pytest.mark.parametrize("spot", SPOTS, ids=lambda spot: spot.path)
def test_what_the_schema_takes_parse_takes(spot: Spot) -> None:
    assert form(spot.within(spot.least)) == []
    for name, schema in fields(spot):
        values = [sample(schema), *(resolved(schema, ROOT).get("enum", ()))]
        for bound in ("minimum", "maximum"):
            values += [schema[bound]] if bound in schema else []
        if name not in spot.schema.get("required", ()):
            values.append(None)
        for value in values:
            whole = spot.having(name, value)
            assert taken(spot.within(whole), ROOT), f"{spot.path}.{name}: {value!r}"
            assert form(spot.within(whole)) == [], f"{spot.path}.{name}: {value!r}"


@pytest.mark.parametrize("spot", SPOTS, ids=lambda spot: spot.path)
def test_what_the_schema_refuses_parse_refuses(spot: Spot) -> None:
    for name in spot.schema.get("required", ()):
        left = {key: value for key, value in spot.least.items() if key != name}
        assert errors(spot.within(left)), f"{spot.path} without {name}"
    if spot not in STRICT:
        return  # of an object that is Kubernetes' own, what is not used is not checked
    for name, schema in spot.schema["properties"].items():
        wrong: list[Any] = ["%", -1, 1.5, ["%"], {STRANGE: 1}]
        for bound, step in (("minimum", -1), ("maximum", 1)):
            wrong += [schema[bound] + step] if bound in schema else []
        if "maxItems" in schema and schema["maxItems"] < 100:
            wrong.append([sample(schema["items"])] * (schema["maxItems"] + 1))
        for value in wrong:
            # A plain number is a text to parse; an editor may ask for the quotes.
            if (
                name not in ("apiVersion", "kind")
                and not taken(value, schema)
                and not taken(str(value), schema)
            ):
                assert errors(spot.within(spot.having(name, value))), f"{spot.path}.{name}: {value!r}"


def test_fields_that_are_not_supported_are_refused_unless_their_value_changes_nothing() -> None:
    seen = 0
    for spot in SPOTS:
        for name, schema in spot.schema["properties"].items():
            if unsupported(schema):
                seen += 1
                code = codes.ENTERPRISE if "Enterprise" in schema["description"] else codes.UNSUPPORTED_FIELD
                assert code in errors(spot.within(spot.having(name, {STRANGE: 1})))
                for value in schema["enum"]:
                    assert form(spot.within(spot.having(name, value))) == [], f"{spot.path}.{name}"
    assert seen


def test_every_field_of_pods_that_is_read_is_described() -> None:
    named = {name for spot in SPOTS for name, _ in fields(spot)}
    assert named >= READ


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_valid(path: Path) -> None:
    documents = [one for one in yaml.safe_load_all(path.read_text()) if one is not None]
    assert documents
    if all("cases" in one for one in documents):
        return
    for one in documents:
        assert faults(one, ROOT, ROOT) == []


def test_a_misspelt_field_is_not_valid() -> None:
    policy = {"apiVersion": "projectcalico.org/v3", "kind": "GlobalNetworkPolicy", "metadata": {"name": "a"}}
    assert taken({**policy, "spec": {"selector": "all()"}}, ROOT)
    assert not taken({**policy, "spec": {"selectr": "all()"}}, ROOT)


def test_the_schema_is_json_whose_references_all_lead_somewhere() -> None:
    text = json.dumps(ROOT)
    assert json.loads(text) == ROOT
    for name in ROOT["$defs"]:
        assert f'"#/$defs/{name}"' in text, name


class _Loader(yaml.SafeLoader):
    """YAML as JSON has it: a time stamp stays a text."""


_Loader.yaml_implicit_resolvers = {
    first: [one for one in known if one[0] != "tag:yaml.org,2002:timestamp"]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _of_the_corpus() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """File, document and the schema of its kind, of every document of a kind that is read."""
    known = {
        (version, resolved(one, ROOT)["properties"]["kind"].get("const")): resolved(one, ROOT)
        for one in ROOT["oneOf"]
        for version in resolved(one, ROOT)["properties"]["apiVersion"].get("enum", ())
    }
    for path in sorted(CORPUS.rglob("*.y*ml")):
        try:
            documents = list(yaml.load_all(path.read_text(), _Loader))
        except (yaml.YAMLError, UnicodeDecodeError):
            continue
        for one in documents:
            if isinstance(one, dict) and (str(one.get("apiVersion")), str(one.get("kind"))) in known:
                yield str(path), one, known[one["apiVersion"], one["kind"]]


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not there")
def test_no_real_manifest_that_parse_takes_is_refused_by_the_schema() -> None:
    seen = 0
    for path, document, schema in _of_the_corpus():
        seen += 1
        if wrong := faults(document, schema, ROOT):
            assert errors(document), f"{path}: {wrong}"
    assert seen > 100
