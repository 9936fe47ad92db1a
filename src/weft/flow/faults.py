"""What becomes of errors: a record on a stream, a pipeline that ends, an exception nobody foresaw."""

from __future__ import annotations

import json
import logging

from weft.core.errors import PipelineError, WeftError
from weft.core.frame import Frame

log = logging.getLogger("weft.flow")


def error_frame(frame: Frame, error: WeftError, *, function: str, stream: str) -> Frame:
    """The record of a failure on ``frame``, as JSON for the error stream; the payload itself is left out."""
    record = {**error.record(), "function": function, "stream": frame.stream}
    record |= {"source": frame.source, "sequence": frame.sequence}
    return frame.derive(json.dumps(record).encode(), media_type="application/json", stream=stream)


def stopped_by(frame: Frame, error: WeftError, *, function: str) -> PipelineError:
    """The error of a pipeline whose function failed under ``on_error: fail``."""
    what = f"frame {frame.sequence} of '{frame.stream}' failed: {error.what}"
    cure = error.cure or "on_error: skip would count such a frame and go on"
    stopped = PipelineError(what, where=function, cure=cure)
    stopped.__cause__ = error
    return stopped


def unexpected(error: BaseException, *, where: str) -> WeftError:
    """``error`` itself if it is Weft's own, else a PipelineError that says where it came from."""
    if isinstance(error, WeftError):
        return error.at(where)
    what = f"unexpected {type(error).__name__}: {error}"
    wrapped = PipelineError(
        what, where=where, cure="this is a defect in that source, function or sink; see the traceback"
    )
    wrapped.__cause__ = error
    return wrapped
