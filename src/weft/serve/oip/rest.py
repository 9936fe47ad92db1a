"""The Open Inference Protocol, version 2, over HTTP: its routes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from weft.core.errors import InputError, NotFoundError, UsageError
from weft.serve.app import Endpoint, Face
from weft.serve.call import Call, call_of
from weft.serve.models.version import Version
from weft.serve.oip import documents, server_settings
from weft.serve.oip.infer import infer
from weft.serve.services import Services

_MODEL = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?/infer")
_INFER = ("/v2/models/{model}/infer", "/v2/models/{model}/versions/{version}/infer")
_SMALL = 2**20

Answer = Callable[[Call, dict[str, str]], Awaitable[tuple[int, object]]]


class OpenInference(Face):
    """The face of the Open Inference Protocol over HTTP."""

    name = "open-inference"
    front = "/v2/models/"

    def find(self, services: Services, method: str, path: str) -> Endpoint | None:
        """Inference goes past the router: it is what servers are asked for thousands of times a second."""
        if method != "POST" or not (found := _MODEL.fullmatch(path)):
            return None
        return partial(infer, models=services.models, model=found[1], version=found[2] or "")

    def routes(self, services: Services) -> Sequence[BaseRoute]:
        """Everything else."""
        pages = _Pages(services)
        routes = [_route(path, "GET", answer, word) for path, (word, answer) in pages.reads().items()]
        routes += [_route(path, "POST", answer, word) for path, (word, answer) in pages.changes().items()]
        return [*routes, *(Route(path, _found_before, methods=["POST"], name="infer") for path in _INFER)]


async def _found_before(request: Request) -> Response:
    """Stands for inference in the list of routes; ``find`` has it first."""
    call = call_of(request)
    names = request.path_params
    await infer(call, call.services.models, names["model"], names.get("version", ""))
    return _Answered()


class _Pages:
    """What the routes answer: a status and a document."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._models = services.models

    def reads(self) -> dict[str, tuple[str, Answer]]:
        """GET: the path, a word for metrics, and who answers."""
        rows: dict[str, tuple[str, Answer]] = {
            "/v2": ("server_metadata", self.metadata),
            "/v2/": ("server_metadata", self.metadata),
            "/v2/health/live": ("live", self.live),
            "/v2/health/ready": ("ready", self.ready),
            "/v2/models/stats": ("statistics", self.all_statistics),
            "/v2/logging": ("logging", self.logging),
            "/v2/trace/setting": ("trace", self.tracing),
            "/v2/models/{model}/trace/setting": ("trace", self.tracing),
            "/v2/systemsharedmemory/status": ("shared_memory", self.no_regions),
            "/v2/cudasharedmemory/status": ("shared_memory", self.no_regions),
        }
        for model in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
            rows[model] = ("metadata", self.model)
            rows[f"{model}/ready"] = ("model_ready", self.model_ready)
            rows[f"{model}/config"] = ("config", self.config)
            rows[f"{model}/stats"] = ("statistics", self.statistics)
        return rows

    def changes(self) -> dict[str, tuple[str, Answer]]:
        """POST: as ``reads``."""
        rows: dict[str, tuple[str, Answer]] = {
            "/v2/repository/index": ("index", self.index),
            "/v2/repository/models/{model}/load": ("load", self.load),
            "/v2/repository/models/{model}/unload": ("unload", self.unload),
            "/v2/logging": ("logging", self.set_logging),
            "/v2/trace/setting": ("trace", self.set_tracing),
            "/v2/models/{model}/trace/setting": ("trace", self.set_tracing),
        }
        for kind in ("system", "cuda"):
            memory = f"/v2/{kind}sharedmemory"
            rows[f"{memory}/unregister"] = ("shared_memory", self.nothing_to_unregister)
            rows[memory + "/region/{region}/unregister"] = ("shared_memory", self.nothing_to_unregister)
            rows[memory + "/region/{region}/register"] = ("shared_memory", self.no_shared_memory)
        return rows

    # --- the server ----------------------------------------------------------------------

    async def metadata(self, call: Call, names: dict[str, str]) -> tuple[int, object]:
        """The server's name, version and extensions."""
        return 200, documents.server_metadata()

    async def live(self, call: Call, names: dict[str, str]) -> tuple[int, object]:
        """That it runs."""
        return 200, {"live": True}

    async def ready(self, call: Call, names: dict[str, str]) -> tuple[int, object]:
        """Whether all models are loaded; 503 while not."""
        ready = self._services.ready
        return (200 if ready else 503), {"ready": ready}

    async def logging(self, call: Call, names: dict[str, str]) -> tuple[int, object]:
        """The log's settings. Raises DeniedError for who may not read the server."""
        call.caller.require("read", "server")
        return 200, server_settings.log_settings()

    async def set_logging(self, call: Call, names: dict[str, str]) -> tuple[int, object]:
        """Change the log's settings. Raises DeniedError, and InputError for what is no such setting."""
        call.caller.require("manage", "server")
        return 200, server_settings.set_log_settings(await _document(call))

    async def tracing(self, call: Call, names: dict[str, str]) -> tuple[int, object]:
        """The settings of traces, of the server or a model."""
        call.caller.require("read", "server")
        self._known(call, names)
        return 200, server_settings.trace_settings()

    async def set_tracing(self, call: Call, names: dict[str, str]) -> tuple[int, object]:
        """Change them, as far as they can be."""
        call.caller.require("manage", "server")
        self._known(call, names)
        return 200, server_settings.set_trace_settings(await _document(call))

    async def no_regions(self, call: Call, names: dict[str, str]) -> tuple[int, object]:
        """The regions of shared memory: none."""
        call.caller.require("read", "server")
        return 200, []

    async def nothing_to_unregister(self, call: Call, names: dict[str, str]) -> tuple[int, object]:
        """Unregister shared memory, of which there is none."""
        call.caller.require("manage", "server")
        return 200, {}

    async def no_shared_memory(self, call: Call, names: dict[str, str]) -> tuple[int, object]:
        """Raises UsageError: shared memory is not offered."""
        call.caller.require("manage", "server")
        raise UsageError("shared memory is not offered here", cure="send tensors with the request")

    # --- models --------------------------------------------------------------------------

    def _known(self, call: Call, names: dict[str, str]) -> None:
        if "model" in names:
            self._version(call, names)

    def _version(self, call: Call, names: dict[str, str]) -> Version:
        call.subject = names["model"]
        call.caller.require("read", "model", call.subject)
        return self._models.version(call.subject, names.get("version", ""))

    async def model(self, call: Call, names: dict[str, str]) -> tuple[int, object]:
        """A model's inputs and outputs, and which of its versions are ready."""
        version = self._version(call, names)
        ready = [one.number for one in self._models.versions(version.name) if one.ready]
        return 200, documents.metadata(version, ready[::-1])

    async def model_ready(self, call: Call, names: dict[str, str]) -> tuple[int, object]:
        """That a model is ready. Raises what it is not ready for."""
        version = self._version(call, names)
        if not version.ready:
            raise version.unready()
        return 200, {"name": version.name, "ready": True}

    async def config(self, call: Call, names: dict[str, str]) -> tuple[int, object]:
        """A model's configuration."""
        return 200, documents.config(self._version(call, names))

    async def statistics(self, call: Call, names: dict[str, str]) -> tuple[int, object]:
        """Counts and times of a model's versions, or of one."""
        version = self._version(call, names)
        chosen = [version] if names.get("version") else self._models.versions(version.name)
        return 200, documents.statistics(chosen)

    async def all_statistics(self, call: Call, names: dict[str, str]) -> tuple[int, object]:
        """The same of all models that the caller may read."""
        return 200, documents.statistics(self._readable(call))

    def _readable(self, call: Call) -> list[Version]:
        return [one for one in self._models.versions() if call.caller.may("read", "model", one.name)]

    async def index(self, call: Call, names: dict[str, str]) -> tuple[int, object]:
        """The models that the caller may read, with their states."""
        given = await _document(call)
        only_ready = isinstance(given, dict) and given.get("ready") is True
        return 200, documents.index(one for one in self._readable(call) if one.ready or not only_ready)

    async def load(self, call: Call, names: dict[str, str]) -> tuple[int, object]:
        """Load a model anew. Raises DeniedError, NotFoundError, and UsageError for a file that is wrong."""
        call.subject = names["model"]
        call.caller.require("manage", "model", call.subject)
        given = await _document(call)
        if isinstance(given, dict) and given.get("parameters"):
            raise UsageError("a model's files and settings are not taken from requests", cure="load it as it was named")
        try:
            await asyncio.to_thread(self._models.load, call.subject, caller=call.caller)
        except NotFoundError:
            raise
        except InputError as error:
            raise UsageError(error.what, cure=error.cure) from error  # the file is wrong, not the server
        return 200, {}

    async def unload(self, call: Call, names: dict[str, str]) -> tuple[int, object]:
        """Unload a model. Raises DeniedError and NotFoundError."""
        call.subject = names["model"]
        await _document(call)
        self._models.unload(call.subject, caller=call.caller)
        return 200, {}


async def _document(call: Call) -> Any:
    """The request's JSON; None where it has no body. Raises InputError."""
    body = await call.body()
    if len(body) > _SMALL:
        raise InputError("this JSON is too long", cure="send less than 1 MiB")
    if not body:
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(f"the request's JSON is wrong: {error}", cure="see the inference protocol") from error


class _Answered(Response):
    """Nothing more is to be sent: the call has answered."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        return


def _route(path: str, method: str, answer: Answer, word: str) -> Route:
    async def endpoint(request: Request) -> Response:
        call = call_of(request)
        call.route = word
        status, document = await answer(call, request.path_params)
        await call.json(document, status)
        return _Answered()

    return Route(path, endpoint, methods=[method], name=word)
