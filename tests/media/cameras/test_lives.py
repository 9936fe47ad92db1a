"""Cameras that live, go silent, die and come back: real servers, real decoders, real signals."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.media.cameras.conftest import MakeRtsp
from tests.media.cameras.serving import PATIENCE_S, jpeg, mjpeg_camera, raw_server
from tests.media.making import number_of, write_video
from weft.core.errors import MediaError, NotFoundError, UnavailableError, UsageError, WeftError
from weft.core.frame import Frame
from weft.media.cameras.retry import Retry
from weft.media.sources.camera import CameraSource

SOON = Retry(first=0.01, most=0.1)
ONCE = Retry(attempts=0)


def always(number: int, over: threading.Event) -> Iterator[bytes]:
    """A camera that never stops."""
    picture = jpeg(number)
    while not over.is_set():
        yield picture


def number(frame: Frame) -> int:
    assert frame.picture is not None
    return number_of(frame.picture.pixels(16, 16))


def until(frames: Iterator[Frame], match: Callable[[Frame], bool]) -> Frame:
    """The first frame that fits; the sequence has no gap on the way."""
    before = None
    for frame in frames:
        assert before is None or frame.sequence == before + 1
        before = frame.sequence
        if match(frame):
            return frame
    raise AssertionError("the camera ended")


def reconnected(frame: Frame) -> bool:
    return frame.headers.get("reconnects") == "1"


def gone(pidfd: int) -> bool:
    """Whether a process is gone, within reason."""
    waiting = select.poll()
    waiting.register(pidfd, select.POLLIN)
    return bool(waiting.poll(PATIENCE_S * 1000))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# --- HTTP ------------------------------------------------------------------------------


def test_an_http_camera_gives_its_pictures_with_the_time_they_came() -> None:
    with mjpeg_camera(always) as url:
        source = CameraSource(url, limit=5)
        assert (source.state, source.live, source.length) == ("idle", True, None)
        frames = list(source.frames())
    assert [frame.sequence for frame in frames] == list(range(5))
    assert {number(frame) for frame in frames} == {0}
    assert [(frame.media_type, dict(frame.headers)) for frame in frames] == [("image/jpeg", {})] * 5
    times = [frame.time_ns for frame in frames]
    assert times == sorted(set(times))
    assert (source.state, source.decoder, source.counters.connects) == ("ended", None, 1)


def test_a_camera_that_changes_its_size_gives_frames_of_the_new_size() -> None:
    def growing(_: int, over: threading.Event) -> Iterator[bytes]:
        yield from [jpeg(1, 64, 48)] * 10
        yield from [jpeg(2, 640, 480)] * 10
        while not over.is_set():
            yield jpeg(3, 32, 32)

    with mjpeg_camera(growing) as url:
        source = CameraSource(url, encoding="raw")
        sizes = {}
        for frame in source.frames():
            sizes[number(frame)] = (frame.headers["width"], frame.headers["height"], len(frame.payload))
            if number(frame) == 3:
                break
    assert sizes == {1: ("64", "48", 9216), 2: ("640", "480", 921_600), 3: ("32", "32", 3072)}
    assert source.counters.reconnects == 0


def test_a_camera_that_goes_silent_is_stalled_and_comes_back() -> None:
    def silent_once(connection: int, over: threading.Event) -> Iterator[bytes]:
        yield from [jpeg(connection)] * 5
        if not connection:
            over.wait(PATIENCE_S)
        yield from always(connection, over)

    with mjpeg_camera(silent_once) as url:
        source = CameraSource(url, stall=0.5, retry=SOON)
        frames = source.frames()
        first = next(frames)
        back = until(frames, reconnected)
        assert (source.state, source.trouble) == ("live", "")
        frames.close()
    assert (number(first), number(back)) == (0, 1)
    counters = source.counters
    assert (counters.stalls, counters.failures, counters.reconnects, counters.crashes) == (1, 1, 1, 0)


def test_a_server_that_says_nothing_is_given_up_after_its_attempts() -> None:
    with raw_server() as port:
        source = CameraSource(f"http://me:secret@127.0.0.1:{port}/x", start=0.3, retry=Retry(first=0.01, attempts=2))
        with pytest.raises(UnavailableError, match="no first picture came for 300 ms") as caught:
            next(source.frames())
    assert (source.counters.stalls, source.counters.connects, source.state) == (3, 3, "ended")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["rtsp", "http", "tcp"])
def test_a_server_that_sends_garbage_is_told_as_such(scheme: str) -> None:
    garbage = bytes(range(256)) * 64
    with raw_server(garbage) as port:
        source = CameraSource(f"{scheme}://127.0.0.1:{port}/x", retry=Retry(first=0.01, attempts=1))
        with pytest.raises((UnavailableError, MediaError)) as caught:
            next(source.frames())
    assert (source.counters.failures, source.counters.stalls, source.counters.crashes) == (2, 0, 0)
    assert caught.value.where == f"{scheme}://127.0.0.1:{port}/x"
    assert caught.value.cure


def test_a_camera_that_is_not_there_is_tried_until_it_is_closed() -> None:
    source = CameraSource("/dev/video97", retry=SOON)
    ended = threading.Event()
    thread = threading.Thread(target=lambda: (list(source.frames()), ended.set()))
    thread.start()
    while source.counters.failures < 3:
        assert not ended.wait(0.01)
    assert source.state in {"connecting", "backing off"}
    assert source.trouble == "no such camera"
    source.close()
    assert ended.wait(PATIENCE_S)
    thread.join()


def test_closing_ends_a_wait_for_a_picture_at_once_and_its_decoder_with_it() -> None:
    with raw_server() as port:
        source = CameraSource(f"tcp://127.0.0.1:{port}", start=1000)
        ended = threading.Event()
        thread = threading.Thread(target=lambda: (list(source.frames()), ended.set()))
        thread.start()
        while (pid := source.decoder) is None:
            assert not ended.wait(0.01)
        source.close()
        assert ended.wait(PATIENCE_S)
        thread.join()
    assert not alive(pid)
    assert (source.state, source.counters.failures) == ("ended", 0)


# --- the decoder's process -------------------------------------------------------------


@pytest.mark.parametrize("deadly", [signal.SIGKILL, signal.SIGSEGV])
def test_a_decoder_that_dies_is_one_more_reason_to_back_off(
    deadly: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    with mjpeg_camera(always) as url:
        source = CameraSource(url, retry=SOON)
        frames = source.frames()
        next(frames)
        assert source.decoder is not None
        os.kill(source.decoder, deadly)
        back = until(frames, reconnected)
        frames.close()
    assert (source.counters.crashes, source.counters.failures, number(back)) == (1, 1, 1)
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert f"its decoder was killed by {deadly.name}" in told
    assert "secret" not in caplog.text
    assert "hush" not in caplog.text


def test_a_decoder_that_hangs_is_killed() -> None:
    with mjpeg_camera(always) as url:
        source = CameraSource(url, stall=0.5, retry=SOON)
        frames = source.frames()
        next(frames)
        hung = source.decoder
        assert hung is not None
        os.kill(hung, signal.SIGSTOP)
        until(frames, reconnected)
        assert source.decoder != hung
        assert not alive(hung)
        frames.close()
    assert (source.counters.stalls, source.counters.crashes) == (1, 0)


def test_nobody_sees_the_password_in_the_list_of_processes() -> None:
    with mjpeg_camera(always) as url:
        source = CameraSource(url)
        frames = source.frames()
        next(frames)
        process = Path(f"/proc/{source.decoder}")
        assert b"weft.media.cameras.decoder" in (process / "cmdline").read_bytes()
        assert b"secret" not in (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        frames.close()
    assert "secret" not in repr(source) + source.device + repr(source._job)


OWNER = """
import sys
from weft.media.sources.camera import CameraSource
source = CameraSource(sys.argv[1])
for frame in source.frames():
    print(source.decoder, flush=True)
"""


def test_no_decoder_outlives_its_owner() -> None:
    with mjpeg_camera(always) as url:
        owner = subprocess.Popen([sys.executable, "-c", OWNER, url], stdout=subprocess.PIPE, text=True)
        with owner:
            assert owner.stdout is not None
            decoder = os.pidfd_open(int(owner.stdout.readline()))
            owner.kill()
        try:
            assert gone(decoder)
        finally:
            os.close(decoder)


HANGING = """
import ctypes, os, socket, threading
from weft.media.cameras import decoder
from weft.media.cameras.messages import Job, packed
from weft.media.cameras.slot import Slot
decoder.WIND_S, decoder.ALARM_S = 0.05, 0.5
mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
mine.send(packed(Job("file", "x", "x", {})))
threading.Thread(target=decoder.Program(theirs, Slot())._listen, daemon=True).start()
ctypes.PyDLL(None).pause()  # holds the interpreter's lock, as native code does that hangs there
"""


def test_a_decoder_that_hangs_with_the_interpreters_lock_is_ended_by_the_kernel() -> None:
    done = subprocess.run([sys.executable, "-c", HANGING], timeout=60, check=False)
    assert done.returncode == -signal.SIGALRM


def test_a_consumer_that_is_slow_gets_the_newest_and_is_told_of_the_others(tmp_path: Path) -> None:
    source = CameraSource(write_video(tmp_path / "v.mp4", count=20, fps=200), loop=True)
    work = threading.Event()
    frames = source.frames()
    while source.counters.dropped <= 20:
        assert next(frames).sequence < 20
        work.wait(0.05)  # ten pictures' time
    frames.close()


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_no_process_and_no_descriptor_is_left_behind(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", count=2)
    list(CameraSource(video).frames())
    before = descriptors()
    for _ in range(3):
        list(CameraSource(video).frames())
        with pytest.raises(WeftError):
            list(CameraSource(tmp_path / "none.mp4", retry=Retry(first=0.01, attempts=1)).frames())
    assert descriptors() == before


# --- files -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "v.mp4", count=12, fps=40)


def test_a_file_is_played_at_its_own_speed_to_its_end(video: Path) -> None:
    source = CameraSource(video)
    frames = list(source.frames())
    got = [number(frame) for frame in frames]
    assert got == sorted(set(got))
    assert (len(got) + source.counters.dropped, got[-1]) == (12, 11)
    assert frames[-1].time_ns - frames[0].time_ns >= 11 / 40 * 1e9 * 0.95
    assert (source.state, source.trouble, source.counters.failures) == ("ended", "", 0)


def test_a_file_that_loops_goes_on_until_its_limit(video: Path) -> None:
    source = CameraSource(video, loop=True, limit=30)
    frames = list(source.frames())
    assert [frame.sequence for frame in frames] == list(range(30))
    assert len({number(frame) for frame in frames[15:]}) > 6
    assert frames[-1].time_ns - frames[0].time_ns >= 29 / 40 * 1e9 * 0.95
    assert (source.counters.connects, source.counters.reconnects) == (1, 0)


def test_a_file_that_appears_later_is_waited_for(tmp_path: Path, video: Path) -> None:
    source = CameraSource(tmp_path / "later.mp4", retry=SOON, limit=1)
    got: list[Frame] = []
    thread = threading.Thread(target=lambda: got.extend(source.frames()))
    thread.start()
    waiting = threading.Event()
    while not source.counters.failures:
        assert not waiting.wait(0.01)
    assert source.trouble == "no such file"
    (tmp_path / "later.part").write_bytes(video.read_bytes())
    (tmp_path / "later.part").rename(tmp_path / "later.mp4")
    thread.join(PATIENCE_S)
    assert [number(frame) for frame in got] == [0]


def test_a_name_that_ffmpeg_takes_for_a_protocol_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    video = write_video(tmp_path / "v.mp4", count=2)
    with pytest.raises(NotFoundError):
        next(CameraSource(f"concat:{video}", retry=ONCE).frames())
    video.rename(tmp_path / "concat:x.mp4")
    assert len(list(CameraSource("concat:x.mp4").frames())) == 2


def test_frames_are_read_once(video: Path) -> None:
    source = CameraSource(video, limit=1)
    list(source.frames())
    with pytest.raises(UsageError, match="read once"):
        next(source.frames())


# --- RTSP ------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_an_rtsp_camera_gives_its_pictures(rtsp: MakeRtsp, transport: str) -> None:
    with rtsp() as server:
        source = CameraSource(server.url(), transport=transport, limit=10)
        frames = list(source.frames())
    assert len(frames) == 10
    assert {(frame.picture.width, frame.picture.height) for frame in frames if frame.picture} == {(480, 270)}
    assert source.counters.failures == 0


@pytest.mark.data
def test_an_rtsp_server_killed_and_started_again_is_found_again(rtsp: MakeRtsp) -> None:
    with rtsp() as server:
        source = CameraSource(server.url(), retry=SOON)
        frames = source.frames()
        until(frames, lambda frame: frame.sequence == 5)
        server.kill()
        restarted = threading.Thread(target=server.start)
        restarted.start()
        back = until(frames, reconnected)
        restarted.join()
        frames.close()
    assert back.sequence > 5
    assert source.counters.failures >= 1
    assert source.counters.crashes == 0


@pytest.mark.data
def test_an_rtsp_server_that_hangs_is_stalled_until_it_does_not(rtsp: MakeRtsp) -> None:
    with rtsp() as server:
        assert server.process is not None
        source = CameraSource(server.url(), stall=0.5, start=3, retry=SOON)
        frames = source.frames()
        next(frames)
        server.process.send_signal(signal.SIGSTOP)
        threading.Thread(target=_go_on_when_stalled, args=(source, server.process)).start()
        until(frames, reconnected)
        frames.close()
    assert source.counters.stalls >= 1


def _go_on_when_stalled(source: CameraSource, server: subprocess.Popen[str]) -> None:
    waiting = threading.Event()
    while not source.counters.stalls:
        waiting.wait(0.01)
    server.send_signal(signal.SIGCONT)


@pytest.mark.data
def test_who_has_no_right_is_told_so_and_whose_password_it_was_is_not(
    rtsp: MakeRtsp, caplog: pytest.LogCaptureFixture
) -> None:
    with rtsp(credentials="me:secret") as server:
        assert len(list(CameraSource(server.url("me:secret"), limit=1).frames())) == 1
        source = CameraSource(server.url("me:guess"), retry=Retry(first=0.01, attempts=1))
        with pytest.raises(UnavailableError, match="401") as caught:
            next(source.frames())
    said = f"{caught.value} {caught.value.record()} {source!r} {source.trouble} {source.device} {caplog.text}"
    assert "guess" not in said
    assert f"127.0.0.1:{server.port}/cam" in said
