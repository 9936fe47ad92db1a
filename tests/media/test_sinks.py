"""Sinks: what they write, and what they say when they cannot."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.media.making import distance, encoded, number_of, numbered, scene
from weft.core.errors import MediaError, OutputError, UnavailableError, UsageError
from weft.core.frame import Frame
from weft.core.picture import Pixels
from weft.media.draw import colour_of
from weft.media.images import open_picture, picture_from_array
from weft.media.sinks.console import MAX_WIDTH, ConsoleSink
from weft.media.sinks.directory import DirectorySink
from weft.media.sinks.jsonl import JsonlSink
from weft.media.sinks.video import VideoSink, VideoWriter
from weft.media.sources.pattern import PatternSource

RESULT = {
    "boxes": [{"label": "bolt", "score": 0.98, "box": [0.1, 0.2, 0.3, 0.4]}],
    "labels": [{"label": "tabby", "score": 0.8}],
}


def result(document: object = RESULT, sequence: int = 0, stream: str = "found") -> Frame:
    payload = json.dumps(document).encode()
    return Frame(
        payload, media_type="application/json", stream=stream, sequence=sequence, time_ns=1_700_000_000_123456789
    )


def shown(pixels: Pixels, sequence: int = 0, stream: str = "camera") -> Frame:
    picture = picture_from_array(pixels)
    return Frame(
        media_type="image/jpeg", stream=stream, sequence=sequence, time_ns=10**18 + sequence * 10**8, picture=picture
    )


# --- console ---------------------------------------------------------------------------


def printed(capsys: pytest.CaptureFixture[str], frame: Frame) -> str:
    sink = ConsoleSink()
    sink.write(frame)
    sink.close()
    return capsys.readouterr().out


def test_results_are_one_readable_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = printed(capsys, result(sequence=12))
    assert line == "#12     found  tabby 0.80, bolt 0.98 [0.10 0.20 0.30 0.40]\n"


def test_many_results_are_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    line = printed(capsys, result({"labels": [{"label": f"l{index}"} for index in range(40)]}))
    assert line.endswith("l4, and 35 more\n")


@pytest.mark.parametrize(
    ("frame", "wanted"),
    [
        (Frame(b'{"n": 1}', media_type="application/json"), '{"n": 1}'),
        (Frame(b"{broken", media_type="application/json"), "application/json 7 B"),
        (Frame("grüße".encode(), media_type="text/plain"), "grüße"),
        (Frame(bytes(2048)), "application/octet-stream 2.0 KiB"),
        (Frame(b"", media_type="text/plain"), ""),
    ],
)
def test_other_frames_are_told_too(capsys: pytest.CaptureFixture[str], frame: Frame, wanted: str) -> None:
    assert printed(capsys, frame).rstrip("\n").endswith(f"  {wanted}")


def test_a_picture_is_told_without_being_encoded(capsys: pytest.CaptureFixture[str]) -> None:
    frame = shown(scene(64, 48))
    frame.media_type = "image/nonsense"
    assert printed(capsys, frame).endswith("image/nonsense 64x48\n")


def test_a_guest_cannot_play_with_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    line = printed(capsys, Frame(b"\x1b[2J\nboo\x07" + b"x" * 5000, media_type="text/plain", stream="a\x1bb"))
    assert line.count("\n") == 1
    assert line[:-1].isprintable()
    assert len(line) < MAX_WIDTH + 40


# --- json lines ------------------------------------------------------------------------


def written(tmp_path: Path, *frames: Frame, **options: Any) -> list[dict[str, Any]]:
    path = tmp_path / "out.jsonl"
    sink = JsonlSink(path, **options)
    for frame in frames:
        sink.write(frame)
    sink.close()
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_frame_is_one_document(tmp_path: Path) -> None:
    text = Frame("ü\n".encode(), media_type="text/plain", stream="t", sequence=4, time_ns=0, headers={"name": "x"})
    first, second = written(tmp_path, result(sequence=3), text)
    assert first == {
        "stream": "found",
        "sequence": 3,
        "time": "2023-11-14T22:13:20.123456Z",
        "media_type": "application/json",
        "payload": RESULT,
    }
    assert (second["payload"], second["headers"], second["time"]) == (
        "ü\n",
        {"name": "x"},
        "1970-01-01T00:00:00.000000Z",
    )


@pytest.mark.parametrize("payload", [b"NaN", b'{"a": 1e999}', b"{broken", b"[" * 50_000])
def test_json_that_is_none_is_kept_as_text(tmp_path: Path, payload: bytes) -> None:
    (document,) = written(tmp_path, Frame(payload, media_type="application/json"))
    assert document["payload"] == payload.decode()


def test_half_a_surrogate_pair_stays_what_it_was(tmp_path: Path) -> None:
    (document,) = written(tmp_path, Frame(b'{"a": "\\ud800 \xc3\xbc"}', media_type="application/json"))
    assert document["payload"] == {"a": "\ud800 ü"}


def test_binary_payloads_give_their_size_or_base64(tmp_path: Path) -> None:
    frames = [Frame(b"\xff\0\1"), Frame(b"\xff\xfe", media_type="text/plain")]
    assert [document["size"] for document in written(tmp_path, *frames)] == [3, 2]
    assert [b64decode(document["base64"]) for document in written(tmp_path, *frames, binary="base64")] == [
        b"\xff\0\1",
        b"\xff\xfe",
    ]


def test_a_picture_gives_its_size_without_being_encoded_unless_asked(tmp_path: Path) -> None:
    frame = shown(scene(64, 48))
    frame.media_type = "image/nonsense"
    (document,) = written(tmp_path, frame)
    assert (document["width"], document["height"]) == (64, 48)
    (document,) = written(tmp_path, shown(scene(64, 48)), binary="base64")
    assert open_picture(b64decode(document["base64"])).width == 64


def test_lines_can_be_read_while_the_file_grows(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    for flush, lines in (("frame", 1), ("close", 0)):
        sink = JsonlSink(path, flush=flush)  # type: ignore[arg-type]  # one of the two
        sink.write(result())
        assert len(path.read_text().splitlines()) == lines
        sink.close()
        assert len(path.read_text().splitlines()) == 1


def test_json_lines_go_to_the_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    sink = JsonlSink("-")
    sink.write(result())
    sink.close()
    assert json.loads(capsys.readouterr().out)["payload"] == RESULT


@pytest.mark.parametrize("options", [{"binary": "hex"}, {"flush": "never"}])
def test_wrong_json_lines_options_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        JsonlSink(tmp_path / "x", **options)


# --- places nobody can write to ----------------------------------------------------------


@pytest.mark.parametrize("sink", [JsonlSink, VideoSink])
def test_a_missing_directory_is_told_when_the_sink_is_made(tmp_path: Path, sink: Any) -> None:
    with pytest.raises(OutputError, match="No such file or directory") as caught:
        sink(tmp_path / "none" / "out.mp4")
    assert "make its directory" in caught.value.cure
    assert str(tmp_path) in caught.value.where


@pytest.mark.parametrize("sink", [JsonlSink, VideoSink, DirectorySink])
def test_a_file_in_place_of_a_directory_is_told(tmp_path: Path, sink: Any) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError) as caught:
        sink(tmp_path / "file" / "out.mp4")
    assert "a part of it is a file" in caught.value.cure


def test_a_directory_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="directory"):
        JsonlSink(tmp_path)


def test_a_full_disk_is_told() -> None:
    sink = JsonlSink("/dev/full")
    with pytest.raises(OutputError, match="No space left") as caught:
        sink.write(result())
    assert "make room" in caught.value.cure
    with pytest.raises(OutputError):
        sink.close()


# --- directory -------------------------------------------------------------------------


def test_each_frame_is_a_file_named_by_sequence_stream_and_type(tmp_path: Path) -> None:
    sink = DirectorySink(tmp_path / "out" / "deep")
    jpeg = encoded(scene(8, 8), "JPEG")
    sink.write(Frame(jpeg, media_type="image/jpeg", stream="cam/1", sequence=7))
    sink.write(result(sequence=7))
    sink.write(result({"second": True}, sequence=7))
    sink.write(Frame(b"x", stream="../../etc", sequence=8))
    sink.write(Frame(b"x", media_type="image/x-raw", sequence=9))
    sink.close()
    assert {file.name for file in (tmp_path / "out" / "deep").iterdir()} == {
        "00000007-cam_1.jpg",
        "00000007-found.json",
        "00000007-found-2.json",
        "00000008-_.._etc.bin",
        "00000009.rgb",
    }
    assert (tmp_path / "out" / "deep" / "00000007-cam_1.jpg").read_bytes() == jpeg


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    sink = DirectorySink(tmp_path)
    (tmp_path / "00000000-found.json").mkdir()
    (tmp_path / "00000000-found.json" / "x").touch()
    with pytest.raises(OutputError):
        sink.write(result())
    assert [file.name for file in tmp_path.iterdir()] == ["00000000-found.json"]


# --- video -----------------------------------------------------------------------------


def frames_of(path: Path) -> list[tuple[float, Pixels]]:
    with av.open(str(path)) as container:
        return [(frame.time or 0.0, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def test_a_video_holds_every_picture_at_its_time(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    sink = VideoSink(path)
    times = [0, 1, 2, 5, 6, 9]
    for index, tenth in enumerate(times):
        frame = shown(numbered(index, 64, 48), index)
        frame.time_ns = 10**18 + tenth * 10**8
        sink.write(frame)
    assert not path.exists()
    sink.close()
    frames = frames_of(path)
    assert [number_of(pixels) for _, pixels in frames] == list(range(6))
    assert np.allclose([time for time, _ in frames], [tenth / 10 for tenth in times], atol=1e-3)
    assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]
    assert sink.counters.bare == 6


def test_results_are_drawn_on_the_picture_they_belong_to(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    sink = VideoSink(path, results=["found"], min_score=0.5)
    weak = {"boxes": [{"label": "nut", "score": 0.4, "box": [0.5, 0.5, 0.9, 0.9]}]}
    strong = {"boxes": [{"label": "bolt", "score": 0.9, "box": [0.25, 0.5, 0.75, 0.9]}]}
    for sequence in range(6):
        sink.write(shown(np.zeros((120, 160, 3), np.uint8), sequence))
        sink.write(result(strong if sequence == 3 else weak, sequence))
    sink.close()
    drawn = [distance(pixels, np.zeros_like(pixels)) > 5 for _, pixels in frames_of(path)]
    assert drawn == [False, False, False, True, False, False]
    pixels = frames_of(path)[3][1]
    assert distance(pixels[48:58, 42:60].max(axis=(0, 1)), np.array(colour_of("bolt"))) < 60
    assert sink.counters.joined == 6


def test_pictures_wait_no_longer_than_the_buffer(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mp4", results=["found"], buffer=2)
    for sequence in range(5):
        sink.write(shown(scene(32, 32), sequence))
    sink.write(result(sequence=0))
    assert (sink.counters.hurried, sink.counters.late) == (3, 1)
    sink.close()
    assert len(frames_of(tmp_path / "out.mp4")) == 5


def test_fps_sets_the_rate(tmp_path: Path) -> None:
    for container in ("mp4", "mov", "mkv"):
        path = tmp_path / f"out.{container}"
        sink = VideoSink(path, fps=5)
        for frame in PatternSource(size=(32, 32), fps=100, frames=4).frames():
            sink.write(frame)
        sink.close()
        assert np.allclose([time for time, _ in frames_of(path)], [0, 0.2, 0.4, 0.6], atol=2e-3)


def test_odd_sizes_and_changing_sizes_fit_the_first_picture(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mp4")
    for index, size in enumerate([(65, 49), (200, 100), (10, 10), (65, 49)]):
        sink.write(shown(scene(*size), index))
    sink.close()
    frames = frames_of(tmp_path / "out.mp4")
    assert [pixels.shape for _, pixels in frames] == [(48, 64, 3)] * 4
    assert distance(frames[1][1][20:], scene(64, 48)[20:]) < 12


def test_a_picture_of_one_pixel_makes_a_video(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mp4")
    sink.write(shown(scene(1, 1)))
    sink.close()
    assert frames_of(tmp_path / "out.mp4")[0][1].shape == (2, 2, 3)


def test_pictures_come_as_bytes_too_and_a_bad_one_costs_no_other(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mp4", results=["found"])
    good = encoded(scene(64, 48), "PNG")
    for sequence, payload in enumerate((good, good[: len(good) // 2], good)):
        sink.write(Frame(payload, media_type="image/png", stream="p", sequence=sequence, time_ns=sequence * 10**8))
    with pytest.raises(MediaError, match="does not decode"):
        sink.write(result(sequence=2))
    with pytest.raises(MediaError, match="no picture"):
        sink.write(Frame(b"hello", media_type="image/jpeg", stream="p", sequence=3))
    sink.close()
    assert len(frames_of(tmp_path / "out.mp4")) == 2


def test_times_that_stand_still_or_go_back_still_make_a_video(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "out.mp4")
    for time_ns in (5, 5, 3, 10**9):
        writer.write(scene(32, 32), time_ns)
    writer.close()
    assert len(frames_of(tmp_path / "out.mp4")) == 4


def test_two_streams_of_pictures_are_refused(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mp4")
    sink.write(shown(scene(32, 32), stream="left"))
    with pytest.raises(UsageError, match="'left' and from 'right'"):
        sink.write(shown(scene(32, 32), stream="right"))
    sink.close()


def test_without_pictures_there_is_no_file(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mp4")
    sink.write(result())
    sink.close()
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_ending_or_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        VideoSink(tmp_path / "out.avi")
    assert ".mp4" in caught.value.cure
    with pytest.raises(UnavailableError) as unavailable:
        VideoSink(tmp_path / "out.mp4", codec="libnothing")
    assert "libx264" in unavailable.value.cure or "mpeg4" in unavailable.value.cure
    with pytest.raises(UsageError):
        VideoSink(tmp_path / "out.mp4", buffer=0)


def test_the_encoder_is_named_and_can_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    sink = VideoSink(path, codec="mpeg4")
    assert sink.codec == "mpeg4"
    sink.write(shown(scene(32, 32)))
    sink.close()
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert VideoSink(tmp_path / "other.mp4").codec == "libx264"


FULL_DISK = """
import resource, sys
import numpy as np
from weft.core.errors import OutputError
from weft.media.sinks.video import VideoWriter

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
writer = VideoWriter(sys.argv[1])
noise = np.random.default_rng(0)
try:
    for index in range(200):
        writer.write(noise.integers(0, 255, (240, 320, 3), np.uint8), index * 10**8)
except OutputError as error:
    print("write", error)
try:
    writer.close()
except OutputError as error:
    print("close", error)
"""


def test_a_video_that_could_not_be_finished_does_not_get_its_name(tmp_path: Path) -> None:
    path = tmp_path / "out.mkv"
    command = [sys.executable, "-c", FULL_DISK, str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "File too large" in told
    assert "raise this user's limit" in told
    assert [file.name for file in tmp_path.iterdir()] == ["out.mkv.part"]
