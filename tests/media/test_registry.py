"""The registry: Weft's own types and those of packages come through one door, and only when asked for."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from weft.core.errors import UnavailableError, UsageError
from weft.core.protocols import Sink, Source
from weft.media.registry import SINKS, SOURCES, Registry


def test_every_type_a_pipeline_may_name_is_there() -> None:
    assert set(SOURCES) >= {"video", "camera", "mqtt", "http", "pictures", "pattern", "lines"}
    assert set(SINKS) >= {"console", "jsonl", "video", "directory"}
    for registry, members in ((SOURCES, ("frames", "close")), (SINKS, ("write", "close"))):
        for name in registry:
            assert all(callable(getattr(registry[name], member)) for member in members), name


def test_what_it_makes_are_sources_and_sinks() -> None:
    source: Source = SOURCES["pattern"](size="8x8", frames=2)
    sink: Sink = SINKS["console"](path="/dev/null")
    for frame in source.frames():
        sink.write(frame)
    sink.close()
    source.close()
    assert (source.live, source.length) == (False, 2)


def test_asking_for_one_type_imports_no_other() -> None:
    code = "import sys\nfrom weft.media.registry import SOURCES\nSOURCES['lines']\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "weft.media.sources.lines" in loaded
    assert not {"av", "PIL", "httpx", "paho", "weft.media.sources.video"} & set(loaded)


def test_an_unknown_type_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no type 'vidoe'") as caught:
        SOURCES["vidoe"]
    assert caught.value.cure == "did you mean 'video'?"
    assert "vidoe" not in SOURCES


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """Entry points as an installed package would have them."""
    points: list[EntryPoint] = []

    def entry_points(*, group: str) -> list[EntryPoint]:
        return [point for point in points if point.group == group]

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    return points


def registry() -> Registry[Any]:
    return Registry("weft.sources", {"lines": "weft.media.sources.lines:LinesSource"})


def test_a_package_adds_a_type(plugins: list[EntryPoint]) -> None:
    plugins.append(EntryPoint("belt", "weft.media.sources.pattern:PatternSource", "weft.sources"))
    assert list(registry()) == ["lines", "belt"]
    assert registry()["belt"](size="8x8", frames=1).length == 1


def test_a_package_cannot_take_the_name_of_another_silently(plugins: list[EntryPoint]) -> None:
    plugins.append(EntryPoint("lines", "elsewhere:Lines", "weft.sources"))
    with pytest.raises(UsageError, match=r"claimed by weft\.media\.sources\.lines:LinesSource and elsewhere:Lines"):
        registry()["lines"]


@pytest.mark.parametrize("place", ["no_such_module:Thing", "weft.media.sources.lines:NoSuchThing"])
def test_a_plugin_that_does_not_load_is_unavailable(plugins: list[EntryPoint], place: str) -> None:
    plugins.append(EntryPoint("broken", place, "weft.sources"))
    with pytest.raises(UnavailableError, match="does not load from"):
        registry()["broken"]
