"""What an ONNX file says of its inputs and outputs, where the engine does not pass it on."""

from __future__ import annotations

from weft.nn.wire import LENGTH, Sliceable, WireError, fields

_GRAPH, _PORTS = 7, (11, 12)
_NAME, _TYPE, _TENSOR, _SHAPE = 1, 2, 1, 2
Span = tuple[int, int]


def unranked(data: Sliceable) -> frozenset[str]:
    """The names of the inputs and outputs whose shape, and so whose rank, is not declared."""
    found = set()
    try:
        for graph in _spans(data, (0, len(data)), _GRAPH):
            for number in _PORTS:
                for port in _spans(data, graph, number):
                    if not _declares_shape(data, port):
                        found.add(_name(data, port))
    except WireError:
        return frozenset()  # the engine has read the file; what it says stands
    return frozenset(found)


def _declares_shape(data: Sliceable, port: Span) -> bool:
    tensors = [tensor for kind in _spans(data, port, _TYPE) for tensor in _spans(data, kind, _TENSOR)]
    return any(_spans(data, tensor, _SHAPE) for tensor in tensors)


def _name(data: Sliceable, port: Span) -> str:
    return "".join(bytes(data[start:stop]).decode() for start, stop in _spans(data, port, _NAME))


def _spans(data: Sliceable, span: Span, wanted: int) -> list[Span]:
    return [(at, stop) for number, kind, at, stop in fields(data, *span) if number == wanted and kind == LENGTH]
