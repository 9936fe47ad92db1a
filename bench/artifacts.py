"""Artifacts: pulling a large blob from a registry on this machine, beside copying it with hashing."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.harness import Result, alternate, median_ratio, medians
from weft.artifacts.local import run as wait
from weft.artifacts.pull import pull
from weft.artifacts.push import pack_model, push
from weft.artifacts.reference import OciReference, parse_oci
from weft.artifacts.settings import Settings
from weft.artifacts.store import Store

SIZE = 200 * 10**6
ROUNDS = 5
PIECE = 1 << 20


def run() -> Iterator[Result]:
    """Every figure of this suite; none where the machine has no docker-registry."""
    program = shutil.which("docker-registry")
    if program is None:
        print("artifacts: apt-get install docker-registry")
        return
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as name, registry(program, Path(name)) as host:
        yield from _pulls(Path(name), parse_oci(f"{host}/bench/net:1"))


def _pulls(folder: Path, reference: OciReference) -> Iterator[Result]:
    source = folder / "net.onnx"
    source.write_bytes(os.urandom(SIZE))
    first = Store(folder / "first")
    wait(push(pack_model(first, [source]), reference, first, Settings()))

    def pulled() -> None:
        shutil.rmtree(folder / "pulled", ignore_errors=True)
        wait(pull(reference, Store(folder / "pulled"), Settings()))

    work = {
        "pull": pulled,
        "copy": lambda: copied(source, folder / "copy", synced=False),
        "copy_synced": lambda: copied(source, folder / "copy", synced=True),
    }
    taken = alternate(ROUNDS, **work)
    detail = {f"{name}_ms": value for name, value in medians(taken).items()}
    detail["of_a_copy_that_is_synced"] = round(median_ratio(taken, "pull", "copy_synced"), 2)
    yield Result(
        "pull 200 MB from a local registry, of copying it with hashing",
        median_ratio(taken, "pull", "copy"),
        "ratio",
        0.7,
        "higher",
        detail,
    )


def copied(source: Path, target: Path, *, synced: bool) -> None:
    """A copy whose bytes are hashed on their way; ``synced`` also waits for the disk, as the store does."""
    target.unlink(missing_ok=True)
    digest = hashlib.sha256()
    with source.open("rb") as reading, target.open("wb") as writing:
        while piece := reading.read(PIECE):
            digest.update(piece)
            writing.write(piece)
        writing.flush()
        if synced:
            os.fsync(writing.fileno())


@contextmanager
def registry(program: str, folder: Path) -> Iterator[str]:
    """Debian's docker-registry on a free port, while the block runs."""
    config = folder / "registry.yml"
    config.write_text(
        "version: 0.1\nlog: {accesslog: {disabled: true}}\nhttp: {addr: '127.0.0.1:0'}\n"
        f"storage: {{filesystem: {{rootdirectory: '{folder / 'registry'}'}}}}\n"
    )
    with subprocess.Popen([program, "serve", str(config)], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = (re.search(r"listening on (127\.0\.0\.1:\d+)", line) for line in process.stderr)
        yield next(match[1] for match in found if match)
        process.terminate()
