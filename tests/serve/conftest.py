"""A real server on a free port, for as long as a test runs."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from tests.nn.tiny import onnx_identity
from tests.serve.gated import GatedProvider
from weft.serve.app import Face
from weft.serve.caller import Access, OpenAccess
from weft.serve.models.service import Models
from weft.serve.models.spec import ModelSpec, parse_name
from weft.serve.oip.rest import OpenInference
from weft.serve.server import Server
from weft.serve.services import Services
from weft.serve.settings import ServerSettings

Serve = Callable[..., Server]


@pytest.fixture
def provider() -> Iterator[GatedProvider]:
    """Where models come from; its gate is open unless a test closes it."""
    made = GatedProvider()
    yield made
    made.gate.set()


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Path]:
    """Makes a model file: x → y, ``tiny("f32", [1, 4])``."""

    def make(dtype: str = "f32", dims: list[int | str] | None = None, *, op: str = "Identity", name: str = "") -> Path:
        path = tmp_path / f"{name or dtype}.onnx"
        path.write_bytes(onnx_identity(dtype, ["rows", 4] if dims is None else dims, op=op))
        return path

    return make


@pytest.fixture
def serve(provider: GatedProvider) -> Iterator[Serve]:
    """Starts a server: ``serve({"net": path or ModelSpec}, max_body=…)``; ready when given, unless ``wait=False``."""
    with ExitStack() as stack:

        def start(
            models: dict[str, Path | ModelSpec],
            *,
            faces: Sequence[Face] | None = None,
            memory: int | None = None,
            wait: bool = True,
            access: Access | None = None,
            **settings: object,
        ) -> Server:
            served = Models(provider, memory)
            for name, spec in models.items():
                served.add(
                    parse_name(name)[0], spec if isinstance(spec, ModelSpec) else ModelSpec(spec), parse_name(name)[1]
                )
            services = Services(served, ServerSettings(port=0, **settings), access or OpenAccess())  # type: ignore[arg-type]
            server = Server(services, [OpenInference()] if faces is None else faces)
            stack.callback(server.close)
            stack.callback(provider.gate.set)
            loading = server.start()
            if wait:
                loading.join(60)
            return server

        yield start


@pytest.fixture
def client(serve: Serve) -> Iterator[Callable[[Server], httpx.Client]]:
    """An HTTP client of a server."""
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(httpx.Client(base_url=server.url, timeout=30))


def raw(server: Server, *pieces: bytes, finish: bool = False) -> bytes:
    """Bytes over a plain connection, and all that comes back until the server ends it."""
    with closing(socket.create_connection(server.address, 20)) as connection:
        for piece in pieces:
            connection.sendall(piece)
        if finish:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))
