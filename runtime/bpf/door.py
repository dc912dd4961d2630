"""`Bpf`: every bpf(2) call of the runtime, typed; raises BpfError; counts what it changes in `writes`."""

from __future__ import annotations

from .hooks import HookCalls
from .maps import MapCalls
from .objects import ObjectCalls
from .programs import ProgramCalls


class Bpf(MapCalls, ProgramCalls, HookCalls, ObjectCalls):
    """Stateless but for the counter; safe to use from several threads (each call owns its buffers)."""
