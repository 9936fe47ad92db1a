from __future__ import annotations

import pytest
from pydantic import ValidationError

from weft.spec.values import (
    Duration,
    FilePath,
    Part,
    PictureSize,
    Size,
    StageName,
    StreamName,
    StreamPattern,
    Text,
)


class Values(Part):
    size: Size = 1
    duration: Duration = 1.0
    text: Text = ""
    stage: StageName = "a"
    stream: StreamName = "a"
    pattern: StreamPattern = "a"
    path: FilePath = "a"
    picture: PictureSize = (1, 1)


@pytest.mark.parametrize(
    ("field", "written", "value"),
    [
        ("size", "64MiB", 64 << 20),
        ("size", 4096, 4096),
        ("size", "1.5 kB", 1500),
        ("duration", "200ms", 0.2),
        ("duration", 2, 2.0),
        ("duration", 0.5, 0.5),
        ("text", 5, "5"),
        ("text", 0.5, "0.5"),
        ("text", True, "true"),
        ("text", "yes", "yes"),
        ("stage", "belt-2.x", "belt-2.x"),
        ("stage", "förderband", "förderband"),
        ("stream", "cam/front", "cam/front"),
        ("pattern", "cam/*", "cam/*"),
        ("pattern", "cam/**", "cam/**"),
        ("pattern", "**", "**"),
        ("pattern", "*/left", "*/left"),
        ("pattern", "cam-*/x", "cam-*/x"),
        ("path", "a b/ü.wasm", "a b/ü.wasm"),
        ("picture", "640x480", (640, 480)),
        ("picture", "640×480", (640, 480)),
    ],
)
def test_what_people_write_becomes_a_value(field: str, written: object, value: object):
    assert getattr(Values.model_validate({field: written}), field) == value


@pytest.mark.parametrize(
    ("field", "written"),
    [
        ("size", "64MX"),
        ("size", 0),
        ("size", -1),
        ("size", True),
        ("size", 1.5),
        ("size", None),
        ("size", "2000GiB"),
        ("size", "9" * 400),
        ("duration", "-5"),
        ("duration", 0),
        ("duration", "2 days"),
        ("duration", "25h"),
        ("duration", False),
        ("duration", []),
        ("duration", float("inf")),
        ("text", None),
        ("text", []),
        ("stage", ""),
        ("stage", "a/b"),
        ("stage", "-a"),
        ("stage", "a" * 129),
        ("stage", 5),
        ("stream", "/a"),
        ("stream", "a/"),
        ("stream", "a//b"),
        ("stream", "a/*"),
        ("stream", "a b"),
        ("pattern", "**/a"),
        ("pattern", "a**"),
        ("pattern", "a/***"),
        ("pattern", "a/?"),
        ("pattern", "a" * 129),
        ("path", ""),
        ("path", "a\0b"),
        ("path", "a\nb"),
        ("picture", "640"),
        ("picture", "0x480"),
        ("picture", "99999x1"),
        ("picture", [640, 480]),
    ],
)
def test_what_does_not_fit_is_refused(field: str, written: object):
    with pytest.raises(ValidationError) as caught:
        Values.model_validate({field: written})
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]
