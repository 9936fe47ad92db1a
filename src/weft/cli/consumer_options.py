"""The options of commands that go on where they were in durable streams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from weft.core.errors import UsageError

if TYPE_CHECKING:
    from weft.stream.base import Consumer

Switch = Annotated[bool, Parameter(negative="", show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Consuming:
    """Who takes the streams."""

    as_: Annotated[str | None, Parameter(name="--as")] = None
    """The name of this consumer, on this machine: in durable streams it goes on where it was."""
    from_start: Switch = False
    """With --as, where it has no position in a stream yet: begin with the oldest frame that is kept."""

    def options(self) -> Consumer | None:
        """What they say; None where it has no name. Raises UsageError."""
        from weft.stream.base import Consumer

        if self.as_ is None and self.from_start:
            raise UsageError("--from-start is for a consumer with a name", cure="add --as NAME")
        return None if self.as_ is None else Consumer(self.as_, self.from_start)
