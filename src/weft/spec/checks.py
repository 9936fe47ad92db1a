"""Checks across a pipeline document: what no single value can be blamed for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from weft.core.errors import NotFoundError
from weft.core.remote import is_remote
from weft.core.resources import SHIPPED, module
from weft.core.servers import OWN_FILES
from weft.core.streams import overlap
from weft.core.suggest import did_you_mean, meant_file
from weft.spec.document import Mistake
from weft.spec.function import FORMS
from weft.spec.graph import Graph, Stage, graph_of, section


def check_graph(document: Mapping[str, Any]) -> Iterator[Mistake]:
    """Streams that nobody emits, names used twice, cycles, and files whose frames would be dropped."""
    graph = graph_of(document)
    yield from _sources(document, graph)
    yield from _names(document)
    yield from _producers(graph)
    yield from _patterns(graph)
    yield from _round_trips(graph)
    yield from _unknown_inputs(graph)
    yield from _cycles(graph)
    yield from _drops(graph)
    yield from _idle_queues(document)
    yield from _classifiers(document)


def _sources(document: Mapping[str, Any], graph: Graph) -> Iterator[Mistake]:
    if document.get("sources") == {} and not (graph.joined and graph.foreign):
        yield ("sources",), "must not be empty", "add at least one entry"


def _names(document: Mapping[str, Any]) -> Iterator[Mistake]:
    sources = dict(section(document, "sources"))
    for name, _ in section(document, "functions"):
        if name in sources:
            yield ("functions", name), "has the name of a source", "rename one: stages are told apart by name"


def _producers(graph: Graph) -> Iterator[Mistake]:
    """A stream has one producer. Only streams of error records may be shared, and only among themselves."""
    for stream, stages in graph.producers.items():
        first, *others = stages
        for other in others:
            if other.name == first.name or (first.errors == stream and other.errors == stream):
                continue
            message = f"emits to the stream '{stream}', as {_show(first)} does"
            yield other.path, message, "give each its own stream; a reader may list several, or use a pattern"
    for stage in graph.stages:
        if stage.errors is not None and stage.errors in stage.outputs:
            yield (*stage.path, "on_error"), f"sends error records to '{stage.errors}', its own output", "name another"


def _patterns(graph: Graph) -> Iterator[Mistake]:
    """Two sources of one site's streams must not both take a stream: its frames would come twice."""
    sources = [stage for stage in graph.stages if stage.patterns and stage.type == "stream"]
    for index, stage in enumerate(sources):
        for other in sources[:index]:
            if any(overlap(mine, theirs) for mine in stage.patterns for theirs in other.patterns):
                message = f"takes streams that {_show(other)} takes, too"
                yield (*stage.path, "pattern"), message, "one source with a wider pattern will do"


def _round_trips(graph: Graph) -> Iterator[Mistake]:
    for stage in graph.stages:
        if stage.kind == "sinks" and stage.type == "stream":
            for feeder in graph.feeders(stage):
                if feeder.kind == "sources" and feeder.type == "stream":
                    message = f"would publish what {_show(feeder)} takes from the site"
                    yield (*stage.path, "inputs"), message, "name only streams that arise here"


def _unknown_inputs(graph: Graph) -> Iterator[Mistake]:
    if not all(stage.complete for stage in graph.stages):
        return
    for stage in graph.stages:
        for index, written in stage.inputs:
            if not graph.matching(stage, written):
                what = "matches no stream" if "*" in written else "is no stream"
                yield (*stage.path, "inputs", index), f"'{written}' {what}", _known_streams(written, graph)
            elif graph.joined and written in graph.foreign and stage.type == "stream" and stage.kind == "sinks":
                message = f"'{written}' would be published, and nobody here emits it"
                yield (*stage.path, "inputs", index), message, _known_streams(written, graph)


def _known_streams(written: str, graph: Graph) -> str:
    streams = sorted(graph.producers)
    if not streams:
        return "no source or function emits anything yet"
    shown = ", ".join(streams[:8]) + (" …" if len(streams) > 8 else "")
    elsewhere = "" if graph.joined else "; others come from a site, with weft run --connect"
    return did_you_mean(written, streams) or f"the streams are {shown}{elsewhere}"


def _cycles(graph: Graph) -> Iterator[Mistake]:
    if cycle := graph.cycle():
        names = " → ".join(stage.name for stage in cycle)
        yield (*cycle[0].path, "inputs"), f"the functions feed each other in a circle: {names}", "break it up"


def _drops(graph: Graph) -> Iterator[Mistake]:
    for stage in graph.stages:
        if not stage.overflow.startswith("drop"):
            continue
        files = [stage] if stage.kind == "sources" else graph.sources(stage)
        files = [source for source in files if not source.live]
        if files and stage.kind != "sources":
            message = f"{stage.overflow} would drop frames of '{files[0].name}', which is not live"
            yield (*stage.path, "queue", "overflow"), message, "use block: frames from a file are never dropped"


def _idle_queues(document: Mapping[str, Any]) -> Iterator[Mistake]:
    for name, source in section(document, "sources"):
        if source.get("type") == "pattern" and source.get("queue") and source.get("realtime") is not True:
            message = "has a queue, but is not live: it is as fast as its frames are taken"
            yield ("sources", name, "queue"), message, "add realtime: true, or remove the queue"


_ELSEWHERE = {
    "models": "name the model in the classifier's document",
    "config": "write it into the classifier's document",
    "grants": "a classifier needs none: leave it out",
    "args": "leave it out",
    "abi": "leave it out",
    "instance": "leave it out",
}
"""What a function may say that a classifier has no use for, and what to do about it."""


def _classifiers(document: Mapping[str, Any]) -> Iterator[Mistake]:
    for name, function in section(document, "functions"):
        if function.get("classify") is None:
            continue
        path = ("functions", name)
        for key in _ELSEWHERE.keys() & function.keys():
            yield (*path, key), "does not go with `classify`", _ELSEWHERE[key]
        limits = function.get("limits")
        for key in limits if isinstance(limits, Mapping) else ():
            if key != "time":
                yield (*path, "limits", key), "does not go with `classify`", "only `time` does: there is no sandbox"


def warnings_of(graph: Graph) -> Iterator[Mistake]:
    """What is allowed but looks forgotten: streams that nobody reads."""
    for written in graph.foreign if graph.joined else ():
        if "*" not in written and (cure := did_you_mean(written, graph.names)):
            stage = graph.readers(written)[0]
            message = f"'{written}' is taken from the site, as nobody here emits it"
            yield (*stage.path, "inputs"), message, cure
    for stage in () if graph.joined else graph.stages:
        for stream in dict.fromkeys(stage.emits):
            if not graph.readers(stream):
                yield stage.path, f"nobody reads the stream '{stream}'", "add it to the inputs of a function or sink"


def check_files(folder: Path, where: str = "") -> Any:
    """A check that the files a document names are there, and that no sink writes over one of them.

    Relative ones stand in ``folder``; ``where`` is the document's own file.
    """

    def check(document: Mapping[str, Any]) -> Iterator[Mistake]:
        for name, source in section(document, "sources"):
            written = source.get("path")
            pattern = source.get("type") == "pictures" and isinstance(written, str) and any(c in written for c in "*?[")
            if source.get("type") in ("video", "pictures", "lines", "recording") and not pattern:
                yield from check_file(folder, ("sources", name, "path"), written)
            for key in OWN_FILES:
                yield from check_file(folder, ("sources", name, key), source.get(key))
        for name, function in section(document, "functions"):
            yield from _function_files(folder, ("functions", name), function)
        yield from _overwritten(folder, where, document)

    return check


def _overwritten(folder: Path, where: str, document: Mapping[str, Any]) -> Iterator[Mistake]:
    """Sinks that would write over what the pipeline reads, or over each other's files."""
    taken = {
        os.path.realpath(folder / written): f"read by {name}"
        for name, written in _read_files(document)
        if _is_path(written)
    }
    if where:
        taken[os.path.realpath(where)] = "this document"
    for name, sink in section(document, "sinks"):
        written = sink.get("path")
        if sink.get("type") == "directory" or not _is_path(written):
            continue
        place = os.path.realpath(folder / written)
        if os.path.exists(place) and not os.path.isfile(place):  # noqa: PTH110, PTH113 - never raise
            continue  # a device or pipe: nothing is lost
        if place in taken:
            yield ("sinks", name, "path"), f"would write over '{written}', which is {taken[place]}", "name another file"
        taken.setdefault(place, f"written by '{name}'")


def _read_files(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, source in section(document, "sources"):
        yield f"'{name}'", source.get("path")
        yield from ((f"'{name}'", source.get(key)) for key in ("device", *OWN_FILES))
    for name, function in section(document, "functions"):
        yield from ((f"'{name}'", function[form]) for form in FORMS if form in function)
        models = function.get("models")
        for model in models.values() if isinstance(models, Mapping) else ():
            yield f"'{name}'", model.get("path") if isinstance(model, Mapping) else model
        grants = function.get("grants")
        state = grants.get("state") if isinstance(grants, Mapping) else None
        yield f"'{name}', its state", state.get("path") if isinstance(state, Mapping) else None


def _is_path(written: Any) -> TypeGuard[str]:
    if not isinstance(written, str) or written in ("", "-") or "://" in written or is_remote(written):
        return False
    return written.isprintable()


def _function_files(folder: Path, path: tuple[str, ...], function: Mapping[str, Any]) -> Iterator[Mistake]:
    yield from _module(folder, (*path, "wasm"), function.get("wasm"))
    for form in FORMS[1:]:
        yield from check_file(folder, (*path, form), function.get(form))
    models = function.get("models")
    for name, model in models.items() if isinstance(models, Mapping) else ():
        written = model.get("path") if isinstance(model, Mapping) else model
        yield from check_file(folder, (*path, "models", name), written)
    config = function.get("config")
    for key, value in config.items() if isinstance(config, Mapping) else ():
        if isinstance(value, str) and value.startswith("@") and not value.startswith("@@"):
            yield from check_file(folder, (*path, "config", key), value[1:])
    grants = function.get("grants")
    dirs = grants.get("dirs") if isinstance(grants, Mapping) else None
    for index, text in enumerate(dirs if isinstance(dirs, list | tuple) else ()):
        if isinstance(text, str):
            yield from check_file(folder, (*path, "grants", "dirs", index), text.partition(":")[0])


def _module(folder: Path, path: tuple[str, ...], written: Any) -> Iterator[Mistake]:
    if not isinstance(written, str) or not written.startswith(SHIPPED):
        yield from check_file(folder, path, written)
        return
    try:
        module(written)
    except NotFoundError as error:
        yield path, error.what, error.cure


def check_file(folder: Path, path: tuple[str | int, ...], written: Any) -> Iterator[Mistake]:
    """That a file the document names at ``path`` is there; what is no file's name is left to other checks."""
    if not isinstance(written, str) or not written or written == "-" or "://" in written or is_remote(written):
        return
    try:
        (folder / written).stat()
    except (FileNotFoundError, NotADirectoryError):
        yield path, f"there is no file '{written}'", meant_file(folder / written) or f"looked in {folder.absolute()}"
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it has a character no path may have"
        yield path, f"cannot read '{written[:80]}'", str(reason)


def _show(stage: Stage) -> str:
    return f"{stage.kind.removesuffix('s')} '{stage.name}'"
