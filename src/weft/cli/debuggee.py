"""The process a debugger looks at: ``weft run`` with code made for it. Started by ``weft debug`` alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

SAME = "-"
"""Stands for the stream that this process was started with."""


def main(words: Sequence[str]) -> int:
    """Run a command of ``weft``.

    The first three words are the file of its standard input and the numbers of its standard output and error, for
    the debugger may have turned its own off; ``SAME`` for those this process has.
    """
    from weft.cli.main import main as weft
    from weft.wasm.engine import expect_debugger

    given, out, err, *command = words
    if given != SAME:
        os.dup2(os.open(given, os.O_RDONLY), 0)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for good, and Python remembers what was there before
    if out != SAME:
        os.dup2(int(out), 1)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if err != SAME:
        os.dup2(int(err), 2)
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    expect_debugger()
    return weft(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
