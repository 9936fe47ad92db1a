"""What clients get wrong over gRPC: the right status, the cure, and a server that goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from tests.nn.tiny import ONNX_TYPES
from tests.serve.gated import GatedProvider
from tests.serve.grpc.conftest import ONES, Start, until
from weft.core.dtypes import BF16, F16, dtype_named
from weft.serve.grpc.asked import FIELDS
from weft.serve.grpc.proto import message
from weft.serve.models.spec import ModelSpec
from weft.serve.server import Server

Tiny = Callable[..., Path]
Channel = Callable[[Server], grpc.Channel]
Request = service_pb2.ModelInferRequest
INFER = "/inference.GRPCInferenceService/ModelInfer"
TYPED = [dtype for dtype in map(dtype_named, (name for name in ONNX_TYPES if name != "f8")) if dtype in FIELDS]


def infer(channel: grpc.Channel, request: Request | bytes, **options: Any) -> service_pb2.ModelInferResponse:
    data = request if isinstance(request, bytes) else request.SerializeToString()
    method = channel.unary_unary(INFER, lambda given: given, service_pb2.ModelInferResponse.FromString)
    return method(data, timeout=options.pop("timeout", 30), **options)


def refused(channel: grpc.Channel, request: Request | bytes, **options: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        infer(channel, request, **options)
    return caught.value


def asked(raw: bytes | None = ONES.tobytes(), *, name="x", datatype="FP32", shape=(1, 4), model="net") -> Request:
    request = Request(model_name=model)
    request.inputs.add(name=name, datatype=datatype, shape=shape)
    if raw is not None:
        request.raw_input_contents.append(raw)
    return request


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"raw": b"123"}, "3 bytes do not fill FP32[1, 4], which needs 16"),
        ({"shape": (2, 4)}, "needs 32"),
        ({"shape": (1, 2**29)}, "needs 2147483648"),
        ({"shape": (2**40, 2**40)}, "needs"),
        ({"shape": (-1, 4)}, "is no shape"),
        ({"shape": (2**62,)}, "is no shape"),
        ({"shape": [1] * 40}, "is no shape"),
        ({"shape": (1, 2, 2)}, "was given shape"),
        ({"name": "z"}, "no input 'z'"),
        ({"datatype": "FP99"}, "no dtype 'FP99'"),
        ({"datatype": ""}, "no dtype"),
        ({"datatype": "INT32"}, "was given i32"),
        ({"datatype": "BYTES"}, "element 0 ends at byte"),
        ({"datatype": "BYTES", "shape": (1, 2**29)}, "hold no"),
        ({"raw": None}, "0 elements do not fill"),
    ],
)
def test_tensors_that_lie(start: Start, channel: Channel, tiny: Tiny, change: dict[str, Any], said: str):
    opened = channel(start({"net": tiny()}))
    error = refused(opened, asked(**change))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert said in error.details()
    assert infer(opened, asked()).raw_output_contents[0] == ONES.tobytes()


@pytest.mark.parametrize("dtype", TYPED, ids=str)
def test_lists_of_every_dtype_go_there_and_back(start: Start, channel: Channel, tiny: Tiny, dtype: Any):
    values = {"bool": [True, False, True, True], "bytes": [b"", b"\0", "ß".encode(), b"x" * 300]}.get(dtype.name)
    if values is None:
        kind = dtype.numpy
        values = [0.0, -1.5, float("nan"), 2.5] if kind.kind == "f" else [*_limits(kind), 0, 7]
    request = asked(None, datatype=dtype.protocol)
    getattr(request.inputs[0].contents, FIELDS[dtype]).extend(values)
    output = infer(channel(start({"net": tiny(dtype.name)})), request).outputs[0]
    assert (output.datatype, list(output.shape)) == (dtype.protocol, [1, 4])
    assert str(list(getattr(output.contents, FIELDS[dtype]))) == str(values)


def _limits(kind: np.dtype) -> list[int]:
    limits = np.iinfo(kind)
    return [int(limits.min), int(limits.max)]


@pytest.mark.parametrize(
    ("datatype", "field", "values", "said"),
    [
        ("INT8", "int_contents", [1, 2, 3, 128], "does not fit into INT8"),
        ("UINT16", "uint_contents", [1, 2, 3, 65536], "does not fit into UINT16"),
        ("FP32", "fp64_contents", [1, 2, 3, 4], "FP32 is given as fp64_contents"),
        ("FP32", "fp32_contents", [1, 2, 3], "3 elements do not fill FP32[1, 4], which needs 4"),
        ("FP16", "fp32_contents", [1, 2, 3, 4], "has no list of its own"),
        ("BF16", "uint_contents", [1, 2, 3, 4], "has no list of its own"),
    ],
)
def test_lists_that_lie(start: Start, channel: Channel, tiny: Tiny, datatype: str, field: str, values, said: str):
    request = asked(None, datatype=datatype)
    getattr(request.inputs[0].contents, field).extend(values)
    error = refused(channel(start({"net": tiny()})), request)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert said in error.details()


@pytest.mark.parametrize("dtype", [F16, BF16], ids=str)
def test_outputs_that_no_list_holds_are_bytes(start: Start, channel: Channel, tiny: Tiny, dtype: Any):
    request = asked(bytes(8), datatype=dtype.protocol)
    answer = infer(channel(start({"net": tiny(dtype.name)})), request)
    assert answer.raw_output_contents[0] == bytes(8)


def test_long_lists_are_read_aside(start: Start, channel: Channel, tiny: Tiny):
    values = np.arange(100_000, dtype=np.float32)
    request = asked(None, shape=(25_000, 4))
    request.inputs[0].contents.fp32_contents.extend(values.tolist())
    answer = infer(channel(start({"net": tiny()})), request)
    assert np.array_equal(answer.outputs[0].contents.fp32_contents, values)


def twice(request: Request) -> None:
    request.inputs.append(request.inputs[0])
    request.raw_input_contents.append(request.raw_input_contents[0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda request: request.inputs[0].contents.fp32_contents.extend([1] * 4), "contents and raw contents"),
        (lambda request: request.raw_input_contents.append(b""), "2 raw_input_contents for 1 inputs"),
        (twice, "is given twice"),
        (lambda request: request.ClearField("inputs"), "1 raw_input_contents for 0 inputs"),
        (lambda request: request.outputs.add(name="nope"), "'nope'"),
        (
            lambda request: request.outputs.add(name="y").parameters["classification"].MergeFrom(_parameter("ten")),
            "classification is 'ten'",
        ),
        (lambda request: request.parameters["timeout"].MergeFrom(_parameter("soon")), "timeout is 'soon'"),
        (
            lambda request: request.inputs[0].parameters["shared_memory_region"].MergeFrom(_parameter("a")),
            "not offered",
        ),
        (lambda request: request.parameters["nothing"].Clear() or request.inputs[0].shape.append(1), "shape"),
    ],
)
def test_requests_that_contradict_themselves(
    start: Start, channel: Channel, tiny: Tiny, change: Callable[[Request], object], said: str
):
    request = asked()
    change(request)
    error = refused(channel(start({"net": tiny()})), request)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert said in error.details()


def _parameter(text: str) -> service_pb2.InferParameter:
    return service_pb2.InferParameter(string_param=text)


def test_names_that_are_not_there(start: Start, channel: Channel, tiny: Tiny):
    opened = channel(start({"net": tiny()}))
    error = refused(opened, asked(model="nett"))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert "net" in error.details()
    long = refused(opened, asked(model="ü" * 100_000))
    assert long.code() is grpc.StatusCode.NOT_FOUND
    other = Request(model_name="net", model_version="9")
    assert refused(opened, other).code() is grpc.StatusCode.NOT_FOUND
    for name in ("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics"):
        method = opened.unary_unary(f"/inference.GRPCInferenceService/{name}")
        with pytest.raises(grpc.RpcError) as caught:
            method(service_pb2.ModelMetadataRequest(name="none").SerializeToString(), timeout=30)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_bytes_that_are_no_request(start: Start, channel: Channel, tiny: Tiny):
    opened = channel(start({"net": tiny()}))
    for data in (b"\xff" * 20, b"\x0a\x7f", b"\x0a\x02\xff\xfe", asked().SerializeToString()[:-3]):
        assert refused(opened, data).code() is grpc.StatusCode.INVALID_ARGUMENT
    assert infer(opened, asked()).model_name == "net"


@pytest.mark.parametrize("packed", [grpc.Compression.NoCompression, grpc.Compression.Gzip], ids=str)
def test_a_message_that_is_too_large(start: Start, channel: Channel, tiny: Tiny, packed: grpc.Compression):
    opened = channel(start({"net": tiny()}, max_body=2**20))
    rows = 2**18
    error = refused(opened, asked(bytes(rows * 16), shape=(rows, 4)), compression=packed)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert infer(opened, asked()).model_name == "net"


def test_no_more_bodies_than_there_is_room_for(start: Start, channel: Channel, tiny: Tiny, provider: GatedProvider):
    server = start({"net": tiny()}, max_bodies=100_000)
    opened = channel(server)
    provider.close_gate()
    waiting = opened.unary_unary(INFER).future(asked(bytes(64_000), shape=(4000, 4)).SerializeToString(), timeout=30)
    provider.wait_entered()
    error = refused(opened, asked(bytes(64_000), shape=(4000, 4)))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert dict(error.trailing_metadata())["grpc-retry-pushback-ms"] == "1000"
    provider.gate.set()
    waiting.result(timeout=20)
    until(lambda: server.services.room.used == 0)


def test_a_full_queue_says_when_to_ask_again(start: Start, channel: Channel, tiny: Tiny, provider: GatedProvider):
    opened = channel(start({"net": ModelSpec(tiny(), instances=1, queue=0)}))
    provider.close_gate()
    waiting = opened.unary_unary(INFER).future(asked().SerializeToString(), timeout=30)
    provider.wait_entered()
    error = refused(opened, asked())
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    metadata = dict(error.trailing_metadata())
    status = message("google.rpc.Status").FromString(metadata["grpc-status-details-bin"])
    assert (status.code, status.message) == (14, error.details())
    assert status.details[0].type_url == "type.googleapis.com/google.rpc.RetryInfo"
    delay = message("google.rpc.RetryInfo").FromString(status.details[0].value).retry_delay
    assert delay.seconds * 1000 + delay.nanos // 1_000_000 == int(metadata["grpc-retry-pushback-ms"]) > 0
    provider.gate.set()
    waiting.result(timeout=20)


@pytest.mark.parametrize("how", ["deadline", "cancel"])
def test_who_goes_away_before_its_turn_is_not_served(
    start: Start, channel: Channel, tiny: Tiny, provider: GatedProvider, how: str
):
    server = start({"net": ModelSpec(tiny(), instances=1)})
    opened = channel(server)
    provider.close_gate()
    method = opened.unary_unary(INFER)
    running = method.future(asked().SerializeToString(), timeout=30)
    provider.wait_entered()
    version = server.services.models.version("net")
    waiting = method.future(asked().SerializeToString(), timeout=1.5 if how == "deadline" else 30)
    until(lambda: version.lane.waiting == 1)
    if how == "cancel":
        waiting.cancel()
    else:
        assert waiting.exception(timeout=20).code() in (
            grpc.StatusCode.DEADLINE_EXCEEDED,
            grpc.StatusCode.UNAVAILABLE,
        )
    until(lambda: version.lane.waiting == 0)
    provider.gate.set()
    running.result(timeout=20)
    counts = version.counter.read()
    assert counts.success.count == 1
    assert counts.gone + counts.overdue == 1


def test_no_more_calls_than_are_taken(start: Start, channel: Channel, tiny: Tiny, provider: GatedProvider):
    opened = channel(start({"net": ModelSpec(tiny(), instances=2)}, max_calls=2))
    provider.close_gate()
    method = opened.unary_unary(INFER)
    held = [method.future(asked().SerializeToString(), timeout=30) for _ in range(2)]
    provider.wait_entered(2)
    other = grpc.insecure_channel(opened._channel.target().decode(), [("grpc.use_local_subchannel_pool", 1)])
    with other:
        assert refused(other, asked()).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    provider.gate.set()
    for one in held:
        one.result(timeout=20)


def test_a_defect_tells_nothing_of_itself(start: Start, channel: Channel, tiny: Tiny, caplog, monkeypatch):
    server = start({"net": tiny()})

    async def broken(request: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(server.services.models, "infer", broken)
    error = refused(channel(server), asked())
    assert error.code() is grpc.StatusCode.INTERNAL
    assert error.details() == "the server failed; its log says why"
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SystemSharedMemoryRegister", "shared memory is not offered"),
        ("CudaSharedMemoryRegister", "shared memory is not offered"),
        ("LogSettings", "over HTTP"),
        ("TraceSetting", "traces"),
        ("Nothing", "not found"),
    ],
)
def test_what_is_not_offered(start: Start, channel: Channel, tiny: Tiny, name: str, said: str):
    opened = channel(start({"net": tiny()}))
    with pytest.raises(grpc.RpcError) as caught:
        opened.unary_unary(f"/inference.GRPCInferenceService/{name}")(b"", timeout=30)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert said in caught.value.details()


def test_a_model_that_is_loading(start: Start, channel: Channel, tiny: Tiny, provider: GatedProvider):
    provider.gate.clear()
    server = start({"net": tiny()}, wait=False)
    opened = channel(server)
    error = refused(opened, asked())
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "loading" in error.details()
    ready = opened.unary_unary("/inference.GRPCInferenceService/ServerReady")
    assert ready(b"", timeout=30) == b""  # false
    provider.gate.set()
    until(lambda: ready(b"", timeout=30) == b"\x08\x01")


def test_the_end_finishes_what_was_taken(start: Start, channel: Channel, tiny: Tiny, provider: GatedProvider):
    server = start({"net": tiny()})
    provider.close_gate()
    taken = channel(server).unary_unary(INFER).future(asked().SerializeToString(), timeout=30)
    provider.wait_entered()
    closing = threading.Thread(target=server.close)
    closing.start()
    until(lambda: server.services.stopping)
    provider.gate.set()
    assert service_pb2.ModelInferResponse.FromString(taken.result(timeout=20)).model_name == "net"
    closing.join(30)


def test_the_end_waits_no_longer_than_it_may(start: Start, channel: Channel, tiny: Tiny, provider: GatedProvider):
    server = start({"net": tiny()}, drain_s=0.2)
    provider.close_gate()
    taken = channel(server).unary_unary(INFER).future(asked().SerializeToString(), timeout=30)
    provider.wait_entered()
    server.close()
    assert taken.exception(timeout=20).code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    assert server.services.counts["cut_off"] == 1
