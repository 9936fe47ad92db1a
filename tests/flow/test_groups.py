"""Functions of one group in pipelines: frames are done when what was made of them is written, and not before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from threading import Event
from typing import Any

import pytest

from tests.flow.actors import PATIENCE_S, Collect
from weft.core.errors import DocumentError
from weft.core.frame import Frame
from weft.flow.executor import Run
from weft.flow.graph import FunctionNode, Graph, OnError, SinkNode, SourceNode
from weft.flow.handlers import python
from weft.flow.queues import Overflow
from weft.flow.stream_sink import StreamSink
from weft.flow.stream_source import StreamSource
from weft.spec.pipeline import pipeline_from
from weft.stream.base import Group, PublishOptions, SubscribeOptions
from weft.stream.local import LocalStreams

GROUP = Group("classify")


@pytest.fixture
def here() -> Iterator[LocalStreams]:
    with closing(LocalStreams()) as streams:
        yield streams


def member(
    here: LocalStreams, collect: Collect, work: Any, limit: int | None = None, overflow: Overflow = "block"
) -> Run:
    """It ends with the first frame it fails on."""
    source = SourceNode(
        name="in",
        open=lambda: StreamSource(here, ("cam/*",), queue=4, group=GROUP, limit=limit),
        patterns=("cam/*",),
    )
    function = FunctionNode(
        name="f",
        open=python(work),
        inputs=("cam/*",),
        outputs=("labels",),
        queue_size=1,
        overflow=overflow,
        on_error=OnError("fail"),
    )
    sink = SinkNode(name="out", open=collect.open, inputs=("labels",))
    return Run(Graph((source,), (function,), (sink,))).start()


def label(frame: Frame) -> Frame:
    return frame.derive(b"label", media_type="text/plain", stream="")


def nothing(frame: Frame) -> None:
    """Emits nothing, which is done as well."""


def test_two_pipelines_share_a_stream(here: LocalStreams) -> None:
    results = Collect(), Collect()
    runs = [member(here, collect, label, limit=30) for collect in results]
    sink = StreamSink(here, PublishOptions("reliable"))
    sink.publish("cam/1")
    while sum(group.members for group in here.known()[0].groups) < 2:
        pass
    for number in range(60):
        sink.write(Frame(b"", stream="cam/1", source="c", sequence=number))
    assert all(run.wait(PATIENCE_S) for run in runs)
    assert sorted(frame.sequence for collect in results for frame in collect.frames) == list(range(60))
    assert sink.counters["given"] - sink.counters["moved"] == 60
    assert sink.counters["lost"] == 0


@pytest.mark.parametrize("work", [label, nothing])
def test_a_frame_is_done_once_all_that_follows_from_it_is(here: LocalStreams, work: Any) -> None:
    collect = Collect()
    publisher = here.publish("cam/1", PublishOptions("reliable"))
    run = member(here, collect, work, limit=20)
    while not here.known()[0].groups:
        pass
    for number in range(20):
        publisher.put(Frame(b"", sequence=number))
    assert run.wait(PATIENCE_S)
    assert publisher.shared["given"] == 20
    assert not publisher.groups.unfinished
    second = here.subscribe(["cam/*"], SubscribeOptions(group=GROUP))
    assert second.get(0.05) is None


def test_a_member_that_is_slower_than_the_stream_confirms_nothing_it_has_not_done(here: LocalStreams) -> None:
    collect, go = Collect(), Event()

    def slow(frame: Frame) -> Frame:
        assert go.wait(PATIENCE_S)
        return label(frame)

    publisher = here.publish("cam/1", PublishOptions("reliable"))
    run = member(here, collect, slow, limit=20, overflow="drop_oldest")
    while not here.known()[0].groups:
        pass
    for number in range(20):
        publisher.put(Frame(b"", sequence=number))
    go.wait(0.2)  # a source that drops what finds no room would take all of them meanwhile
    assert publisher.shared["given"] < 20
    go.set()
    assert run.wait(PATIENCE_S)
    assert collect.sequences == list(range(20))


def test_what_a_pipeline_that_is_aborted_had_goes_to_another(here: LocalStreams) -> None:
    publisher = here.publish("cam/1", PublishOptions("reliable"))

    def fail(frame: Frame) -> Frame:
        raise RuntimeError("broken for good")

    run = member(here, Collect(), fail)
    while not here.known()[0].groups:
        pass
    publisher.put(Frame(b"", sequence=0))
    assert run.wait(PATIENCE_S)
    for number in range(1, 6):
        publisher.put(Frame(b"", sequence=number))
    second = here.subscribe(["cam/*"], SubscribeOptions(group=GROUP))
    got = [second.get(PATIENCE_S) for _ in range(5)]
    assert [frame.sequence for frame in got if frame is not None][-5:] == [1, 2, 3, 4, 5]


def document(**source: Any) -> dict[str, Any]:
    return {
        "streams": {"connect": ["edge"], "share": []},
        "sources": {"cams": {"type": "stream", "pattern": "cam/*", **source}},
        "sinks": {"s": {"type": "console", "inputs": ["cam/*"]}},
    }


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"group": "a b"}, "no name of a group"),
        ({"group": "g", "by": "a/b"}, "no name of a group or a header"),
        ({"by": "source"}, "without a group"),
        ({"group": "g", "as": "archive"}, "shares with nobody"),
    ],
)
def test_mistakes_about_groups_are_told(source: dict[str, Any], told: str) -> None:
    with pytest.raises(DocumentError, match=told):
        pipeline_from(document(**source))


def test_a_document_names_a_group() -> None:
    (source,) = pipeline_from(document(group="classify", by="source")).sources.values()
    assert (source.group, source.by) == ("classify", "source")
