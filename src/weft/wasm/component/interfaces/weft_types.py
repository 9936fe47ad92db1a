"""``weft:function/types``: the words the other interfaces of the package share."""

from __future__ import annotations

from weft.wasm.component.interface import Interface
from weft.wasm.component.types import STRING, Enum, Record
from weft.wasm.guard import Kind

_CODES: dict[Kind, str] = {
    "invalid": "invalid-argument",
    "outside": "invalid-argument",
    "not_found": "not-found",
    "too_small": "invalid-argument",
    "too_large": "too-large",
    "denied": "denied",
    "unsupported": "unsupported",
    "encoding": "runtime-error",
    "busy": "runtime-error",
    "failed": "runtime-error",
}
ERROR_CODE = Enum(("invalid-argument", "not-found", "too-large", "denied", "unsupported", "runtime-error"))
ERROR = Record((("code", ERROR_CODE), ("message", STRING)))
PIXEL_FORMAT = Enum(("rgb8", "bgr8", "gray8", "rgb32f"))
LAYOUT = Enum(("nhwc", "nchw"))


class WeftTypes(Interface):
    """Types alone; there is nothing to call."""

    name = "weft:function/types"
    grant = "always there"


class WeftInterface(Interface):
    """An interface of the package ``weft:function``, whose errors are records."""

    grant = "always there"

    def error(self, kind: Kind, message: str) -> object:
        """A kind and a sentence."""
        return _CODES[kind], message
