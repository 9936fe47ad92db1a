"""PyAV's exceptions as Weft's, in one place."""

from __future__ import annotations

import av
from av.container import InputContainer

from weft.core.address import redacted
from weft.core.errors import MediaError, NotFoundError, UnavailableError, WeftError


def input_error(error: av.error.FFmpegError, where: str, what: str = "") -> WeftError:
    """The error for an input that does not open or decode: ``where`` is its path or URL, ``what`` what failed."""
    reason = redacted(error.strerror or str(error))
    said = f"{what}: {reason}" if what else reason
    where = redacted(where)
    if isinstance(error, FileNotFoundError):
        return NotFoundError("no such file or device", where=where, cure="check the path")
    if isinstance(error, PermissionError):
        return NotFoundError("it may not be read", where=where, cure="check the owner and mode of the file")
    if isinstance(error, IsADirectoryError):
        return MediaError("that is a directory, not a video", where=where, cure="use a source of type pictures")
    if isinstance(error, av.error.ExitError):
        said = "nothing came in time"
    if isinstance(error, (av.error.HTTPError, av.error.ExitError, ConnectionError, TimeoutError)):
        return UnavailableError(said, where=where, cure="check the address, the user and that the server runs")
    return MediaError(said, where=where, cure="check that it plays elsewhere; send the whole, unchanged file")


def no_text(container: InputContainer, where: str) -> InputContainer:
    """The container, unless FFmpeg took a text file for a film of a terminal: MediaError then, and it is closed."""
    if container.format.name != "tty":
        return container
    container.close()
    raise MediaError("that is text, not a video", where=redacted(where), cure="name a video file")
