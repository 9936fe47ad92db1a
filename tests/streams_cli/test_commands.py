"""The commands of a site as a user types them on several terminals."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import ECHO
from tests.streams_cli.conftest import Site, Weft, end, line_with, start_router

PATTERN = ("source", "pattern", "--realtime", "--size", "32x24", "--fps", 20)


def test_the_router_says_where_it_listens_and_who_vouches_for_it(site: Site) -> None:
    assert re.search(r"^authority ([0-9A-F]{2}:){31}[0-9A-F]{2}$", site.said, re.MULTILINE)
    assert (site.config / "site" / "authority.key").stat().st_mode & 0o077 == 0


def test_a_source_on_one_terminal_is_watched_on_another(site: Site, start: Weft) -> None:
    start(*PATTERN, "--stream", "cam/1")
    out, _ = site.run("watch", "cam/*", "--count", 3)
    assert [line.split()[1:3] for line in out.splitlines()] == [["cam/1", "image/jpeg"]] * 3
    out, _ = site.run("watch", "cam/1", "--count", 1, "--json")
    (frame,) = map(json.loads, out.splitlines())
    assert (frame["stream"], frame["source"], frame["media_type"]) == ("cam/1", "cam.1", "image/jpeg")


def test_who_waits_for_a_stream_that_nobody_publishes_is_told(site: Site, start: Weft) -> None:
    start(*PATTERN, "--stream", "door/front")
    site.run("watch", "door/front", "--count", 1)
    watching = start("watch", "door/*", "door/frnt", "--json")
    told = line_with(watching.stderr, "nobody publishes")
    assert told == "nobody publishes 'door/frnt' yet; did you mean 'door/front'?\n"


def test_a_function_tells_which_of_its_streams_nobody_publishes(site: Site, start: Weft, tmp_path: Path) -> None:
    (tmp_path / "echo.wat").write_text(ECHO)
    start(*PATTERN, "--stream", "gate/front")
    site.run("watch", "gate/front", "--count", 1)
    running = start("function", tmp_path / "echo.wat", "--observe", "gate/*", "--observe", "gate/frnt", "--emit", "out")
    told = json.loads(line_with(running.stderr, '"absent"'))
    assert told == {"event": "absent", "stream": "gate/frnt", "cure": "did you mean 'gate/front'?"}


def test_streams_shows_what_is_published_and_its_rate(site: Site, start: Weft) -> None:
    start(*PATTERN, "--stream", "rate/1", "--delivery", "reliable", "--latest")
    site.run("watch", "rate/1", "--count", 1)
    out, _ = site.run("streams", "--json")
    (found,) = [row for row in json.loads(out) if row["name"] == "rate/1"]
    assert (found["scope"], found["delivery"], found["latest"], found["publishers"]) == ("site", "reliable", True, 1)
    assert 10 < found["frames_per_s"] < 30
    assert found["bytes_per_s"] > 1000
    out, _ = site.run("streams")
    assert re.search(r"^rate/1 +site +reliable, latest +1 +\d", out, re.MULTILINE)


def test_a_function_takes_streams_and_publishes_what_it_emits(site: Site, start: Weft, tmp_path: Path) -> None:
    (tmp_path / "echo.wat").write_text(ECHO)
    running = start("function", tmp_path / "echo.wat", "--observe", "in/*", "--emit", "out/echo")
    line_with(running.stderr, '"observe"')
    watching = start("watch", "out/*", "--count", 1, "--json")
    feeding = start(*PATTERN, "--stream", "in/7")
    frame = json.loads(line_with(watching.stdout, "{"))
    assert (frame["stream"], frame["source"]) == ("out/echo", "in.7")
    assert end(feeding) == 130
    assert end(running, signal.SIGTERM) == 143


def test_functions_of_a_group_share_a_stream_and_one_that_ends_leaves_nothing_undone(
    site: Site, start: Weft, tmp_path: Path
) -> None:
    (tmp_path / "echo.wat").write_text(ECHO)
    words = ("function", tmp_path / "echo.wat", "--observe", "shared/*", "--emit", "shared-out")
    members = [start(*words, "--delivery", "reliable", "--group", "echo") for _ in range(2)]
    for member in members:
        line_with(member.stderr, '"observe"')
    watching = start("watch", "shared-out", "--json")
    start(*PATTERN, "--stream", "shared/beat")
    line_with(watching.stdout, "shared-out")
    assert re.search(r"^shared/beat .* echo 2 ", site.run("streams")[0], re.MULTILINE)
    (tmp_path / "numbers").write_text("".join(f"{number}\n" for number in range(1000)))
    start("source", "lines", tmp_path / "numbers", "--stream", "shared/1", "--delivery", "reliable", "--keep", 1000)
    assert watching.stdout is not None
    numbers: set[int] = set()
    while len(numbers) < 1000:
        frame = json.loads(watching.stdout.readline())
        if frame["source"] == "shared.1":
            numbers.add(frame["sequence"])
            if len(numbers) == 100:
                members[0].send_signal(signal.SIGTERM)
    assert numbers == set(range(1000))
    assert members[0].wait() == 143


def test_reliable_lines_all_come_in_order(site: Site, start: Weft, tmp_path: Path) -> None:
    watching = start("watch", "lines/*", "--json")
    start(*PATTERN, "--stream", "lines/beat")
    line_with(watching.stdout, "lines/beat")
    (tmp_path / "numbers").write_text("".join(f"{number}\n" for number in range(3000)))
    start("source", "lines", tmp_path / "numbers", "--stream", "lines/1", "--delivery", "reliable", "--keep", 3000)
    assert watching.stdout is not None
    numbers: list[int] = []
    while not numbers or numbers[-1] != 2999:
        frame = json.loads(watching.stdout.readline())
        if frame["stream"] == "lines/1":
            numbers.append(int(frame["payload"]))
    assert numbers == list(range(3000))


def test_what_was_recorded_is_played_again(site: Site, start: Weft, tmp_path: Path) -> None:
    file = tmp_path / "day.weftrec"
    sending = start(*PATTERN, "--stream", "rec/1")
    site.run("watch", "rec/1", "--count", 1)
    out, _ = site.run("record", "rec/*", "-o", file, "--duration", "500ms")
    assert re.match(rf"{re.escape(str(file))}  [1-9]\d* frames, .*, in 500ms\n", out)
    assert end(sending) == 130
    watching = start("watch", "rec/1", "--count", 1, "--json")
    start("replay", file, "--speed", 2, "--loop")
    assert json.loads(line_with(watching.stdout, "{"))["source"] == "rec.1"
    _, err = site.run("record", "rec/*", "-o", file, "--duration", "1s", code=73)
    assert "it is there already" in err


PIPELINE = """
name: shared
sources:
  belt: {type: pattern, stream: cam/belt, realtime: true, fps: 20, size: 32x24}
functions:
  echo: {wasm: echo.wat, inputs: [far/in], outputs: [far/out]}
sinks:
  seen: {type: jsonl, path: seen.jsonl, inputs: [far/out]}
"""


def test_a_pipeline_shares_its_streams_with_the_site(site: Site, start: Weft, tmp_path: Path) -> None:
    (tmp_path / "echo.wat").write_text(ECHO)
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    running = start("run", tmp_path / "pipeline.yaml", "--connect", site.endpoint, "--log-format", "json")
    out, _ = site.run("watch", "cam/belt", "--count", 2, "--json")
    assert {json.loads(line)["source"] for line in out.splitlines()} == {"belt"}
    watching = start("watch", "far/out", "--count", 1, "--json")
    start(*PATTERN, "--stream", "far/in")
    assert json.loads(line_with(watching.stdout, "{"))["source"] == "far.in"
    assert end(running) == 130
    assert '"far.in"' in (tmp_path / "seen.jsonl").read_text()


def test_a_pipeline_that_is_not_joined_says_how_to_join_it(site: Site, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    _, err = site.run("run", tmp_path / "pipeline.yaml", code=78)
    assert "'far/in' is no stream" in err


# --- who may take part ---------------------------------------------------------------------


def test_a_device_takes_part_with_the_certificate_it_was_issued(site: Site, start: Weft, tmp_path: Path) -> None:
    out, _ = site.run("cert", "camera-1", "-o", tmp_path / "camera-1.pem")
    assert "--cert camera-1.pem" in out
    assert (tmp_path / "camera-1.pem").stat().st_mode & 0o077 == 0
    start(*PATTERN, "--stream", "cert/1")
    elsewhere = {"WEFT_CONFIG": str(tmp_path / "elsewhere")}
    site.run("watch", "cert/1", "--count", 1, "--cert", tmp_path / "camera-1.pem", **elsewhere)
    site.run("watch", "cert/1", "--count", 1, WEFT_CERT=str(tmp_path / "camera-1.pem"), **elsewhere)
    assert "camera-1" in line_with(site.process.stderr, "camera-1")
    _, err = site.run("cert", "camera-1", "-o", tmp_path / "camera-1.pem", code=73)
    assert "it is there already" in err


def test_without_a_certificate_nothing_is_tried(site: Site, tmp_path: Path) -> None:
    _, err = site.run("watch", "a", code=77, WEFT_CONFIG=str(tmp_path / "elsewhere"))
    assert "no certificate" in err
    assert "weft cert NAME" in err
    assert not (tmp_path / "elsewhere").exists()


def test_who_has_no_authority_issues_no_certificate(site: Site, tmp_path: Path) -> None:
    _, err = site.run("cert", "camera-1", code=66, WEFT_CONFIG=str(tmp_path / "elsewhere"))
    assert "no authority is on this machine" in err


def test_a_certificate_of_another_authority_is_told_and_the_script_goes_on(site: Site, tmp_path: Path) -> None:
    other = start_router(tmp_path / "other")
    assert end(other.process) == 130
    _, err = site.run("streams", "--connect-timeout", "2s", code=69, WEFT_CONFIG=str(tmp_path / "other"))
    assert "another authority" in err or "rejects our certificate" in err


def test_nobody_there_is_told_with_a_cure(site: Site) -> None:
    _, err = site.run("streams", "--connect", "tcp/127.0.0.1:1", "--connect-timeout", "500ms", code=69)
    assert "tcp/127.0.0.1:1" in err
    assert "cure: " in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("watch", "a b"), "no stream pattern"),
        (("source", "pattern", "--stream", "cam 1"), "no stream name"),
        (("source", "pattern", "--stream", "a", "--fps", "0"), "--fps: must be more than 0"),
        (("source", "video", "none.mp4", "--stream", "a"), "PATH: there is no file 'none.mp4'"),
        (("replay", "a", "--speed", "-1"), "--speed"),
        (("streams", "--connect", "udp/edge:1"), "udp"),
        (("streams", "--connect", "quic/edge:x"), "no endpoint"),
        (("cert", "a", "--days", "0"), "--days 0"),
        (("cert", "cam 1"), "no device's name"),
        (("watch", "a", "--connect-timeout", "soon"), "no duration"),
        (("function", "a.wat", "--observe", "a", "--emit", "b", "--group", "a b"), "no group's name"),
        (("function", "a.wat", "--observe", "a", "--emit", "b", "--by", "source"), "without a group"),
        (("wach", "a"), 'Did you mean "watch"'),
    ],
)
def test_a_wrong_call_is_told_at_once(site: Site, words: tuple[str, ...], told: str) -> None:
    _, err = site.run(*words, code=64)
    assert told in err


@pytest.mark.parametrize(("name", "code"), [("letter.txt", 65), ("none.weftrec", 66)])
def test_what_is_no_recording_is_told_before_anybody_is_joined(
    site: Site, tmp_path: Path, name: str, code: int
) -> None:
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam")
    _, err = site.run("replay", str(tmp_path / name), "--connect", "tcp/127.0.0.1:1", code=code)
    assert "name a file that `weft record` wrote" in err
