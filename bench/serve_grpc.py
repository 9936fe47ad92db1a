"""The same server over gRPC, beside HTTP and onnxruntime by itself, in turns. The generator takes the same cores."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import uvloop

from bench import load
from bench.harness import DATA, Result
from bench.load import Load
from bench.serve import CLIENTS, PIXELS, ROUNDS, SECONDS, engine, started
from weft.serve.grpc.proto import message

METHOD = "/inference.GRPCInferenceService/ModelInfer"


def run() -> Iterator[Result]:
    """The results, as they are measured."""
    models = {"identity": DATA / "models/identity.onnx", "mobilenet": DATA / "models/mobilenetv2.onnx"}
    words = [f"--model={name}={path}" for name, path in models.items()]
    with started("--grpc-port=0", *words) as told:
        target = told["others"][0].removeprefix("grpc://")
        yield _tiny(target, int(told["url"].rpartition(":")[2]))
        for clients in CLIENTS:
            yield _mobilenet(target, clients)


def _tiny(target: str, port: int) -> Result:
    """gRPC over HTTP: what the protocol costs, as the model costs next to nothing."""
    array = np.ones((1, 4), np.float32)
    asked, plain = request("identity", "0", array), load.binary_request("identity", "0", array)
    ask(target, asked, 16, 0.5)
    rounds = [(load.run(port, plain, 16, SECONDS), ask(target, asked, 16, SECONDS)) for _ in range(ROUNDS)]
    ratio = statistics.median(seen.per_second / http.per_second for http, seen in rounds)
    http, seen = rounds[-1]
    figures = {"http": round(http.per_second), "grpc": round(seen.per_second), **seen.told()}
    return Result("tiny model over gRPC and over HTTP, 16 clients", ratio, "ratio", 0.25, "higher", figures)


def _mobilenet(target: str, clients: int) -> Result:
    asked = request("mobilenet", "data", np.zeros(PIXELS, np.float32))
    ask(target, asked, clients, 0.5)
    rounds = [(engine(), ask(target, asked, clients, SECONDS)) for _ in range(ROUNDS)]
    ratio = statistics.median(seen.per_second / alone for alone, seen in rounds)
    alone, seen = rounds[-1]
    figures = {"onnxruntime": round(alone, 1), "weft": round(seen.per_second, 1), **seen.told()}
    name = f"MobileNetV2 over gRPC, {clients} client{'s' if clients > 1 else ''}"
    return Result(name, ratio, "ratio", 0.75, "higher", figures)


def request(model: str, name: str, array: np.ndarray[Any, Any]) -> bytes:
    """A ``ModelInferRequest`` with one raw tensor."""
    made = message("inference.ModelInferRequest")(model_name=model, raw_input_contents=[array.tobytes()])
    made.inputs.add(name=name, datatype="FP32", shape=array.shape)
    data: bytes = made.SerializeToString()
    return data


def ask(target: str, asked: bytes, clients: int, seconds: float) -> Load:
    """Ask for some seconds; each client has a connection, and asks again when it is answered."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_ask(target, asked, clients, seconds))


async def _ask(target: str, asked: bytes, clients: int, seconds: float) -> Load:
    seen = Load()
    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(_client(target, asked, seen, began + seconds) for _ in range(clients)))
    seen.seconds = time.perf_counter() - began
    seen.cpu = (time.process_time() - cpu) / seen.seconds
    return seen


async def _client(target: str, asked: bytes, seen: Load, until: float) -> None:
    import grpc

    own = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(target, own) as channel:
        infer = channel.unary_unary(METHOD)
        while (began := time.perf_counter()) < until:
            try:
                await infer(asked)
            except grpc.RpcError:
                seen.failed += 1
            seen.latencies.append(time.perf_counter() - began)
