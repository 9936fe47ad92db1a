"""A hundred streams through a router: it, the process that publishes and the one that reads are watched."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from soak.watch import Sample, faults, sample
from weft.stream.identity import Authority

STREAMS, FEW = 100, 20
"""A short run beside other work has only a few: it looks whether the soak itself is sound."""
SETTLE_S = 20.0
ROLES = ("router", "consume", "publish")

Samples = dict[str, list[Sample]]


class Process:
    """One of :mod:`soak.stream_processes`."""

    def __init__(self, role: str, pem: Path, where: str, streams: int) -> None:
        command = [sys.executable, "-m", "soak.stream_processes", role, str(pem), where, str(streams)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def ask(self) -> dict[str, Any]:
        """What it has done so far."""
        self.go()
        return self.read()

    def go(self) -> None:
        """A line to it."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def read(self) -> dict[str, Any]:
        """What it says next."""
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class Site:
    """The three processes, over QUIC with certificates, as long as they are needed.

    Attributes:
        samples: of each process.
    """

    def __init__(self, stack: ExitStack, streams: int) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        Authority(folder / "authority").issue("soak", ("localhost",)).write(folder / "soak.pem")
        where = f"quic/localhost:{_free_port()}"
        self.samples: Samples = {role: [] for role in ROLES}
        self._processes: dict[str, Process] = {}
        for role in ROLES:
            process = stack.enter_context(closing(Process(role, folder / "soak.pem", where, streams)))
            process.read()
            self._processes[role] = process
        self._processes["publish"].go()

    def look(self) -> list[Sample]:
        """Each process now."""
        received = self._processes["consume"].ask()["received"]
        for role, process in self._processes.items():
            self.samples[role].append(sample(received, process.pid))
        return [taken[-1] for taken in self.samples.values()]

    def account(self) -> tuple[dict[str, int], dict[str, Any]]:
        """How many frames each stream sent at least, and what the reader says once it has those."""
        sent: dict[str, int] = self._processes["publish"].ask()
        deadline = time.monotonic() + SETTLE_S
        report = self._processes["consume"].ask()
        while time.monotonic() < deadline and any(report["ends"].get(name, 0) < sent[name] for name in sent):
            time.sleep(0.1)
            report = self._processes["consume"].ask()
        return sent, report

    def faults(self, sent: Mapping[str, int], report: Mapping[str, Any]) -> list[str]:
        """What went wrong, in words."""
        grown = (f"{role}: {fault}" for role, taken in self.samples.items() for fault in faults(taken, "files"))
        return [*grown, *frame_faults(sent, report)]


def frame_faults(sent: Mapping[str, int], report: Mapping[str, Any]) -> list[str]:
    """What became of the frames: of a reliable stream all come, of a live one each newest."""
    found = []
    if behind := [name for name in sent if report["ends"].get(name, 0) < sent[name]]:
        found.append(f"{len(behind)} streams did not come to the end, such as {behind[0]}")
    if report["missing"]["reliable"] or report["lost"]:
        found.append(f"{report['missing']['reliable']} reliable frames did not come, {report['lost']} were told")
    found += [f"{report[name]} frames were {name}" for name in ("malformed", "refused") if report[name]]
    return found


def summary(sent: Mapping[str, int], report: Mapping[str, Any]) -> str:
    """The frames, in one line."""
    return (
        f"{sum(sent.values())} frames of {len(sent)} streams, {report['recovered']} of them sent again;"
        f" {report['missing']['live']} live ones dropped, {report['dropped']} of those by the reader"
    )


def looks(site: Site, moments: Iterator[float]) -> Iterator[list[Sample]]:
    """Look at each moment of the monotonic clock."""
    for at in moments:
        time.sleep(max(0.0, at - time.monotonic()))
        yield site.look()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
