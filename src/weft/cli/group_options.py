"""The options of a command that shares the load of streams with others of its kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyclopts import Parameter

from weft.core.errors import UsageError

if TYPE_CHECKING:
    from weft.stream.base import Group


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Grouping:
    """Whom it shares with."""

    group: str | None = None
    """The name of a group: each frame goes to one function of that name, and to another when that one dies."""
    by: str | None = None
    """With --group: frames of one source, of one stream, or with the same value of the header of this name stay with
    one function, in their order; else each goes to the least busy one."""

    def options(self) -> Group | None:
        """What they say. Raises UsageError."""
        from weft.stream.base import Group

        if self.group is None:
            if self.by is not None:
                raise UsageError("--by shares nothing without a group", cure="name it: --group NAME")
            return None
        return Group(self.group, self.by or "")
