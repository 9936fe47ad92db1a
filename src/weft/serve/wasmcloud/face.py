"""The routes of wasmCloud's inference example: ``/MODEL``, ``/MODEL/preprocess`` and ``/MODEL/matches``."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from starlette.exceptions import HTTPException

from weft.core.clock import monotonic
from weft.core.errors import TensorError, WeftError
from weft.core.frame import Frame
from weft.core.tensor import Tensor
from weft.flow.metric import Sample
from weft.serve.app import Endpoint, Face
from weft.serve.call import JSON, Call
from weft.serve.functions.active import Active
from weft.serve.functions.headers import frame_headers, media_type
from weft.serve.functions.metrics import samples
from weft.serve.functions.reply import Asked, reply
from weft.serve.functions.service import Functions
from weft.serve.functions.shown import shown_to_clients
from weft.serve.models.request import InferRequest
from weft.serve.models.version import Version
from weft.serve.oip.infer import while_wanted
from weft.serve.services import Services
from weft.serve.wasmcloud import tensors
from weft.serve.wasmcloud.pictures import Pictures
from weft.serve.wasmcloud.steps import postprocessed, preprocessed

T = TypeVar("T")
R = TypeVar("R")

_PATH = re.compile(r"/([^/]+)(?:/(preprocess|matches)(/rgb8)?)?")
_METHODS = ("POST", "PUT")
_SMALL = 16 * 1024


class WasmCloud(Face):
    """The served models as the example's routes know them. To be the last of a server's faces.

    Args:
        before: by a model's name, the function that makes its input of a picture.
        after: by a model's name, the function that makes the answer of its output.
        debug: tell clients all that is known of a function's failure.
    """

    name = "wasmcloud"
    front = "/"

    def __init__(self, before: Functions | None = None, after: Functions | None = None, *, debug: bool = False) -> None:
        self._before = before or Functions()
        self._after = after or Functions()
        self._debug = debug
        self._active = Active()
        self._pictures: dict[str, Pictures] = {}
        self._threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="weft:pictures")

    async def start(self, services: Services) -> None:
        """Begin to load the functions."""
        for functions in (self._before, self._after):
            services.parts.append(functions)
            functions.start(services.models)

    async def stop(self, services: Services, drain_s: float) -> None:
        """Finish what was taken."""
        until = monotonic() + drain_s
        await self._active.ended(drain_s)
        left_s = max(until - monotonic(), 0.0)
        await asyncio.gather(self._before.stop(left_s), self._after.stop(left_s))
        self._threads.shutdown(wait=False)

    def metrics(self, services: Services) -> Iterable[Sample]:
        """The functions before and behind models, as ``NAME/preprocess`` and ``NAME/postprocess``."""
        yield from samples(self._before.all(), "preprocess")
        yield from samples(self._after.all(), "postprocess")

    def find(self, services: Services, method: str, path: str) -> Endpoint | None:
        """All of them; a path without ``preprocess`` or ``matches`` only where there is such a model."""
        found = _PATH.fullmatch(path)
        if not found or (not found[2] and found[1] not in services.models.names()):
            return None
        if method not in _METHODS:
            raise HTTPException(405, headers={"allow": ", ".join(_METHODS)})
        return partial(self._answer, name=found[1], way=found[2] or "", rgb8=bool(found[3]))

    async def _answer(self, call: Call, name: str, way: str, *, rgb8: bool) -> None:
        call.route, call.subject = way or "tensor", name
        call.caller.require("infer", "model", name)  # before its body is looked at
        version = call.services.models.version(name)
        with self._active:
            body = await call.body()
            try:
                version.check_room()
                await while_wanted(call, self._answered(call, version, body, way, rgb8=rgb8))
            except WeftError as error:
                raise shown_to_clients(error, debug=self._debug) from error

    async def _answered(self, call: Call, version: Version, body: memoryview, way: str, *, rgb8: bool) -> None:
        frame = _frame(call, version.name, body)
        inputs = await self._inputs(version, frame, way, rgb8=rgb8)
        request = InferRequest(version.name, call.caller, inputs)
        outputs = list((await call.services.models.infer(request)).outputs.values())
        if way != "matches":
            await call.answer(200, [await self._aside(outputs[0].nbytes, tensors.answer, outputs[0])], [JSON])
        elif version.name in self._after:
            emitted = await postprocessed(self._after.get(version.name), version.name, outputs, frame)
            await call.answer(*reply(emitted, Asked(frame, "", streamed=False, source="")))
        else:
            await call.json(self._known(version).matches(outputs, version.labels))

    async def _inputs(self, version: Version, frame: Frame, way: str, *, rgb8: bool) -> dict[str, Tensor]:
        """What the model is given. Raises TensorError, InputError, MediaError, and as :meth:`Hosted.call`."""
        info = version.described()
        if way and version.name in self._before:
            return await preprocessed(self._before.get(version.name), info, _told(frame, rgb8=rgb8))
        if way:
            make = partial(self._known(version).tensor, frame.payload, frame.media_type, rgb8=rgb8)
            return await asyncio.get_running_loop().run_in_executor(self._threads, make)
        if len(info.inputs) != 1:
            what = f"model '{version.name}' takes {len(info.inputs)} inputs, and one can be sent here"
            raise TensorError(what, cure="ask in the Open Inference Protocol: POST /v2/models/NAME/infer")
        tensor = await self._aside(len(frame.payload), tensors.read_tensor, frame.payload)
        return {info.inputs[0].name: tensor}

    def _known(self, version: Version) -> Pictures:
        info, known = version.described(), self._pictures.get(version.name)
        if known is None or known.info is not info:
            known = self._pictures[version.name] = Pictures(info)
        return known

    async def _aside(self, size: int, work: Callable[[T], R], given: T) -> R:
        """The work's result; done on another thread where it takes a while."""
        if size <= _SMALL:
            return work(given)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, given)


def _frame(call: Call, name: str, body: memoryview) -> Frame:
    data, query = bytes(body), call.scope.get("query_string", b"").decode("latin-1")
    told = {**frame_headers(call.headers, query), "model": name}
    return Frame(data, media_type=media_type(call.headers, data), source="http", headers=told)


def _told(frame: Frame, *, rgb8: bool) -> Frame:
    """The picture as the pre-processing function gets it."""
    headers = {**frame.headers, "pixels": "rgb8"} if rgb8 else frame.headers
    return Frame(frame.payload, media_type=frame.media_type, source=frame.source, headers=headers)
