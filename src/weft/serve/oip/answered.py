"""The answer to an inference: JSON, and after it the bytes of those outputs that are binary."""

from __future__ import annotations

from typing import Any

import msgspec

from weft.serve.answers import Header
from weft.serve.call import JSON, Piece
from weft.serve.models.request import InferResponse
from weft.serve.oip.asked import Asked
from weft.serve.oip.raw import to_raw
from weft.serve.oip.text import to_data

HEADER_LENGTH = b"inference-header-content-length"
_BINARY: Header = (b"content-type", b"application/octet-stream")
_encoder = msgspec.json.Encoder()


def pieces_of(response: InferResponse, asked: Asked) -> tuple[list[Piece], list[Header]]:
    """The body in pieces, none copied, and its headers. Raises TensorError for what JSON has no words for."""
    pieces: list[Piece] = [b""]
    outputs = []
    for name, tensor in response.outputs.items():
        output: dict[str, Any] = {"name": name, "datatype": tensor.dtype.protocol, "shape": tensor.shape}
        if asked.binary(name):
            raw = to_raw(tensor)
            output["parameters"] = {"binary_data_size": len(raw)}
            pieces.append(raw)
        else:
            output["data"] = to_data(tensor, f"output '{name}'")
        outputs.append(output)
    document: dict[str, Any] = {"model_name": response.model, "model_version": response.version, "outputs": outputs}
    if response.id:
        document["id"] = response.id
    if response.parameters:
        document["parameters"] = response.parameters
    pieces[0] = _encoder.encode(document)
    if len(pieces) == 1:
        return pieces, [JSON]
    return pieces, [_BINARY, (HEADER_LENGTH, str(len(pieces[0])).encode())]
