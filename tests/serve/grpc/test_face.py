"""The port itself: who is let in, what is logged, TLS, health, reflection, and what keeps it from opening."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import grpc
import pytest
import tritonclient.grpc as triton
from google.protobuf import descriptor_pb2
from tritonclient.utils import InferenceServerException

from tests.nn.tiny import onnx_identity
from tests.serve.conftest import Serve
from tests.serve.gated import GatedProvider
from tests.serve.grpc.conftest import ONES, Connect, Start, given, target, until
from weft.cli.main import main
from weft.core.errors import IdentityError, RateLimitError, UnavailableError, UsageError
from weft.serve.access_log import write_line
from weft.serve.call import Call
from weft.serve.caller import ANYONE, Caller, OpenAccess
from weft.serve.grpc.door import address_of
from weft.serve.grpc.face import GrpcInference
from weft.serve.grpc.proto import message, pool
from weft.serve.grpc.settings import GrpcSettings
from weft.serve.models.service import Models
from weft.serve.server import Server
from weft.serve.services import Services
from weft.serve.settings import ServerSettings

Tiny = Callable[..., Path]
Channel = Callable[[Server], grpc.Channel]
SERVICE = "inference.GRPCInferenceService"
SERVING, NOT_SERVING, UNKNOWN = 1, 2, 3


class OnlyInfer:
    """May infer with the model ``net``, and nothing else."""

    def allows(self, action: str, kind: str, name: str) -> bool:
        return (action, kind, name) == ("infer", "model", "net")


class Doorman(OpenAccess):
    """Lets in who says ``Bearer key``; of those who say ``Bearer often`` nobody."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def identify(self, headers: Mapping[str, str], peer: str, path: str = "") -> Caller:
        self.asked.append((peer, path))
        key = headers.get("authorization")
        if key == "Bearer often":
            raise RateLimitError("too often", retry_after_s=2.5)
        if key != "Bearer key":
            raise IdentityError("who are you?", cure="send a key")
        return Caller("somebody", OnlyInfer())


def test_who_asks_is_asked(start: Start, connect: Connect, tiny: Tiny):
    server = start({"net": tiny(), "other": tiny()})
    doorman = server.services.access = Doorman()
    client = connect(server)
    cases = {None: "UNAUTHENTICATED", "Bearer often": "RESOURCE_EXHAUSTED"}
    for key, code in cases.items():
        with pytest.raises(InferenceServerException) as caught:
            client.infer("net", [given(ONES)], headers={"authorization": key} if key else None)
        assert caught.value.status() == f"StatusCode.{code}"
    mine = {"authorization": "Bearer key"}
    assert client.infer("net", [given(ONES)], headers=mine).as_numpy("y").shape == (1, 4)
    assert list(client.get_model_repository_index(headers=mine).models) == []
    for ask in (
        lambda: client.infer("other", [given(ONES)], headers=mine),
        lambda: client.get_model_metadata("net", headers=mine),
        lambda: client.unload_model("net", headers=mine),
        lambda: client.get_system_shared_memory_status(headers=mine),
    ):
        with pytest.raises(InferenceServerException) as caught:
            ask()
        assert caught.value.status() == "StatusCode.PERMISSION_DENIED"
    assert server.services.models.version("net").ready
    assert doorman.asked[0] == ("127.0.0.1", f"/{SERVICE}/ModelInfer")


def test_every_request_of_a_stream_is_asked(start: Start, channel: Channel, tiny: Tiny):
    server = start({"net": tiny()})
    doorman = server.services.access = Doorman()
    method = channel(server).stream_stream(f"/{SERVICE}/ModelStreamInfer")
    answers = list(method(iter([b"", b""]), timeout=30))
    assert len(answers) == len(doorman.asked) == 2
    assert b"who are you?" in answers[0]


def test_what_is_logged(start: Start, connect: Connect, tiny: Tiny, caplog: pytest.LogCaptureFixture):
    server = start({"net": tiny()})
    seen: list[Call] = []
    server.services.observers += [write_line, seen.append]
    client = connect(server)
    caplog.set_level("INFO", logger="weft.serve.access")
    client.infer("net", [given(ONES)])
    with pytest.raises(InferenceServerException):
        client.infer("none", [given(ONES)])
    until(lambda: len(seen) == 2)
    good, bad = seen
    assert (good.status, good.route, good.subject, good.method) == (200, "infer", "net", "POST")
    assert (bad.status, bad.subject, bad.given) == (404, "none", 0)
    assert good.taken > 16 < good.given
    assert good.ended >= good.began
    assert f"127.0.0.1 anyone POST /{SERVICE}/ModelInfer 200" in caplog.text


def test_who_goes_away_is_counted(start: Start, channel: Channel, tiny: Tiny, provider: GatedProvider):
    server = start({"net": tiny()})
    seen: list[Call] = []
    server.services.observers.append(seen.append)
    provider.close_gate()
    request = triton.service_pb2.ModelInferRequest(model_name="net", raw_input_contents=[ONES.tobytes()])
    request.inputs.add(name="x", datatype="FP32", shape=[1, 4])
    asked = channel(server).unary_unary(f"/{SERVICE}/ModelInfer").future(request.SerializeToString(), timeout=30)
    provider.wait_entered()
    asked.cancel()
    until(lambda: seen)
    assert seen[0].status == 499
    assert server.services.counts["client_gone"] == 1


def health(channel: grpc.Channel, service: str) -> int:
    asked = message("grpc.health.v1.HealthCheckRequest")(service=service)
    answer = channel.unary_unary("/grpc.health.v1.Health/Check")(asked.SerializeToString(), timeout=30)
    return message("grpc.health.v1.HealthCheckResponse").FromString(answer).status


def test_health(start: Start, channel: Channel, tiny: Tiny):
    server = start({"net": tiny(), "other": tiny()})
    opened = channel(server)
    assert [health(opened, name) for name in ("", SERVICE, "net")] == [SERVING] * 3
    server.services.models.unload("net", caller=ANYONE)
    assert [health(opened, name) for name in ("", "net", "other")] == [SERVING, NOT_SERVING, SERVING]
    with pytest.raises(grpc.RpcError) as caught:
        health(opened, "none")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_health_is_watched_until_the_end(start: Start, channel: Channel, tiny: Tiny):
    server = start({"net": tiny()})
    opened = channel(server)

    def watch(service: str) -> grpc.Call:
        asked = message("grpc.health.v1.HealthCheckRequest")(service=service)
        method = opened.unary_stream(
            "/grpc.health.v1.Health/Watch",
            response_deserializer=lambda data: message("grpc.health.v1.HealthCheckResponse").FromString(data).status,
        )
        return method(asked.SerializeToString(), timeout=60)

    whole, net, none = watch(""), watch("net"), watch("none")
    assert [next(whole), next(net), next(none)] == [SERVING, SERVING, UNKNOWN]
    server.services.models.unload("net", caller=ANYONE)
    assert next(net) == NOT_SERVING
    server.close()
    assert list(whole) == [NOT_SERVING]
    assert list(net) == []


@pytest.mark.parametrize("name", ["grpc.reflection.v1", "grpc.reflection.v1alpha"])
def test_reflection(start: Start, channel: Channel, tiny: Tiny, name: str):
    asked, answered = (message(f"grpc.reflection.v1.ServerReflection{word}") for word in ("Request", "Response"))
    questions = [
        asked(list_services=""),
        asked(file_containing_symbol=SERVICE),
        asked(file_by_filename="health.proto"),
        asked(file_containing_symbol="no.Such"),
        asked(all_extension_numbers_of_type="x"),
    ]
    method = channel(start({"net": tiny()})).stream_stream(f"/{name}.ServerReflection/ServerReflectionInfo")
    data = method((one.SerializeToString() for one in questions), timeout=30)
    listed, inference, healthy, missing, other = map(answered.FromString, data)
    assert SERVICE in [one.name for one in listed.list_services_response.service]
    file = descriptor_pb2.FileDescriptorProto.FromString(inference.file_descriptor_response.file_descriptor_proto[0])
    own = descriptor_pb2.FileDescriptorProto()
    pool().FindFileByName("inference.proto").CopyToProto(own)
    assert file == own
    assert healthy.file_descriptor_response.file_descriptor_proto
    assert (missing.error_response.error_code, other.error_response.error_code) == (5, 12)


def test_a_port_that_is_taken(serve: Serve, tiny: Tiny):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match="cannot listen there: Address already in use"):
            serve({"net": tiny()}, faces=[GrpcInference(GrpcSettings(port=port))])


def test_two_servers_do_not_share_a_port(start: Start, serve: Serve, tiny: Tiny):
    port = int(target(start({"net": tiny()})).rpartition(":")[2])
    with pytest.raises(UnavailableError, match="cannot listen there: Address already in use"):
        serve({"net": tiny()}, faces=[GrpcInference(GrpcSettings(port=port))])


@pytest.mark.parametrize("package", ["grpc", "google.protobuf"])
def test_a_package_that_is_missing(package: str, monkeypatch: pytest.MonkeyPatch, provider: GatedProvider):
    for name in [name for name in sys.modules if name.startswith("weft.serve.grpc.") and not name.endswith("face")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    services = Services(Models(provider), ServerSettings(port=0))
    with pytest.raises(UnavailableError, match="gRPC needs the package") as caught:
        asyncio.run(GrpcInference(GrpcSettings(port=0)).start(services))
    assert caught.value.cure == "pip install 'weft[grpc]'"


def test_settings_that_cannot_be():
    with pytest.raises(UsageError, match="gRPC port 70000"):
        GrpcSettings(port=70000)
    with pytest.raises(UsageError, match="max_calls is 0"):
        GrpcSettings(max_calls=0)


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.0.0.1:5000", "10.0.0.1"),
        ("ipv6:%5B::1%5D:5000", "::1"),
        ("ipv6:[fe80::1]:5000", "fe80::1"),
        ("unix:/tmp/x", ""),
        ("", ""),
    ],
)
def test_addresses_of_peers(peer: str, address: str):
    assert address_of(peer) == address


def test_weft_serve_with_grpc(tmp_path: Path):
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_identity("f32", ["rows", 4]))
    words = ["serve", "--model", f"net={path}", "--port", "0", "--grpc-port", "0", "--json"]
    process = subprocess.Popen([sys.executable, "-m", "weft", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        (address,) = json.loads(line)["others"]
        with triton.InferenceServerClient(address.removeprefix("grpc://")) as client:
            until(client.is_server_ready)
            assert client.infer("net", [given(ONES)]).as_numpy("y").shape == (1, 4)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
        assert process.returncode == 143
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("words", "said"), [(["--grpc-port", "70000"], "gRPC port 70000"), (["--grpc-calls", "5"], "without --grpc-port")]
)
def test_words_that_cannot_be_meant(words: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    assert main(["serve", *words]) == 64
    assert said in capsys.readouterr().err
