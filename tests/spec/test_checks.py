from __future__ import annotations

import time
from pathlib import Path

import pytest

from weft.core.errors import DocumentError, InputError, NotFoundError, Problem
from weft.spec.pipeline import load_pipeline, parse_pipeline

from .conftest import CONVEYOR, problems_of


def lines(text: str) -> list[str]:
    return [str(problem) for problem in problems_of(text)]


def test_an_input_that_is_no_stream_suggests_one():
    assert lines(CONVEYOR.replace("[belt]", "[bel]")) == [
        "line 8: functions.detect.inputs[0]: 'bel' is no stream (did you mean 'belt'?)"
    ]
    assert lines(CONVEYOR.replace("[parts]}", "[xyz, parts]}")) == [
        "line 12: sinks.results.inputs[0]: 'xyz' is no stream (the streams are belt, parts; others come from "
        "a site, with weft run --connect)"
    ]


def test_a_pattern_that_matches_nothing_is_a_mistake():
    assert "'cam/*' matches no stream" in lines(CONVEYOR.replace("[belt]", "['cam/*']"))[0]


def test_a_function_whose_pattern_could_only_match_itself_reads_nothing():
    text = "sources: {s: {type: camera}}\nfunctions: {f: {wasm: x, inputs: [out/*], outputs: [out/a]}}"
    assert "'out/*' matches no stream" in lines(text)[0]


def test_a_name_used_twice_is_a_mistake():
    text = """
    sources: {a: {type: camera, stream: cam}}
    functions: {a: {wasm: x, inputs: [cam]}}
    """
    assert lines(text) == ["line 3: functions.a: has the name of a source (rename one: stages are told apart by name)"]


def test_a_sink_may_be_called_like_the_stream_it_takes():
    parse_pipeline(CONVEYOR.replace("results:", "parts:"))


def test_a_stream_has_one_producer():
    text = """
    sources: {s: {type: camera}, t: {type: camera}}
    functions:
      a: {wasm: x, inputs: [s], outputs: [out]}
      b: {wasm: x, inputs: [s], outputs: [b, out]}
      c: {wasm: x, inputs: [t], on_error: {stream: s}}
    """
    assert [line.split(" (")[0] for line in lines(text)] == [
        "line 5: functions.b: emits to the stream 'out', as function 'a' does",
        "line 6: functions.c: emits to the stream 's', as source 's' does",
    ]


def test_error_records_of_several_functions_may_share_a_stream():
    text = """
    sources: {s: {type: camera}}
    functions:
      a: {wasm: x, inputs: [s], on_error: {stream: errors}}
      b: {wasm: x, inputs: [s], on_error: {retry: 1, then: {stream: errors}}}
    sinks: {o: {type: console, inputs: [errors, a, b]}}
    """
    assert parse_pipeline(text).sink_inputs("o") == ("errors", "a", "b")


def test_error_records_do_not_mix_with_results():
    text = "sources: {s: {type: camera}}\nfunctions: {a: {wasm: x, inputs: [s], on_error: {stream: a}}}"
    assert lines(text) == ["line 2: functions.a.on_error: sends error records to 'a', its own output (name another)"]


def test_a_circle_is_named():
    text = """
    sources: {s: {type: camera}}
    functions:
      a: {wasm: x, inputs: [s, b]}
      b: {wasm: x, inputs: [a]}
    """
    (line,) = lines(text)
    assert "feed each other in a circle: " in line
    assert "a → b → a" in line or "b → a → b" in line


def test_a_function_that_feeds_itself_is_a_circle():
    text = "sources: {s: {type: camera}}\nfunctions: {a: {wasm: x, inputs: [s, a]}}"
    assert "circle: a → a" in lines(text)[0]


def test_error_records_can_close_a_circle_too():
    text = """
    sources: {s: {type: camera}}
    functions:
      a: {wasm: x, inputs: [s, errors]}
      b: {wasm: x, inputs: [a], on_error: {stream: errors}}
    """
    assert "circle" in lines(text)[0]


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest"])
def test_frames_of_a_file_are_never_dropped(policy: str):
    (problem,) = problems_of(CONVEYOR.replace("[parts]}", f"[parts], queue: {{overflow: {policy}}}}}"))
    assert problem.path == "sinks.results.queue.overflow"
    assert "'belt', which is not live" in problem.message
    assert problem.cure == "use block: frames from a file are never dropped"


def test_frames_of_a_camera_may_be_dropped():
    text = CONVEYOR.replace("{type: video, path: belt.mp4}", "{type: camera, queue: {overflow: drop_newest}}")
    parse_pipeline(text.replace("[parts]}", "[parts], queue: {overflow: drop_oldest}}"))


def test_a_file_beside_a_camera_still_forbids_dropping():
    text = """
    sources: {s: {type: camera}, l: {type: lines, path: "-"}, p: {type: pattern}, r: {type: pattern, realtime: true}}
    functions: {f: {wasm: x, inputs: [s, r], queue: {overflow: drop_oldest}}}
    sinks: {o: {type: console, inputs: [f, p], queue: {overflow: drop_oldest}}}
    """
    (problem,) = problems_of(text)
    assert problem.path == "sinks.o.queue.overflow"
    assert "'p'" in problem.message


def test_a_pattern_has_a_queue_only_when_it_is_live():
    text = "sources: {p: {type: pattern, queue: {size: 2}}}\nsinks: {o: {type: console, inputs: [p]}}"
    assert "add realtime: true" in lines(text)[0]
    parse_pipeline(text.replace("pattern,", "pattern, realtime: true,"))


def test_streams_nobody_reads_are_warnings():
    text = "sources: {s: {type: camera}, t: {type: camera}}\nfunctions: {f: {wasm: x, inputs: [s]}}"
    assert [str(problem) for problem in parse_pipeline(text).warnings] == [
        "line 1: sources.t: nobody reads the stream 't' (add it to the inputs of a function or sink)",
        "line 2: functions.f: nobody reads the stream 'f' (add it to the inputs of a function or sink)",
    ]
    assert parse_pipeline(CONVEYOR).warnings == ()


def test_broken_outputs_do_not_make_every_reader_wrong():
    problems = problems_of(CONVEYOR.replace("outputs: [parts]", "outputs: 5"))
    assert [problem.path for problem in problems] == ["functions.detect.outputs"]


def test_every_kind_of_mistake_is_reported_in_one_go(tmp_path: Path):
    text = CONVEYOR.replace("[belt]", "[bel]").replace("type: video", "type: video, loop: maybe")
    path = tmp_path / "pipeline.yaml"
    path.write_text(text + "name: again\n")
    (tmp_path / "detector.onx").touch()
    with pytest.raises(DocumentError) as caught:
        load_pipeline(path)
    shown = [f"{problem.line} {problem.path}" for problem in caught.value.problems]
    assert shown == [
        "4 sources.belt.loop",
        "4 sources.belt.path",
        "7 functions.detect.wasm",
        "8 functions.detect.inputs[0]",
        "10 functions.detect.models.net",
        "13 name",
    ]
    cures = {problem.path: problem.cure for problem in caught.value.problems}
    assert cures["functions.detect.models.net"] == "did you mean 'detector.onx'?"
    assert str(caught.value).startswith(f"{path}: 6 mistakes")


def test_files_are_found_relative_to_the_document(tmp_path: Path):
    text = CONVEYOR.replace("models:", "grants: {dirs: ['data:/data:ro']}\n    models:")
    for name in ("belt.mp4", "detect.wasm", "detector.onnx"):
        (tmp_path / name).touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "pipeline.yaml").write_text(text)
    spec = load_pipeline(tmp_path / "pipeline.yaml")
    assert spec.folder == tmp_path
    assert spec.resolve("detect.wasm") == tmp_path / "detect.wasm"


def test_a_pattern_of_pictures_is_no_file(tmp_path: Path):
    sinks = "sinks: {o: {type: console, inputs: [s]}}"
    path = tmp_path / "pipeline.yaml"
    path.write_text(f"sources: {{s: {{type: pictures, path: 'belt/*.png'}}}}\n{sinks}")
    load_pipeline(path)
    path.write_text(f"sources: {{s: {{type: pictures, path: belt}}}}\n{sinks}")
    with pytest.raises(DocumentError, match="no file 'belt'"):
        load_pipeline(path)


def test_files_that_config_values_stand_for_are_looked_for_too(tmp_path: Path):
    config = "config: {labels: '@labels.txt', known: '@known.txt', mail: '@@me', note: me@home}"
    for name in ("belt.mp4", "detect.wasm", "detector.onnx", "known.txt"):
        (tmp_path / name).touch()
    (tmp_path / "pipeline.yaml").write_text(CONVEYOR.replace("models:", f"{config}\n    models:"))
    with pytest.raises(DocumentError) as caught:
        load_pipeline(tmp_path / "pipeline.yaml")
    assert [problem.path for problem in caught.value.problems] == ["functions.detect.config.labels"]


@pytest.mark.parametrize("path", ["a" * 5000, "pipeline.yaml/x", "nowhere/at/all"])
def test_no_path_can_raise_anything_else(tmp_path: Path, path: str):
    (tmp_path / "pipeline.yaml").write_text(CONVEYOR.replace("detect.wasm", path).replace("belt.mp4", "rtsp://cam/1"))
    (tmp_path / "detector.onnx").touch()
    with pytest.raises(DocumentError) as caught:
        load_pipeline(tmp_path / "pipeline.yaml")
    assert [problem.path for problem in caught.value.problems] == ["functions.detect.wasm"]


def test_problems_are_bounded():
    many = ", ".join(f"k{n}: 1" for n in range(500))
    problems = problems_of(f"sources: {{s: {{type: camera}}}}\n{{}}: 1\nname: {{{many}}}\nx: {{}}\n" + "y: 1\n" * 300)
    assert len(problems) == 101
    assert problems[-1].message == "has more mistakes than these"


def test_a_file_that_is_not_there_suggests_its_neighbour(tmp_path: Path):
    (tmp_path / "pipeline.yaml").write_text(CONVEYOR)
    with pytest.raises(NotFoundError, match=r"did you mean 'pipeline\.yaml'"):
        load_pipeline(tmp_path / "pipelin.yaml")
    with pytest.raises(InputError, match="cannot be read"):
        load_pipeline(tmp_path)


def test_a_document_of_any_size_is_read_within_bounds(tmp_path: Path):
    (tmp_path / "pipeline.yaml").write_text("# " + "x" * 5_000_000)
    with pytest.raises(DocumentError, match="larger than"):
        load_pipeline(tmp_path / "pipeline.yaml")


def test_a_document_made_to_be_slow_is_answered_soon():
    def function(n: int) -> str:
        inputs = ", ".join(f"{letter}*a*a*a*{n}*b" for letter in "abcdefghijklmnop")
        return f"  f{n}: {{wasm: x, inputs: [{inputs}], outputs: [{'a' * 60}{n}, {'a' * 60}-{n}]}}\n"

    started = time.perf_counter()
    problems = problems_of("sources: {s: {type: camera}}\nfunctions:\n" + "".join(map(function, range(128))))
    assert len(problems) == 101
    assert time.perf_counter() - started < 10  # it took minutes once


def test_problems_carry_plain_data():
    with pytest.raises(DocumentError) as caught:
        parse_pipeline(CONVEYOR.replace("[belt]", "[bel]"), where="p.yaml")
    assert caught.value.problems[0] == Problem(
        "functions.detect.inputs[0]", "'bel' is no stream", 8, "did you mean 'belt'?"
    )
    assert caught.value.record()["where"] == "p.yaml"


def test_a_function_that_ships_with_weft_goes_by_its_name(tmp_path: Path):
    (tmp_path / "a.mp4").touch()
    document = """
    sources: {cam: {type: video, path: a.mp4}}
    functions: {names: {wasm: "weft:NAME", inputs: [cam]}}
    sinks: {out: {type: console, inputs: [names]}}
    """
    parse_pipeline(document.replace("NAME", "classify"), folder=tmp_path, check_files=True)
    with pytest.raises(DocumentError) as error:
        parse_pipeline(document.replace("NAME", "clasify"), folder=tmp_path, check_files=True)
    assert [problem.path for problem in error.value.problems] == ["functions.names.wasm"]
    assert "did you mean 'classify'?" in error.value.problems[0].cure
