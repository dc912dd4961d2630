"""What an agent is told: its folders, its node, how interfaces are named, and how patient it is.

Comes from the command line and an optional TOML file (`--config`), whose keys are the field names with
dashes; the command line wins.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from ..pair.failsafes import OPTION_INBOUND, OPTION_OUTBOUND, read_ports
from ..runtime import bpffs
from ..runtime.hooks import Mechanism
from .backoff import Backoff
from .breaker import Breaker
from .http import DEFAULT_ADDRESS, Address
from .inputs import Unfit, read_trusted
from .mapping import MappingError, Pattern

_Seconds = Annotated[float, Field(gt=0, le=365 * 24 * 3600)]  # no clock waits for ever
CONFIG_BYTES: Final = 1 << 20


class SettingsError(Exception):
    """The configuration file cannot be used; the message says where and why."""


class Ready(StrEnum):
    """What one bad endpoint does to `/readyz`."""

    LENIENT = "lenient"  # degraded, but ready
    STRICT = "strict"  # not ready


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class Settings(BaseModel):
    """folders: of policies and inventory. node: only endpoints of this node ("" = of all). netns, bpffs,
    hook, host_access, keep_established, refresh, allow_before: as of `polc attach`; hook None = auto.

    failsafe_inbound, failsafe_outbound: of HostEndpoints, as of `polc compile`; None = Calico's.

    interface_pattern, interface_list, interface_prefix: which interface carries an endpoint (at most one of
    the first two; else Calico's rule with that prefix). http: "ADDRESS:PORT", "" = no port.
    retry_base, retry_cap: seconds of back-off. tc_rate, tc_burst: tc writes a second, and at once.
    poll: seconds between looks at the tcx revisions. resync: seconds after which an interface is read back
    without any reason, on average. reread: seconds after which the folders are read without any reason.
    batch: interfaces that one pass takes at most. compile_timeout: seconds one endpoint may take.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=lambda name: name.replace("_", "-"),
        populate_by_name=True,
    )

    folders: tuple[Path, ...] = Field(min_length=1)
    node: str = ""
    netns: str | None = None
    bpffs: Path = bpffs.DEFAULT_ROOT
    hook: Mechanism | None = None
    host_access: bool = True
    keep_established: bool = False
    failsafe_inbound: str | None = None
    failsafe_outbound: str | None = None
    refresh: bool = False
    allow_before: tuple[str, ...] = ()
    detach_unwanted: bool = False
    interface_pattern: str | None = None
    interface_list: Path | None = None
    interface_prefix: str = "cali"
    http: str = DEFAULT_ADDRESS
    ready: Ready = Ready.LENIENT
    log_format: LogFormat = LogFormat.TEXT
    retry_base: _Seconds = 1.0
    retry_cap: _Seconds = 300.0
    tc_rate: _Seconds = 100.0
    tc_burst: Annotated[float, Field(ge=10)] = 2000.0
    poll: _Seconds = 10.0
    resync: _Seconds = 600.0
    reread: _Seconds = 30.0
    batch: Annotated[int, Field(ge=1)] = 32
    compile_timeout: _Seconds = 30.0

    @field_validator("http")
    @classmethod
    def _is_address(cls, text: str) -> str:
        if text:
            Address.parse(text)
        return text

    @field_validator("interface_pattern")
    @classmethod
    def _is_pattern(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                Pattern(text)
            except MappingError as error:
                raise ValueError(str(error)) from None
        return text

    @field_validator("failsafe_inbound", "failsafe_outbound")
    @classmethod
    def _are_ports(cls, text: str | None) -> str | None:
        if text is not None:
            read_ports(text, "")
        return text

    @model_validator(mode="after")
    def _has_one_rule(self) -> Settings:
        if self.interface_pattern is not None and self.interface_list is not None:
            raise ValueError("interface-pattern and interface-list exclude each other")
        return self

    @property
    def backoff(self) -> Backoff:
        return Backoff(self.retry_base, self.retry_cap)

    @property
    def failsafes(self) -> tuple[str, ...]:
        """Those that are given, as the options of the compiler's process."""
        given = {OPTION_INBOUND: self.failsafe_inbound, OPTION_OUTBOUND: self.failsafe_outbound}
        return tuple(f"{option}={text}" for option, text in given.items() if text is not None)

    def breaker(self) -> Breaker:
        """A new one, full."""
        return Breaker(self.tc_rate, self.tc_burst)


def settings(given: Mapping[str, Any], config: Path | None) -> Settings:
    """From the options that were given (by field name) over what the file says. Raises SettingsError.

    given: an option that was not given is None and leaves the file's word, or the default.
    """
    fields = {} if config is None else _read(config)
    options = {name.replace("_", "-"): value for name, value in given.items() if value is not None}
    try:
        return Settings.model_validate(fields | options)
    except ValidationError as error:
        # A misspelt key first: it may be the one that is missing.
        first = min(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
        key = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "missing" and key == "folders":
            raise SettingsError("no folder of policies and inventory is given") from None
        if key in options:
            raise SettingsError(f"--{key}: {_why(first)}") from None
        name = ".".join(map(str, first["loc"])) or "the options"
        where = f"{config}: " if config is not None else ""
        raise SettingsError(f"{where}{name}: {_why(first)}") from None


def _why(error: ErrorDetails) -> str:
    """Pydantic's reason, in a user's words."""
    if error["type"] == "extra_forbidden":
        known = [field.alias or "" for field in Settings.model_fields.values()]
        near = get_close_matches(str(error["loc"][0]), known, n=1)
        return f"is no setting{f'; did you mean {near[0]}?' if near else ''}"
    if error["type"] == "too_short":
        return "must name one at least"
    if error["type"] == "tuple_type":
        return 'must be a list, such as ["one", "two"]'
    return error["msg"].removeprefix("Value error, ").replace("Input should be", "must be")


def _read(config: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_trusted(str(config), CONFIG_BYTES).decode())
    except OSError as error:
        raise SettingsError(f"{config}: {error.strerror}") from None
    except Unfit as error:
        raise SettingsError(f"{config}: {error}") from None
    except ValueError as error:
        raise SettingsError(f"{config}: is not TOML: {error}") from None
