"""``weft run``: a module on standard input, or a pipeline."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from weft.cli import options
from weft.cli.bringing import BringOptions
from weft.cli.guest_options import GuestOptions, Switch
from weft.cli.observe import Watched
from weft.cli.site_options import Joins
from weft.core.errors import NotFoundError, UsageError
from weft.core.remote import bring_by

PIPELINE_ENDINGS = {".yaml", ".yml"}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a pipeline tells of itself."""

    summary: Path | None = None
    """Pipelines: write the summary as JSON to this file."""
    log_format: Literal["auto", "rich", "text", "json"] = "auto"
    """Pipelines: rich (live progress), text, or json (lines); auto takes rich on a terminal and json elsewhere."""
    quiet: Switch = False
    """Pipelines: no progress and no summary."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class HostCalls:
    """What is told of the calls that a guest makes."""

    trace_host: Switch = False
    """Tell each call of a host function, with its arguments and result, on standard error."""
    trace_lines: int = 1000
    """How many such lines; later calls are counted."""


def run(
    target: str,
    /,
    *args: Annotated[str, Parameter(allow_leading_hyphen=True)],
    guest: GuestOptions = GuestOptions(),
    media_type: Annotated[str, Parameter(show_default=False)] = "",
    shown: Shown = Shown(),
    json: Switch = False,
    calls: HostCalls = HostCalls(),
    watched: Annotated[Watched, Parameter(name="*")] = Watched(),
    joins: Joins = Joins(),
    network: BringOptions = BringOptions(),
) -> int:
    """Run a function, in WebAssembly or Python, or a classifier on standard input, or a pipeline.

    A module of any ABI gets standard input as its one frame, and what it emits goes to standard output.
    Options stand before or after the module; other words after it, and everything after `--`, are the guest's
    arguments.

        weft run classify.wasm --model net=mobilenetv2.onnx --config labels=@imagenet.txt < cat.jpg
        weft run detect.py < cat.jpg
        weft run tool.wasm --dir data:/data:ro -- --verbose /data/input.txt
        weft run classify.yaml < cat.jpg
        weft run pipeline.yaml --summary summary.json
        weft run pipeline.yaml --connect quic/edge:7447
        weft run oci://registry.example/ml/classify:1.2 --model net=hf:org/repo/net.onnx < cat.jpg
        weft run oci://registry.example/ml/classify:1.2 --verify release.pub < data.json

    Parameters
    ----------
    target
        A .wasm, .wat or .cwasm module, a Python function's .py, weft:NAME for a function that comes with Weft, or the
        .yaml of a pipeline or a classifier. Or a reference of one: oci://REGISTRY/REPOSITORY:TAG, or
        https://HOST/FILE#sha256=…; what is in the store is taken from there, and weft pull looks for newer.
    args
        The guest's arguments.
    media_type
        What standard input is, such as image/jpeg; told by its content by default.
    json
        Classifiers: a JSON object in place of lines of label,value.
    """
    target = _brought(target, guest.model, network)
    if Path(target).suffix not in PIPELINE_ENDINGS:
        _only_for_documents(options.written(shown, watched, joins), as_json=json)
        return _run_module(target, args, guest, media_type, calls)
    if _is_classifier(Path(target)):
        _only_for_documents(options.written(shown, watched, joins))
        return _run_classifier(target, args, guest, media_type, calls, as_json=json)
    more = {"--media-type": media_type, "--json": json}
    _not_beside_a_document("pipeline", (*guest.given(), *(name for name, value in more.items() if value)), args)
    return _run_pipeline(Path(target), guest.log_level, shown, calls, watched, joins)


OWN_OPTIONS = options.option_names(run)
"""Where a word like one of these stands among the guest's arguments, it is asked about."""


def _run_module(module: str, args: tuple[str, ...], guest: GuestOptions, media_type: str, calls: HostCalls) -> int:
    options.check_words(args, OWN_OPTIONS)
    from weft.cli.foreground import run_module

    with options.host_trace(calls.trace_lines, on=calls.trace_host) as trace:
        path = options.module(module)
        return run_module(path, guest.function_options(args, trace), media_type, guest.log_level)


def _run_classifier(
    target: str, args: tuple[str, ...], guest: GuestOptions, media_type: str, calls: HostCalls, *, as_json: bool
) -> int:
    if args:
        cure = f"weft run {target} < {args[0]}; for many pictures, a pipeline with a `pictures` source"
        raise UsageError(f"{' '.join(args)}: a classifier takes its picture from standard input", cure=cure)
    given = [*guest.given(), *(["--trace-host"] if calls.trace_host else [])]
    _not_beside_a_document("classifier", [name for name in given if name != "--timeout"])
    from weft.cli.classify import run_classifier

    limits = options.limits(None, guest.timeout)
    return run_classifier(Path(target), limits, media_type, guest.log_level, as_json=as_json)


def _run_pipeline(path: Path, log_level: str, shown: Shown, calls: HostCalls, watched: Watched, joins: Joins) -> int:
    with options.host_trace(calls.trace_lines, named=True, on=calls.trace_host) as trace:
        from weft.cli.pipelines import run_pipeline

        return run_pipeline(
            path,
            shown.summary,
            shown.log_format,
            log_level,
            quiet=shown.quiet,
            trace=trace,
            watched=watched,
            site=joins.section,
            patience_s=joins.patience_s,
        )


def _brought(target: str, models: list[str], network: BringOptions) -> str:
    """What is to be run as a path; references that come later are brought in the same way."""
    if Path(target).suffix not in PIPELINE_ENDINGS:
        network.check_has([target, *(model.partition("=")[2] for model in models)])
    bring_by(network.bring)
    return options.target(target)


def _is_classifier(path: Path) -> bool:
    from weft.spec.kind import file_kind

    try:
        return file_kind(path) == "classifier"
    except NotFoundError:
        return False  # the pipeline's loader says so, once the call itself is right


_HINTS = {
    "pipeline": "set it under functions: in the YAML",
    "classifier": "set it in the YAML",
}


def _not_beside_a_document(kind: str, given: Iterable[str], args: Iterable[str] = ()) -> None:
    if words := ", ".join([*sorted(given), *args]):
        raise UsageError(f"{words}: a {kind} says this in its document", cure=_HINTS[kind])


def _only_for_documents(given: Collection[str], *, as_json: bool = False) -> None:
    if as_json and not given:
        raise UsageError("--json: only a classifier has it", cure="to pass it to the guest, write it after --")
    if words := ", ".join(given):
        joining = " to join a function to streams: weft function FILE --observe STREAM --emit STREAM"
        cure = f"leave out {words};{joining}" if "--connect" in given else f"leave out {words}"
        raise UsageError(f"{words}: only a pipeline has that", cure=cure)
