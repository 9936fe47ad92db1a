"""What it costs that a camera is decoded in a process of its own: processor time of the pipeline's process."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av

from bench.harness import DATA, Result
from weft.media.images import picture_from_video
from weft.media.sources.camera import CameraSource

VIDEO = DATA / "video" / "hot-dog.mp4"
WIDTH, HEIGHT, FPS = 1280, 720, 30
PICTURES = 90
ROUNDS = 3


def run() -> Iterator[Result]:
    """720p at 30 pictures a second: decoded in process, by a camera's decoder, and through a pipe."""
    with tempfile.TemporaryDirectory() as folder:
        film = _film(Path(folder) / "film.mp4")
        ways: dict[str, Callable[[], tuple[float, float]]] = {
            "in_process": lambda: _cost(lambda: _in_process(film)),
            "own_process": lambda: _cost(lambda: _camera(film)),
            "by_pipe": lambda: _cost(lambda: _pipe(film)),
        }
        taken = {name: [way() for way in [ways[name]] * ROUNDS] for name in ways}
    ours = {name: statistics.median(own for own, _ in costs) for name, costs in taken.items()}
    both = {name: statistics.median(own + other for own, other in costs) for name, costs in taken.items()}
    detail = {f"{name} %": round(value, 2) for name, value in ours.items()}
    detail |= {f"{name} with its decoder %": round(value, 2) for name, value in both.items() if name != "in_process"}
    title = (
        "camera 720p30 decoded in a process of its own: a core's share in the pipeline's process over decoding there"
    )
    yield Result(title, ours["own_process"] - ours["in_process"], "%", 5.0, "lower", detail)


def _film(path: Path) -> Path:
    """The reference video enlarged to 720p, at 30 pictures a second."""
    with av.open(str(VIDEO)) as source, av.open(str(path), "w") as made:
        stream = made.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index, picture in zip(range(PICTURES), source.decode(video=0), strict=False):
            large = picture.reformat(WIDTH, HEIGHT, "yuv420p")
            large.pts, large.time_base = index, Fraction(1, FPS)
            made.mux(stream.encode(large))
        made.mux(stream.encode(None))
    return path


def _cost(work: Callable[[], int]) -> tuple[float, float]:
    """Percent of a core while 30 pictures a second came: this process's, and that of those it started."""
    own, others = time.process_time(), _children()
    given = work()
    assert given >= PICTURES * 0.9, f"only {given} of {PICTURES}"
    seconds = given / FPS
    return (time.process_time() - own) / seconds * 100, (_children() - others) / seconds * 100


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _in_process(film: Path) -> int:
    with av.open(str(film)) as container:
        began = time.perf_counter()
        for index, frame in enumerate(container.decode(video=0)):
            time.sleep(max(began + index / FPS - time.perf_counter(), 0))
            picture_from_video(frame)
    return index + 1


def _camera(film: Path) -> int:
    return sum(1 for frame in CameraSource(film).frames() if frame.picture is not None)


def _pipe(film: Path) -> int:
    """The same planes by a pipe, which is what shared memory is measured against."""
    words = [sys.executable, "-m", "bench.cameras", str(film)]
    given = 0
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]) as writer:
        assert writer.stdout is not None
        while len(planes := writer.stdout.read(WIDTH * HEIGHT * 3 // 2)) > 0:
            frame, start = av.VideoFrame(WIDTH, HEIGHT, "yuv420p"), 0
            for plane in frame.planes:
                memoryview(plane)[:] = planes[start : start + plane.buffer_size]
                start += plane.buffer_size
            picture_from_video(frame)
            given += 1
    return given


def _write(film: Path) -> None:
    """The pictures of a film to standard output at its speed, plane by plane, rows without padding."""
    with av.open(str(film)) as container:
        began = time.perf_counter()
        for index, frame in enumerate(container.decode(video=0)):
            time.sleep(max(began + index / FPS - time.perf_counter(), 0))
            sys.stdout.buffer.write(frame.to_ndarray().tobytes())


if __name__ == "__main__":
    _write(Path(sys.argv[1]))
