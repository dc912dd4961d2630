"""Makes docs/model.md from the model: its docstrings, the code of its walk, and the flow table as a table."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from polc.pair.flow import TIMEOUTS, Event, ProtocolClass, State, Step, Who, transition
from polc.tests.docs.documents import ROOT

PAGE = ROOT / "docs" / "model.md"

_HEAD = """\
# The model: what a policy means

This page is made from the model's source (`make docs-update`), and a test holds it equal. The model is the
executable meaning of the language: no optimisation, one branch for each sentence of the rules. Every other
judge (the code in the kernel, the native build of it) is held against it; [trust.md](trust.md) says how.
"""

# Title, file, and whether the code itself is shown: where the code is as short as any words about it.
_PARTS = (
    ("From a frame to a packet", "compiler/model/packet.py", False),
    ("What a policy says of a packet", "compiler/model/walk.py", True),
    ("Flows and verdicts", "compiler/model/model.py", True),
    ("What is remembered of a flow", "compiler/model/flows.py", False),
    ("The flow table", "pair/flow.py", False),
)


def page() -> str:
    """The whole page, ending in a newline."""
    parts = [_HEAD]
    for title, file, code in _PARTS:
        text = (ROOT / file).read_text()
        tree = ast.parse(text)
        parts.append(f"## {title}\n\nFrom `{file}`.\n\n{ast.get_docstring(tree)}\n")
        parts += _code(text, tree) if code else _words(tree)
    parts += [_transitions(cls) for cls in ProtocolClass]
    parts.append(_timeouts())
    return "\n".join(parts)


def _words(tree: ast.Module) -> Iterator[str]:
    """The docstrings of classes, public methods and functions."""
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            continue
        words = ast.get_docstring(node)
        if words:
            yield f"**`{node.name}`** {words}\n"
        for inner in node.body if isinstance(node, ast.ClassDef) else ():
            words = ast.get_docstring(inner) if isinstance(inner, ast.FunctionDef) else None
            if words and isinstance(inner, ast.FunctionDef):
                yield f"**`{node.name}.{inner.name}`** {words}\n"


def _code(text: str, tree: ast.Module) -> Iterator[str]:
    """The classes and functions as they are."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
            lines = text.splitlines()[first - 1 : node.end_lineno]
            yield "```python\n" + "\n".join(lines) + "\n```\n"


def _transitions(cls: ProtocolClass) -> str:
    """A class's rows: what becomes of a packet, and the flow's next state."""
    events = [event for event in Event if cls is ProtocolClass.TCP or event in (Event.PACKET, Event.REPLY)]
    states = list(State) if cls is ProtocolClass.TCP else [State.NONE, State.OPEN]
    if cls is ProtocolClass.TCP:
        events.remove(Event.REPLY)
        states.remove(State.OPEN)
    lines = [
        f"### {cls.name}\n",
        f"| state | from | {' | '.join(event.name for event in events)} |",
        f"|---|---|{'---|' * len(events)}",
    ]
    for state in states:
        for who in Who:
            cells = []
            for event in events:
                row = transition(cls, state, who, event)
                word = row.step.name.lower()
                cells.append(word if row.step is Step.DROP else f"{word} → {row.state.name}")
            lines.append(f"| {state.name} | {who.name.lower()} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _timeouts() -> str:
    rows = "\n".join(f"| {timeout.name} | {seconds} |" for timeout, seconds in TIMEOUTS.items())
    return f"### Time-outs\n\n| class | seconds of silence |\n|---|---|\n{rows}\n"
