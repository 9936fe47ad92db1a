"""Functions written in Python, for programs that use Weft as a library. They run unsandboxed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy

from weft.core.errors import GuestFailed, PipelineError, WeftError
from weft.core.frame import Frame
from weft.core.protocols import Handler

Work = Callable[[Frame], Iterable[Frame] | Frame | None]


class PythonHandler:
    """A handler around a plain callable: frame in; a frame, several or None out."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def handle(self, frame: Frame) -> Sequence[Frame]:
        """What the callable gives. A frame handed through as it came goes to the default output.

        Raises GuestFailed for whatever it raises, so that ``on_error`` decides.
        """
        try:
            made = self._work(frame)
        except WeftError:
            raise
        except Exception as error:
            raise GuestFailed(f"{type(error).__name__}: {error}", cure="mend the function") from error
        frames = () if made is None else (made,) if isinstance(made, Frame) else tuple(made)
        return [_renamed(frame) if out is frame else out for out in frames]

    def close(self) -> None:
        """Nothing to release."""


def python(work: Work) -> Callable[[], Handler]:
    """What ``FunctionNode(open=…)`` takes, for a plain callable. With replicas it is called from several threads."""
    if not callable(work):
        raise PipelineError(f"{type(work).__name__} cannot be called", cure="give a function that takes a Frame")
    return lambda: PythonHandler(work)


def _renamed(frame: Frame) -> Frame:
    """The same frame for another stream: others may hold the original, so it is not changed."""
    renamed = copy(frame)
    renamed.stream = ""
    return renamed
