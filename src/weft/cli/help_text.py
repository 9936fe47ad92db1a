"""What ``--help`` tells of a command: its docstring, with examples that keep their lines."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from textwrap import dedent

_EXAMPLES = re.compile(r"(?m)(?:^    .*\n?)+")


def help_of(home: str) -> str:
    """The help of the command at ``MODULE:NAME``, which is imported."""
    module, name = home.split(":")
    return help_text(inspect.getdoc(getattr(import_module(module), name)) or "")


def help_text(docstring: str) -> str:
    """What a docstring says before the parameters.

    Examples get a fence: what parses docstrings takes the indentation off a block that follows the first line, and
    Markdown then lets its lines flow together and reads the stars of patterns as emphasis.
    """
    told = docstring.partition("\nParameters\n---")[0]
    return _EXAMPLES.sub(lambda block: f"```\n{dedent(block[0]).strip()}\n```\n", told)
