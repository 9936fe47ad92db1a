"""What is said of a model that is to be served."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from weft.core.errors import UsageError
from weft.core.model import ModelOptions

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_VERSION = re.compile(r"[1-9][0-9]{0,17}")
FIRST_VERSION = "1"
TWIN_BELOW = 256 * 2**20


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model's file and how it is served.

    Attributes:
        path: the model's file or SavedModel folder.
        options: engine, device, precision, threads.
        labels: a text file with a class name on each line, for the classification of outputs.
        instances: inferences that run at the same time; 0 for one per core.
        queue: requests that may wait. One more is refused with BusyError.
        max_batch: rows of the largest batch that requests are joined to; 1 leaves every request by itself.
        batch_window_s: how long a request waits for others to join it. 0: a batch is what waits already.
        timeout_s: seconds from arrival to answer.
        twin_below: models of fewer bytes get a copy with one thread for each inference, for when requests fill the
            cores by themselves; 0 for none. See :mod:`weft.serve.models.twin`.
        warm_up: whether it is run once on made-up inputs before it is ready.
    """

    path: Path
    options: ModelOptions = ModelOptions()
    labels: Path | None = None
    instances: int = 0
    queue: int = 256
    max_batch: int = 1
    batch_window_s: float = 0.0
    timeout_s: float = 60.0
    twin_below: int = TWIN_BELOW
    warm_up: bool = True

    def __post_init__(self) -> None:
        wrong = [name for name, least in _LEAST.items() if getattr(self, name) < least]
        if wrong:
            name = wrong[0]
            raise UsageError(f"{name} is {getattr(self, name)}", cure=f"give at least {_LEAST[name]}")
        if not self.timeout_s > 0:
            raise UsageError(f"timeout_s is {self.timeout_s}", cure="give seconds above 0, or inf for none")


_LEAST = {"instances": 0, "queue": 0, "max_batch": 1, "batch_window_s": 0.0, "twin_below": 0}


def parse_name(text: str) -> tuple[str, str]:
    """Name and version from ``NAME`` or ``NAME/VERSION``; the version is ``1`` where none stands. UsageError."""
    name, slash, version = text.partition("/")
    check_name(name)
    if slash and not _VERSION.fullmatch(version):
        raise UsageError(f"'{version}' is no version", cure="write a whole number from 1 on, as in NAME/2")
    return name, version or FIRST_VERSION


def check_name(name: str) -> None:
    """UsageError for a name that would not fit into an address."""
    if not _NAME.fullmatch(name):
        cure = "use letters, digits, '.', '_' and '-', a letter or digit first, at most 128"
        raise UsageError(f"'{name}' cannot be a name", cure=cure)
