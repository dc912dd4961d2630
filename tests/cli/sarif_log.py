"""SARIF 2.1.0 as `polc check` writes it: held to OASIS' own schema, and to what no schema can say.

The models are a second reading of the standard's sections (OASIS Standard, with Errata 01). They take no
property that is not named here, and follow the indices that lead from a result to its rule and file.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from jsonschema import Draft7Validator  # type: ignore[import-untyped]
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Level = Literal["none", "note", "warning", "error"]
Text = Annotated[str, Field(min_length=1)]
Line = Annotated[int, Field(ge=1, strict=True)]


def _relative(uri: str) -> str:
    parts = urlsplit(uri)
    assert parts.geturl() == parts.path == uri
    assert uri.isascii()
    assert not set(uri) & set(' "<>\\^`{|}')
    return uri


class _Object(BaseModel):
    """§3.6: an object has no property that the standard does not name."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)


class Message(_Object):
    """§3.11; §3.12 for the strings of a rule."""

    text: Text
    markdown: Text | None = None


class ArtifactLocation(_Object):
    """§3.4: the uri is a valid reference (RFC 3986); index is into `artifacts`."""

    uri: Annotated[str, AfterValidator(_relative)]
    index: Annotated[int, Field(ge=0)] | None = None


class Artifact(_Object):
    """§3.24"""

    location: ArtifactLocation


class Region(_Object):
    """§3.30.2: columns count from 1; §3.30.8: endColumn is the column behind the last character."""

    startLine: Line
    startColumn: Line
    endLine: Line
    endColumn: Line

    @model_validator(mode="after")
    def _in_order(self) -> Region:
        assert (self.endLine, self.endColumn) >= (self.startLine, self.startColumn)
        return self


class PhysicalLocation(_Object):
    """§3.29"""

    artifactLocation: ArtifactLocation
    region: Region


class Location(_Object):
    """§3.28"""

    physicalLocation: PhysicalLocation


class Result(_Object):
    """§3.27: message is required."""

    ruleId: Text
    ruleIndex: Annotated[int, Field(ge=0)]
    level: Level
    message: Message
    locations: list[Location] = []


class Configuration(_Object):
    """§3.50"""

    level: Level


class Rule(_Object):
    """§3.49: id is required, and stable."""

    id: Text
    defaultConfiguration: Configuration
    shortDescription: Message
    fullDescription: Message
    help: Message


class Driver(_Object):
    """§3.19: name is required."""

    name: Text
    semanticVersion: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    rules: list[Rule]


class Tool(_Object):
    """§3.18"""

    driver: Driver


class Run(_Object):
    """§3.14: tool is required; §3.14.17 columnKind; §3.52.4: a result's ruleIndex is that of its ruleId."""

    tool: Tool
    columnKind: Literal["utf16CodeUnits", "unicodeCodePoints"]
    artifacts: list[Artifact]
    results: list[Result]

    @model_validator(mode="after")
    def _indices_lead_to_what_they_name(self) -> Run:
        ids = [rule.id for rule in self.tool.driver.rules]
        assert len(set(ids)) == len(ids)
        assert len({one.location.uri for one in self.artifacts}) == len(self.artifacts)
        for result in self.results:
            assert ids[result.ruleIndex] == result.ruleId
            for location in result.locations:
                place = location.physicalLocation.artifactLocation
                if place.index is not None:
                    assert self.artifacts[place.index].location.uri == place.uri
        return self


class Log(_Object):
    """§3.13: version and runs are required."""

    schema_: Annotated[str, Field(alias="$schema", pattern=r"^https://.*sarif-schema-2\.1\.0\.json$")]
    version: Literal["2.1.0"]
    runs: Annotated[list[Run], Field(min_length=1)]


SCHEMA = Path(__file__).parent / "sarif" / "sarif-schema-2.1.0.json"


@cache
def validator() -> Draft7Validator:
    """Of OASIS' schema; sarif/NOTICE.md says where it comes from."""
    schema: dict[str, Any] = json.loads(SCHEMA.read_bytes())
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def read_log(text: str) -> Log:
    """A log that the schema and the models take. Raises jsonschema's or pydantic's ValidationError."""
    validator().validate(json.loads(text))
    return Log.model_validate_json(text)
