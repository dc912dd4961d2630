"""Text to resources: YAML through the grammar, then every field typed and checked (dossier §1–§3, §5)."""

from .documents import parse
from .selector import SelectorError, selector

__all__ = ["SelectorError", "parse", "selector"]
