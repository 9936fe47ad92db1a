"""Fills the generated parts of the documentation: ``python -m tools.generate_docs`` (``--check`` only looks).

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tools import classifier_reference, command_reference, pipeline_reference
from weft.core import errors
from weft.flow.metric import METRICS

DOCS = Path(__file__).parents[1] / "docs"
_PART = re.compile(r"(<!-- generated: ([a-z-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def error_table() -> str:
    """The exception tree with its exit codes, as a table."""
    rows = [
        f"| {'&nbsp;&nbsp;' * depth}`{kind.__name__}` | {kind.exit_code} | {_first_line(kind)} |"
        for kind, depth in _tree(errors.WeftError)
    ]
    return "\n".join(["| error | exit code | what it means |", "|---|---|---|", *rows])


def _tree(kind: type[errors.WeftError], depth: int = 0) -> Iterator[tuple[type[errors.WeftError], int]]:
    yield kind, depth
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _tree(child, depth + 1)


def _first_line(kind: type[errors.WeftError]) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0].replace("``", "`")


def metric_table() -> str:
    """Every metric with its labels, as a table."""
    rows = [
        f"| `{one.name}` | {one.type} | {', '.join(one.labels)} | {one.help.removesuffix('.')} |" for one in METRICS
    ]
    return "\n".join(["| metric | type | labels | what it says |", "|---|---|---|---|", *rows])


PARTS: dict[str, Callable[[], str]] = {
    "pipeline-reference": pipeline_reference.reference,
    "classifier-reference": classifier_reference.reference,
    "command-reference": command_reference.reference,
    "error-table": error_table,
    "metric-table": metric_table,
}


def generated(page: str) -> str:
    """A page with its generated parts made anew."""
    return _PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]().strip()}\n\n{part[4]}", page)


def main(arguments: list[str]) -> int:
    """Write every page that changed; with ``--check``, name them and fail instead."""
    check = arguments == ["--check"]
    stale = [page for page in sorted(DOCS.rglob("*.md")) if generated(page.read_text()) != page.read_text()]
    for page in stale:
        print(f"{page.name} is {'out of date: run python -m tools.generate_docs' if check else 'written'}")
        if not check:
            page.write_text(generated(page.read_text()))
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
