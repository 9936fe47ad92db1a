"""The answer to an inference as a ``ModelInferResponse``: in raw bytes, or in lists where the request was in lists."""

from __future__ import annotations

from typing import Any

from weft.core.tensor import Tensor
from weft.serve.grpc.asked import FIELDS
from weft.serve.grpc.proto import message
from weft.serve.models.request import InferResponse
from weft.serve.oip.raw import to_raw

Piece = bytes | memoryview

_RAW = b"\x32"
"""Before each of raw_output_contents: field 6, bytes."""
_RESPONSE = b"\x12"
"""Before infer_response of a stream's answer: field 2, a message."""


def pieces_of(response: InferResponse, *, raw: bool, final: bool = False) -> list[Piece]:
    """The message in pieces. A message's fields may stand in any order, so tensors follow the rest uncopied.

    Args:
        response: what the model answered.
        raw: whether as bytes; outputs that no list can hold are bytes in any case, and then all are.
        final: whether to say that it is the last answer to its request, as clients of streams may ask to be told.
    """
    made = message("inference.ModelInferResponse")(
        model_name=response.model, model_version=response.version, id=response.id
    )
    for name, value in response.parameters.items():
        made.parameters[name].string_param = value
    if final:
        made.parameters["triton_final_response"].bool_param = True
    raw = raw or not all(tensor.dtype in FIELDS for tensor in response.outputs.values())
    tail: list[Piece] = []
    for name, tensor in response.outputs.items():
        output = made.outputs.add(name=name, datatype=tensor.dtype.protocol, shape=tensor.shape)
        if raw:
            contents = to_raw(tensor)
            tail += [_RAW, _length(len(contents)), contents]
        else:
            _fill(output.contents, tensor)
    return [made.SerializeToString(), *tail]


def streamed(pieces: list[Piece], error: str = "") -> bytes:
    """The pieces of an answer as one of a stream, with what went wrong."""
    head: bytes = message("inference.ModelStreamInferResponse")(error_message=error).SerializeToString()
    return b"".join([head, _RESPONSE, _length(sum(map(len, pieces))), *pieces])


def _fill(contents: Any, tensor: Tensor) -> None:
    flat = tensor.array.reshape(-1)
    getattr(contents, FIELDS[tensor.dtype]).extend(flat.tolist())


def _length(size: int) -> bytes:
    """A length as protobuf writes it: seven bits in each byte, the lowest first."""
    found = bytearray()
    while size > 0x7F:
        found.append(size & 0x7F | 0x80)
        size >>= 7
    found.append(size)
    return bytes(found)
