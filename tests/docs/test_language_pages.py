"""docs/policy.schema.json is what `polc schema` prints, and docs/fields.md is a table of the same fields."""

from __future__ import annotations

import pytest
from polc.compiler import codes
from polc.compiler.source import Severity
from polc.tests.docs import fields_page
from polc.tests.docs.documents import ROOT
from polc.tests.schema.spots import findings, sample
from typer.testing import CliRunner

SCHEMA = ROOT / "docs" / "policy.schema.json"
FIELDS = ROOT / "docs" / "fields.md"


def test_the_published_schema_is_what_the_command_prints(golden_update: bool) -> None:
    from polc.cli.main import app

    done = CliRunner().invoke(app(["schema"]), ["schema"])
    assert done.exit_code == 0
    if golden_update:
        SCHEMA.write_text(done.output)
    assert SCHEMA.read_text() == done.output


def test_the_table_of_fields_is_that_of_the_schema(golden_update: bool) -> None:
    if golden_update:
        FIELDS.write_text(fields_page.page())
    assert FIELDS.read_text() == fields_page.page()


@pytest.mark.parametrize("row", fields_page.rows(), ids=lambda row: f"{row.holder}.{row.name}")
def test_parse_does_with_a_field_what_its_row_says(row: fields_page.Row) -> None:
    if row.support == fields_page.REFUSED:
        document = row.spot.within(row.spot.having(row.name, {"a": "b"}))
        assert [item.code for item in findings(document)] == [codes.UNSUPPORTED_FIELD]
        return
    schema = row.spot.schema["properties"][row.name]
    value = "anything" if row.support == fields_page.IGNORED else sample(schema)
    found = findings(row.spot.within(row.spot.having(row.name, value)))
    wrong = {codes.UNSUPPORTED_FIELD, codes.UNKNOWN_KEY, codes.WRONG_TYPE, codes.UNKNOWN_WORD}
    assert not [item for item in found if item.severity is Severity.ERROR and item.code in wrong]
