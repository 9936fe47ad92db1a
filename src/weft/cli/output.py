"""What commands print: results for people or as JSON, and errors with their cure."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from weft.cli.streams import say
from weft.core.errors import WeftError
from weft.core.text import visible


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_line(value: object) -> None:
    """One JSON line on standard error."""
    say(json.dumps(value, ensure_ascii=False) + "\n")


def print_error(error: WeftError, *, as_json: bool = False) -> None:
    """An error on standard error, its cure on a line of its own; or as a JSON document on standard output."""
    if as_json:
        with suppress(OSError):  # full, say: then as text
            print_json(error.record())
            sys.stdout.flush()
            return
    text = "error: " + visible(str(error), keep="\n\t") + "\n"
    if sys.stderr.isatty():
        text = text.replace("error:", "\033[1;31merror:\033[0m", 1).replace("\n  cure:", "\n  \033[32mcure:\033[0m")
    say(text)


def print_fields(title: str, fields: Mapping[str, object]) -> None:
    """A titled list of names and values; a module's or model's own names may hold anything."""
    width = max(map(len, fields), default=0)
    lines = [
        f"  {name:<{width}}  {_text(value, width + 4)}" for name, value in fields.items() if value not in (None, [])
    ]
    sys.stdout.write(visible("\n".join([title, *lines]), keep="\n\t") + "\n")


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Any]], *, file: Any = None) -> None:
    """A table: words to the left, numbers to the right."""
    table = [tuple(headings), *[tuple(map(str, row)) for row in rows]]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    out = file or sys.stdout
    for row in table:
        cells = [
            _pad(cell, width, right=_is_number(cell, row is table[0])) for cell, width in zip(row, widths, strict=True)
        ]
        out.write("  ".join(cells).rstrip() + "\n")


def _pad(cell: str, width: int, *, right: bool) -> str:
    return cell.rjust(width) if right else cell.ljust(width)


def _is_number(cell: str, heading: bool) -> bool:
    return not heading and cell[:1].isdigit()


def _text(value: object, indent: int) -> str:
    if isinstance(value, list | tuple):
        return ("\n" + " " * indent).join(map(str, value))
    return str(value)
