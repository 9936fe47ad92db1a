"""What is asked of a served model, and what it answers: the same for every protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from weft.core.tensor import Tensor
from weft.serve.caller import Caller


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output that is asked for; with ``classes``, its best classes by name in its place."""

    name: str
    classes: int = 0


@dataclass(slots=True)
class InferRequest:
    """One request.

    Attributes:
        model: the model's name.
        caller: who asks.
        inputs: a tensor for every input, by name. They must not change until the answer is there.
        version: which version; empty for the newest that is ready.
        outputs: those wanted; empty for all.
        id: given back with the answer.
        timeout_s: seconds until the caller gives up; None for what the model's settings say.
        parameters: what else the request said. Nothing reads them yet.
    """

    model: str
    caller: Caller
    inputs: Mapping[str, Tensor]
    version: str = ""
    outputs: tuple[Wanted, ...] = ()
    id: str = ""
    timeout_s: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class InferResponse:
    """The answer: outputs by name, in the order asked for, or the model's.

    Attributes:
        parameters: what else is said: the ``engine`` and ``device`` that ran.
    """

    model: str
    version: str
    outputs: dict[str, Tensor]
    id: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
