"""YoMo's functions, all three generations, as they were compiled for YoMo."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.wasm.foreign.conftest import Foreign
from tests.wasm.harness import Driven, Probe
from weft.core.errors import GuestFailed, GuestTrap, OutputLimitError, UsageError
from weft.core.frame import Frame
from weft.core.limits import Limits
from weft.wasm.host.env_yomo import tag_of_stream, tag_stream

Drive = Callable[..., Driven]


def emitted(function: Driven, frame: Frame) -> list[tuple[str, bytes, str]]:
    """Stream, payload and tag header of what a function emits."""
    return [(made.stream, made.payload, made.headers["tag"]) for made in function.frames(frame)]


def test_the_first_generation(foreign: Foreign, drive: Drive) -> None:
    function = drive(foreign("yomo_first"))
    assert function.function.abi.name == "yomo"
    for text in (b"hello, yomo", b"", b"again"):
        assert emitted(function, Frame(text, stream="tag/0x33")) == [("tag/0x34", text.upper(), "0x34")]


def test_the_second_generation(foreign: Foreign, drive: Drive) -> None:
    function = drive(foreign("yomo_second"))
    assert function.function.abi.name == "yomo"  # although it has a _start
    assert emitted(function, Frame(b"hello", stream="tag/0x33")) == [
        ("tag/0x34", b"HELLO", "0x34"),
        ("tag/0x35", b"from 0x33", "0x35"),
    ]


def test_the_third_generation(foreign: Foreign, drive: Drive) -> None:
    function = drive(foreign("yomo_third"))
    frame = Frame(b"hello", stream="tag/0x11", sequence=7, headers={"target": "me", "lens": "wide"})
    (made,) = function.frames(frame)
    assert (made.stream, made.payload, made.media_type) == ("tag/0x12", b"HELLO", "text/plain")
    assert made.headers == {"lens": "wide", "tag": "0x12", "target": "you"}
    assert made.sequence == 7


@pytest.mark.parametrize("target", [None, "", "somebody"])
def test_a_frame_for_another_target_is_not_handled(foreign: Foreign, drive: Drive, target: str | None) -> None:
    headers = {} if target is None else {"target": target}
    assert drive(foreign("yomo_third")).frames(Frame(b"x", stream="tag/0x10", headers=headers)) == []


def test_a_frame_with_a_target_is_not_for_a_function_without_one(foreign: Foreign, drive: Drive) -> None:
    assert drive(foreign("yomo_second")).frames(Frame(b"x", stream="tag/0x33", headers={"target": "me"})) == []


@pytest.mark.parametrize(
    ("frame", "config", "tag"),
    [
        ({"stream": "tag/0x0ABC", "headers": {"tag": "0x1"}}, {"tag": "0x2"}, "0xabc"),
        ({"stream": "camera", "headers": {"tag": "0x1f"}}, {"tag": "0x2"}, "0x1f"),
        ({"stream": "camera", "headers": {"tag": "no tag"}}, {"tag": "18"}, "0x12"),
        ({"stream": "camera"}, {}, "0x33"),
        ({"stream": "tag/0xfffffffff"}, {}, "0x33"),
    ],
)
def test_the_tag_is_the_streams_else_the_headers_else_the_configs_else_the_first_observed(
    foreign: Foreign, drive: Drive, frame: dict, config: dict[str, str], tag: str
) -> None:
    function = drive(foreign("yomo_second"), config=config)
    assert function.frames(Frame(b"x", **frame))[1].payload == f"from {tag}".encode()


@pytest.mark.parametrize(
    ("outputs", "streams"),
    [
        ((), ["tag/0x34", "tag/0x35"]),
        (("upper",), ["", ""]),
        (("tag/0x0035", "tag/0x34"), ["tag/0x34", "tag/0x0035"]),
        (("upper", "tag/0x34", "tag/0x35"), ["tag/0x34", "tag/0x35"]),
    ],
)
def test_where_a_tag_goes(foreign: Foreign, drive: Drive, outputs: tuple[str, ...], streams: list[str]) -> None:
    made = emitted(drive(foreign("yomo_second"), outputs=outputs), Frame(b"x", stream="tag/0x33"))
    assert [stream for stream, _, _ in made] == streams
    assert [tag for _, _, tag in made] == ["0x34", "0x35"]


def test_a_tag_that_is_missing_among_the_outputs_fails_the_write(foreign: Foreign, drive: Drive) -> None:
    function = drive(foreign("yomo_second"), outputs=("tag/0x34",))
    assert emitted(function, Frame(b"x", stream="tag/0x33")) == [("tag/0x34", b"X", "0x34")]
    assert "yomo_write: emits to stream 'tag/0x35', which is none of its outputs" in function.instance.notes[0]
    assert "did you mean 'tag/0x34'" in function.instance.cure


def test_a_frame_whose_tag_is_not_observed_is_handled_and_said_once(
    foreign: Foreign, drive: Drive, caplog: pytest.LogCaptureFixture
) -> None:
    function = drive(foreign("yomo_first"), name="upper")
    for _ in range(3):
        assert emitted(function, Frame(b"x", stream="tag/0x40")) == [("tag/0x34", b"X", "0x34")]
    assert caplog.messages == ["gets tag/0x40, but observes tag/0x33: change its inputs"]


def test_what_it_observes_is_logged(foreign: Foreign, drive: Drive, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "weft.guest.upper"):
        drive(foreign("yomo_third"), name="upper").frames(Frame(b"", stream="tag/0x10"))
    assert "observes tag/0x10, tag/0x11" in caplog.messages


def test_a_bad_pointer_of_the_first_generation_fails_the_frame(foreign: Foreign, drive: Drive) -> None:
    function = drive(foreign("yomo_first"))
    with pytest.raises(GuestTrap, match="yomo_dump_output: 64 bytes at 0xfffffff0 lie outside"):
        function(b"bad")
    assert function(b"good") == [b"GOOD"]
    assert function.handler.replaced == 1


def test_output_is_limited(foreign: Foreign, drive: Drive) -> None:
    function = drive(foreign("yomo_second"), limits=Limits(emits=1))
    with pytest.raises(OutputLimitError, match="more than 1 frames"):
        function(b"x")


def test_an_init_that_fails_is_an_error(wat: Callable[..., object], drive: Drive) -> None:
    module = wat("""(module (func (export "yomo_handler")) (func (export "yomo_init") (result i32) (i32.const 3)))""")
    with pytest.raises(GuestFailed, match="yomo_init returned 3"):
        drive(module)(b"")


def test_a_config_tag_that_is_none_is_refused_at_once(foreign: Foreign, drive: Drive) -> None:
    with pytest.raises(UsageError, match="config tag: 'red' is no tag"):
        drive(foreign("yomo_second"), config={"tag": "red"})


def test_the_host_functions_answer_as_yomos_do(probe) -> None:
    host: Probe = probe("env")
    host.frame(b"12345", stream="tag/0x07")
    at = host.put(bytes(8))
    assert host.yomo_context_tag() == 7
    assert host.yomo_context_data_size() == 5
    assert host.yomo_context_data(at, 4) == 5
    assert host.read(at, 8) == bytes(8)
    assert host.yomo_context_data(at, 5) == 5
    assert host.read(at, 8) == b"12345\0\0\0"
    assert host.yomo_context_data(-4, 5) == 0
    assert host.yomo_write(1, -1, 2) == 1
    assert host.yomo_write_with_target(1, at, 1, *host.text("\x00")) == 0
    assert host.yomo_write_with_target(1, at, 1, -1, 2) == 1


@pytest.mark.parametrize(("tag", "stream"), [(0, "tag/0x00"), (0x33, "tag/0x33"), (0xABC, "tag/0xabc")])
def test_tags_and_streams(tag: int, stream: str) -> None:
    assert tag_stream(tag) == stream
    assert tag_of_stream(stream) == tag
    assert tag_of_stream(stream.upper()) is None
