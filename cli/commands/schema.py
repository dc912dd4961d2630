"""`polc schema`: the language as a JSON Schema, for editors."""

from __future__ import annotations

import json

import typer


def run() -> None:
    """Print the JSON Schema of the language, for editors.

    JSON Schema 2020-12 of one document: a resource of a kind that is read, or a List.
    """
    from ...compiler.schema import language

    typer.echo(json.dumps(language(), indent=2, ensure_ascii=False))
