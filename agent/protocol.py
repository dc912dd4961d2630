"""What the agent and its compiler child say to each other, and how it is framed on a pipe.

A frame is the length of a JSON header (u32, little-endian), the header, and the blobs whose sizes it
announces. Both ends hold a frame to the limits below and to the shapes here: the child works on text that
strangers may have written, so the agent trusts no byte of its answers, and nothing is ever unpickled.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import IO, Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ..pair.naming import EndpointRef

LENGTH: Final = struct.Struct("<I")
MAX_HEADER: Final = 16 << 20  # bytes; an endpoint takes some 150
MAX_BLOBS: Final = 20_000  # one a file
MAX_BLOB: Final = 64 << 20
MAX_TOTAL: Final = 256 << 20  # bytes of one frame's blobs

_CARRIED: Final = frozenset({"Pod", "WorkloadEndpoint", "HostEndpoint"})


class ProtocolError(Exception):
    """The other end does not keep to the protocol: nothing that it says can be used any more."""


class Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Endpoint(Shape):
    """One endpoint of a revision. namespace: `` for a HostEndpoint. kind: `Pod`, `WorkloadEndpoint`, ….

    interface: the `interfaceName` its object gives, ``; node: where it runs, `` when no object says.
    """

    namespace: str
    name: str
    kind: str
    interface: str = ""
    node: str = ""

    @property
    def ref(self) -> EndpointRef:
        """Its full name."""
        return EndpointRef(self.namespace, self.name, self.kind)

    @property
    def title(self) -> str:
        """Its name in words: `NS/NAME`, of a host the name alone."""
        return str(self.ref)

    @property
    def carried(self) -> bool:
        """Whether it has an interface of its own. A Deployment, or its like, stands for pods that have one
        each."""
        return self.kind in _CARRIED

    @property
    def host(self) -> bool:
        """Whether it is an interface of the host itself."""
        return self.kind == "HostEndpoint"


class Finding(Shape):
    """One thing to say about the input. code: of docs/errors.md. at: `file:line:column`, `` when no place is
    to blame.

    text: that line of the file; text, expected and hint may be empty.
    """

    code: Annotated[str, Field(pattern=r"^POLC-[ENW]\d{4}$")]
    severity: Literal["error", "warning", "note"]
    message: str
    at: str = ""
    text: str = ""
    expected: str = ""
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.at}: " if self.at else ""
        parts = [f"{where}{self.severity}[{self.code}]: {self.message}"]
        parts += [f"expected {self.expected}"] if self.expected else []
        parts += [self.hint] if self.hint else []
        return "; ".join(parts)


Findings = tuple[Finding, ...]


def lines(findings: Findings) -> str:
    """The findings as text, one a line."""
    return "\n".join(map(str, findings))


# --- requests: the agent to its child -------------------------------------------------------------


class Revise(Shape):
    """The input is now this. changed: the paths of the files whose bytes follow as blobs.

    removed: paths. The child keeps the others.
    """

    say: Literal["revise"] = "revise"
    revision: int
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class Wanted(Shape):
    """endpoint: whose pair. held: the identity in hex that the asker has a pair of already, ``.

    last: it comes after all others.
    """

    endpoint: Endpoint
    held: str = ""
    last: bool = False


class Compile(Shape):
    """Pairs are wanted for these, as they are in that revision.

    rest: and for all those that the request before was about, as it said.
    """

    say: Literal["compile"] = "compile"
    revision: int
    wanted: tuple[Wanted, ...]
    rest: bool = False


Request = Annotated[Revise | Compile, Field(discriminator="say")]

# --- answers ----------------------------------------------------------------------------------------


class ReadingFrame(Shape):
    """A file is parsed now: were it the last that is heard of the child, this file was to blame."""

    say: Literal["reading"] = "reading"
    revision: int
    path: str


class LoadedFrame(Shape):
    """The files are good. endpoints: all that there are, None: those of the last such frame. warnings: of
    single files."""

    say: Literal["loaded"] = "loaded"
    revision: int
    endpoints: tuple[Endpoint, ...] | None
    warnings: Findings = ()
    seconds: float


class RefusedFrame(Shape):
    """The files are wrong, all of the revision is refused."""

    say: Literal["refused"] = "refused"
    revision: int
    findings: Findings


class BeganFrame(Shape):
    """Work on an endpoint begins: were it the last that is heard of the child, this endpoint was to blame."""

    say: Literal["began"] = "began"
    revision: int
    endpoint: Endpoint


class MadeFrame(Shape):
    """The two objects follow, ingress first. emissions: runs of LLVM that it took."""

    say: Literal["made"] = "made"
    revision: int
    endpoint: Endpoint
    warnings: Findings = ()
    seconds: float
    emissions: int


class SameFrame(Shape):
    """The pair is the one that is held. identity: hex."""

    say: Literal["same"] = "same"
    revision: int
    endpoint: Endpoint
    identity: str


class KeptFrame(Shape):
    """As `SameFrame`, of many: nothing that their pairs depend on changed. numbers: among the endpoints of
    the revision, from 0."""

    say: Literal["kept"] = "kept"
    revision: int
    numbers: tuple[Annotated[int, Field(ge=0)], ...]


class FailedFrame(Shape):
    """There is no pair for it in this revision."""

    say: Literal["failed"] = "failed"
    revision: int
    endpoint: Endpoint
    findings: Findings


class ReviewedFrame(Shape):
    """What is to be said of the inventory as a whole; comes last, since nothing depends on it."""

    say: Literal["reviewed"] = "reviewed"
    revision: int
    warnings: Findings


Answer = Annotated[
    ReadingFrame
    | LoadedFrame
    | RefusedFrame
    | BeganFrame
    | MadeFrame
    | SameFrame
    | KeptFrame
    | FailedFrame
    | ReviewedFrame,
    Field(discriminator="say"),
]


class _Sizes(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sizes: Annotated[tuple[Annotated[int, Field(ge=0, le=MAX_BLOB)], ...], Field(max_length=MAX_BLOBS)] = ()


class RequestFrame(_Sizes):
    body: Request


class AnswerFrame(_Sizes):
    body: Answer


_Frame = TypeVar("_Frame", RequestFrame, AnswerFrame)
_REQUESTS: Final = TypeAdapter(RequestFrame)
_ANSWERS: Final = TypeAdapter(AnswerFrame)


def request_bytes(body: Revise | Compile, blobs: Sequence[bytes] = ()) -> bytes:
    """The frame. Raises ProtocolError when it is over a limit."""
    return _packed(RequestFrame(body=body, sizes=tuple(map(len, blobs))), blobs)


def answer_bytes(body: Answer, blobs: Sequence[bytes] = ()) -> bytes:
    """The frame. Raises ProtocolError when it is over a limit."""
    return _packed(AnswerFrame(body=body, sizes=tuple(map(len, blobs))), blobs)


def read_request(stream: IO[bytes]) -> tuple[Revise | Compile, tuple[bytes, ...]] | None:
    """The next request, None at the end. Raises ProtocolError."""
    header = _header(stream)
    if header is None:
        return None
    frame = _checked(_REQUESTS, header)
    return frame.body, _blobs(stream, frame.sizes)


def read_answer(stream: IO[bytes]) -> tuple[Answer, tuple[bytes, ...]] | None:
    """The next answer, None at the end. Raises ProtocolError."""
    header = _header(stream)
    if header is None:
        return None
    frame = _checked(_ANSWERS, header)
    return frame.body, _blobs(stream, frame.sizes)


def _packed(frame: _Sizes, blobs: Sequence[bytes]) -> bytes:
    header = frame.model_dump_json().encode()
    if len(header) > MAX_HEADER or sum(frame.sizes) > MAX_TOTAL:
        raise ProtocolError(f"a frame of {len(header)} and {sum(frame.sizes)} bytes is over the limit")
    return b"".join((LENGTH.pack(len(header)), header, *blobs))


def _header(stream: IO[bytes]) -> bytes | None:
    raw = stream.read(LENGTH.size)
    if not raw:
        return None
    if len(raw) < LENGTH.size:
        raise ProtocolError("a frame ends inside its length")
    (size,) = LENGTH.unpack(raw)
    if size > MAX_HEADER:
        raise ProtocolError(f"a header claims {size} bytes, the limit is {MAX_HEADER}")
    return _exactly(stream, size)


def _blobs(stream: IO[bytes], sizes: Sequence[int]) -> tuple[bytes, ...]:
    if sum(sizes) > MAX_TOTAL:
        raise ProtocolError(f"a frame claims {sum(sizes)} bytes, the limit is {MAX_TOTAL}")
    return tuple(_exactly(stream, size) for size in sizes)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise ProtocolError(f"a frame ends after {len(data)} of {size} bytes")
    return data


def _checked(shape: TypeAdapter[_Frame], header: bytes) -> _Frame:
    try:
        return shape.validate_json(header)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the header"
        raise ProtocolError(f"a frame is malformed at {place}: {first['msg']}") from None
