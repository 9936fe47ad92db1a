"""The soak: what it watches for is found, and a short one of the real pipeline is sound."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from soak import watch
from soak.__main__ import SAMPLES, SHORT_S, main
from soak.pipeline import Ledger, Soak
from soak.streams import frame_faults, summary
from soak.watch import MOST_GROWTH, Sample
from weft.core.frame import Frame

REPOSITORY = Path(__file__).parents[1]


def samples(**changes: Iterable[int]) -> list[Sample]:
    """Forty of a process that is sound, but for what is given."""
    made = [Sample(float(at), 60 << 20, 14, 8, 100 * at) for at in range(40)]
    for name, values in changes.items():
        made = [replace(one, **{name: value}) for one, value in zip(made, values, strict=True)]
    return made


def test_a_process_that_stays_as_it_is_has_no_faults() -> None:
    assert watch.faults(samples()) == []


def test_the_warm_up_and_single_peaks_do_not_count() -> None:
    growing = [(30 + min(at, 11)) << 20 for at in range(40)]
    assert watch.faults(samples(memory=growing)) == []
    peaks = [(60 + (100 if at % 7 == 0 else 0)) << 20 for at in range(40)]
    assert watch.faults(samples(memory=peaks)) == []
    backlog = [(60 + 30 * (at > 25)) << 20 for at in range(40)]
    assert watch.faults(samples(memory=backlog)) == []
    assert watch.faults(samples(threads=[*range(12), *[14] * 28])) == []


def test_memory_that_grows_with_the_frames_is_a_fault() -> None:
    slowly = [(60 << 20) + at * MOST_GROWTH // 18 for at in range(40)]
    (fault,) = watch.faults(samples(memory=slowly), "files")
    assert fault.startswith("memory grew by 8.")
    assert fault.endswith("over 2700 frames")


@pytest.mark.parametrize("name", ["threads", "files"])
def test_threads_and_files_may_not_change(name: str) -> None:
    assert watch.faults(samples(**{name: [*[14] * 39, 15]})) == [f"{name}: from 14 to 15"]


def test_a_pipeline_that_stands_still_is_a_fault() -> None:
    assert watch.faults(samples(frames=[7] * 40)) == ["no frame came out any more"]


def test_too_few_samples_tell_nothing() -> None:
    with pytest.raises(ValueError, match="fewest"):
        watch.faults(samples()[:5])


def test_the_ledger_counts_and_sees_what_is_missing_or_out_of_order() -> None:
    ledger = Ledger()
    for sequence, stream in ((0, "kept"), (1, "errors/kept"), (3, "kept"), (2, "kept")):
        ledger.write(Frame(b"", stream=stream, sequence=sequence))
    assert (ledger.results, ledger.errors, ledger.jumps) == (3, 1, 2)


def test_this_process_can_be_measured() -> None:
    taken = watch.sample(5)
    assert (taken.memory > 10 << 20, taken.threads >= 1, taken.files >= 3, taken.frames) == (True, True, True, 5)


class Forgetful(Ledger):
    """A sink that loses what is numbered 50."""

    def write(self, frame: Frame) -> None:
        if frame.sequence != 50:
            super().write(frame)


def test_a_single_lost_frame_is_found() -> None:
    soak = Soak()
    soak.belt = Forgetful()
    soak.camera = Forgetful()
    with soak.pipeline.start() as run:
        while soak.belt.results + soak.camera.results < 500 or soak.camera.results < 60:
            assert not run.wait(0.01)
        run.stop()
        run.wait()
    found = soak.faults(run.snapshot())
    assert len(found) == 3, found
    assert "belt: 1 frames out of order" in found
    assert any(fault.startswith("camera: ") for fault in found)


@pytest.mark.parametrize(
    "words",
    [
        ["--minutes", "0"],
        ["--minutes", "-1"],
        ["--minutes", "nan"],
        ["--minutes", "inf"],
        ["--hours", "1"],
        ["elsewhere"],
    ],
)
def test_times_without_sense_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)


def test_a_short_soak_is_sound() -> None:
    """In a process of its own: the others of this one would be measured with it."""
    command = [sys.executable, "-m", "soak", "pipeline", "--short"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=6 * SHORT_S, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    *lines, verdict = done.stdout.splitlines()
    assert (len(lines), verdict.startswith("sound: ")) == (SAMPLES, True)


REPORT = {"ends": {"live/0": 10, "reliable/1": 10}, "missing": {"live": 3, "reliable": 0}, "dropped": 1, "lost": 0}
REPORT |= {"malformed": 0, "refused": 0, "recovered": 2}
SENT = {"live/0": 10, "reliable/1": 10}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, None),
        ({"ends": {"live/0": 10}}, "1 streams did not come to the end, such as reliable/1"),
        ({"missing": {"live": 0, "reliable": 2}, "lost": 2}, "2 reliable frames did not come, 2 were told"),
        ({"lost": 1}, "0 reliable frames did not come, 1 were told"),
        ({"malformed": 4}, "4 frames were malformed"),
    ],
)
def test_streams_that_lose_frames_are_found(changes, fault) -> None:
    assert frame_faults(SENT, REPORT | changes) == ([] if fault is None else [fault])
    assert summary(SENT, REPORT) == (
        "20 frames of 2 streams, 2 of them sent again; 3 live ones dropped, 1 of those by the reader"
    )


def test_a_short_soak_of_streams_is_sound() -> None:
    command = [sys.executable, "-m", "soak", "streams", "--short"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=9 * SHORT_S, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    *lines, verdict = done.stdout.splitlines()
    assert (len(lines), verdict.startswith("sound: ")) == (SAMPLES, True)


def test_a_short_soak_of_a_server_is_sound() -> None:
    command = [sys.executable, "-m", "soak", "serve", "--short"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=9 * SHORT_S, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    *lines, verdict = done.stdout.splitlines()
    assert (len(lines), verdict.startswith("sound: ")) == (SAMPLES, True)
