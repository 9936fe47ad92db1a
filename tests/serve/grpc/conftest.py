"""Servers that speak gRPC, and the standard client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import np_to_triton_dtype

from tests.serve.conftest import Serve
from tests.serve.gated import PATIENCE_S
from weft.serve.grpc.face import GrpcInference
from weft.serve.grpc.settings import GrpcSettings
from weft.serve.models.spec import ModelSpec
from weft.serve.server import Server

Start = Callable[..., Server]
Connect = Callable[..., triton.InferenceServerClient]


def target(server: Server) -> str:
    """Where a server's gRPC port is."""
    (face,) = (face for face in server.app.faces if isinstance(face, GrpcInference))
    host, port = face.address
    return f"{host}:{port}"


def until(condition: Callable[[], object]) -> None:
    """Wait until something holds; fails after a while."""
    ends = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.001)  # for the threads that are to make it hold


def given(array: np.ndarray, datatype: str = "", name: str = "x") -> triton.InferInput:
    made = triton.InferInput(name, list(array.shape), datatype or np_to_triton_dtype(array.dtype))
    return made.set_data_from_numpy(array)


ONES = np.ones((1, 4), np.float32)


@pytest.fixture
def start(serve: Serve) -> Start:
    """Starts a server with a gRPC port: ``start({"net": path}, max_calls=…, max_body=…)``."""

    def make(models: dict[str, Path | ModelSpec], *, max_calls: int = 1000, **settings: object) -> Server:
        face = GrpcInference(GrpcSettings(port=0, max_calls=max_calls))
        return serve(models, faces=[face], **settings)

    return make


@pytest.fixture
def connect() -> Iterator[Connect]:
    """A client of a server, each with a connection of its own."""
    opened: list[triton.InferenceServerClient] = []

    def make(server: Server, **options: object) -> triton.InferenceServerClient:
        own = [("grpc.use_local_subchannel_pool", 1)]
        opened.append(triton.InferenceServerClient(target(server), channel_args=own, **options))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def channel() -> Iterator[Callable[[Server], grpc.Channel]]:
    """A plain channel to a server, for bytes as they are."""
    opened: list[grpc.Channel] = []

    def make(server: Server) -> grpc.Channel:
        opened.append(grpc.insecure_channel(target(server), [("grpc.use_local_subchannel_pool", 1)]))
        return opened[-1]

    yield make
    for one in opened:
        one.close()
