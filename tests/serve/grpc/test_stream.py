"""``ModelStreamInfer``: order, errors that do not end it, bounds, and its end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from tests.serve.gated import GatedProvider
from tests.serve.grpc.conftest import ONES, Connect, Start, given, until
from weft.serve.caller import ANYONE
from weft.serve.models.spec import ModelSpec
from weft.serve.server import Server

Tiny = Callable[..., Path]
PATH = "/inference.GRPCInferenceService/ModelStreamInfer"


class Asker:
    """A stream by hand: what is sent, and what comes."""

    def __init__(self, channel: grpc.Channel) -> None:
        method = channel.stream_stream(
            PATH, service_pb2.ModelInferRequest.SerializeToString, service_pb2.ModelStreamInferResponse.FromString
        )
        self.taken = 0
        self._sent: Queue[service_pb2.ModelInferRequest | None] = Queue()
        self.answers = method(self._all(), timeout=60)

    def _all(self) -> Iterator[service_pb2.ModelInferRequest]:
        while (request := self._sent.get()) is not None:
            self.taken += 1
            yield request

    def send(self, request_id: str, model: str = "net", value: float = 1.0) -> None:
        request = service_pb2.ModelInferRequest(model_name=model, id=request_id)
        request.inputs.add(name="x", datatype="FP32", shape=[1, 4])
        request.raw_input_contents.append((ONES * value).tobytes())
        self._sent.put(request)

    def end(self) -> None:
        self._sent.put(None)


@pytest.fixture
def asker(channel: Callable[[Server], grpc.Channel]) -> Callable[[Server], Asker]:
    return lambda server: Asker(channel(server))


def test_the_standard_client_hears_errors_and_answers_in_order(start: Start, connect: Connect, tiny: Tiny):
    client = connect(start({"net": tiny()}))
    heard: Queue[tuple[object, object]] = Queue()
    client.start_stream(lambda result, error: heard.put((result, error)))
    for number in range(60):
        client.async_stream_infer("net" if number % 7 else "none", [given(ONES * number)], request_id=str(number))
    for number in range(60):
        result, error = heard.get(timeout=20)
        if number % 7:
            assert result.get_response().id == str(number)
            assert result.as_numpy("y")[0, 0] == number
            assert result.get_response().parameters["triton_final_response"].bool_param
        else:
            assert "no model 'none'" in str(error)
    client.stop_stream()


def test_an_error_names_its_request(start: Start, asker: Callable[[Server], Asker], tiny: Tiny):
    asked = asker(start({"net": tiny()}))
    asked.send("7", model="none")
    answer = next(asked.answers)
    assert (answer.infer_response.id, answer.infer_response.model_name) == ("7", "none")
    assert "no model 'none'" in answer.error_message
    asked.end()
    assert list(asked.answers) == []


def test_answers_keep_the_order_though_models_differ(
    start: Start, asker: Callable[[Server], Asker], tiny: Tiny, provider: GatedProvider
):
    server = start({"slow": tiny(), "none": tiny(name="other")})
    server.services.models.unload("none", caller=ANYONE)
    asked = asker(server)
    provider.close_gate()
    asked.send("1", "slow")
    asked.send("2", "none")  # fails at once
    provider.wait_entered()
    provider.gate.set()
    assert [next(asked.answers).infer_response.id for _ in range(2)] == ["1", "2"]
    asked.end()


def test_a_stream_reads_no_further_than_it_may(
    start: Start, asker: Callable[[Server], Asker], tiny: Tiny, provider: GatedProvider
):
    server = start({"net": ModelSpec(tiny(), queue=1000, instances=1)})
    asked = asker(server)
    provider.close_gate()
    for number in range(100):
        asked.send(str(number))
    asked.end()
    provider.wait_entered()
    lane = server.services.models.version("net").lane
    until(lambda: lane.waiting + lane.running >= 32)
    assert lane.waiting + lane.running == 32
    provider.gate.set()
    assert [answer.infer_response.id for answer in asked.answers] == [str(number) for number in range(100)]


def test_who_goes_away_is_not_served(
    start: Start, asker: Callable[[Server], Asker], tiny: Tiny, provider: GatedProvider
):
    server = start({"net": ModelSpec(tiny(), instances=1)})
    asked = asker(server)
    provider.close_gate()
    for number in range(10):
        asked.send(str(number))
    provider.wait_entered()
    lane = server.services.models.version("net").lane
    until(lambda: lane.waiting >= 9)
    asked.answers.cancel()
    counter = server.services.models.version("net").counter
    until(lambda: counter.read().gone == 10)  # the one at the gate, too: nobody will have its answer
    assert not lane.waiting
    provider.gate.set()
    asked.end()
    assert counter.read().success.count == 0


def test_a_server_that_stops_answers_what_a_stream_has_sent(
    start: Start, asker: Callable[[Server], Asker], tiny: Tiny, provider: GatedProvider
):
    server = start({"net": ModelSpec(tiny(), instances=1)})
    asked = asker(server)
    provider.close_gate()
    for number in range(3):
        asked.send(str(number), value=number)
    provider.wait_entered()
    lane = server.services.models.version("net").lane
    until(lambda: lane.waiting >= 2)
    closing = threading.Thread(target=server.close)
    closing.start()
    until(lambda: server.services.stopping)
    provider.gate.set()
    got = [next(asked.answers).infer_response for _ in range(3)]
    assert [np.frombuffer(one.raw_output_contents[0], np.float32)[0] for one in got] == [0, 1, 2]
    with pytest.raises(grpc.RpcError) as caught:
        next(asked.answers)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    closing.join(30)
    assert not closing.is_alive()
    asked.end()


def test_bytes_that_are_no_request(start: Start, channel: Callable[[Server], grpc.Channel], tiny: Tiny):
    method = channel(start({"net": tiny()})).stream_stream(
        PATH, lambda data: data, service_pb2.ModelStreamInferResponse.FromString
    )
    good = service_pb2.ModelInferRequest(model_name="net")
    answers = list(method(iter([b"\xff\xff\xff", good.SerializeToString()]), timeout=30))
    assert "are no inference.ModelInferRequest" in answers[0].error_message
    assert "input" in answers[1].error_message
