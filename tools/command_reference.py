"""The command line's reference, from the commands themselves."""

from __future__ import annotations

import re

from weft.cli.main import COMMANDS, make_app

_SECTION = r"^## weft {name}\n.*?(?=^## weft |\Z)"


def reference() -> str:
    """Every command with its arguments and options, as Markdown."""
    return "\n".join(_section(name) for name in [*COMMANDS, "source", "model", "key", "cache", "state"])


def _section(name: str) -> str:
    text = make_app(name).generate_docs(output_format="markdown")
    found = re.search(_SECTION.format(name=name), text, re.DOTALL | re.MULTILINE)
    assert found, name
    return found[0]
