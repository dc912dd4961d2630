"""From a pair of objects to two loaded programs: maps, BTF, frozen sections, relocation, verification.

Both programs are loaded before anything else happens: a pair of which one half does not load changes nothing
(S23). The maps that an attachment shares between its banks (slots, flows, events) are given by name.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

from ..pair import layout
from ..pair.btf import BtfError, MapSpec
from ..pair.elf import ElfError
from ..pair.layout import Config, Direction
from ..pair.object import ObjectPair, PairObject
from .bpf import Bpf, BpfError, Fd, MapFlag, MapShape, MapType, ProgramCode
from .errors import CannotError, ObjectFault, RuntimeFault, cannot
from .relocate import INSN_BYTES, debug_info, program_lines, referred, relocated
from .section import Frozen
from .verifier import verifier_error

_SECTIONS: Final = (
    layout.SECTION_RODATA,
    layout.SECTION_TABLES,
    layout.SECTION_CONFIG,
    layout.SECTION_PROVENANCE,
)
# EAGAIN: a signal waits for this thread each time the verifier looks (the door asks five times).
_MACHINE_ERRORS: Final = frozenset(
    {errno.EPERM, errno.ENOSYS, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN}
)
_LOG_LEVEL: Final = 1
_AGAIN: Final = "compile the policy again"


def section_map_name(section: str, direction: Direction) -> str:
    """The kernel's name of a section's map. bpftool prints the metadata of the map whose name ends so."""
    return f"{direction.word}{section}" if section == layout.SECTION_RODATA else section


@dataclass(frozen=True, slots=True)
class LoadedProgram:
    """One loaded judge; `program` is owned. instructions: as loaded. verified: processed by the verifier."""

    direction: Direction
    program: Fd
    instructions: int
    verified: int


@dataclass(frozen=True, slots=True)
class LoadedPair:
    """Both programs of a pair, and the maps they refer to by name. A context manager that closes all it owns.

    maps: the shared ones (the caller's) and the ones made here.
    """

    identity: bytes
    config: Config
    ingress: LoadedProgram
    egress: LoadedProgram
    maps: Mapping[str, Fd]
    _own: ExitStack = field(repr=False)

    def side(self, direction: Direction) -> LoadedProgram:
        return self.ingress if direction is Direction.INGRESS else self.egress

    def close(self) -> None:
        self._own.close()

    def __enter__(self) -> LoadedPair:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Loading:
    """A pair on its way: its maps are there, both programs are with the verifier. `close` waits for them and
    lets go of what `finish` did not hand out."""

    def __init__(
        self,
        bpf: Bpf,
        pair: ObjectPair,
        config: Config,
        shared: Mapping[str, Fd] | None = None,
        frozen: Frozen | None = None,
    ) -> None:
        """Arguments and errors as of `load_pair`; `shared` stays open until the end."""
        with ExitStack() as stack:
            given = dict(shared or {})
            specs = _specs(pair)
            for spec in specs:
                if spec.name in given:
                    _check_shape(bpf, spec, given[spec.name])
            made = _create(bpf, [spec for spec in specs if spec.name not in given])
            for map_ in made.values():
                stack.enter_context(map_)
            self._maps = {**given, **made}
            parts = stack.enter_context(Frozen()) if frozen is None else frozen
            self._halves = [
                stack.enter_context(closing(_Half(bpf, side, config, self._maps, parts)))
                for side in (pair.ingress, pair.egress)
            ]
            self._pair, self._config, self._own = pair, config, stack.pop_all()

    def finish(self) -> LoadedPair:
        """The pair, once both programs are verified; raises as `load_pair`."""
        with ExitStack() as stack:
            sides = []
            for half in self._halves:
                loaded = half.finish()
                stack.enter_context(loaded.program)
                sides.append(loaded)
            stack.push(self._own.pop_all())
            return LoadedPair(
                self._pair.identity, self._config, sides[0], sides[1], self._maps, stack.pop_all()
            )

    def close(self) -> None:
        self._own.close()


def load_pair(
    bpf: Bpf,
    pair: ObjectPair,
    config: Config,
    shared: Mapping[str, Fd] | None = None,
    frozen: Frozen | None = None,
) -> LoadedPair:
    """Loads both programs, side by side, with the same settings and over the same maps.

    shared: descriptors by map name; a map of the objects that is not among them is made new, once for both.
    frozen: what may be used again of the pairs loaded before.
    Raises VerifierError and ObjectFault (the objects' fault), CannotError (the machine's).
    """
    with closing(Loading(bpf, pair, config, shared, frozen)) as loading:
        return loading.finish()


def create_maps(bpf: Bpf, pair: ObjectPair, without: Collection[str] = ()) -> dict[str, Fd]:
    """New maps as the pair's objects define them, by name, those in `without` left out; the caller owns them.

    Raises CannotError or ObjectFault; then none was kept.
    """
    return _create(bpf, [spec for spec in _specs(pair) if spec.name not in without])


def _create(bpf: Bpf, specs: Iterable[MapSpec]) -> dict[str, Fd]:
    with ExitStack() as undo:
        made = {spec.name: undo.enter_context(_create_map(bpf, spec)) for spec in specs}
        undo.pop_all()
        return made


def _create_map(bpf: Bpf, spec: MapSpec) -> Fd:
    try:
        shape = MapShape(
            spec.name,
            MapType(spec.type),
            spec.key_size,
            spec.value_size,
            spec.max_entries,
            MapFlag(spec.map_flags),
        )
    except ValueError:
        raise ObjectFault(f"map {spec.name} is of a type that is not used here: {spec.type}") from None
    try:
        return bpf.map_create(shape)
    except BpfError as error:
        raise _fault(error, f"make the map {spec.name}") from None


class _Half:
    """One program on its way, over maps that are all there; keeps its sections open until it is loaded."""

    def __init__(
        self, bpf: Bpf, source: PairObject, config: Config, maps: Mapping[str, Fd], frozen: Frozen
    ) -> None:
        self._bpf, self._source = bpf, source
        with self._faults():
            btf = frozen.btf(bpf, source.btf.data)
            self._sections = {
                name: _load_section(bpf, source, name, config, frozen)
                for name in _SECTIONS
                if name in source.elf.sections and source.elf.section(name).size
            }
            self._code = _code(source, relocated(source.elf, maps, self._sections), btf)
            self._loading = bpf.begin_load(self._code)
        self._taken = False

    def finish(self) -> LoadedProgram:
        """Waits for the verifier; raises as `load_pair`."""
        with self._faults(), ExitStack() as undo:
            program = undo.enter_context(self._verified())
            named = referred(self._source.elf)
            others = [map_ for name, map_ in self._sections.items() if name not in named]
            verified = _bind(self._bpf, program, others)
            undo.pop_all()
        count = len(self._code.insns) // INSN_BYTES
        return LoadedProgram(self._source.direction, program, count, verified)

    def _verified(self) -> Fd:
        """Loaded without a log, which is faster; a refused program is verified again to have it."""
        self._taken = True
        try:
            return self._loading.result()
        except BpfError as error:
            if error.errno in _MACHINE_ERRORS:
                raise
            error.__traceback__ = None  # it leads here, and from here over the future back to it
        try:
            return self._bpf.prog_load(self._code, _LOG_LEVEL)[0]
        except BpfError as error:
            if error.errno in _MACHINE_ERRORS:
                raise
            lines = program_lines(self._source.elf)
            raise verifier_error(self._source.direction.word, error.log, lines) from None

    @contextmanager
    def _faults(self) -> Iterator[None]:
        doing = f"load the {self._source.direction.word} program"
        try:
            yield
        except (ElfError, BtfError) as error:
            raise ObjectFault(f"cannot {doing}: {error}", _AGAIN) from None
        except BpfError as error:
            raise _fault(error, doing) from None

    def close(self) -> None:
        """Waits for the verifier."""
        if not self._taken and self._loading.exception() is None:
            self._loading.result().close()
        self._sections.clear()


def _load_section(bpf: Bpf, source: PairObject, name: str, config: Config, parts: Frozen) -> Fd:
    value_type = source.btf.sections.get(name)
    if value_type is None:
        raise ObjectFault(f"{source.path}: its BTF does not describe section {name}", _AGAIN)
    data = source.elf.section(name).data
    if name == layout.SECTION_CONFIG:
        at = source.elf.symbol(layout.SYMBOL_CONFIG).value
        image = config.pack()
        data = data[:at] + image + data[at + len(image) :]
    return parts.section(bpf, section_map_name(name, source.direction), data, source.btf.data, value_type)


def _code(source: PairObject, insns: bytes, btf: Fd) -> ProgramCode:
    info = debug_info(source.elf)
    license_ = source.elf.section(layout.SECTION_LICENSE).data.split(b"\0", 1)[0].decode("ascii", "replace")
    return ProgramCode(
        layout.program_symbol(source.direction),
        insns,
        license_,
        btf,
        info.func_info,
        info.func_rec_size,
        info.line_info,
        info.line_rec_size,
    )


def _bind(bpf: Bpf, program: Fd, sections: Iterable[Fd]) -> int:
    """Has the program hold the sections that its code does not refer to; answers the verifier's count."""
    info = bpf.prog_info(program)
    if not info.btf_id:
        raise ObjectFault(f"the kernel kept no BTF for program {info.name}", _AGAIN)
    for map_ in sections:
        bpf.prog_bind_map(program, map_)
    return info.verified


def _specs(pair: ObjectPair) -> tuple[MapSpec, ...]:
    """The maps of both objects, one of a name; raises ObjectFault when they define one name in two ways."""
    specs: dict[str, MapSpec] = {}
    for source in (pair.ingress, pair.egress):
        for name, spec in source.maps.items():
            if specs.setdefault(name, spec) != spec:
                raise ObjectFault(f"the two objects define map {name} in two ways", _AGAIN)
    return tuple(specs.values())


def _check_shape(bpf: Bpf, spec: MapSpec, map_: Fd) -> None:
    """Refuses to put a program over a map of another layout; capacities may differ."""
    try:
        info = bpf.map_info(map_)
    except BpfError as error:
        raise cannot(error, f"read the shape of map {spec.name}") from None
    if (info.type, info.key_size, info.value_size) != (spec.type, spec.key_size, spec.value_size):
        raise CannotError(
            f"map {spec.name} (id {info.id}) in the kernel has another shape than the objects need",
            "another version of polc made it: detach the interface and attach it again",
        )


def _fault(error: BpfError, doing: str) -> RuntimeFault:
    """The machine's fault by errno, otherwise the objects' (a shape or BTF that the kernel does not take)."""
    if error.errno in _MACHINE_ERRORS:
        return cannot(error, doing)
    tail = error.log.strip().splitlines()[-1:]
    return ObjectFault(f"cannot {doing}: {'; '.join([str(error.strerror), *tail])}", _AGAIN)
