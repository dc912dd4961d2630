"""Resources and an endpoint → what its policy decides, as IR with the provenance of every rule index."""

from .endpoint import EndpointRef, endpoints, inventory, resolve_endpoint, resolve_labels
from .resolved import Provenance, Resolved
from .review import review
from .touched import differing, reached, touched
from .world import World

__all__ = [
    "EndpointRef",
    "Provenance",
    "Resolved",
    "World",
    "differing",
    "endpoints",
    "inventory",
    "reached",
    "resolve_endpoint",
    "resolve_labels",
    "review",
    "touched",
]
