"""Sources and sinks of a site's streams, in pipelines that share the streams of this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any, get_args

import pytest

from tests.flow.actors import PATIENCE_S, Collect, Script
from weft.core.errors import InputError, UsageError
from weft.core.frame import Frame
from weft.flow.build import build
from weft.flow.executor import Run
from weft.flow.graph import FunctionNode, Graph, SinkNode, SourceNode
from weft.flow.handlers import python
from weft.flow.paced import Paced
from weft.flow.pipeline import Pipeline
from weft.flow.record import Recorder
from weft.flow.recording_source import RecordingSource
from weft.flow.site import Site
from weft.flow.site_nodes import FROM_SITE, TO_SITE
from weft.flow.stream_sink import StreamSink
from weft.flow.stream_source import StreamSource
from weft.spec import delivery
from weft.spec.pipeline import pipeline_from
from weft.stream import base
from weft.stream.base import PublishOptions, SubscribeOptions
from weft.stream.local import LocalStreams
from weft.stream.recording import RecordingWriter

RELIABLE = PublishOptions("reliable", latest=True)


@pytest.fixture
def here() -> Iterator[LocalStreams]:
    with closing(LocalStreams()) as streams:
        yield streams


class Many:
    """A source of frames that know their stream and source."""

    live = False
    length = None

    def __init__(self, frames: list[tuple[str, str, int]]) -> None:
        self._frames = frames

    def frames(self) -> Iterator[Frame]:
        for stream, source, sequence in self._frames:
            yield Frame(b"", stream=stream, source=source, sequence=sequence)

    def close(self) -> None:
        pass


def sink(*inputs: str) -> tuple[Collect, SinkNode]:
    collect = Collect()
    return collect, SinkNode(name="+".join(inputs), open=collect.open, inputs=inputs)


def spec(document: dict[str, Any]) -> Pipeline:
    return build(pipeline_from(document))


# --- sources of many streams ---------------------------------------------------------------


def test_frames_of_a_source_of_many_streams_keep_their_names_and_go_where_those_say() -> None:
    given = [("cam/1", "left", 0), ("cam/2", "right", 0), ("other", "", 5), ("cam/1", "left", 1)]
    source = SourceNode(name="site", open=lambda: Many(given), patterns=("**",))
    (cams, cam_sink), (one, one_sink), (none, none_sink) = sink("cam/*"), sink("other"), sink("x/*")
    Pipeline(sources=[source], sinks=[cam_sink, one_sink, none_sink]).run()
    assert [(f.stream, f.source, f.sequence) for f in cams.frames] == [given[0], given[1], given[3]]
    assert [(f.stream, f.source, f.sequence) for f in one.frames] == [("other", "other", 5)]
    assert none.frames == []


def test_two_sources_with_equal_numbers_are_each_kept_in_order_and_apart() -> None:
    """The first frame of one source is held up; the other source, with the same numbers, goes on past it."""
    given = [("cam/1", "same", 0), *(("cam/2", "same", number) for number in range(4))]
    passed = Event()

    def work(frame: Frame) -> Frame:
        if frame.stream == "cam/1":
            assert passed.wait(PATIENCE_S)
        elif frame.sequence == 3:
            passed.set()
        return frame.derive(frame.stream.encode(), media_type="text/plain", stream="")

    source = SourceNode(name="site", open=lambda: Many(given), patterns=("cam/*",))
    function = FunctionNode(name="f", open=python(work), inputs=("cam/*",), replicas=2)
    results, node = sink("f")
    Pipeline(sources=[source], functions=[function], sinks=[node]).run()
    seen = [(frame.payload.decode(), frame.sequence) for frame in results.frames]
    assert [number for stream, number in seen if stream == "cam/2"] == [0, 1, 2, 3]
    assert ("cam/1", 0) in seen


def test_a_function_does_not_take_back_what_it_emits_itself() -> None:
    source = SourceNode(name="site", open=lambda: Many([("labels", "far", 0), ("cam", "c", 0)]), patterns=("**",))
    function = FunctionNode(
        name="f",
        open=python(lambda frame: frame.derive(b"", media_type="a/b", stream="")),
        inputs=("**",),
        outputs=("labels",),
    )
    results, node = sink("labels")
    Pipeline(sources=[source], functions=[function], sinks=[node]).run()
    assert sorted(frame.source for frame in results.frames) == ["c", "far"]


# --- the site's source and sink ------------------------------------------------------------


def test_what_a_sink_publishes_a_source_elsewhere_takes(here: LocalStreams) -> None:
    collect, node = sink("belt")
    subscribed = StreamSource(here, ("belt",), limit=3)  # before anything is published
    source = SourceNode(name="in", open=lambda: subscribed, patterns=("belt",))
    taking = Run(Graph((source,), (), (node,))).start()
    publish = SinkNode(name="out", open=lambda: StreamSink(here, RELIABLE), inputs=("belt",))
    Pipeline(sources=[SourceNode(name="belt", open=lambda: Script(3))], sinks=[publish]).run()
    assert taking.wait(PATIENCE_S)
    got = collect.frames
    assert [(frame.stream, frame.source, frame.sequence) for frame in got] == [("belt", "belt", n) for n in range(3)]
    assert dict(taking.snapshot().stage("in").counters)["received"] == 3


def test_a_source_that_waits_for_the_site_stops_at_once(here: LocalStreams) -> None:
    _, node = sink("**")
    source = SourceNode(name="in", open=lambda: StreamSource(here, ("**",)), patterns=("**",))
    run = Run(Graph((source,), (), (node,))).start()
    run.stop()
    assert run.wait(PATIENCE_S)
    assert run.snapshot().ended == "stop"


def test_an_unshared_document_has_no_stages_for_the_site() -> None:
    pipeline = spec({"sources": {"a": {"type": "pattern"}}, "sinks": {"s": {"type": "console", "inputs": ["a"]}}})
    assert [node.name for node in pipeline.graph.nodes] == ["a", "s"]


def shared(share: list[str] | None = None) -> dict[str, Any]:
    streams: dict[str, Any] = {"connect": ["edge"]} | ({} if share is None else {"share": share})
    return {
        "streams": streams,
        "sources": {"belt": {"type": "pattern", "frames": 2, "size": "16x16"}},
        "functions": {"f": {"wasm": "f.wasm", "inputs": ["belt", "far/*"], "outputs": ["labels", "more"]}},
        "sinks": {"out": {"type": "stream", "inputs": ["more"], "delivery": "reliable"}},
    }


@pytest.mark.parametrize(
    ("share", "published"),
    [(None, ("belt", "labels")), (["lab*"], ("labels",)), (["**"], ("belt", "labels")), ([], None)],
)
def test_a_document_shares_what_it_emits_and_takes_what_nobody_in_it_does(
    share: list[str] | None, published: tuple[str, ...] | None
) -> None:
    nodes = {node.name: node for node in spec(shared(share)).graph.nodes}
    assert nodes[FROM_SITE].patterns == ("far/*",)  # type: ignore[union-attr]
    assert (nodes[TO_SITE].inputs if published else nodes.get(TO_SITE)) == published  # type: ignore[union-attr]


def test_what_the_document_emits_is_not_taken_from_the_site(here: LocalStreams) -> None:
    document = {
        "streams": {"connect": ["edge"], "delivery": "reliable", "latest": True},
        "sources": {"belt": {"type": "lines", "path": "-"}, "all": {"type": "stream", "pattern": "**", "limit": 1}},
        "sinks": {"seen": {"type": "console", "inputs": ["**"]}},
    }
    pipeline = spec(document)
    assert pipeline.site is not None
    pipeline.site.join = lambda: here
    source = next(node for node in pipeline.graph.sources if node.name == "all").open()
    here.publish("belt", RELIABLE).put(Frame(b"mine"))
    here.publish("other", RELIABLE).put(Frame(b"theirs"))
    assert [frame.stream for frame in source.frames()] == ["other"]
    source.close()


def test_a_document_without_a_site_says_how_to_join_one() -> None:
    document = {
        "sources": {"a": {"type": "stream", "pattern": "a"}},
        "sinks": {"s": {"type": "console", "inputs": ["a"]}},
    }
    with pytest.raises(UsageError, match="joins no site") as raised:
        spec(document).run()
    assert "--connect" in raised.value.cure


def test_the_site_is_left_after_each_run() -> None:
    opened: list[LocalStreams] = []

    def join() -> LocalStreams:
        opened.append(LocalStreams())
        return opened[-1]

    site = Site(join)
    node = SinkNode(name="out", open=lambda: StreamSink(site.streams()), inputs=("belt",))
    pipeline = Pipeline(sources=[SourceNode(name="belt", open=lambda: Script(1))], sinks=[node], site=site)
    pipeline.run()
    pipeline.run()
    assert len(opened) == 2
    assert all(streams.known() == [] for streams in opened)


def test_documents_and_streams_know_the_same_words() -> None:
    assert get_args(delivery.Delivery) == get_args(base.Delivery)
    assert get_args(delivery.Scope) == get_args(base.Scope)
    assert get_args(delivery.WhenFull) == get_args(base.WhenFull)


# --- recordings ----------------------------------------------------------------------------


def recorded(path: Path, count: int = 3, step_ns: int = 0) -> Path:
    with closing(RecordingWriter(path)) as writer:
        for number in range(count):
            for stream in ("cam", "labels"):
                writer.write(Frame(b"x", stream=stream, source="c", sequence=number, time_ns=number), number * step_ns)
    return path


def test_a_recorder_writes_what_comes_and_a_recording_gives_it_again(here: LocalStreams, tmp_path: Path) -> None:
    publisher = here.publish("cam", RELIABLE)
    writer = RecordingWriter(tmp_path / "r")
    recorder = Recorder(here.subscribe(["cam"], SubscribeOptions(queue=10)), writer)
    for number in range(5):
        publisher.put(Frame(b"%d" % number, sequence=number, source="s"))
    recorder.stop()
    assert recorder.run() == "stop"
    frames = list(RecordingSource(tmp_path / "r", speed=0).frames())
    assert [(f.stream, f.source, f.sequence, f.payload) for f in frames] == [
        ("cam", "s", number, b"%d" % number) for number in range(5)
    ]


def test_a_recorder_ends_when_the_file_is_full_or_the_time_over(here: LocalStreams, tmp_path: Path) -> None:
    publisher = here.publish("cam", RELIABLE)
    full = Recorder(here.subscribe(["cam"]), RecordingWriter(tmp_path / "full", max_size=10))
    publisher.put(Frame(b"x"))
    assert full.run() == "full"
    over = Recorder(here.subscribe(["none"]), RecordingWriter(tmp_path / "over"), duration_s=0.01)
    assert over.run() == "duration"


def test_a_recording_gives_the_streams_that_are_wanted(tmp_path: Path) -> None:
    source = RecordingSource(recorded(tmp_path / "r"), streams=["c*"], limit=2)
    assert [(frame.stream, frame.sequence) for frame in source.frames()] == [("cam", 0), ("cam", 1)]
    source = RecordingSource(recorded(tmp_path / "r2"), without=["cam"])
    assert {frame.stream for frame in source.frames()} == {"labels"}


def test_a_recording_that_begins_again_goes_on_counting(tmp_path: Path) -> None:
    source = RecordingSource(recorded(tmp_path / "r", 2), loop=True, limit=8)
    assert [(frame.stream, frame.sequence) for frame in source.frames()] == [
        (stream, number) for number in range(4) for stream in ("cam", "labels")
    ]


def test_an_empty_recording_cannot_be_repeated(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frame"):
        list(RecordingSource(recorded(tmp_path / "r", 0), loop=True).frames())


def test_a_recording_keeps_its_pace(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r", 2, step_ns=10**18)
    source = RecordingSource(path)
    frames = source.frames()
    assert [next(frames).stream, next(frames).stream] == ["cam", "labels"]
    source.close()  # the next one is due in thirty years
    assert list(frames) == []
    assert len(list(RecordingSource(path, speed=0).frames())) == 4


def test_what_a_recording_lacks_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = recorded(tmp_path / "r", 2)
    path.write_bytes(path.read_bytes()[:-1])
    source = RecordingSource(path)
    assert len(list(source.frames())) == 3
    assert source.counters.missing > 0
    assert "cut off" in caplog.text


def test_a_file_is_played_at_its_own_pace() -> None:
    class Timed(Script):
        def frames(self) -> Iterator[Frame]:
            for frame in super().frames():
                frame.time_ns = frame.sequence * 10**18
                yield frame

    paced = Paced(Timed(3))
    frames = paced.frames()
    assert next(frames).sequence == 0
    paced.close()
    assert list(frames) == []


def test_routes_of_foreign_streams_are_remembered_within_bounds() -> None:
    given = [(f"s/{number}", "x", 0) for number in range(1500)]
    collect, node = sink("s/*")
    source = SourceNode(name="site", open=lambda: Many(given), patterns=("**",))
    Pipeline(sources=[replace(source)], sinks=[node]).run()
    assert len(collect.frames) == 1500
