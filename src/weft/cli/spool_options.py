"""The options of commands that publish: where durable streams keep their frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from weft.core.errors import UsageError
from weft.core.units import parse_duration, parse_size

if TYPE_CHECKING:
    from weft.stream.base import SpoolOptions

Switch = Annotated[bool, Parameter(negative="", show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Spooling:
    """What a durable stream keeps."""

    spool: Path | None = None
    """The folder in which a durable stream keeps its frames; in this user's state by default."""
    spool_size: str = "1GiB"
    """How much of a durable stream is kept."""
    spool_age: str = "7d"
    """How long a frame of a durable stream is kept, such as 12h."""
    spool_full: Literal["drop_oldest", "refuse"] = "drop_oldest"
    """When there is no room: drop_oldest, or refuse and end with an error rather than lose a frame."""
    spool_sync: Switch = False
    """Wait for the disk with every frame: then even a power cut loses none."""

    def options(self, delivery: str) -> SpoolOptions:
        """What they say. Raises UsageError, also where they stand beside a stream that is not durable."""
        from weft.stream.base import SpoolOptions

        if delivery != "durable" and self != Spooling():
            raise UsageError("the options of --spool are for durable streams", cure="add --delivery durable")
        folder = None if self.spool is None else self.spool.absolute()
        size, age = parse_size(self.spool_size), parse_duration(self.spool_age)
        return SpoolOptions(folder, size, age, self.spool_full, self.spool_sync)
