"""What a POST to ``/v2/models/M/infer`` holds: JSON, and after it the bytes of those inputs that are binary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from weft.core.dtypes import dtype_named
from weft.core.errors import InputError, TensorError
from weft.core.tensor import Tensor
from weft.serve.caller import Caller
from weft.serve.models.request import InferRequest, Wanted
from weft.serve.oip.raw import from_raw
from weft.serve.oip.text import from_data

_MOST_DIMS = 32
_MICROSECOND = 1e-6
Parameters = dict[str, Any]


class AskedInput(msgspec.Struct):
    """One input."""

    name: str
    shape: list[int]
    datatype: str
    parameters: Parameters = {}
    data: Any = msgspec.UNSET


class AskedOutput(msgspec.Struct):
    """One output that is wanted."""

    name: str
    parameters: Parameters = {}


class Asked(msgspec.Struct):
    """The JSON of a request."""

    inputs: list[AskedInput]
    id: str = ""
    outputs: list[AskedOutput] = []
    parameters: Parameters = {}

    def binary(self, name: str) -> bool:
        """Whether an output is to be binary."""
        for output in self.outputs:
            if output.name == name:
                return bool(output.parameters.get("binary_data", self.parameters.get("binary_data_output", False)))
        return bool(self.parameters.get("binary_data_output", False))


_decoder = msgspec.json.Decoder(Asked)


def read(body: memoryview, header_length: int | None) -> tuple[Asked, memoryview]:
    """The request and the bytes after its JSON. Raises InputError for what is no request."""
    if header_length is not None and header_length > len(body):
        what = f"Inference-Header-Content-Length is {header_length}, and the body has {len(body)} bytes"
        raise InputError(what, cure="send the length of the JSON")
    end = len(body) if header_length is None else header_length
    if not end:
        raise InputError("the request is empty", cure='send JSON with "inputs"')
    try:
        return _decoder.decode(body[:end]), body[end:]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        where = "" if header_length is not None else " (bytes after it need Inference-Header-Content-Length)"
        raise InputError(f"the request's JSON is wrong: {error}{where}", cure="see the inference protocol") from error


def header_length(text: str | None) -> int | None:
    """What the header of that name says. InputError for no number."""
    if text is None:
        return None
    if not text.isdecimal():
        raise InputError(f"Inference-Header-Content-Length: {text[:40]} is no number", cure="send the JSON's length")
    return int(text)


def request_of(asked: Asked, rest: memoryview, model: str, version: str, caller: Caller) -> InferRequest:
    """The request that was asked. Raises TensorError and InputError."""
    return InferRequest(
        model,
        caller,
        dict(_tensors(asked, rest)),
        version,
        tuple(wanted(output.name, output.parameters) for output in asked.outputs),
        asked.id,
        timeout_of(asked.parameters),
        asked.parameters,
    )


def _tensors(asked: Asked, rest: memoryview) -> Iterator[tuple[str, Tensor]]:
    at = 0
    seen: set[str] = set()
    for given in asked.inputs:
        if given.name in seen:
            raise InputError(f"input '{given.name}' is given twice", cure="keep one")
        seen.add(given.name)
        size = given.parameters.get("binary_data_size") if given.parameters else None
        if size is None:
            yield given.name, _from_json(given)
            continue
        yield given.name, _from_rest(given, rest, at, size)
        at += size
    if at != len(rest):
        what = f"{len(rest)} bytes follow the JSON, and the inputs account for {at}"
        raise InputError(what, cure="give each binary input its binary_data_size")


def _from_json(given: AskedInput) -> Tensor:
    where = f"input '{given.name}'"
    if "shared_memory_region" in given.parameters:
        raise InputError("shared memory is not offered here", where=where, cure="send the data")
    if given.data is msgspec.UNSET:
        raise InputError("has no data", where=where, cure='give it "data", or "binary_data_size" and its bytes')
    return from_data(dtype_named(given.datatype), shape_of(given.shape, where), given.data, where)


def _from_rest(given: AskedInput, rest: memoryview, at: int, size: object) -> Tensor:
    where = f"input '{given.name}'"
    if type(size) is not int or size < 0:
        raise InputError(f"binary_data_size is {size!r}", where=where, cure="give the number of its bytes")
    if at + size > len(rest):
        what = f"its {size} bytes begin at {at} of {len(rest)} after the JSON"
        raise InputError(what, where=where, cure="send all of them")
    return from_raw(dtype_named(given.datatype), shape_of(given.shape, where), rest[at : at + size], where)


def shape_of(given: Iterable[int], where: str) -> tuple[int, ...]:
    """The shape a request gives an input. Raises TensorError for what is none."""
    shape = tuple(given)
    if len(shape) > _MOST_DIMS or any(dim < 0 or dim >= 2**48 for dim in shape):
        raise TensorError(f"{list(shape[:_MOST_DIMS])} is no shape", where=where, cure="give what the data has")
    return shape


def wanted(name: str, parameters: Parameters) -> Wanted:
    """An output that is asked for. Raises InputError."""
    if "shared_memory_region" in parameters:
        raise InputError("shared memory is not offered here", where=f"output '{name}'", cure="leave it out")
    classes = parameters.get("classification", 0)
    if type(classes) is not int or classes < 0:
        raise InputError(f"classification is {classes!r}", where=f"output '{name}'", cure="give how many")
    return Wanted(name, classes)


def timeout_of(parameters: Parameters) -> float | None:
    """Seconds, of the parameter ``timeout`` in microseconds; 0 is none. Raises InputError."""
    given = parameters.get("timeout", 0)
    if type(given) is not int or given < 0:
        raise InputError(f"timeout is {given!r}", cure="give microseconds as a whole number")
    return given * _MICROSECOND or None
