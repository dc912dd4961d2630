"""Every shape that a command prints as JSON has a version and a published schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from polc.agent.states import AgentReport
from polc.cli.commands.compile import CompileReport
from polc.cli.commands.doctor import Doctor
from polc.cli.diagnostics import Report
from polc.cli.events import EventRecord
from polc.judge.explaining import Explanation
from polc.judge.replaying import ReplayLine
from polc.judge.testing import CasesReport
from polc.pair.inspection import Inspection
from polc.runtime.attach import AttachReport
from polc.runtime.counters import CountersReport
from polc.runtime.detach import DetachReport
from polc.runtime.status import StatusReport
from polc.tests.cli.command import ROOT
from pydantic import BaseModel

SCHEMAS = ROOT / "docs" / "schemas"
SHAPES: dict[str, type[BaseModel]] = {
    "compile": CompileReport,
    "check": Report,
    "explain": Explanation,
    "test": CasesReport,
    "replay": ReplayLine,
    "inspect": Inspection,
    "attach": AttachReport,
    "status": StatusReport,
    "verify": StatusReport,
    "detach": DetachReport,
    "monitor": EventRecord,
    "counters": CountersReport,
    "doctor": Doctor,
    "agent": AgentReport,
}


def text(shape: type[BaseModel]) -> str:
    return json.dumps(shape.model_json_schema(mode="serialization"), indent=2, sort_keys=True) + "\n"


@pytest.mark.parametrize("command", SHAPES)
def test_the_published_schema_is_that_of_the_shape(command: str, golden_update: bool) -> None:
    path = SCHEMAS / f"{command}.json"
    if golden_update:
        path.write_text(text(SHAPES[command]))
    assert path.read_text() == text(SHAPES[command])


# A line of `replay` has exactly the four fields that the design gives it.
@pytest.mark.parametrize("command", [command for command in SHAPES if command != "replay"])
def test_every_shape_has_a_version(command: str) -> None:
    assert "version" in SHAPES[command].model_fields


def test_no_schema_is_left_over() -> None:
    assert {path.stem for path in Path(SCHEMAS).iterdir()} == set(SHAPES)
