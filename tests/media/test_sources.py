"""Sources: every frame, in order, with the right time; clear errors; closing ends them."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest

from tests.media.making import encoded, number_of, scene, write_video
from weft.core.errors import InputError, MediaError, NotFoundError, UnavailableError, UsageError, WeftError
from weft.core.frame import Frame
from weft.media.cameras.capture import MAX_DAMAGED
from weft.media.cameras.retry import Retry
from weft.media.images import open_picture
from weft.media.sources import lines as lines_module
from weft.media.sources.camera import CameraSource
from weft.media.sources.lines import LinesSource
from weft.media.sources.pattern import PatternSource
from weft.media.sources.pictures import PicturesSource
from weft.media.sources.video import VideoSource


def number(frame: Frame) -> int:
    assert frame.picture is not None
    return number_of(frame.picture.pixels(16, 16))


# --- video -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "v.mp4", count=12)


def test_a_video_gives_every_frame_in_order(video: Path) -> None:
    source = VideoSource(video)
    frames = list(source.frames())
    assert [number(frame) for frame in frames] == list(range(12))
    assert [frame.sequence for frame in frames] == list(range(12))
    assert (source.length, source.live) == (12, False)


def test_times_follow_the_video(video: Path) -> None:
    times = [frame.time_ns for frame in VideoSource(video).frames()]
    assert np.allclose(np.diff(times), 1e8, atol=1e3)


def test_the_payload_is_a_jpeg_or_raw_rows(video: Path) -> None:
    frame = next(VideoSource(video).frames())
    assert frame.media_type == "image/jpeg"
    assert open_picture(frame.payload).width == 64
    raw = next(VideoSource(video, encoding="raw").frames())
    assert (raw.media_type, dict(raw.headers)) == (
        "image/x-raw",
        {"width": "64", "height": "48", "format": "rgb8"},
    )
    assert len(raw.payload) == 64 * 48 * 3


def test_a_limit_and_a_loop(video: Path) -> None:
    assert len(list(VideoSource(video, limit=5).frames())) == 5
    assert VideoSource(video, limit=5).length == 5
    looped = VideoSource(video, loop=True, limit=30)
    frames = list(looped.frames())
    assert [number(frame) for frame in frames] == [index % 12 for index in range(30)]
    assert [frame.sequence for frame in frames] == list(range(30))
    assert np.allclose(np.diff([frame.time_ns for frame in frames]), 1e8, atol=1e3)
    assert (looped.length, VideoSource(video, loop=True).length) == (30, None)


def test_a_missing_video_says_so() -> None:
    source = VideoSource("/nowhere/v.mp4")
    assert source.length is None
    with pytest.raises(NotFoundError, match=r"/nowhere/v\.mp4: no such file") as caught:
        next(source.frames())
    assert caught.value.cure


@pytest.mark.parametrize("content", [b"", b"hello " * 500, b"\0" * 5000])
def test_what_is_no_video_is_a_media_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match="no video FFmpeg can read") as caught:
        next(VideoSource(path).frames())
    assert caught.value.where == str(path)


def test_a_text_file_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"  # FFmpeg makes a film of a terminal of it
    path.write_text("tabby, tabby cat\n" * 500)
    with pytest.raises(MediaError, match="that is text, not a video") as caught:
        next(VideoSource(path).frames())
    assert caught.value.where == str(path)


def test_a_directory_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(MediaError) as caught:
        next(VideoSource(tmp_path).frames())
    assert "pictures" in caught.value.cure


def test_a_file_with_sound_alone_is_a_media_error(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(MediaError, match="no video in it"):
        next(VideoSource(path).frames())


def until_error(frames: Iterator[Frame]) -> tuple[list[int], WeftError | None]:
    """The numbers of the frames, and the error they ended with."""
    got: list[int] = []
    try:
        got.extend(map(number, frames))
    except WeftError as error:
        return got, error
    return got, None


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("percent", [75, 80, 90, 99])
def test_a_video_cut_in_the_middle_gives_what_is_there_then_an_error(
    tmp_path: Path, percent: int, threads: int
) -> None:
    whole = write_video(tmp_path / "v.mp4", count=20, size=(320, 240), movflags="faststart").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) * percent // 100])
    got, error = until_error(VideoSource(cut, threads=threads).frames())
    assert 8 < len(got) < 20
    # A frame may come without those before it that the cut took (B-frames are stored after what they lean on).
    assert (got[:9], got) == (list(range(9)), sorted(set(got)))
    assert isinstance(error, MediaError)
    assert f"breaks off after {len(got)} frames" in error.what


def test_a_video_without_its_index_is_a_media_error_at_once(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "v.mp4").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MediaError):
        next(VideoSource(cut).frames())


def test_closing_from_another_thread_ends_the_frames(video: Path) -> None:
    source = VideoSource(video, loop=True)
    seen = threading.Event()

    def close_it() -> None:
        seen.wait(10)
        source.close()

    closer = threading.Thread(target=close_it)
    closer.start()
    for count, _ in enumerate(source.frames()):
        if count == 20:
            seen.set()
    closer.join(10)
    assert not closer.is_alive()
    assert list(source.frames()) == []


@pytest.mark.parametrize("options", [{"limit": 0}, {"limit": -1}, {"encoding": "jpg"}])
def test_wrong_options_are_refused(video: Path, options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        VideoSource(video, **options)  # type: ignore[arg-type]  # the mistake under test


@pytest.mark.data
def test_the_reference_video_has_all_its_frames(data: Path) -> None:
    source = VideoSource(data / "video" / "hot-dog.mp4")
    count = sum(1 for _ in source.frames())
    assert count == source.length == 1421


# --- camera ----------------------------------------------------------------------------


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A server for the files in ``tmp_path``."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_network_camera_that_ends_is_gone_where_nobody_may_try_again(tmp_path: Path, address: str) -> None:
    write_video(tmp_path / "v.ts", count=12)
    source = CameraSource(f"{address}/v.ts", retry=Retry(attempts=0))
    got, error = until_error(source.frames())
    assert got == sorted(set(got))
    assert got[-1] == 11
    assert len(got) + source.counters.dropped == 12
    assert isinstance(error, UnavailableError)
    assert "ended its stream after 12 frames" in error.what
    assert source.live


def test_a_camera_stops_at_its_limit_and_when_closed(tmp_path: Path, address: str) -> None:
    write_video(tmp_path / "v.ts", count=12)
    assert len(list(CameraSource(f"{address}/v.ts", limit=4).frames())) == 4
    source = CameraSource(f"{address}/v.ts")
    frames = source.frames()
    assert next(frames).sequence == 0
    source.close()
    assert list(frames) == []


def write_mjpeg(path: Path, packets: list[bytes]) -> None:
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for index, data in enumerate(packets):
            packet = av.Packet(data)
            packet.stream, packet.pts, packet.dts = stream, index * 100, index * 100
            packet.time_base = Fraction(1, 1000)
            container.mux(packet)


def test_damaged_packets_are_skipped_and_counted(tmp_path: Path, address: str) -> None:
    good = encoded(scene(64, 48), "JPEG")
    write_mjpeg(tmp_path / "v.mkv", [good, good, b"no jpeg at all", good])
    source = CameraSource(f"{address}/v.mkv", limit=3)
    assert len(list(source.frames())) == 3
    assert source.counters.damaged == 1


def test_nothing_but_damaged_packets_is_an_error(tmp_path: Path, address: str) -> None:
    write_mjpeg(tmp_path / "v.mkv", [encoded(scene(64, 48), "JPEG")] + [b"no jpeg at all"] * (MAX_DAMAGED + 1))
    source = CameraSource(f"{address}/v.mkv", retry=Retry(attempts=0))
    with pytest.raises(MediaError, match="damaged packets in a row"):
        list(source.frames())


def test_a_camera_that_is_not_there_says_what_is() -> None:
    with pytest.raises(NotFoundError, match="no such camera") as caught:
        next(CameraSource("/dev/video97", retry=Retry(attempts=0)).frames())
    assert caught.value.cure
    assert CameraSource(3).device == CameraSource("3").device == "/dev/video3"


def test_a_camera_nobody_answers_for_is_unavailable_and_its_password_stays_secret(address: str) -> None:
    with pytest.raises(UnavailableError) as caught:
        next(CameraSource(f"{address}/missing.ts", retry=Retry(attempts=0)).frames())
    assert "404" in str(caught.value)
    with pytest.raises(UnavailableError) as caught:
        next(CameraSource("http://me:secret@127.0.0.1:9/v.ts", retry=Retry(attempts=0)).frames())
    assert "secret" not in str(caught.value)
    assert "127.0.0.1:9" in caught.value.where


@pytest.mark.parametrize(
    ("device", "options"),
    [
        ("", {}),
        ("ftp://me:secret@host/x", {}),
        ("rtsp://me:secret@host/x", {"fps": 10}),
        ("rtsp://me:secret@host/x", {"size": "640x480"}),
        ("rtsp://me:secret@host/x", {"loop": True}),
        ("rtsp://me:secret@host/x", {"transport": "tpc"}),
        ("http://me:secret@host/x", {"transport": "tcp"}),
        ("belt.mp4", {"size": "640x480"}),
        ("/dev/video0", {"loop": True}),
        ("/dev/video0", {"size": "640"}),
        ("/dev/video0", {"fps": 0}),
        ("/dev/video0", {"stall": 0}),
        ("/dev/video0", {"start": float("nan")}),
        ("/dev/video0", {"retry": {"frist": 1}}),
        ("/dev/video0", {"retry": {"first": 0}}),
    ],
)
def test_wrong_cameras_are_refused(device: str, options: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        CameraSource(device, **options)  # type: ignore[arg-type]  # the mistake under test
    assert caught.value.cure
    assert "secret" not in str(caught.value)


# --- pictures --------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    kinds = {"10.png": "PNG", "2.png": "PNG", "1.JPG": "JPEG", "b.webp": "WEBP", "a.bmp": "BMP", "notes.txt": "PNG"}
    for name, kind in kinds.items():
        (tmp_path / name).write_bytes(encoded(scene(12, 8), kind))
    return tmp_path


def names(source: PicturesSource) -> list[str]:
    return [frame.headers["name"] for frame in source.frames()]


def test_pictures_come_in_natural_order(folder: Path) -> None:
    source = PicturesSource(folder)
    assert names(source) == ["1.JPG", "2.png", "10.png", "a.bmp", "b.webp"]
    assert (source.length, source.live) == (5, False)


def test_a_picture_frame_holds_the_files_bytes(folder: Path) -> None:
    first = next(PicturesSource(folder / "2.png").frames())
    assert first.payload == (folder / "2.png").read_bytes()
    assert (first.media_type, first.sequence) == ("image/png", 0)
    assert first.picture is not None
    assert (first.picture.width, first.picture.height) == (12, 8)


def test_a_pattern_chooses_files(folder: Path) -> None:
    assert names(PicturesSource(f"{folder}/*.png")) == ["2.png", "10.png"]


def test_pictures_loop_and_stop(folder: Path) -> None:
    source = PicturesSource(f"{folder}/*.png", loop=True, limit=5)
    frames = list(source.frames())
    assert [frame.headers["name"] for frame in frames] == ["2.png", "10.png", "2.png", "10.png", "2.png"]
    assert [frame.sequence for frame in frames] == list(range(5))
    assert len(list(PicturesSource(folder, limit=2).frames())) == 2
    assert PicturesSource(folder, limit=2).length == 2


def test_a_file_that_is_no_picture_is_a_frame_whose_reader_is_told(folder: Path) -> None:
    (folder / "3.jpg").write_text("hello")
    frame = list(PicturesSource(folder).frames())[2]
    assert (frame.headers["name"], frame.media_type, frame.picture) == ("3.jpg", "image/jpeg", None)
    with pytest.raises(MediaError, match="no picture"):
        open_picture(frame.payload, frame.media_type)


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    for path in (str(tmp_path), f"{tmp_path}/*.png"):
        with pytest.raises(NotFoundError, match="no pictures") as caught:
            list(PicturesSource(path).frames())
        assert ".jpg" in caught.value.cure
    with pytest.raises(NotFoundError, match="no such file or directory"):
        list(PicturesSource(tmp_path / "none").frames())


def test_closing_ends_the_pictures(folder: Path) -> None:
    source = PicturesSource(folder, loop=True)
    frames = source.frames()
    next(frames)
    source.close()
    assert list(frames) == []


# --- pattern ---------------------------------------------------------------------------


def test_the_pattern_moves_and_is_the_same_every_time() -> None:
    first, second = (list(PatternSource(size="64x48", fps=10, frames=3).frames()) for _ in range(2))
    pixels = [frame.picture.pixels(64, 48) for frame in first if frame.picture]
    assert len(pixels) == 3
    assert not np.array_equal(pixels[0], pixels[1])
    assert all(np.array_equal(a, b.picture.pixels(64, 48)) for a, b in zip(pixels, second, strict=True) if b.picture)
    assert np.diff([frame.time_ns for frame in first]).tolist() == [10**8, 10**8]
    assert open_picture(first[0].payload).width == 64


@pytest.mark.parametrize("size", ["1x1", "7x3", "640x480", (3, 200)])
def test_the_pattern_has_any_size(size: str) -> None:
    (frame,) = PatternSource(size=size, frames=1, encoding="raw").frames()
    assert frame.picture is not None
    assert len(frame.payload) == frame.picture.width * frame.picture.height * 3


def test_a_realtime_pattern_keeps_to_the_clock_and_ends_when_closed() -> None:
    source = PatternSource(size="16x16", fps=200, frames=5, realtime=True)
    times = [lines_module.now_ns() for _ in source.frames()]
    assert source.live
    assert times[-1] - times[0] > 0.015e9
    slow = PatternSource(size="16x16", fps=0.001, realtime=True)
    frames = slow.frames()
    next(frames)
    threading.Timer(0.01, slow.close).start()
    assert list(frames) == []


@pytest.mark.parametrize("options", [{"fps": 0}, {"frames": 0}, {"size": "big"}, {"encoding": "png"}])
def test_impossible_patterns_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        PatternSource(**options)  # type: ignore[arg-type]  # the mistake under test


# --- lines -----------------------------------------------------------------------------


def test_lines_are_frames(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes(b'hello\r\n\n{"a": 1}\n[1, 2]\n{broken\nlast')
    got = [(frame.payload, frame.media_type, frame.sequence) for frame in LinesSource(path).frames()]
    assert got == [
        (b"hello", "text/plain", 0),
        (b'{"a": 1}', "application/json", 1),
        (b"[1, 2]", "application/json", 2),
        (b"{broken", "text/plain", 3),
        (b"last", "text/plain", 4),
    ]
    assert len(list(LinesSource(path, limit=2).frames())) == 2


def test_long_files_arrive_whole(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    wanted = [f"{index} {'x' * (index % 3000)}" for index in range(600)]
    path.write_text("\n".join(wanted))
    assert [frame.payload.decode() for frame in LinesSource(path).frames()] == wanted


def test_the_standard_input_is_read_line_by_line_and_closing_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    ready, feed = os.pipe()
    kept = os.dup(0)
    os.dup2(ready, 0)
    try:
        source = LinesSource("-")
        frames = source.frames()
        os.write(feed, b"one\ntwo\nthr")
        assert [next(frames).payload, next(frames).payload] == [b"one", b"two"]
        threading.Timer(0.01, source.close).start()
        assert [frame.payload for frame in frames] == []  # half a line is no frame
    finally:
        os.dup2(kept, 0)
        for descriptor in (ready, feed, kept):
            os.close(descriptor)


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "MAX_LINE", 1 << 20)
    path = tmp_path / "in.txt"
    with io.FileIO(path, "w") as file:
        file.truncate(3 << 20)
    with pytest.raises(InputError, match="longer than 1 MiB"):
        list(LinesSource(path).frames())


def test_lines_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(NotFoundError, match="cannot be read") as caught:
            list(LinesSource(path).frames())
        assert caught.value.where == str(path)
