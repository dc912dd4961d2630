"""One object, one document: the same kind, namespace and name twice is an error unless both say the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import BaseModel

from ..resources import Bystander, NetworkSet, Pod, Policy, Resource, SelectorField, ServiceBackends
from ..selector import canonical
from ..source import Diagnostics, Span
from . import codes


def kind_of(resource: Resource) -> str:
    """The object's `kind`."""
    if isinstance(resource, Policy | NetworkSet | Pod | ServiceBackends | Bystander):
        return resource.kind
    return type(resource).__name__


def owner_name(kind: str, namespace: str, name: str) -> str:
    """`Kind/namespace/name`, or `Kind/name` for cluster kinds."""
    return f"{kind}/{namespace}/{name}" if namespace else f"{kind}/{name}"


def distinct(resources: Iterable[Resource], diagnostics: Diagnostics) -> tuple[Resource, ...]:
    """Each object once, in the order of kind, namespace and name.

    Of objects that say the same, the one that comes first in the files (by path and line) stays; one that
    says something else is an error at the later place, naming the earlier.
    """
    kept: dict[tuple[str, str, str], Resource] = {}
    for item in sorted(resources, key=lambda item: (item.at.file, item.at.line, item.at.column)):
        key = (kind_of(item), item.metadata.namespace, item.metadata.name)
        first = kept.setdefault(key, item)
        if first is not item and meaning(first) != meaning(item):
            diagnostics.error(
                codes.DEFINED_TWICE,
                f"{owner_name(*key)} is defined twice, and differently: the other is at {first.at}",
                item.at,
                hint="remove one of them, or make them equal",
            )
    return tuple(kept[key] for key in sorted(kept))


def meaning(value: object) -> object:
    """A resource without its places, to compare: selectors in canonical form, models as plain dicts."""
    if isinstance(value, SelectorField):
        return canonical(value.selector)
    if isinstance(value, Span):
        return None
    if isinstance(value, BaseModel):
        return {name: meaning(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return tuple(map(meaning, value))
    return value
