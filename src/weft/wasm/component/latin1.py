"""Bytes as text, each byte being the character of its number: wasmtime passes a text on as a whole."""

from __future__ import annotations

import numpy as np

from weft.core.tensor import Array
from weft.wasm.guard import Refusal

MAX_LIST = 2**20
"""Bytes that cross as a list at once. wasmtime refuses a list of about 3 MiB."""


def to_text(data: bytes | memoryview | Array) -> str:
    """Bytes as text."""
    return str(data.data if isinstance(data, np.ndarray) else data, "latin-1")


def to_bytes(text: str) -> bytes:
    """Text as bytes. Raises Refusal ("invalid") for a character that is no byte."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise Refusal("invalid", f"the character {text[error.start]!r} is no byte; send text as text") from None
