"""The methods of ``inference.GRPCInferenceService``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from google.protobuf import json_format

from weft.core.errors import InputError, NotFoundError, UsageError
from weft.serve.call import Call
from weft.serve.grpc.answered import Piece, pieces_of
from weft.serve.grpc.asked import request_of
from weft.serve.grpc.door import Work, parsed
from weft.serve.grpc.proto import message
from weft.serve.models.version import Version
from weft.serve.oip import documents
from weft.serve.services import Services

SERVICE = "inference.GRPCInferenceService"
REQUEST = "inference.ModelInferRequest"
_ASIDE = 256 * 1024
"""Bytes of a request from which it is read on another thread where its tensors are lists."""
_NOT_HERE = ("binary_tensor_data", "logging", "trace")

Document = dict[str, Any]
Answer = Callable[[Call, Any], Awaitable[Document]]


class Rpcs:
    """What the methods answer that take one message and give one."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._models = services.models

    def all(self) -> Mapping[str, Work]:
        """The methods by name."""
        rows: dict[str, tuple[str, Answer]] = {
            "ServerLive": ("live", self._live),
            "ServerReady": ("ready", self._ready),
            "ModelReady": ("model_ready", self._model_ready),
            "ServerMetadata": ("server_metadata", self._server_metadata),
            "ModelMetadata": ("metadata", self._metadata),
            "ModelConfig": ("config", self._config),
            "ModelStatistics": ("statistics", self._statistics),
            "RepositoryIndex": ("index", self._index),
            "RepositoryModelLoad": ("load", self._load),
            "RepositoryModelUnload": ("unload", self._unload),
        }
        found: dict[str, Work] = {
            name: partial(_document, name=name, word=word, answer=answer) for name, (word, answer) in rows.items()
        }
        return {**found, "ModelInfer": self.infer}

    # --- inference -----------------------------------------------------------------------

    async def infer(self, call: Call, data: bytes, left_s: float | None) -> bytes:
        """One inference."""
        return b"".join(await self.inferred(call, parsed(REQUEST, data), left_s))

    async def inferred(self, call: Call, asked: Any, left_s: float | None, *, final: bool = False) -> list[Piece]:
        """The pieces of the answer to what was asked."""
        call.route, call.subject = "infer", asked.model_name
        call.caller.require("infer", "model", asked.model_name)
        self._models.version(asked.model_name, asked.model_version).check_room()
        request = await _aside(asked, partial(request_of, asked, call.caller, left_s))
        response = await self._models.infer(request)
        typed = bool(asked.inputs) and not asked.raw_input_contents
        pieces: list[Piece] = await _aside(asked, partial(pieces_of, response, raw=not typed, final=final))
        return pieces

    # --- the server ----------------------------------------------------------------------

    async def _live(self, call: Call, asked: Any) -> Document:
        return {"live": True}

    async def _ready(self, call: Call, asked: Any) -> Document:
        return {"ready": self._services.ready}

    async def _server_metadata(self, call: Call, asked: Any) -> Document:
        found = documents.server_metadata()
        return {**found, "extensions": [name for name in found["extensions"] if name not in _NOT_HERE]}

    # --- models --------------------------------------------------------------------------

    def _version(self, call: Call, asked: Any) -> Version:
        call.subject = asked.name
        call.caller.require("read", "model", asked.name)
        return self._models.version(asked.name, asked.version)

    async def _model_ready(self, call: Call, asked: Any) -> Document:
        return {"ready": self._version(call, asked).ready}

    async def _metadata(self, call: Call, asked: Any) -> Document:
        version = self._version(call, asked)
        ready = [one.number for one in self._models.versions(version.name) if one.ready]
        return documents.metadata(version, ready[::-1])

    async def _config(self, call: Call, asked: Any) -> Document:
        return {"config": documents.config(self._version(call, asked))}

    async def _statistics(self, call: Call, asked: Any) -> Document:
        if not asked.name:
            return documents.statistics(self._readable(call))
        version = self._version(call, asked)
        return documents.statistics([version] if asked.version else self._models.versions(version.name))

    def _readable(self, call: Call) -> list[Version]:
        return [one for one in self._models.versions() if call.caller.may("read", "model", one.name)]

    async def _index(self, call: Call, asked: Any) -> Document:
        return {"models": documents.index(one for one in self._readable(call) if one.ready or not asked.ready)}

    async def _load(self, call: Call, asked: Any) -> Document:
        call.subject = asked.model_name
        call.caller.require("manage", "model", call.subject)
        if asked.parameters:
            raise UsageError("a model's files and settings are not taken from requests", cure="load it as it was named")
        try:
            await asyncio.to_thread(self._models.load, call.subject, caller=call.caller)
        except NotFoundError:
            raise
        except InputError as error:
            raise UsageError(error.what, cure=error.cure) from error  # the file is wrong, not the server
        return {}

    async def _unload(self, call: Call, asked: Any) -> Document:
        call.subject = asked.model_name
        await asyncio.to_thread(self._models.unload, call.subject, caller=call.caller)
        return {}


async def _document(call: Call, data: bytes, left_s: float | None, *, name: str, word: str, answer: Answer) -> bytes:
    """Answer a method whose answer is a document."""
    call.route = word
    document = await answer(call, parsed(f"inference.{name}Request", data))
    made: bytes = json_format.ParseDict(document, message(f"inference.{name}Response")()).SerializeToString()
    return made


async def _aside(asked: Any, work: Callable[[], Any]) -> Any:
    """Lists of many elements would keep the event loop busy."""
    if asked.raw_input_contents or asked.ByteSize() < _ASIDE:
        return work()
    return await asyncio.to_thread(work)
