"""How an endpoint is named, on the command line, in test cases, in an object's note and in file names.

`NAMESPACE/NAME`, the `NAME` of a HostEndpoint, or `KIND/NAMESPACE/NAME` where several kinds have one name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# As kubectl and calicoctl shorten them.
_SHORT: Final = {
    "Pod": ("po",),
    "Deployment": ("deploy",),
    "StatefulSet": ("sts",),
    "DaemonSet": ("ds",),
    "ReplicaSet": ("rs",),
    "ReplicationController": ("rc",),
    "Job": (),
    "CronJob": ("cj",),
    "WorkloadEndpoint": ("wep",),
}
KINDS: Final = tuple(_SHORT)
_KINDS: Final = {
    word: kind for kind, short in _SHORT.items() for word in (kind.lower(), f"{kind.lower()}s", *short)
}


@dataclass(frozen=True, slots=True, order=True)
class EndpointRef:
    """Names an endpoint. kind: `Pod`, `Deployment`, …, `WorkloadEndpoint` or `HostEndpoint`; `` for whichever
    there is. The namespace of a HostEndpoint is ``."""

    namespace: str
    name: str
    kind: str = ""

    @property
    def file_name(self) -> str:
        """What objects for it are called, when nothing else is called so."""
        return f"{self.namespace}.{self.name}" if self.namespace else self.name

    @property
    def file_name_of_kind(self) -> str:
        """What they are called when something else is; `@` stands in no name."""
        return f"{self.file_name}@{self.kind.lower()}"

    @property
    def full(self) -> str:
        """With its kind, where it has a namespace: this names no other endpoint."""
        return f"{self.kind}/{self}" if self.kind and self.namespace else str(self)

    def means(self, other: EndpointRef) -> bool:
        """Whether `other` fits this name: the kind counts when this one gives it and the other has one."""
        same = (self.namespace, self.name) == (other.namespace, other.name)
        return same and (self.kind == other.kind or not other.kind)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def parse_ref(text: str) -> EndpointRef:
    """The endpoint that a text names; ValueError (with the reason) when it is no such name."""
    parts = text.split("/")
    if not all(parts) or len(parts) > 3:
        raise ValueError(
            f"{text!r} is neither NAMESPACE/NAME nor KIND/NAMESPACE/NAME nor the name of a HostEndpoint"
        )
    if len(parts) == 1:
        return EndpointRef("", text)
    if len(parts) == 2:
        return EndpointRef(*parts)
    kind = _KINDS.get(parts[0].lower())
    if kind is None:
        raise ValueError(f"{parts[0]!r} is no kind of endpoint: it is one of {', '.join(KINDS)}")
    return EndpointRef(parts[1], parts[2], kind)
