"""A small object of the pair's shape, emitted by LLVM without the compiler, so that pair's tests stand alone.

`emit(Specimen(…))` runs this file in a child process (a code generation error kills the process) and returns
the raw object: every content that seal writes is still zero.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cache

from polc.pair.layout import HIT, Direction, hit_of_rule, hits_map, hits_size


@dataclass(frozen=True)
class Specimen:
    """What varies between two specimens. lines: of the two rules in `source`. reads: the table the first rule
    loads from. reverse: declare the globals in another order. port: if not 0, the first rule is for that
    destination port (of IPv4 without options in Ethernet) instead of the table's word."""

    direction: str = "ingress"
    note_size: int = 160
    prov_size: int = 64
    table_size: int = 64
    constant: int = 80
    capacity: int = 12345
    reads: str = "polc_tables"
    lines: tuple[int, int] = (3, 5)
    source: str = "kind: NetworkPolicy\nspec:\n  - action: Allow\n  # words\n  - action: Deny\n"
    reverse: bool = False
    port: int = 0


@cache
def emit(specimen: Specimen) -> bytes:
    """The object's bytes; raises CalledProcessError with LLVM's words on stderr."""
    child = subprocess.run(
        [sys.executable, __file__], input=json.dumps(asdict(specimen)).encode(), capture_output=True
    )
    assert child.returncode == 0, child.stderr.decode()
    return child.stdout


class Metadata:
    """Numbers metadata nodes in order of creation."""

    def __init__(self) -> None:
        self.nodes: list[str] = []

    def add(self, text: str) -> str:
        self.nodes.append(text)
        return f"!{len(self.nodes) - 1}"

    def text(self) -> str:
        return "\n".join(f"!{at} = {node}" for at, node in enumerate(self.nodes))


def quoted(text: str) -> str:
    return "".join(
        c if c.isprintable() and c not in '"\\' and c.isascii() else f"\\{ord(c):02X}" for c in text
    )


class Module:
    """Builds the textual IR."""

    def __init__(self, specimen: Specimen) -> None:
        self.specimen = specimen
        self.md = Metadata()
        self.file = self.md.add(
            f'!DIFile(filename: "policy.yaml", directory: "", source: "{quoted(specimen.source)}")'
        )
        self.int = self.md.add('!DIBasicType(name: "int", size: 32, encoding: DW_ATE_signed)')
        self.char = self.md.add('!DIBasicType(name: "char", size: 8, encoding: DW_ATE_signed_char)')
        self.long = self.md.add('!DIBasicType(name: "long", size: 64, encoding: DW_ATE_signed)')
        self.skb = self.md.add(
            f'!DICompositeType(tag: DW_TAG_structure_type, name: "__sk_buff", file: {self.file}, '
            "size: 1536, elements: !{})"
        )
        self.pointer = self.md.add(
            f"!DIDerivedType(tag: DW_TAG_pointer_type, baseType: {self.skb}, size: 64)"
        )
        self.cu = "!900"
        self.globals: list[tuple[str, str]] = []
        self.hits = hits_map(Direction[specimen.direction.upper()])

    def condition(self, place: str) -> str:
        """Whether the first rule matches, as %same."""
        if not self.specimen.port:
            return f"  %same = icmp eq i32 %fresh, {self.specimen.constant}, !dbg {place}"
        swapped = int.from_bytes(self.specimen.port.to_bytes(2, "big"), "little")
        return f"""  call i64 inttoptr (i64 26 to ptr)(ptr %ctx, i32 36, ptr %index, i32 2), !dbg {place}
  %port = load i16, ptr %index, align 4, !dbg {place}
  %same = icmp eq i16 %port, {swapped}, !dbg {place}"""

    def array(self, base: str, bits: int, count: int) -> str:
        return self.md.add(
            f"!DICompositeType(tag: DW_TAG_array_type, baseType: {base}, size: {bits * count}, "
            f"elements: !{{!DISubrange(count: {count})}})"
        )

    def variable(self, name: str, kind: str, declaration: str) -> None:
        var = self.md.add(
            f'distinct !DIGlobalVariable(name: "{name}", scope: {self.cu}, file: {self.file}, line: 1, '
            f"type: {kind}, isLocal: false, isDefinition: true)"
        )
        expr = self.md.add(f"!DIGlobalVariableExpression(var: {var}, expr: !DIExpression())")
        self.globals.append((expr, f"@{name} = {declaration}, !dbg {expr}"))

    def chars(self, name: str, section: str, count: int) -> None:
        self.variable(
            name,
            self.array(self.char, 8, count),
            f'global [{count} x i8] zeroinitializer, section "{section}", align 1',
        )

    def map(self, name: str, **fields: int) -> None:
        members = []
        for at, (field, value) in enumerate(fields.items()):
            base = self.long if field in ("key", "value") else self.array(self.int, 32, value)
            pointer = self.md.add(f"!DIDerivedType(tag: DW_TAG_pointer_type, baseType: {base}, size: 64)")
            members.append(
                self.md.add(
                    f'!DIDerivedType(tag: DW_TAG_member, name: "{field}", file: {self.file}, '
                    f"baseType: {pointer}, size: 64, offset: {64 * at})"
                )
            )
        kind = self.md.add(
            f"distinct !DICompositeType(tag: DW_TAG_structure_type, file: {self.file}, "
            f"size: {64 * len(fields)}, elements: !{{{', '.join(members)}}})"
        )
        shape = "{" + ", ".join(["ptr"] * len(fields)) + "}"
        self.variable(name, kind, f'global {shape} zeroinitializer, section ".maps", align 8')

    def function(self) -> str:
        spec = self.specimen
        types = self.md.add(f"!{{{self.int}, {self.pointer}}}")
        kind = self.md.add(f"!DISubroutineType(types: {types})")
        arg = f"!{len(self.md.nodes) + 2}"
        retained = self.md.add(f"!{{{arg}}}")
        sub = f"!{len(self.md.nodes)}"
        self.md.add(
            f'distinct !DISubprogram(name: "polc_{spec.direction}", scope: {self.file}, file: {self.file}, '
            f"line: 1, type: {kind}, scopeLine: 1, spFlags: DISPFlagDefinition | DISPFlagOptimized, "
            f"unit: {self.cu}, retainedNodes: {retained})"
        )
        self.md.add(
            f'!DILocalVariable(name: "ctx", arg: 1, scope: {sub}, file: {self.file}, line: 1, '
            f"type: {self.pointer})"
        )
        top = self.md.add(f"!DILocation(line: 1, column: 1, scope: {sub})")
        one, two = (self.md.add(f"!DILocation(line: {line}, column: 5, scope: {sub})") for line in spec.lines)
        return f"""
define i32 @polc_{spec.direction}(ptr %ctx) #0 section "tc" !dbg {sub} {{
  %id = load i8, ptr @bpf_metadata_polc_id, align 1, !dbg {top}
  %x = call i8 asm sideeffect "", "=r,0"(i8 %id), !dbg {top}
  %gen = load i32, ptr @polc_config, align 1, !dbg {top}
  %key = alloca i64, align 8
  %index = alloca i32, align 4
  store i64 0, ptr %key, align 8, !dbg {top}
  %hit = call ptr inttoptr (i64 1 to ptr)(ptr @polc_flows, ptr %key), !dbg {top}
  %none = icmp eq ptr %hit, null, !dbg {top}
  br i1 %none, label %first, label %out, !dbg {top}
first:
  %cell = load i32, ptr getelementptr (i8, ptr @{spec.reads}, i64 4), align 1, !dbg {one}
  %fresh = call i32 asm sideeffect "", "=r,0"(i32 %cell), !dbg {one}
  store i32 {hit_of_rule(0)}, ptr %index, align 4, !dbg {one}
  %count = call ptr inttoptr (i64 1 to ptr)(ptr @{self.hits}, ptr %index), !dbg {one}
  %uncounted = icmp eq ptr %count, null, !dbg {one}
  br i1 %uncounted, label %out, label %counted, !dbg {one}
counted:
  %packets = load i64, ptr %count, align 8, !dbg {one}
  %more = add i64 %packets, 1, !dbg {one}
  store i64 %more, ptr %count, align 8, !dbg {one}
{self.condition(one)}
  br i1 %same, label %out, label %second, !dbg {one}
second:
  %slot = call i64 inttoptr (i64 12 to ptr)(ptr %ctx, ptr @polc_slots, i32 1), !dbg {two}
  %ring = call ptr inttoptr (i64 131 to ptr)(ptr @polc_events, i64 64, i64 0), !dbg {two}
  %full = icmp eq ptr %ring, null, !dbg {two}
  br i1 %full, label %deny, label %event, !dbg {two}
event:
  store i32 %gen, ptr %ring, align 4, !dbg {two}
  call void inttoptr (i64 132 to ptr)(ptr %ring, i64 0), !dbg {two}
  br label %deny, !dbg {two}
deny:
  ret i32 2, !dbg {two}
out:
  ret i32 -1, !dbg {one}
}}
attributes #0 = {{ nounwind }}
"""

    def text(self) -> str:
        spec = self.specimen
        self.chars("bpf_metadata_polc_id", ".rodata", 65)
        self.chars("bpf_metadata_polc_direction", ".rodata", 8)
        self.chars("bpf_metadata_polc_layout", ".rodata", 8)
        self.chars("polc_tables", ".rodata.tables", spec.table_size)
        self.chars("polc_config", ".rodata.config", 48)
        self.chars("polc_prov", ".rodata.prov", spec.prov_size)
        self.chars("polc_note", ".note.polc", spec.note_size)
        self.map("polc_flows", type=9, max_entries=spec.capacity, map_flags=0, key=0, value=0)
        self.map("polc_slots", type=3, max_entries=4, key_size=4, value_size=4)
        self.map("polc_events", type=27, max_entries=4096)
        self.map(self.hits, type=6, max_entries=hits_size(2), key_size=4, value_size=HIT.size)
        code = self.function()
        head, rest = self.globals[:3], self.globals[3:]
        declared = head + (rest[::-1] if spec.reverse else rest)
        names = "\n".join(text for _, text in declared)
        exprs = ", ".join(expr for expr, _ in self.globals)
        return f"""target datalayout = "e-m:e-p:64:64-i64:64-i128:128-n32:64-S128"
target triple = "bpfel"
{names}
@_license = global [13 x i8] c"Dual BSD/GPL\\00", section "license", align 1
{code}
!llvm.module.flags = !{{!901, !902}}
!llvm.dbg.cu = !{{!900}}
!900 = distinct !DICompileUnit(language: DW_LANG_C11, file: {self.file}, producer: "specimen",
  isOptimized: true, runtimeVersion: 0, emissionKind: FullDebug, globals: !903)
!901 = !{{i32 7, !"Dwarf Version", i32 5}}
!902 = !{{i32 2, !"Debug Info Version", i32 3}}
!903 = !{{{exprs}}}
{self.md.text()}
"""


def main() -> None:
    from llvmlite import binding

    options = json.loads(sys.stdin.read())
    options["lines"] = tuple(options["lines"])
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    machine = binding.Target.from_triple("bpfel").create_target_machine(
        cpu="v3", opt=2, codemodel="default", features="+allows-misaligned-mem-access"
    )
    module = binding.parse_assembly(Module(Specimen(**options)).text())
    module.verify()
    builder = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(2))
    builder.getModulePassManager().run(module, builder)
    sys.stdout.buffer.write(machine.emit_object(module))


if __name__ == "__main__":
    main()
