"""Checks what a caller gives a model against its ports, before any engine sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weft.core.dtypes import BF16, BYTES, DType
from weft.core.errors import ModelError, TensorError
from weft.core.model import Port
from weft.core.suggest import did_you_mean
from weft.core.tensor import Tensor


class Feed:
    """The input ports of one model, prepared for checking: a call with static shapes costs two comparisons a port."""

    def __init__(self, ports: Sequence[Port]) -> None:
        self._ports = tuple(ports)
        self._rows = tuple((port.name, port.dtype, _static(port)) for port in ports)

    def order(self, inputs: Mapping[str, Tensor], where: str) -> list[Tensor]:
        """The tensors in the order of the ports.

        Raises TensorError for a missing or unknown name, a wrong dtype, and a shape that does not fit.
        """
        feeds = []
        for name, dtype, shape in self._rows:
            tensor = inputs.get(name)
            if tensor is None or tensor.dtype is not dtype or tensor.array.shape != shape:
                tensor = self._explain(name, tensor, inputs, where)
            feeds.append(tensor)
        if len(inputs) != len(feeds):
            raise self._unknown(inputs, where)
        return feeds

    def _explain(self, name: str, tensor: Tensor | None, inputs: Mapping[str, Tensor], where: str) -> Tensor:
        """The tensor after all, where the port has dynamic dimensions that it fits; else TensorError."""
        if tensor is None:
            raise self._unknown(inputs, where) if set(inputs) - set(self._names) else self._missing(name, where)
        port = next(port for port in self._ports if port.name == name)
        if tensor.dtype is not port.dtype:
            what = f"input {port} was given {tensor.dtype}{list(tensor.shape)}"
            raise TensorError(what, where=where, cure=_conversion(tensor.dtype, port.dtype))
        if not _fits(tensor.shape, port.shape):
            what = f"input {port} was given shape {list(tensor.shape)}"
            raise TensorError(what, where=where, cure=_reshape(tensor.shape, port))
        return tensor

    @property
    def _names(self) -> list[str]:
        return [port.name for port in self._ports]

    def _missing(self, name: str, where: str) -> TensorError:
        port = next(port for port in self._ports if port.name == name)
        return TensorError(f"input {port} was not given", where=where, cure=f"give all of: {_listed(self._ports)}")

    def _unknown(self, inputs: Mapping[str, Tensor], where: str) -> TensorError:
        name = next(name for name in inputs if name not in self._names)
        hint = did_you_mean(name, self._names)
        cure = " ".join(filter(None, (hint, f"the inputs are: {_listed(self._ports)}")))
        return TensorError(f"the model has no input '{name}'", where=where, cure=cure)


def output_indexes(names: Sequence[str], ports: Sequence[Port], where: str) -> list[int]:
    """Where the named outputs stand; TensorError for one the model does not have."""
    index = {port.name: at for at, port in enumerate(ports)}
    try:
        return [index[name] for name in names]
    except KeyError as error:
        name = str(error.args[0])
        hint = did_you_mean(name, index)
        cure = " ".join(filter(None, (hint, f"the outputs are: {_listed(ports)}")))
        raise TensorError(f"the model has no output '{name}'", where=where, cure=cure) from None


def require_dtype(dtypes: Mapping[str, DType], name: str, port: str, engine: str, where: str) -> DType:
    """The dtype an engine calls by this name; ModelError for one that Weft cannot hold."""
    try:
        return dtypes[name]
    except KeyError:
        what = f"port '{port}' is {name}, which Weft does not pass to {engine}"
        cure = f"convert the model to one of {', '.join(sorted(map(str, dtypes.values())))}"
        raise ModelError(what, where=where, cure=cure) from None


def unique(names: Sequence[str], kind: str) -> list[str]:
    """The names, with ``input_0`` or ``output_0`` for those that are empty or taken."""
    found: list[str] = []
    for at, name in enumerate(names):
        found.append(name if name and name not in found else f"{kind}_{at}")
    return found


def _static(port: Port) -> tuple[int, ...] | None:
    if port.shape is None or None in port.shape:
        return None
    return tuple(dim for dim in port.shape if dim is not None)


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...] | None) -> bool:
    if wanted is None:
        return True
    return len(shape) == len(wanted) and all(want in (None, dim) for dim, want in zip(shape, wanted, strict=True))


def _conversion(given: DType, wanted: DType) -> str:
    if wanted is BYTES:
        return "give text or bytes"
    if given is BYTES:
        return f"decode it first: this port takes {wanted}"
    if wanted is BF16:
        return "give the raw bits as uint16 and say BF16: Tensor(bits, BF16)"
    return f"convert it: array.astype('{wanted.numpy}')"


def _reshape(given: tuple[int, ...], port: Port) -> str:
    """The cure for a wrong shape: the usual mistakes by name."""
    wanted = port.shape or ()
    if len(wanted) == len(given) + 1 and _fits(given, wanted[1:]):
        return "add the batch dimension: array[None]"
    if len(wanted) == len(given) == 4:
        if _fits((given[0], given[3], given[1], given[2]), wanted):
            return "the data is NHWC and the model wants NCHW: array.transpose(0, 3, 1, 2)"
        if _fits((given[0], given[2], given[3], given[1]), wanted):
            return "the data is NCHW and the model wants NHWC: array.transpose(0, 2, 3, 1)"
    return f"make it {port}"


def _listed(ports: Sequence[Port]) -> str:
    return "; ".join(map(str, ports))
