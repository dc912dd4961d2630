"""Both judges as machine code in this process, by LLVM's just-in-time compiler."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from llvmlite import binding

from ...pair import layout
from ...pair.layout import Direction
from ..plan.plan import Plan
from .host import (
    FLOW_SLOT,
    FLOW_SLOTS,
    HOST,
    PACKET,
    RESULT,
    SYMBOL_BATCH,
    SYMBOL_FIND,
    SYMBOL_FLOWS,
    write_host_module,
)


@dataclass(frozen=True, slots=True)
class NativeCode:
    """Addresses in this process; they hold as long as `keep` lives. tables: what belongs at `table_at`.
    packet, result: the records of a batch (host.py). hits_at: counters, as many as hits_size."""

    batch: int
    find: int
    flows: int
    config: int
    events: int
    table_at: dict[Direction, int]
    tables: dict[Direction, bytes]
    hits_at: dict[Direction, int]
    hits_size: dict[Direction, int]
    keep: Any
    flow_slot: int = FLOW_SLOT.size
    flows_size: int = FLOW_SLOTS * FLOW_SLOT.size
    packet: struct.Struct = PACKET
    result: struct.Struct = RESULT


def make_native(plan: Plan) -> NativeCode:
    """Compiles for this host. The caller fills tables and config in before the first call."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(opt=2)
    module = binding.parse_assembly(write_host_module(plan, binding.get_default_triple()))
    module.verify()
    builder = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(2))
    # Variables into registers, as for BPF; the whole pipeline compiles more than twice as long.
    passes = binding.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.run(module, builder)
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return NativeCode(
        batch=engine.get_function_address(SYMBOL_BATCH),
        find=engine.get_function_address(SYMBOL_FIND),
        flows=engine.get_global_value_address(SYMBOL_FLOWS),
        config=engine.get_global_value_address(layout.SYMBOL_CONFIG),
        events=engine.get_global_value_address(layout.MAP_EVENTS),
        table_at={
            d: engine.get_global_value_address(HOST.global_name(layout.SYMBOL_TABLES, d)[1:])
            for d in Direction
        },
        tables={d: plan.judge(d).tables for d in Direction},
        hits_at={
            d: engine.get_global_value_address(HOST.global_name(layout.hits_map(d), d)[1:]) for d in Direction
        },
        hits_size={d: layout.hits_size(plan.judge(d).index_count) for d in Direction},
        keep=engine,
    )
