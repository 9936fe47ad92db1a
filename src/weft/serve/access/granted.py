"""The rights of one caller, made of all the entries that are for its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from weft.serve.caller import Action, Kind
from weft.spec.rights import ACTIONS, MAX_TEXT, Right, fits


class Granted:
    """What some entries of an access document allow together."""

    def __init__(self, entries: Sequence[Right]) -> None:
        self._allowed = {
            action: _joined(target for one in entries for target in getattr(one, action)) for action in ACTIONS
        }

    def allows(self, action: Action, kind: Kind, name: str) -> bool:
        """Whether one of the entries says so."""
        target = f"{kind}/{name}" if name else kind
        return len(target) <= MAX_TEXT and self._allowed[action].fullmatch(target) is not None


def is_for(pattern: str, caller: str) -> bool:
    """Whether an entry's ``caller`` means this one: what is before the slash, and what is behind it, each for itself.

    An entry without a slash is for keys alone: no issuer's token can take a key's place by its subject.
    """
    heads, tails = pattern.partition("/"), caller.partition("/")
    return heads[1] == tails[1] and fits(heads[0], tails[0]) and fits(heads[2], tails[2])


def rate_of(entries: Iterable[Right]) -> tuple[float, int] | None:
    """Requests a second and at once: the least of several entries; None where none says."""
    rates = [(one.rate, one.burst or max(1, round(one.rate))) for one in entries if one.rate is not None]
    return min(rates, default=None)


def _joined(targets: Iterable[str]) -> re.Pattern[str]:
    """One expression for all of them; ``(?!)`` fits nothing. Stars in a row are one."""
    each = {".*".join(map(re.escape, re.split(r"\*+", target))) for target in targets}
    return re.compile("|".join(sorted(each)) or "(?!)", re.DOTALL)
