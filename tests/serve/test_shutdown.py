"""SIGTERM to the real command: what it took it finishes, and nothing else begins."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.serve.conftest import Serve
from tests.serve.gated import GatedProvider
from tests.serve.test_command import serving

BODY = json.dumps({"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}).encode()


def listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 20).close()
    except (ConnectionRefusedError, ConnectionResetError):  # the second where it ends between the two
        return False
    return True


def wait_ready(url: str) -> None:
    while (status := httpx.get(f"{url}/readyz").status_code) != 200:
        assert status == 503


def test_a_slow_request_is_finished_after_sigterm(tiny: Callable[..., Path]) -> None:
    with serving("--model", f"net={tiny()}") as (process, url):
        wait_ready(url)
        host, port = urlsplit(url).hostname or "", urlsplit(url).port or 0
        with closing(socket.create_connection((host, port), 30)) as slow:
            head = f"POST /v2/models/net/infer HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(BODY)}\r\n"
            slow.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
            assert slow.recv(100).startswith(b"HTTP/1.1 100")  # it is being worked on
            slow.sendall(BODY[:10])
            process.send_signal(signal.SIGTERM)
            while listens(host, port):
                pass
            assert process.poll() is None
            slow.sendall(BODY[10:])
            answer = b"".join(iter(lambda: slow.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["outputs"][0]["data"] == [1, 2, 3, 4]
        assert process.wait(30) == 143


def test_who_never_finishes_does_not_keep_it_for_ever(tiny: Callable[..., Path]) -> None:
    with serving("--model", f"net={tiny()}", "--drain", "200ms") as (process, url):
        wait_ready(url)
        host, port = urlsplit(url).hostname or "", urlsplit(url).port or 0
        with closing(socket.create_connection((host, port), 30)) as slow:
            slow.sendall(
                f"POST /v2/models/net/infer HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n"
                "Expect: 100-continue\r\n\r\n".encode()
            )
            assert slow.recv(100).startswith(b"HTTP/1.1 100")
            process.send_signal(signal.SIGTERM)
            answer = b"".join(iter(lambda: slow.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 503")
        assert process.wait(30) == 143


def test_the_time_to_finish_is_given_once(
    serve: Serve, tiny: Callable[..., Path], provider: GatedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve({"net": tiny()}, drain_s=0.2)
    models, given = server.services.models, list[float]()
    close = models.close
    monkeypatch.setattr(models, "close", lambda left_s: (given.append(left_s), close(left_s)))
    provider.close_gate()
    with closing(socket.create_connection(server.address, 20)) as slow:
        head = f"POST /v2/models/net/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(BODY)}\r\n\r\n"
        slow.sendall(head.encode() + BODY)
        provider.wait_entered()
        server.close()  # what stands at the gate takes all of it
        assert b" 503 " in slow.recv(65536)
    assert given == [0.0]
