"""Processes and a link that can be hurt, for the tests of faults."""

from __future__ import annotations

import heapq
import json
import os
import random
import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY


class Worker:
    """A process of :mod:`tests.stream.worker`."""

    def __init__(self, role: str, *arguments: object) -> None:
        command = [sys.executable, "-m", "tests.stream.worker", role, *map(str, arguments)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=REPOSITORY, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def read(self) -> dict[str, Any]:
        """The next thing it says; fails the test when it ends without."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the worker ended: {self.process.communicate()[1]}"
        return json.loads(line)

    def signal(self, number: int) -> None:
        """As kill(1)."""
        self.process.send_signal(number)

    def hear(self, text: str, timeout_s: float = 30) -> None:
        """Wait until it has written this to standard error; fails the test when that does not come."""
        assert self.process.stderr is not None
        heard, deadline = "", time.monotonic() + timeout_s
        while text not in heard:
            ready = select.select([self.process.stderr], [], [], max(0.0, deadline - time.monotonic()))[0]
            more = os.read(self.process.stderr.fileno(), 65536).decode() if ready else ""
            assert more, f"it never said '{text}', but: {heard}"
            heard += more

    def end(self) -> str:
        """Let it end by itself; what it wrote to standard error."""
        return self.process.communicate(timeout=30)[1]

    def close(self) -> None:
        """End it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Proxy:
    """A link over UDP that can be cut, lose datagrams and delay them.

    Attributes:
        cut: nothing goes through.
        loss: the part of the datagrams that is lost.
        delay_s: one way.
        carried: bytes that went through.
    """

    def __init__(self, port: int) -> None:
        self.cut = False
        self.loss = 0.0
        self.delay_s = 0.0
        self.carried = 0
        self._to = ("127.0.0.1", port)
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._front.bind(("127.0.0.1", 0))
        self.port = int(self._front.getsockname()[1])
        self._backs: dict[Any, socket.socket] = {}
        self._late: list[tuple[float, int, socket.socket, Any, bytes]] = []
        self._count = 0
        self._chance = random.Random(1)
        self._open = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._open = False
        self._thread.join()
        for made in (self._front, *self._backs.values()):
            made.close()

    def _run(self) -> None:
        while self._open:
            wait = 0.02 if not self._late else max(0.0, min(0.02, self._late[0][0] - time.monotonic()))
            for ready in select.select([self._front, *self._backs.values()], [], [], wait)[0]:
                self._take(ready)
            while self._late and self._late[0][0] <= time.monotonic():
                _, _, out, to, data = heapq.heappop(self._late)
                out.sendto(data, to)

    def _take(self, ready: socket.socket) -> None:
        try:
            data, sender = ready.recvfrom(65536)
        except OSError:  # the other side's port is closed for now
            return
        if ready is self._front:
            if sender not in self._backs:
                self._backs[sender] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                self._backs[sender].bind(("127.0.0.1", 0))
            out, to = self._backs[sender], self._to
        else:
            out, to = self._front, next(client for client, back in self._backs.items() if back is ready)
        if self.cut or self._chance.random() < self.loss:
            return
        self.carried += len(data)
        self._count += 1
        heapq.heappush(self._late, (time.monotonic() + self.delay_s, self._count, out, to, data))


def write(identity: Any, path: Path) -> Path:
    """An identity as a file."""
    identity.write(path)
    return path
