"""What the host holds for a guest that infers: models it brought and inputs it set count like its own memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from weft.core.tensor import Tensor
from weft.core.units import format_size
from weft.wasm.guard import Refusal

if TYPE_CHECKING:
    from weft.wasm.instance import Instance


def check_held(instance: Instance, nbytes: int) -> None:
    """Raise Refusal ("too_large") where all that is held together, ``nbytes``, is more than a guest may have."""
    limit = instance.settings.limits.memory
    if nbytes > limit:
        what = f"{nbytes} bytes of models and inputs, over the limit of {format_size(limit)} (limits.memory)"
        raise Refusal("too_large", what, "close what is not needed, or raise limits.memory (--memory)")


def bytes_of(tensors: Iterable[Tensor]) -> int:
    """Bytes of tensors together."""
    return sum(tensor.nbytes for tensor in tensors)
