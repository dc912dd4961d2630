"""seal: two raw objects become one pair."""

from .dressing import Place, dress
from .sealing import RawParts, SealError, seal

__all__ = ["Place", "RawParts", "SealError", "dress", "seal"]
