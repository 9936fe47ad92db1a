"""``weft key caller``: a key for a caller of ``weft serve``."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter


def caller(name: str, /, *, json: Annotated[bool, Parameter(negative="", show_default=False)] = False) -> int:
    """Make a key for a caller of `weft serve`, and the line for the document that --access names.

        weft key caller line-3
        weft key caller line-3 --json | jq --raw-output .key

    The key goes to standard output once and is kept nowhere: give it to the caller. The line, on standard error, holds
    its hash; put it below `keys:`. Then say below `rights:` what the caller may do.

    Parameters
    ----------
    name
        The caller's name: letters, digits, '_', '-' and '.'.
    json
        Print both as JSON.
    """
    from weft.cli.output import print_json
    from weft.serve.access.keys import new_key

    made, line = new_key(name)
    if json:
        print_json({"name": name, "key": made, "line": line})
        return 0
    sys.stderr.write(f"below keys:\n  {line}\n")
    sys.stderr.flush()
    sys.stdout.write(f"{made}\n")
    return 0
