"""Where the tags of boxes go: inside the picture, and where there is room not over each other."""

from __future__ import annotations

from collections.abc import Iterator

Area = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; all four belong to it."""

MAX_APART = 32
"""Tags that are kept apart; further ones go to their first place, so that a crowd costs no more than it can show."""


class TagPlaces:
    """Gives out places in a picture of ``width`` by ``height`` pixels; who asks first has more choice."""

    def __init__(self, width: int, height: int) -> None:
        self._width = width
        self._height = height
        self._taken: list[Area] = []

    def take(self, area: Area) -> None:
        """Let no tag come here."""
        self._taken.append(area)

    def place(self, box: Area, span: int, row: int) -> Area:
        """Where the tag of ``box`` goes, ``span`` pixels long and ``row`` high.

        Above the box if there is room, else in its upper corner, below it, or in its lower corner, at the left or the
        right end. Where all of these are taken, where it covers least.
        """
        if len(self._taken) >= MAX_APART:
            return next(self._candidates(box, span, row))
        chosen, least = None, 0
        for place in self._candidates(box, span, row):
            covered = self._covered(place)
            if chosen is None or covered < least:
                chosen, least = place, covered
            if not covered:
                break
        assert chosen is not None
        self.take(chosen)
        return chosen

    def _candidates(self, box: Area, span: int, row: int) -> Iterator[Area]:
        lowest, rightmost = max(0, self._height - 1 - row), max(0, self._width - 1 - span)
        left, top, right, bottom = box
        tops = [at for at in (top - row, top, bottom, bottom - row) if 0 <= at <= lowest]
        for at in tops or [min(max(top, 0), lowest)]:
            for wanted in (left, right - span):
                start = min(max(wanted, 0), rightmost)
                yield start, at, start + span, at + row

    def _covered(self, area: Area) -> int:
        return sum(_shared(area, other) for other in self._taken)


def _shared(one: Area, other: Area) -> int:
    """Pixels of both."""
    across = min(one[2], other[2]) - max(one[0], other[0]) + 1
    down = min(one[3], other[3]) - max(one[1], other[1]) + 1
    return max(0, across) * max(0, down)
