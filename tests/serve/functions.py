"""Functions on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import httpx

from tests.serve.conftest import Serve
from weft.core.limits import Limits
from weft.flow.functions import FunctionOptions
from weft.serve.functions.rest import FunctionsFace
from weft.serve.functions.service import Functions
from weft.serve.functions.spec import FunctionSpec
from weft.serve.models.spec import ModelSpec
from weft.serve.server import Server

PATIENCE_S = 20.0


def spec(path: Path, **settings: object) -> FunctionSpec:
    """A function with a time limit that no test waits for."""
    options = FunctionOptions(limits=Limits(time=60))
    return replace(FunctionSpec(path, options, instances=1), **settings)  # type: ignore[arg-type]


def start(
    serve: Serve,
    functions: dict[str, FunctionSpec],
    models: dict[str, Path | ModelSpec] | None = None,
    **settings: object,
) -> tuple[Server, Functions]:
    """A server with functions, once all are ready or have failed."""
    made = Functions()
    for name, one in functions.items():
        made.add(name, one)
    debug = bool(settings.pop("debug", False))
    server = serve(models or {}, faces=[FunctionsFace(made, debug=debug)], **settings)
    made.wait(PATIENCE_S)
    return server, made


def events(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """Server-sent events as they come: their fields, lines of data joined."""
    found: dict[str, str] = {}
    for line in lines:
        if not line:
            yield found
            found = {}
            continue
        name, _, value = line.partition(": ")
        found[name] = f"{found[name]}\n{value}" if name in found else value


def streamed(client: httpx.Client, name: str, body: bytes) -> AbstractContextManager[httpx.Response]:
    """The beginning of a stream of events."""
    return client.stream("POST", f"/functions/{name}", content=body, headers={"accept": "text/event-stream"})
