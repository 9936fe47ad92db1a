"""Recordings: what was written is read, and what was cut off or changed is never taken for a frame."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.core.errors import InputError, NotFoundError, OutputError
from weft.core.frame import Frame
from weft.stream.recording import MAGIC, RecordingReader, RecordingWriter

Known = tuple[str, str, int, int, bytes, dict[str, str]]


def known(frame: Frame) -> Known:
    return frame.stream, frame.source, frame.sequence, frame.time_ns, frame.payload, dict(frame.headers)


def write(path: Path, frames: Sequence[Frame]) -> bytes:
    with closing(RecordingWriter(path)) as writer:
        for number, frame in enumerate(frames):
            assert writer.write(frame, number)
    return path.read_bytes()


def read(path: Path, data: bytes) -> tuple[list[Known], int, int]:
    path.write_bytes(data)
    with closing(RecordingReader(path)) as reader:
        return [known(record.frame) for record in reader], reader.damaged, reader.missing


THREE = [
    Frame(b"one", stream="cam/1", source="cam", sequence=0, time_ns=5, media_type="image/jpeg"),
    Frame(b"", stream="labels", source="cam", sequence=0, time_ns=-5, headers={"k": "ü"}),
    Frame(b"\x00" * 40, stream="cam/1", source="cam", sequence=1, time_ns=6),
]

FRAMES = st.builds(
    Frame,
    st.binary(max_size=60),
    stream=st.sampled_from(["a", "cam/1", "x-y.z"]),
    source=st.text(max_size=5),
    sequence=st.integers(-(2**63), 2**63 - 1),
    time_ns=st.integers(-(2**63), 2**63 - 1),
    headers=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(frames=st.lists(FRAMES, max_size=5))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, frames: list[Frame]) -> None:
    path = tmp_path_factory.mktemp("recording") / "r"
    data = write(path, frames)
    with closing(RecordingReader(path)) as reader:
        records = list(reader)
        assert records == [] or [record.arrived_ns for record in records] == list(range(len(frames)))
        assert [known(record.frame) for record in reader] == [known(frame) for frame in frames]
    assert data.startswith(MAGIC)


def test_a_file_cut_off_anywhere_is_right_up_to_the_cut(tmp_path: Path) -> None:
    data = write(tmp_path / "whole", THREE)
    ends = [len(write(tmp_path / f"first{count}", THREE[:count])) for count in range(4)]
    for cut in range(len(MAGIC), len(data)):
        whole = sum(end <= cut for end in ends[1:])
        found, damaged, missing = read(tmp_path / "cut", data[:cut])
        assert found == [known(frame) for frame in THREE[:whole]]
        assert (damaged, missing) == (0, cut - ends[whole])


def test_a_changed_byte_anywhere_never_makes_a_frame_of_its_own(tmp_path: Path) -> None:
    data = write(tmp_path / "whole", THREE)
    written = [known(frame) for frame in THREE]
    for place in range(len(MAGIC), len(data)):
        changed = data[:place] + bytes([data[place] ^ 0x41]) + data[place + 1 :]
        found, damaged, missing = read(tmp_path / "changed", changed)
        assert len(found) < 3
        assert damaged == 1 or missing > 0
        assert [frame for frame in written if frame in found] == found


@pytest.mark.parametrize(
    ("data", "message"), [(b"", "no recording"), (b"WEFTREC", "no recording"), (b"RIFF" * 9, "no rec")]
)
def test_another_file_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "other").write_bytes(data)
    with pytest.raises(InputError, match=message):
        RecordingReader(tmp_path / "other")


def test_a_later_version_is_refused_with_its_number(tmp_path: Path) -> None:
    (tmp_path / "later").write_bytes(b"WEFTREC2")
    with pytest.raises(InputError, match="version 2"):
        RecordingReader(tmp_path / "later")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        RecordingReader(tmp_path / "none")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "r", THREE)
    with pytest.raises(OutputError, match="already"):
        RecordingWriter(tmp_path / "r")
    with pytest.raises(OutputError, match="No such file"):
        RecordingWriter(tmp_path / "none" / "r")


def test_it_is_never_larger_than_it_may_be(tmp_path: Path) -> None:
    with closing(RecordingWriter(tmp_path / "r", max_size=200)) as writer:
        taken = [writer.write(Frame(bytes(40), stream="a")) for _ in range(9)]
    assert taken == sorted(taken, reverse=True)
    assert 0 < taken.count(True) == writer.frames < 9
    assert (tmp_path / "r").stat().st_size == writer.size <= 200
