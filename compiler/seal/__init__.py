"""seal: two raw objects become one pair."""

from .sealing import RawParts, SealError, seal

__all__ = ["RawParts", "SealError", "seal"]
