"""``grpc.reflection.v1.ServerReflection``: tools such as grpcurl ask it what there is, and need no ``.proto`` file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc

from weft.core.errors import WeftError
from weft.serve.grpc import health
from weft.serve.grpc.door import Context, Door, parsed, refuse
from weft.serve.grpc.proto import message, pool
from weft.serve.grpc.rpcs import SERVICE

NAME = "grpc.reflection.v1.ServerReflection"
OLD_NAME = "grpc.reflection.v1alpha.ServerReflection"
"""The same messages under the name that older tools ask for."""
_OFFERED = (SERVICE, health.NAME, NAME)


class Reflection:
    """Answers a stream of questions, one by one."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def handle(self, messages: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """The answers to a stream of questions."""
        call = self._door.call(f"/{NAME}/ServerReflectionInfo", context)
        try:
            await call.let_in()
            async for data in messages:
                yield _answer(parsed("grpc.reflection.v1.ServerReflectionRequest", data)).SerializeToString()
        except WeftError as error:
            await refuse(context, error)


def _answer(asked: Any) -> Any:
    made = message("grpc.reflection.v1.ServerReflectionResponse")(valid_host=asked.host, original_request=asked)
    kind = asked.WhichOneof("message_request")
    try:
        if kind == "list_services":
            for name in _OFFERED:
                made.list_services_response.service.add(name=name)
        elif kind == "file_by_filename":
            _describe(made, pool().FindFileByName(asked.file_by_filename))
        elif kind == "file_containing_symbol":
            _describe(made, pool().FindFileContainingSymbol(asked.file_containing_symbol))
        else:
            _refuse(made, grpc.StatusCode.UNIMPLEMENTED, "there are no extensions here")
    except KeyError:
        _refuse(made, grpc.StatusCode.NOT_FOUND, "there is no such file or symbol")
    return made


def _describe(made: Any, file: Any) -> None:
    made.file_descriptor_response.file_descriptor_proto.append(file.serialized_pb)


def _refuse(made: Any, code: grpc.StatusCode, text: str) -> None:
    made.error_response.error_code, made.error_response.error_message = code.value[0], text
