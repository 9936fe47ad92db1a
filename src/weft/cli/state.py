"""``weft state``: what functions keep from one run to the next."""

from __future__ import annotations

import os
import sys
from base64 import b64encode
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from weft.core.errors import NotFoundError
from weft.core.suggest import did_you_mean
from weft.core.units import format_size

Switch = Annotated[bool, Parameter(negative="", show_default=False)]


def show(file: Path, key: str | None = None, /, *, json: Switch = False) -> int:
    """Show the keys of a state file and the sizes of their values, or one value as it is.

        weft state show counter.db
        weft state show counter.db count | xxd

    A function may be using the file: what is shown is what its frames have finished.

    Parameters
    ----------
    file
        The state file.
    key
        The key whose value goes to standard output.
    json
        Print it as JSON; a value that is no text as base64.
    """
    if key is not None:
        return _show_value(file, key, json=json)
    from weft.cli.output import print_json, print_table
    from weft.core.text import visible
    from weft.flow.state_admin import content

    found = content(file)
    if json:
        print_json({"file": str(file), "size": found.size, "keys": found.sizes})
        return 0
    if found.sizes:
        print_table(("bytes", "key"), [(size, visible(name)) for name, size in found.sizes.items()])
    count = len(found.sizes)
    sys.stdout.write(f"{count} key{'s' if count != 1 else ''}, {format_size(found.size)} of keys and values\n")
    return 0


def delete(file: Path, key: str, /) -> int:
    """Delete a key from a state file, also while a function is using it.

        weft state delete counter.db count

    Parameters
    ----------
    file
        The state file.
    key
        The key.
    """
    from weft.flow import state_admin

    if not state_admin.delete(file, key):
        raise _no_key(file, key)
    return 0


def _show_value(file: Path, key: str, *, json: bool) -> int:
    from weft.cli.output import print_json
    from weft.flow.state_admin import value

    found = value(file, key)
    if found is None:
        raise _no_key(file, key)
    if json:
        print_json({"file": str(file), "key": key, "size": len(found), **_readable(found)})
    else:
        view = memoryview(found)
        while view:
            view = view[os.write(1, view) :]
    return 0


def _readable(value: bytes) -> dict[str, str]:
    try:
        return {"text": value.decode()}
    except UnicodeDecodeError:
        return {"base64": b64encode(value).decode()}


def _no_key(file: Path, key: str) -> NotFoundError:
    from weft.flow.state_admin import content

    cure = did_you_mean(key, content(file).sizes) or "`weft state show FILE` lists its keys"
    return NotFoundError(f"no key '{key}'", where=str(file), cure=cure)
