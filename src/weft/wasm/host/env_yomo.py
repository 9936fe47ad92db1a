"""``env`` as YoMo's functions import it, all three generations: a tag and bytes in, tags and bytes out.

Tag N is the stream ``tag/0xNN``. What is written to a tag goes to that stream where the function may emit to it. A
function whose outputs name no tag stream emits everything to its default output. Either way the header ``tag`` says
which tag it was, and the header ``target`` for whom it is.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, ClassVar

from weft.core.errors import GuestTrap, OutputLimitError, UsageError
from weft.core.frame import Frame
from weft.wasm.guard import KINDS, Kind, Refusal
from weft.wasm.host.base import HostModule, exported
from weft.wasm.look import media_type_of

if TYPE_CHECKING:
    from weft.wasm.instance import Instance
    from weft.wasm.program import Settings

MAX_TAGS = 256
"""Tags one function may observe."""

_TAG_STREAM = re.compile(r"tag/(0x[0-9a-fA-F]{1,8})")
_TAG = re.compile(r"0x[0-9a-fA-F]{1,8}|\d{1,9}")
_OUTSIDE, _FAILED = 1, 2


class YomoHost(HostModule):
    """The frame as a tag and bytes, and what the function writes.

    Attributes:
        observed: the tags the function wants, as it said them.
        wanted_target: the target whose frames it wants; empty for frames without one.
    """

    name = "env"
    grant = "always there"
    takes_frame = True
    errno: ClassVar[dict[Kind, int]] = {**dict.fromkeys(KINDS, _FAILED), "outside": _OUTSIDE}

    @classmethod
    def check(cls, settings: Settings, imports: frozenset[str]) -> None:
        """Refuse a config ``tag`` that is no tag. Raises UsageError."""
        if (tag := settings.config.get("tag")) is not None and not _TAG.fullmatch(tag):
            raise UsageError(f"config tag: '{tag}' is no tag", where=settings.name, cure="write it like 0x33")

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self.observed: list[int] = []
        self.wanted_target = ""
        self._warned: set[int] = set()

    # --- what the function wants -------------------------------------------------------

    @exported("(i32) -> ()")
    def yomo_observe_datatag(self, tag: int) -> None:
        """The function wants frames of a tag."""
        if tag & 0xFFFFFFFF not in self.observed and len(self.observed) < MAX_TAGS:
            self.observed.append(tag & 0xFFFFFFFF)

    @exported("(i32 i32) -> ()")
    def yomo_get_wanted_target(self, ptr: int, length: int) -> None:
        """The function wants frames for a target, and no others."""
        self.wanted_target = self.memory.text(ptr, length)

    def wants(self, frame: Frame) -> bool:
        """False for a frame that is for another target. One whose tag was not observed is logged, once a tag."""
        tag = tag_of_stream(frame.stream)
        if tag is not None and self.observed and tag not in self.observed:
            self._warn(tag)
        return frame.headers.get("target", "") == self.wanted_target

    def _warn(self, tag: int) -> None:
        if tag not in self._warned and len(self._warned) < MAX_TAGS:
            self._warned.add(tag)
            observed = ", ".join(map(tag_stream, self.observed))
            self.instance.log.line(
                logging.WARNING, f"gets {tag_stream(tag)}, but observes {observed}: change its inputs"
            )

    # --- the frame ---------------------------------------------------------------------

    @exported("() -> (i32)", failure=0)
    def yomo_context_tag(self) -> int:
        """The frame's tag: its stream's, else its header's, else config's, else the first that was observed."""
        frame, config = self.instance.frame, self.instance.settings.config
        tag = tag_of_stream(frame.stream)
        for text in (frame.headers.get("tag", ""), config.get("tag", "")):
            if tag is None and _TAG.fullmatch(text):
                tag = int(text, 0) if text.startswith("0x") else int(text)
        return tag if tag is not None else next(iter(self.observed), 0)

    @exported("() -> (i32)", failure=0)
    def yomo_context_data_size(self) -> int:
        """Bytes of the payload."""
        return len(self.instance.frame.payload)

    @exported("(i32 i32) -> (i32)", failure=0)
    def yomo_context_data(self, ptr: int, limit: int) -> int:
        """The payload's length; copied only if it fits."""
        payload = self.instance.frame.payload
        if payload and len(payload) <= limit & 0xFFFFFFFF:
            self.memory.write(ptr, payload)
        return len(payload)

    # --- what the function writes ------------------------------------------------------

    @exported("(i32 i32 i32) -> (i32)")
    def yomo_write(self, tag: int, ptr: int, length: int) -> None:
        """Write to a tag: 0, 1 for a pointer outside memory, 2 where it failed."""
        self._emit(tag & 0xFFFFFFFF, ptr, length, "")

    @exported("(i32 i32 i32 i32 i32) -> (i32)")
    def yomo_write_with_target(self, tag: int, ptr: int, length: int, target_ptr: int, target_len: int) -> None:
        """Write to a tag, for a target."""
        self._emit(tag & 0xFFFFFFFF, ptr, length, self.memory.text(target_ptr, target_len))

    # --- the first generation, whose functions cannot be told that they failed ---------

    @exported("(i32) -> ()")
    def yomo_load_input(self, ptr: int) -> None:
        """Copy the payload, whose length the handler was told. A bad pointer ends the guest."""
        try:
            self.memory.write(ptr, self.instance.frame.payload)
        except Refusal as refusal:
            self.end(GuestTrap(f"yomo_load_input: {refusal.reason}", where=self.instance.settings.name))

    @exported("(i32 i32 i32) -> ()")
    def yomo_dump_output(self, tag: int, ptr: int, length: int) -> None:
        """Write to a tag. A bad pointer ends the guest."""
        try:
            self._emit(tag & 0xFFFFFFFF, ptr, length, "")
        except Refusal as refusal:
            self.end(GuestTrap(f"yomo_dump_output: {refusal.reason}", where=self.instance.settings.name))

    # --- helpers -----------------------------------------------------------------------

    def _emit(self, tag: int, ptr: int, length: int, target: str) -> None:
        """Going over the output limits ends the guest."""
        payload = self.memory.read(ptr, length)
        stream, media_type = self._stream(tag), media_type_of(payload)
        try:
            self.instance.emitted.check(stream, media_type, len(payload))
        except OutputLimitError as error:
            self.end(error)
        made = self.instance.frame.derive(payload, media_type=media_type, stream=stream)
        kept = {name: text for name, text in made.headers.items() if name != "target"}
        made.headers = {**kept, "tag": tag_text(tag), **({"target": target} if target else {})}
        self.instance.emitted.add(made)

    def _stream(self, tag: int) -> str:
        """The stream of a tag, as the function's outputs write it; the default output where they name no tags."""
        outputs = self.instance.settings.outputs
        tags = {tag_of_stream(name): name for name in outputs}
        if outputs and tags.keys() == {None}:
            return ""
        return tags.get(tag, tag_stream(tag))


def tag_text(tag: int) -> str:
    """0x33 as people write it."""
    return f"0x{tag:02x}"


def tag_stream(tag: int) -> str:
    """The stream of a tag."""
    return f"tag/{tag_text(tag)}"


def tag_of_stream(stream: str) -> int | None:
    """The tag of a stream, or None for one of another kind."""
    match = _TAG_STREAM.fullmatch(stream)
    return int(match[1], 16) if match else None
