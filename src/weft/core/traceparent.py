"""W3C trace context, version 00: which trace a frame belongs to, as the header ``traceparent``.

A frame that came with a header keeps it. Any other has a trace of its own all the same, made from its source, sequence
and time when somebody asks. So it costs nothing until then, and every machine the frame reaches finds the same one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

HEADER = "traceparent"

SAMPLED = 1
"""The flag that says: this trace is being recorded."""

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII | re.DOTALL)
_LOW = 2**64 - 1


@dataclass(frozen=True, slots=True)
class TraceParent:
    """A place in a trace: 16 bytes that name the trace, 8 that name the span, and 8 bits of flags."""

    trace_id: int
    span_id: int
    flags: int = 0

    @property
    def sampled(self) -> bool:
        """Whether the trace is being recorded."""
        return bool(self.flags & SAMPLED)

    def within(self, ratio: float) -> bool:
        """Whether the trace is among that share of all; everybody who looks at its number decides alike."""
        return (self.trace_id & _LOW) < ratio * 2**64

    def __str__(self) -> str:
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{self.flags:02x}"


def parse(text: str) -> TraceParent | None:
    """What a header says; None for what is none, which the standard wants ignored."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if version == "ff" or (version == "00" and more):
        return None
    parent = TraceParent(int(trace, 16), int(span, 16), int(flags, 16))
    return parent if parent.trace_id and parent.span_id else None


def read(headers: Mapping[str, str]) -> TraceParent | None:
    """What a frame's headers say; None where they say nothing that holds."""
    text = headers.get(HEADER)
    return None if text is None else parse(text)


def made_from(source: str, sequence: int, time_ns: int) -> TraceParent:
    """The trace of a frame that came without one; not sampled."""
    digest = blake2b(f"{sequence} {time_ns} {source}".encode(errors="surrogatepass"), digest_size=24).digest()
    # Zero means "none"; one hash in 2**64 is.
    return TraceParent(int.from_bytes(digest[:16]) or 1, int.from_bytes(digest[16:]) or 1)
