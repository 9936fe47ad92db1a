"""What publishers of streams promise, and where durable ones keep their frames."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from weft.spec.values import Age, FilePath, Part, Size, mistake

Delivery = Literal["live", "reliable", "durable"]
Scope = Literal["site", "global"]
WhenFull = Literal["drop_oldest", "refuse"]

DELIVERY = (
    "`live`: the newest frames win, what is dropped is counted. `reliable`: in order, and what was lost on the way is "
    "sent again. `durable`: kept on disk first, and sent again after a crash or a cut link."
)
LATEST = "Who takes the stream later begins with its last frame."
KEEP = "How many frames of a `reliable` stream can be sent again; of these, 256 MiB at most."
SCOPE = "`site`: the stream stays within its site. `global`: all sites that are joined may take it."
SPOOL = "Where the frames of `durable` streams are kept."

_CONSUMER = re.compile(r"[\w-][\w.-]{0,99}")


def _consumer(name: str) -> str:
    if not _CONSUMER.fullmatch(name):
        cure = "up to 100 letters, digits, '_', '-' and '.', not with a '.' first"
        raise mistake(f"'{name[:100]}' is no consumer's name", cure)
    return name


ConsumerName = Annotated[str, AfterValidator(_consumer)]
"""The name of a consumer, such as ``archive``."""


_GROUP = re.compile(r"\w[\w.-]{0,99}")


def _group(name: str) -> str:
    if not _GROUP.fullmatch(name):
        cure = "up to 100 letters, digits, '_', '-' and '.', not with a '.' or '-' first"
        raise mistake(f"'{name[:100]}' is no name of a group or a header", cure)
    return name


GroupName = Annotated[str, AfterValidator(_group)]
"""The name of a group of functions that share the load of streams, such as ``classify``; or of a header."""


class SpoolUse(Part):
    """Where the frames of `durable` streams are kept: in a file for each stream, within bounds.

    When it has no room, the oldest frames go, and are counted, or no more are taken.
    """

    path: FilePath | None = Field(
        default=None, description="The folder; `~/.local/state/weft/spool` if absent (`$WEFT_STATE` moves it)."
    )
    size: Size = Field(default=2**30, description="How much is kept of each stream, such as `10GiB`.")
    age: Age = Field(default=7 * 86_400.0, description="How long a frame is kept, such as `12h`.")
    full: WhenFull = Field(
        default="drop_oldest",
        description="When there is no room: `drop_oldest`, or `refuse` and end with an error rather than lose a frame.",
    )
    sync: bool = Field(
        default=False,
        description="Wait for the disk with every frame: then even a power cut loses none. It takes far longer.",
    )
