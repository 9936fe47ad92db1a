"""What is said of a function that is to be served."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from weft.core.errors import UsageError
from weft.flow.functions import FunctionOptions
from weft.serve.models.spec import check_name

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function's file and how it is served.

    Attributes:
        path: a module, a Python file, or a classifier's document.
        options: its grants, limits, config and models; nothing is granted by default.
        instances: requests it works on at the same time; 0 for one per core.
        queue: requests that may wait. One more is refused with BusyError.
        timeout_s: seconds from arrival to answer, ``inf`` for no limit but the function's own.
        max_body: bytes of a request's body; 0 for what the server takes.
    """

    path: Path
    options: FunctionOptions = field(default_factory=FunctionOptions)
    instances: int = 0
    queue: int = 64
    timeout_s: float = TIMEOUT_S
    max_body: int = 0

    def __post_init__(self) -> None:
        for name in ("instances", "queue", "max_body"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} is {getattr(self, name)}", cure="give at least 0")
        if not self.timeout_s > 0 or math.isnan(self.timeout_s):
            raise UsageError(f"timeout_s is {self.timeout_s}", cure="give seconds above 0, or inf for none")


def check_function_name(name: str) -> None:
    """UsageError for a name that would not fit into an address."""
    check_name(name)
