"""Where frames enter and leave a pipeline: sources, sinks and the queues before stages."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from weft.spec.cameras import CameraOptions
from weft.spec.delivery import DELIVERY, KEEP, LATEST, SCOPE, SPOOL, ConsumerName, Delivery, GroupName, Scope, SpoolUse
from weft.spec.remotes import HttpOptions, MqttOptions
from weft.spec.values import AsTuple, FilePath, Part, PictureSize, StreamName, StreamPattern, mistake

Overflow = Literal["block", "drop_oldest", "drop_newest"]
Encoding = Literal["jpeg", "raw"]
MAX_INPUTS = 32


class Queue(Part):
    """Where frames wait before a stage.

    A full queue that blocks holds back everything before it, up to the source. Frames may be dropped only
    where all of them come from live sources: frames from a file are never dropped. What a queue drops is
    counted in the summary.
    """

    size: int = Field(default=8, ge=1, le=65_536, description="How many frames may wait.")
    overflow: Overflow = Field(
        default="block",
        description="What happens when the queue is full: `block` holds the stage before it back, `drop_oldest` "
        "and `drop_newest` drop a frame and count it.",
    )


class LiveQueue(Queue):
    """Where frames wait as they come out of a live source. It drops rather than falls behind."""

    size: int = Field(default=4, ge=1, le=65_536, description="How many frames may wait.")
    overflow: Overflow = Field(
        default="drop_oldest",
        description="What happens when the queue is full: `drop_oldest` keeps the newest frames, `drop_newest` the "
        "ones that wait, `block` makes the source wait, which for a camera means that its decoder drops the oldest.",
    )


class MessageQueue(LiveQueue):
    """Where messages wait as they come. It holds more than a camera's queue: they come in bunches."""

    size: int = Field(default=256, ge=1, le=65_536, description="How many frames may wait.")


class StreamQueue(Part):
    """Where frames of a site's streams wait. Live ones are dropped beyond it, the oldest first, and counted; reliable
    ones are left with their publisher until there is room."""

    size: int = Field(default=64, ge=1, le=65_536, description="How many frames may wait.")


class SourceBase(Part):
    """What all sources share."""

    stream: StreamName | None = Field(
        default=None, description="The stream the frames go to; the source's own name if absent."
    )


_LIMIT = "End after this many frames."
_LOOP = "Begin again at the end, for ever."
_ENCODING = "`jpeg`: payloads are JPEG, encoded only if somebody reads them. `raw`: payloads are RGB8 rows."


class VideoSource(SourceBase):
    """The frames of a video file, as fast as they are taken, or no faster than it plays. Never drops a frame."""

    type: Literal["video"] = Field(description="`video`.")
    path: FilePath = Field(description="The video file, or an `http(s)://` address of one.")
    loop: bool = Field(default=False, description=_LOOP)
    realtime: bool = Field(default=False, description="Give each frame when its time in the video has come.")
    limit: int | None = Field(default=None, ge=1, description=_LIMIT)
    encoding: Encoding = Field(default="jpeg", description=_ENCODING)


class CameraSource(SourceBase, CameraOptions):
    """A camera of this machine or on the network. It is live: frames nobody is ready for are dropped and counted.

    One that is not there, goes silent or dies is tried again and again.
    """

    type: Literal["camera"] = Field(description="`camera`.")
    limit: int | None = Field(default=None, ge=1, description=_LIMIT)
    encoding: Encoding = Field(default="jpeg", description=_ENCODING)
    queue: LiveQueue = Field(default_factory=LiveQueue, description="Where frames wait as they arrive.")


class MqttSource(SourceBase, MqttOptions):
    """The messages of an MQTT broker, one frame each, as they are. It is live: what nobody takes in time is dropped.

    A broker that is not there, or goes, is tried again and again. The header `topic` tells where a message was.
    """

    type: Literal["mqtt"] = Field(description="`mqtt`, messages.")
    limit: int | None = Field(default=None, ge=1, description=_LIMIT)
    queue: MessageQueue = Field(default_factory=MessageQueue, description="Where messages wait as they come.")


class HttpSource(SourceBase, HttpOptions):
    """What a web server answers when it is asked again and again, such as a snapshot: one frame for each new body.

    It is live. A server that is not there, or answers with an error, is tried again with growing pauses.
    """

    type: Literal["http"] = Field(description="`http`, answers.")
    limit: int | None = Field(default=None, ge=1, description=_LIMIT)
    queue: LiveQueue = Field(default_factory=LiveQueue, description="Where frames wait as they come.")


class PicturesSource(SourceBase):
    """Picture files in the natural order of their names (2 before 10). Payloads are the files' own bytes."""

    type: Literal["pictures"] = Field(description="`pictures`.")
    path: FilePath = Field(description="A folder of pictures, a pattern such as `belt/*.png`, or one picture.")
    loop: bool = Field(default=False, description=_LOOP)
    limit: int | None = Field(default=None, ge=1, description=_LIMIT)


class PatternSource(SourceBase):
    """A moving test pattern. With `realtime` it is live and keeps its rate; without, it is as fast as it is taken."""

    type: Literal["pattern"] = Field(description="`pattern`.")
    size: PictureSize = Field(default=(640, 480), description="The picture size, like `640x480`.")
    fps: float = Field(default=25.0, gt=0, le=1000, description="Frames per second.")
    frames: int | None = Field(default=None, ge=1, description="How many frames; without end if absent.")
    realtime: bool = Field(default=False, description="Keep to `fps` by the clock, as a camera would.")
    encoding: Encoding = Field(default="jpeg", description=_ENCODING)
    queue: LiveQueue | None = Field(default=None, description="With `realtime`: where frames wait as they arise.")


class LinesSource(SourceBase):
    """The lines of a text file, one frame each, without the line's end. Blank lines are left out."""

    type: Literal["lines"] = Field(description="`lines`.")
    path: FilePath = Field(description="The text file, or `-` for standard input.")
    limit: int | None = Field(default=None, ge=1, description=_LIMIT)


class StreamSource(Part):
    """The streams of the site that fit a pattern. The frames keep their stream's and their source's name.

    Streams that the document itself emits are not among them. It needs a site to join: `streams:`, or
    `weft run --connect`.
    """

    type: Literal["stream"] = Field(description="`stream`.")
    pattern: StreamPattern = Field(description="The streams it takes: a name, or a pattern such as `cam/*`.")
    queue: StreamQueue = Field(default_factory=StreamQueue, description="Where frames wait as they arrive.")
    latest: bool = Field(default=True, description="Begin with the last frame of streams that keep it.")
    as_: ConsumerName | None = Field(
        default=None,
        alias="as",
        description="The name of this consumer, on this machine: in `durable` streams it goes on where it was. A frame "
        "that may have been taken before has the header `again`.",
    )
    from_start: bool = Field(
        default=False,
        description="With `as`, where it has no position in a stream yet: begin with the oldest frame that is kept.",
    )
    group: GroupName | None = Field(
        default=None,
        description="The name of a group: each frame goes to one of its members, here or on other machines, and to "
        "another when that one dies before it is done with it.",
    )
    by: GroupName | Literal[""] = Field(
        default="",
        description="With `group`: `source`, `stream` or the name of a header; frames that have the same stay with one "
        "member, in their order. If absent, each frame goes to the least busy one.",
    )
    limit: int | None = Field(default=None, ge=1, description=_LIMIT)

    @model_validator(mode="after")
    def _one_role(self) -> StreamSource:
        if self.group is not None and self.as_ is not None:
            raise mistake("a consumer that goes on where it was shares with nobody", "write as: or group:")
        if self.by and self.group is None:
            raise mistake("by: shares nothing without a group", "add group: and a name")
        return self


class RecordingSource(Part):
    """What `weft record` wrote, at the pace at which it came. Frames keep their stream's and their source's name."""

    type: Literal["recording"] = Field(description="`recording`.")
    path: FilePath = Field(description="The recording.")
    streams: Annotated[tuple[StreamPattern, ...], AsTuple] = Field(
        default=("**",), min_length=1, max_length=MAX_INPUTS, description="The streams to take from it; patterns, too."
    )
    speed: float = Field(default=1.0, ge=0, le=1000, description="How many times as fast; 0 is as fast as it is taken.")
    loop: bool = Field(default=False, description=_LOOP)
    limit: int | None = Field(default=None, ge=1, description=_LIMIT)


class SinkBase(Part):
    """What all sinks share."""

    inputs: Annotated[tuple[StreamPattern, ...], AsTuple] = Field(
        min_length=1, max_length=MAX_INPUTS, description="The streams it takes; patterns such as `cam/*` are allowed."
    )
    queue: Queue = Field(default_factory=Queue, description="Where frames wait before it.")


class ConsoleSink(SinkBase):
    """Prints one line per frame to standard output, shortened for people."""

    type: Literal["console"] = Field(description="`console`.")


class JsonLinesSink(SinkBase):
    """Writes one JSON object per frame and line: stream, sequence, time, media type, headers, payload."""

    type: Literal["jsonl"] = Field(description="`jsonl`.")
    path: FilePath = Field(description="The file to write, or `-` for standard output.")
    binary: Literal["size", "base64"] = Field(
        default="size", description="What to write of payloads that are neither JSON nor text."
    )
    flush: Literal["frame", "close"] = Field(
        default="frame", description="`frame` hands every line on at once; `close` is faster."
    )


class VideoSink(SinkBase):
    """Writes a video, with the results drawn on the pictures they belong to.

    Give it the picture stream and the result streams. A result is drawn on the picture of the same sequence.
    """

    type: Literal["video"] = Field(description="`video`.")
    path: FilePath = Field(description="The video file to write.")
    fps: float | None = Field(
        default=None, gt=0, le=1000, description="Frames per second; those of the source if absent."
    )


class DirectorySink(SinkBase):
    """Writes each payload to a file of its own, named by stream and sequence."""

    type: Literal["directory"] = Field(description="`directory`.")
    path: FilePath = Field(description="The folder to write to; made if absent.")


class StreamSink(SinkBase):
    """Publishes what it takes to the site, each stream under its own name.

    It needs a site to join: `streams:`, or `weft run --connect`.
    """

    type: Literal["stream"] = Field(description="`stream`.")
    delivery: Delivery = Field(default="live", description=DELIVERY)
    latest: bool = Field(default=False, description=LATEST)
    scope: Scope = Field(default="site", description=SCOPE)
    keep: int = Field(default=1024, ge=1, le=1_000_000, description=KEEP)
    spool: SpoolUse = Field(default_factory=SpoolUse, description=SPOOL)


def type_tag(value: Any) -> str | None:
    """The tag of a source or sink: its ``type`` in angle brackets."""
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return f"<{kind}>" if isinstance(kind, str) else None


Source = Annotated[
    Annotated[VideoSource, Tag("<video>")]
    | Annotated[CameraSource, Tag("<camera>")]
    | Annotated[MqttSource, Tag("<mqtt>")]
    | Annotated[HttpSource, Tag("<http>")]
    | Annotated[PicturesSource, Tag("<pictures>")]
    | Annotated[PatternSource, Tag("<pattern>")]
    | Annotated[LinesSource, Tag("<lines>")]
    | Annotated[StreamSource, Tag("<stream>")]
    | Annotated[RecordingSource, Tag("<recording>")],
    Discriminator(type_tag),
]
"""Where frames enter, by ``type``."""

Sink = Annotated[
    Annotated[ConsoleSink, Tag("<console>")]
    | Annotated[JsonLinesSink, Tag("<jsonl>")]
    | Annotated[VideoSink, Tag("<video>")]
    | Annotated[DirectorySink, Tag("<directory>")]
    | Annotated[StreamSink, Tag("<stream>")],
    Discriminator(type_tag),
]
"""Where frames leave, by ``type``."""
