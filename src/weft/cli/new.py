"""``weft new``: a function's folder, ready to build."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from weft.core.errors import UnavailableError

if TYPE_CHECKING:
    from weft.toolchains.base import Language


def new(
    folder: Path,
    /,
    *,
    lang: str,
    json: Annotated[bool, Parameter(negative="", show_default=False)] = False,
) -> int:
    """Make a new function: its source, a test, a pipeline and a README, ready to build.

        weft new counter --lang rust
        weft build counter
        python counter/test.py

    The function is named as its folder. The binding of the language is copied into it, so it builds anywhere.

    Parameters
    ----------
    folder
        The folder to make; nothing that is there is overwritten.
    lang
        c, zig, rust, go, assemblyscript or python.
    json
        Print the result as JSON.
    """
    from weft.cli.output import print_json
    from weft.toolchains import language
    from weft.toolchains.scaffold import create

    chosen = language(lang)
    files = create(folder, chosen)
    compiler, cure = _compiler(chosen, folder)
    if json:
        made = {"folder": str(folder), "name": folder.name, "lang": lang, "files": [file.as_posix() for file in files]}
        print_json({**made, "compiler": compiler, "cure": cure})
        return 0
    sys.stdout.write(f"{folder}/  a function in {chosen.title}: {folder / chosen.source}\n\n")
    sys.stdout.write(f"  weft build {folder}\n  python {folder / 'test.py'}\n  weft run {folder / 'pipeline.yaml'}\n")
    if cure:
        sys.stdout.write(f"\nIts compiler is missing: {cure}\n")
    return 0


def _compiler(language: Language, folder: Path) -> tuple[str | None, str]:
    """The compiler that will build it, or how to get one."""
    try:
        return language.find(folder).title, ""
    except UnavailableError as error:
        return None, error.cure
