"""The input of a classifier: what its document says and what its model's port says, brought together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weft.core.dtypes import BF16, BOOL, BYTES, DType
from weft.core.model import Layout, Port
from weft.flow.classifier_mistakes import Mistakes, Wrong, choose_port
from weft.media.inputs import FLOATS, Order, PictureInput, Scaling, channels

if TYPE_CHECKING:
    from weft.spec.classify import ClassifierInput

_ORDERS: dict[str, Order] = {"rgb": "rgb", "bgr": "bgr", "luma": "luma"}


@dataclass(frozen=True, slots=True)
class InputPlan:
    """How a picture becomes the model's input."""

    port: Port
    width: int
    height: int
    type: str
    layout: Layout
    shape: tuple[int, ...]
    scaling: Scaling

    def make(self) -> PictureInput:
        """What does it, for one thread."""
        order = _order(self.type)
        return PictureInput(self.width, self.height, order, self.layout, self.shape, self.port.dtype, self.scaling)

    def __str__(self) -> str:
        return f"{self.port.name}: {self.type} {self.width}x{self.height} as {self.port.dtype}{list(self.shape)}"


def plan_input(spec: ClassifierInput, ports: Sequence[Port]) -> InputPlan:
    """How pictures become this model's input. Raises Wrong with what contradicts the model, or what it leaves open."""
    if len(ports) > 1:
        message = f"the model takes {len(ports)} inputs at once: {'; '.join(map(str, ports))}"
        raise Wrong((("input",), message, "a classifier's model takes a picture and nothing else"))
    port = choose_port(ports, spec.name, "input")
    if port.dtype in (BF16, BOOL, BYTES):
        raise Wrong((("input",), f"the model takes {port}, which no picture can become", "choose another model"))
    mistakes = Mistakes()
    axes = _axes(port, spec, mistakes)
    kind = spec.type or _default_type(port.dtype, axes.channels)
    size = mistakes.attempt(lambda: _size(port, spec.size, axes)) or (1, 1)
    scaling = mistakes.attempt(lambda: _scaling(spec, kind, port)) or Scaling.raw(_order(kind), port.dtype)
    mistakes.check()
    return InputPlan(port, *size, kind, axes.layout, axes.shape(*size), scaling)


@dataclass(frozen=True, slots=True)
class _Axes:
    """Where height and width stand in a shape, how many channels there are, and in which layout.

    ``height`` and ``width`` are None where the picture stands in one dimension.
    """

    dims: tuple[int | None, ...]
    layout: Layout
    channels: int
    channel: int | None = None
    height: int | None = None
    width: int | None = None

    def shape(self, width: int, height: int) -> tuple[int, ...]:
        """The shape with every dimension known."""
        known = {self.height: height, self.width: width, self.channel: self.channels}
        if self.height is None:
            known[len(self.dims) - 1] = width * height * self.channels
        return tuple(known.get(at, 1 if dim is None else dim) for at, dim in enumerate(self.dims))


def _axes(port: Port, spec: ClassifierInput, mistakes: Mistakes) -> _Axes:
    dims, wanted = port.shape, _channels(spec)
    if dims is None:
        return _unranked(port, spec)
    if len(dims) == 4 and dims[0] not in (1, None):
        raise Wrong((("input",), f"the model takes {dims[0]} pictures at a time: {port}", "export it for a batch of 1"))
    if len(dims) in (3, 4):
        return _ranked(port, dims, spec, mistakes)
    if len(dims) == 2 and dims[0] in (1, None):
        return _flat(port, dims, spec)
    if len(dims) == 2 and wanted in (1, None):
        return _Axes(dims, "nhwc", 1, None, 0, 1)
    raise _no_picture(port)


def _unranked(port: Port, spec: ClassifierInput) -> _Axes:
    wanted, layout = _channels(spec), spec.layout
    if wanted is None or layout is None:
        missing = [key for key, value in (("type", wanted), ("layout", layout)) if value is None]
        message = f"is missing: the model says nothing about the shape of '{port.name}'"
        raise Wrong(*((("input", key), message, "add it") for key in missing))
    at = 2 if layout == "nchw" else 1
    return _Axes((1, None, None, None), layout, wanted, 1 if layout == "nchw" else 3, at, at + 1)


def _ranked(port: Port, dims: tuple[int | None, ...], spec: ClassifierInput, mistakes: Mistakes) -> _Axes:
    """A shape of three or four dimensions: a layout fits where the channels' dimension is 1, 3 or open."""
    wanted = _channels(spec)
    first, last = len(dims) - 3, len(dims) - 1
    fitting = (wanted, None) if wanted else (1, 3, None)
    places: dict[Layout, int] = {"nchw": first, "nhwc": last}
    fits: list[Layout] = [name for name, at in places.items() if dims[at] in fitting]
    # An open dimension may be anything: one that says its channels is preferred.
    likely = [name for name in fits if dims[places[name]] is not None] or fits
    if spec.layout in fits:
        likely = [spec.layout]
    elif spec.layout and fits:
        message, cure = f"is {spec.layout}, but the model takes {port}", f"say {fits[0]}, or leave it out"
        mistakes.found.append((("input", "layout"), message, cure))
    if len(likely) != 1:
        raise _no_layout(port, (dims[first], dims[last]), spec, fits)
    found = likely[0]
    count = dims[places[found]] or wanted
    if count is None:
        raise Wrong((("input", "type"), f"is missing: the model leaves the channels open: {port}", "add it, like rgb8"))
    at = first + 1 if found == "nchw" else first
    return _Axes(dims, found, count, places[found], at, at + 1)


def _no_layout(port: Port, ends: tuple[int | None, ...], spec: ClassifierInput, fits: Sequence[Layout]) -> Wrong:
    if fits:
        message = f"is missing: the channels of {port} may come first or last"
        return Wrong((("input", "layout"), message, "say nchw (first) or nhwc (last)"))
    other = 1 if _channels(spec) == 3 else 3
    if spec.type and other in ends:
        count = {1: "one channel", 3: "three channels"}
        message = f"is {spec.type}, {count[4 - other]}, but the model takes {count[other]}: {port}"
        number = spec.type.removeprefix(_order(spec.type))
        return Wrong((("input", "type"), message, f"say {'luma' if other == 1 else 'rgb'}{number}"))
    return _no_picture(port)


def _flat(port: Port, dims: tuple[int | None, ...], spec: ClassifierInput) -> _Axes:
    """A picture in one dimension, whose size the document says."""
    if spec.size is None:
        raise Wrong((("input", "size"), f"is missing: the model takes {port}", "say the picture's width and height"))
    (width, height), length = spec.size, dims[1]
    count = _channels(spec) or (3 if length == 3 * width * height else 1)
    if length not in (None, count * width * height):
        what = f"is {width}x{height}, {count * width * height} numbers, but the model takes {port}"
        raise Wrong((("input", "size"), what, "check width, height and type"))
    if count == 3 and spec.layout is None:
        raise Wrong((("input", "layout"), f"is missing: the model takes {port}", "say nchw or nhwc"))
    return _Axes(dims, spec.layout or "nhwc", count)


def _channels(spec: ClassifierInput) -> int | None:
    return channels(_order(spec.type)) if spec.type else None


def _no_picture(port: Port) -> Wrong:
    return Wrong((("input",), f"the model takes {port}, which is no picture", "a classifier's model takes pictures"))


def _size(port: Port, size: tuple[int, int] | None, axes: _Axes) -> tuple[int, int]:
    if axes.height is None or axes.width is None:
        assert size is not None
        return size
    fixed = (axes.dims[axes.width], axes.dims[axes.height])
    sides = tuple(side if side is not None else known for side, known in zip(fixed, size or (None, None), strict=True))
    width, height = sides
    if not width or not height:
        raise Wrong((("input", "size"), f"is missing: the model leaves it open: {port}", "write it like 224x224"))
    if size is not None and size != sides:
        shown = "x".join("?" if side is None else str(side) for side in fixed)
        message = f"is {size[0]}x{size[1]}, but the model takes {shown}: {port}"
        raise Wrong((("input", "size"), message, f"write {width}x{height}, or leave it out"))
    return width, height


def _scaling(spec: ClassifierInput, kind: str, port: Port) -> Scaling:
    order, said = _order(kind), [key for key in ("mean", "std") if getattr(spec, key) is not None]
    if kind.endswith("8"):
        if said:  # the type was the model's choice: the document did not say it
            cure = f"say type: {kind.removesuffix('8')}32f as well, or leave {' and '.join(said)} out"
            raise Wrong(*((("input", key), f"does not go with {kind}, the type of {port}", cure) for key in said))
        return Scaling.raw(order, port.dtype)
    for key in said:
        if len(getattr(spec, key)) not in (1, channels(order)):
            raise Wrong(
                (("input", key), f"has three values, but the model takes one channel: {port}", "give one value")
            )
    scaling = Scaling.normal(order, spec.mean or (0.0,), spec.std or (1.0,))
    if port.dtype in FLOATS:
        return scaling
    if port.quantization is None:
        message = f"is {kind}, but the model takes {port}, and the engine does not tell what its steps stand for"
        raise Wrong((("input", "type"), message, f"say {kind.removesuffix('32f')}8, or choose another engine"))
    return scaling.quantised(*port.quantization)


def _default_type(dtype: DType, count: int) -> str:
    return f"{'luma' if count == 1 else 'rgb'}{'32f' if dtype in FLOATS else '8'}"


def _order(kind: str) -> Order:
    return _ORDERS[kind.removesuffix("32f").removesuffix("8")]
