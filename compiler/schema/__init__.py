"""The language as a JSON Schema for editors, made from the tables of fields that parse uses."""

from .document import language

__all__ = ["language"]
