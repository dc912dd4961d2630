"""The model: the executable meaning of the unoptimised IR. Slow, plain, and the judge of everything else."""

from .flows import Entry
from .model import Judgement, Model, Outcome, Verdict
from .packet import Inner, Packet, parse_packet

__all__ = ["Entry", "Inner", "Judgement", "Model", "Outcome", "Packet", "Verdict", "parse_packet"]
