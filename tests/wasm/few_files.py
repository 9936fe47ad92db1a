"""A process that may open no more files, or one more, and makes what needs some: it tells the cure it is given."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from weft.core.errors import UnavailableError
from weft.wasm.http.faults import HttpFault
from weft.wasm.http.relay import Relay
from weft.wasm.stdio_pipe import Pipe

ROOT = Path(__file__).parents[2]
MADE = {"pipe": Pipe, "relay": Relay}


def cure_with_few_files(made: str, more: int, folder: Path) -> str:
    """What is told where so many more files may be opened; ``folder`` is the one for temporary files."""
    words = [sys.executable, "-m", "tests.wasm.few_files", made, str(more), str(folder)]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60.0, cwd=ROOT)
    return done.stdout


def _lowest_free() -> int:
    number = os.dup(0)
    os.close(number)
    return number


def _main(made: str, more: int, folder: str) -> None:
    tempfile.tempdir = folder
    free, (soft, hard) = _lowest_free(), resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + more, hard))
    try:
        MADE[made]()
    except (UnavailableError, HttpFault) as error:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert _lowest_free() == free
        assert threading.active_count() == 1
        print(error.cure)


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
