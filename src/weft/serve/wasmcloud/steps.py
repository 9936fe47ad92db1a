"""Pre- and post-processing by functions of the user's: frames in, tensors and answers out."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence

from weft.core.errors import GuestError
from weft.core.frame import Frame
from weft.core.model import ModelInfo, Port
from weft.core.tensor import Tensor
from weft.serve.functions.hosted import Hosted
from weft.serve.wasmcloud.tensors import read_tensor

_JSON = "application/json"


async def preprocessed(hosted: Hosted, info: ModelInfo, frame: Frame) -> dict[str, Tensor]:
    """The model's input as a function makes it of a picture: raw bytes, or a tensor in JSON.

    Raises GuestError where it emits another thing, and as :meth:`Hosted.call`.
    """
    emitted = await hosted.call(frame)
    if len(emitted) != 1:
        what = f"emitted {len(emitted)} frames for a picture"
        raise GuestError(what, where=hosted.name, cure="emit one: the tensor")
    (made,), port = emitted, info.inputs[0]
    if made.media_type == _JSON:
        return {port.name: await asyncio.to_thread(read_tensor, made.payload)}
    return {port.name: Tensor.from_buffer(port.dtype, _shape(port, len(made.payload)), made.payload)}


def _shape(port: Port, size: int) -> tuple[int, ...]:
    """The port's shape with its first open dimension so that ``size`` bytes fill it, and 1 for the others."""
    if port.shape is None:
        return (size // port.dtype.itemsize,)
    known = math.prod(dim for dim in port.shape if dim is not None) * port.dtype.itemsize
    first = port.shape.index(None) if None in port.shape else -1
    return tuple(
        dim if dim is not None else (max(size // known, 1) if at == first and known else 1)
        for at, dim in enumerate(port.shape)
    )


async def postprocessed(hosted: Hosted, name: str, outputs: Sequence[Tensor], given: Frame) -> Sequence[Frame]:
    """What a function makes of the model's first output: its bytes, with ``model``, ``dtype`` and ``shape`` told."""
    tensor = outputs[0]
    told = {**given.headers, **described(name, tensor)}
    frame = Frame(tensor.bytes_view().tobytes(), source=given.source, sequence=given.sequence, headers=told)
    return await hosted.call(frame)


def described(name: str, tensor: Tensor) -> Mapping[str, str]:
    """What a function is told of a tensor, as headers."""
    return {"model": name, "dtype": tensor.dtype.name, "shape": ",".join(map(str, tensor.shape))}
