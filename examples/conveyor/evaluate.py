"""Scores what a detector said against the truth the belt was drawn from.

Frame by frame: only parts that are in full view count (``visible`` at least 0.98). Boxes are taken best first; a box
is right when a part of the same label, not taken yet, shares at least half of their joint area with it. A box that
lies mostly on a part at the frame's edge says nothing and is left out. Every other box is wrong.

Part by part: a part is found when it was right in at least half of the frames that show it in full, else missed.
A false alarm is a run of wrong boxes: one label, following each other from frame to frame, for at least a fifth of
a second (5 frames of 25 a second). A good part that is called defective is a missed part and a false alarm.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .belt import Truth, read_truth
from .scene import Box

FULL_VIEW = 0.98
SAME_BOX = 0.5
ALARM_FRAMES = 5
ALARM_GAP = 2

Corners = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Seen:
    """One box a detector reported: label, score 0..1, corners x1, y1, x2, y2 in 0..1 of the frame."""

    label: str
    score: float
    box: Corners


Results = Mapping[int, Sequence[Seen]]


@dataclass(slots=True)
class Tally:
    """Boxes that were right, wrong, or not there."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    @property
    def precision(self) -> float:
        """Of the boxes reported, the share that was right; 1 when none was reported."""
        said = self.right + self.wrong
        return self.right / said if said else 1.0

    @property
    def recall(self) -> float:
        """Of the parts shown, the share that was reported; 1 when none was shown."""
        there = self.right + self.missed
        return self.right / there if there else 1.0


@dataclass(frozen=True, slots=True)
class Part:
    """A part that passed: in how many frames it was in full view, and in how many of those it was right."""

    part: int
    label: str
    frames: int
    right: int

    @property
    def found(self) -> bool:
        """Right in at least half of the frames."""
        return 2 * self.right >= self.frames


@dataclass(slots=True)
class Alarm:
    """A run of wrong boxes of one label, from frame ``first`` to frame ``last``."""

    label: str
    first: int
    last: int
    frames: int
    box: Corners


@dataclass(frozen=True, slots=True)
class Report:
    """How a detector did. ``labels`` and ``boxes`` count boxes in frames; ``parts`` and ``alarms`` what passed."""

    frames: int
    boxes: Tally
    labels: dict[str, Tally]
    parts: list[Part]
    alarms: list[Alarm]

    @property
    def found(self) -> int:
        """Parts found."""
        return sum(part.found for part in self.parts)

    @property
    def missed(self) -> int:
        """Parts missed."""
        return len(self.parts) - self.found

    @property
    def false_alarms(self) -> int:
        """False alarms raised."""
        return len(self.alarms)

    def record(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "frames": self.frames,
            "parts": len(self.parts),
            "found": self.found,
            "missed": self.missed,
            "false_alarms": self.false_alarms,
            "boxes": _rates(self.boxes),
            "labels": {label: _rates(tally) for label, tally in sorted(self.labels.items())},
            "missed_parts": [asdict(part) for part in self.parts if not part.found],
            "alarms": [asdict(alarm) for alarm in self.alarms],
        }

    def __str__(self) -> str:
        return (
            f"{self.found} of {len(self.parts)} parts found, {self.missed} missed, "
            f"{self.false_alarms} false alarms; boxes in {self.frames} frames: "
            f"precision {self.boxes.precision:.3f}, recall {self.boxes.recall:.3f}"
        )


def _rates(tally: Tally) -> dict[str, float]:
    return {**asdict(tally), "precision": round(tally.precision, 4), "recall": round(tally.recall, 4)}


def score(results: Results, truth: Truth) -> Report:
    """The report for ``results`` (boxes by frame number; a frame that is not there said nothing)."""
    run = _Run()
    for number, boxes in enumerate(truth):
        run.frame(number, results.get(number, ()), boxes)
    return run.report(len(truth))


@dataclass(slots=True)
class _Run:
    """What has been counted so far."""

    labels: defaultdict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    shown: defaultdict[tuple[int, str], list[bool]] = field(default_factory=lambda: defaultdict(list))
    alarms: list[Alarm] = field(default_factory=list)

    def frame(self, number: int, seen: Sequence[Seen], boxes: Sequence[Box]) -> None:
        """Count one frame."""
        counted = [box for box in boxes if box.visible >= FULL_VIEW]
        edge = [box for box in boxes if box.visible < FULL_VIEW]
        open_parts = {box.part: box for box in counted}
        for said in sorted(seen, key=lambda item: -item.score):
            hit = _match(said, open_parts.values())
            if hit is not None:
                del open_parts[hit.part]
                self.labels[said.label].right += 1
            elif not any(_covered(said.box, box.box) >= SAME_BOX for box in edge):
                self.labels[said.label].wrong += 1
                self._alarm(number, said)
        for box in counted:
            missed = box.part in open_parts
            self.shown[box.part, box.label].append(not missed)
            self.labels[box.label].missed += missed

    def _alarm(self, number: int, said: Seen) -> None:
        """Append a wrong box to the run it continues, or begin one."""
        for alarm in self.alarms:
            recent = 0 < number - alarm.last <= ALARM_GAP
            if recent and alarm.label == said.label and overlap(alarm.box, said.box) >= SAME_BOX / 2:
                alarm.last, alarm.box = number, said.box
                alarm.frames += 1
                return
        self.alarms.append(Alarm(said.label, number, number, 1, said.box))

    def report(self, frames: int) -> Report:
        """Everything counted."""
        tallies = self.labels.values()
        total = Tally(*(sum(getattr(tally, name) for tally in tallies) for name in ("right", "wrong", "missed")))
        parts = [Part(part, label, len(hits), sum(hits)) for (part, label), hits in sorted(self.shown.items())]
        alarms = [alarm for alarm in self.alarms if alarm.frames >= ALARM_FRAMES]
        return Report(frames, total, dict(self.labels), parts, alarms)


def _match(said: Seen, boxes: Iterable[Box]) -> Box | None:
    """The box of the same label that overlaps best, at least by ``SAME_BOX``."""
    rated = [(overlap(said.box, box.box), box.part, box) for box in boxes if box.label == said.label]
    best = max(rated, default=None, key=lambda item: item[:2])
    return best[2] if best is not None and best[0] >= SAME_BOX else None


def _common(a: Corners, b: Corners) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _area(box: Corners) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def overlap(a: Corners, b: Corners) -> float:
    """Shared area over joint area, 0..1."""
    common = _common(a, b)
    joint = _area(a) + _area(b) - common
    return common / joint if joint > 0 else 0.0


def _covered(box: Corners, by: Corners) -> float:
    """The share of ``box`` that lies on ``by``, 0..1."""
    area = _area(box)
    return _common(box, by) / area if area > 0 else 0.0


def seen_in(document: Mapping[str, Any]) -> list[Seen]:
    """The boxes of one result document: ``{"boxes": [{"label", "score", "box"}]}``."""
    boxes = document.get("boxes", ())
    return [Seen(str(box["label"]), float(box["score"]), _corners(box["box"])) for box in boxes]


def _corners(values: Sequence[float]) -> Corners:
    x1, y1, x2, y2 = map(float, values)
    return x1, y1, x2, y2


def read_results(path: Path) -> dict[int, list[Seen]]:
    """The boxes by frame number from the JSON lines a pipeline wrote; several lines of a frame add up."""
    results: dict[int, list[Seen]] = {}
    for line in path.read_text("utf-8").splitlines():
        record = json.loads(line)
        results.setdefault(int(record["sequence"]), []).extend(seen_in(record.get("payload", record)))
    return results


def main() -> None:
    """Score results.jsonl against truth.jsonl."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--json", action="store_true", help="print the whole report as JSON")
    options = parser.parse_args()
    report = score(read_results(options.results), read_truth(options.truth))
    print(json.dumps(report.record(), indent=2) if options.json else report)


if __name__ == "__main__":
    main()
