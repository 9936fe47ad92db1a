"""Brokers and web servers in documents: what goes together, what does not, and nothing secret in what is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.core.errors import DocumentError, Problem
from weft.flow.endpoint_options import endpoint_options
from weft.spec.endpoints import HttpSource, MqttSource
from weft.spec.pipeline import PipelineSpec, parse_pipeline
from weft.spec.sources import source_types


def spec_of(source: str, folder: Path = Path(), *, check: bool = False) -> PipelineSpec:
    text = f"sources:\n  s: {{{source}}}\nsinks: {{o: {{type: console, inputs: [s]}}}}\n"
    return parse_pipeline(text, folder=folder, check_files=check)


def test_a_broker_is_read_with_everything_it_may_say():
    text = "type: mqtt, url: 'mqtts://b/a/#', qos: 1, client_id: c, version: 5, max_size: 1MiB, user: me, stall: 1min"
    source = spec_of(f"{text}, password_env: P, ca: ca.pem, cert: me.pem, retry: {{attempts: 3}}").sources["s"]
    assert isinstance(source, MqttSource)
    assert (source.qos, source.version, source.max_size, source.stall) == (1, "5", 2**20, 60)
    assert (source.queue.size, source.queue.overflow) == (256, "drop_oldest")


def test_a_web_server_is_read_with_everything_it_may_say():
    text = "type: http, url: 'https://h/a?token=t0ken', every: 2s, unchanged: true, timeout: 5s, media_type: Text/CSV"
    source = spec_of(f"{text}, token_file: t, headers: {{X-Key: k3y, X-Number: 5}}").sources["s"]
    assert isinstance(source, HttpSource)
    assert (source.every, source.timeout, source.media_type, source.headers["X-Number"]) == (2, 5, "text/csv", "5")
    assert "k3y" not in repr(source)


@pytest.mark.parametrize(
    ("source", "path", "message", "cure"),
    [
        ("type: mqtt", "s.url", "is missing", "add it"),
        ("type: mqtt, url: 'mqtt://me:secret@b/a'", "s.url", "no place for a user", "password_file"),
        ("type: mqtt, url: 'mqtt://b'", "s.url", "names no topic", "mqtt://broker/factory"),
        ("type: mqtt, url: 'mqtt://b/a', qos: 2", "s.qos", "2", ""),
        ("type: mqtt, url: 'mqtt://b/a', version: 4", "s.version", "4", ""),
        ("type: mqtt, url: 'mqtt://b/a', ca: x", "s", "for mqtts:// alone", "write mqtts://"),
        ("type: mqtt, url: 'mqtt://b/a', password: secret", "s.password", "is no key here", "password_"),
        ("type: mqtt, url: 'mqtt://b/a', user: u, password_env: 's e'", "s.password_env", "no name of a", "the name"),
        ("type: mqtt, url: 'mqtt://b/a', password_env: P", "s", "a password and no `user`", "add user"),
        ("type: mqtt, url: 'mqtt://b/a', max_size: 65MiB", "s.max_size", "67108864", ""),
        ("type: mqtt, url: 'mqtt://b/a', media_type: jpeg", "s.media_type", "no media type", "image/jpeg"),
        ("type: http, url: 'http://me:secret@h/a'", "s.url", "no place for a user", "token_file"),
        ("type: http, url: 'rtsp://h/a'", "s.url", "not HTTP", "write http://"),
        ("type: http, url: 'http://h/a', every: 0", "s.every", "more than nothing", ""),
        ("type: http, url: 'http://h/a', cert: x", "s", "for https:// alone", "write https://"),
        ("type: http, url: 'http://h/a', user: u, token_env: T", "s", "in several ways", "keep one"),
        ("type: http, url: 'http://h/a', headers: {Authorization: secret}", "s.headers", "not for headers", "user"),
        ('type: http, url: "http://h/a", headers: {A: "b\\nc"}', "s.headers", "no text of one line", ""),
        ("type: http, url: 'http://h/a', headers: {'a b': c}", "s.headers", "no name of a header", ""),
    ],
)
def test_what_does_not_go_together_is_said_plainly(source: str, path: str, message: str, cure: str):
    with pytest.raises(DocumentError) as caught:
        spec_of(source)
    problem: Problem = caught.value.problems[0]
    assert problem.path == f"sources.{path}"
    assert message in problem.message
    assert cure in problem.cure
    assert "secret" not in str(caught.value)


def test_files_are_looked_for_beside_the_document(tmp_path: Path):
    (tmp_path / "ca.pem").write_text("")
    text = "type: http, url: 'https://h/a', ca: ca.pem, token_file: tokn"
    with pytest.raises(DocumentError, match="there is no file 'tokn'"):
        spec_of(text, tmp_path, check=True)
    spec = spec_of(text, tmp_path)
    options = endpoint_options(spec, spec.sources["s"].model_dump())
    assert (options["ca"], options["token_file"]) == (tmp_path / "ca.pem", tmp_path / "tokn")


def test_no_sink_writes_over_a_secret(tmp_path: Path):
    (tmp_path / "secret").write_text("x")
    text = "sources: {s: {type: http, url: 'http://h/a', token_file: secret}}\n"
    with pytest.raises(DocumentError, match="would write over 'secret'"):
        parse_pipeline(text + "sinks: {o: {type: jsonl, path: secret, inputs: [s]}}", folder=tmp_path, check_files=True)


def test_a_late_stage_may_drop_their_frames():
    for source in ("type: mqtt, url: 'mqtt://b/a'", "type: http, url: 'http://h/a'"):
        text = f"sources: {{s: {{{source}}}}}\nsinks: {{o: {{type: console, inputs: [s], "
        assert parse_pipeline(text + "queue: {overflow: drop_oldest}}}")


def test_durations_and_sizes_are_offered_with_their_units():
    found = {kind.name: {option.name: option for option in kind.options} for kind in source_types()}
    every, size, stall = found["http"]["every"], found["mqtt"]["max_size"], found["mqtt"]["stall"]
    assert [(option.kind, option.default) for option in (every, size, stall)] == [
        (str, "1s"),
        (str, "16MiB"),
        (str, None),
    ]
    assert "headers" not in found["http"]
