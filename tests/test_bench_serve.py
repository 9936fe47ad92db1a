"""The load generator and the servers beside Weft: what fails is counted, what is missing is said."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from threading import Thread

import pytest

from bench import load
from bench.others import beside
from bench.serve import _results, _sound


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], int]]:
    """A server that answers every request alike, and ends the connection where it has no words."""
    listeners: list[socket.socket] = []

    def start(answer: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        Thread(target=_accept, args=(listener, answer), daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _accept(listener: socket.socket, answer: bytes) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            while connection.recv(65536):
                if not answer:
                    break
                connection.sendall(answer)


def test_answers_are_counted(answering):
    port = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    seen = load.run(port, load.post("/", b"x"), 1, 0.05)
    assert seen.failed == 0
    assert len(seen.latencies) > 1
    assert seen.told()["p99_ms"] >= seen.told()["p50_ms"] > 0
    assert _sound(seen, "Weft") is seen


@pytest.mark.parametrize("answer", [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", b""])
def test_refused_requests_and_those_without_an_answer_are_failures(answering, answer):
    seen = load.run(answering(answer), load.post("/", b"x"), 1, 0.05)
    assert seen.failed >= 1
    with pytest.raises(RuntimeError, match="Weft failed"):
        _sound(seen, "Weft")


def test_servers_that_are_not_there_are_left_out_and_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv(beside.PYTHON, f"{tmp_path}/none:{sys.executable}")
    missing = beside.Other("a_module_that_nobody_has", "none", "/", beside.OTHERS["FastAPI"].ask)
    monkeypatch.setattr(beside, "OTHERS", {"Missing": missing, "Other": missing})
    with beside.running(tmp_path, tmp_path, 1) as ports:
        assert ports == {}
    assert beside.left_out(ports) == "Missing and Other: not in WEFT_BENCH_PYTHON"
    beside.say_left_out(ports)
    assert "left out: Missing (needs a_module_that_nobody_has, onnxruntime and PIL)" in capsys.readouterr().err


def test_each_row_has_what_is_behind_it():
    fast, slow = (load.Load(1.0, [0.01 * one] * count) for one, count in ((1, 100), (2, 50)))
    engines = [110.0] * 3
    rounds = [{"Weft": fast, "FastAPI": slow}] * 3
    ratio, ahead, spread = _results("net, 8 clients", 8, engines, rounds, "MLServer: not there")
    assert (round(ratio.value, 2), ratio.met, ratio.detail["left out"]) == (0.91, True, "MLServer: not there")
    assert (ahead.value, ahead.detail["FastAPI"]) == (2.0, "50/s (p50 20 ms, p99 20 ms)")
    assert (spread.value, spread.goal) == (1.0, 3.0)
    (alone,) = _results("net, 1 client", 1, engines, [{"Weft": fast}] * 3, "")
    assert "left out" not in alone.detail
