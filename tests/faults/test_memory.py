"""Memory in the long run: hundreds of frames, good and bad, and the process stays as large as it was.

A guest has at least a page of 64 KiB: one that is kept for each frame shows. ``make soak`` looks closer.
"""

from __future__ import annotations

import json
import subprocess
import sys

from tests.faults.conftest import PATIENCE_S, Guests, environment

# In a process of its own: others would be measured with it. What grows with the first frames is not counted.
MEASURE = """
import json, sys
from pathlib import Path
import weft
from weft.core.errors import GuestError

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

def work(function, word, frames):
    failed = 0
    for number in range(frames):
        try:
            function(word)
        except GuestError:
            failed += 1
    return failed

for module, policy, word, count in json.loads(sys.argv[1]):
    with weft.load(module, instance=policy) as function:
        work(function, word, count // 2)
        before = resident()
        failed = work(function, word, count)
        print(json.dumps({"grown": resident() - before, "failed": failed}))
"""

CASES = [
    ("echo", "reuse", "a frame", 3000, False),
    ("echo", "fresh", "a frame", 1000, False),
    ("faults", "reuse", "divide", 500, True),
    ("faults", "reuse", "refuse", 1500, True),
    ("stdio", "reuse", "a frame", 1500, False),
    ("command", "reuse", "a frame", 500, False),
]


def test_many_frames_do_not_grow_the_process(guests: Guests) -> None:
    cases = json.dumps([(str(guests(name)), policy, word, count) for name, policy, word, count, _ in CASES])
    command = [sys.executable, "-c", MEASURE, cases]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=PATIENCE_S, check=True)
    for case, line in zip(CASES, done.stdout.splitlines(), strict=True):
        found = json.loads(line)
        assert found["failed"] == (case[3] if case[4] else 0), case
        assert found["grown"] < 10 * 2**20, case
