"""``weft run``: a module on standard input, or a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from weft.cli import options
from weft.cli.bringing import BringOptions, Files
from weft.cli.observe import Watched
from weft.cli.site_options import Joins
from weft.core.errors import NotFoundError, UsageError
from weft.core.remote import bring_by

Flags = Annotated[list[str], Parameter(negative="", show_default=False)]
Switch = Annotated[bool, Parameter(negative="", show_default=False)]
LogFormat = Literal["auto", "rich", "text", "json"]

PIPELINE_ENDINGS = {".yaml", ".yml"}
OWN_OPTIONS = (
    *(
        "--model",
        "--dir",
        "--env",
        "--allow",
        "--state",
        "--http",
        "--config",
        "--memory",
        "--timeout",
        "--limit",
        "--abi",
        "--engine",
        "--device",
    ),
    *("--precision", "--threads", "--media-type", "--trust", "--summary", "--log-format", "--log-level", "--quiet"),
    *("--trace-host", "--trace-lines", "--json", "--metrics", "--trace", "--trace-ratio"),
    *("--connect", "--listen", "--site", "--cert", "--access", "--connect-timeout", "--offline", "--plain-http"),
    *("--verify", "--policy"),
)


def run(
    target: str,
    /,
    *args: Annotated[str, Parameter(allow_leading_hyphen=True)],
    model: Flags = [],  # noqa: B006 - cyclopts reads the default, nobody changes it
    config: Flags = [],  # noqa: B006
    dir: Flags = [],  # noqa: A002, B006
    env: Flags = [],  # noqa: B006
    allow: Flags = [],  # noqa: B006
    state: str | None = None,
    http: Flags = [],  # noqa: B006
    memory: str | None = None,
    timeout: str | None = None,
    limit: Flags = [],  # noqa: B006
    abi: str | None = None,
    engine: str | None = None,
    device: str = "cpu",
    precision: str = "f32",
    threads: int = 0,
    media_type: Annotated[str, Parameter(show_default=False)] = "",
    trust: Switch = False,
    summary: Path | None = None,
    log_format: LogFormat = "auto",
    log_level: Literal["debug", "info", "warning", "error"] = "warning",
    quiet: Switch = False,
    json: Switch = False,
    trace_host: Switch = False,
    trace_lines: int = 1000,
    metrics: str | None = None,
    trace: str | None = None,
    trace_ratio: float | None = None,
    connect: Flags = [],  # noqa: B006
    listen: Flags = [],  # noqa: B006
    site: str | None = None,
    cert: Path | None = None,
    access: Path | None = None,
    connect_timeout: str | None = None,
    offline: Switch = False,
    plain_http: Switch = False,
    verify: Files = [],  # noqa: B006
    policy: Path | None = None,
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
    model
        Grant a model: NAME=FILE, or a reference, such as NAME=oci://REGISTRY/REPOSITORY:TAG or NAME=hf:ORG/REPO/FILE.
    config
        A value the function can ask for: KEY=VALUE, or KEY=@FILE for a file's text.
    dir
        Grant a directory: HOST[:GUEST][:ro].
    env
        Grant an environment variable: NAME=VALUE, or NAME for this process's value.
    allow
        Grant a capability, such as nn.load.
    state
        Grant state, kept in a file: FILE or FILE:SIZE, such as counter.db:4MiB (default 1MiB).
    http
        Grant HTTP requests to a host: HOST[:PORT], such as api.example.org or *.example.org:8443.
    memory
        Memory limit of the instance, such as 64MiB (default 256MiB).
    timeout
        Time limit for the frame, such as 200ms, or "none" (default 60s).
    limit
        Another limit: NAME=VALUE, such as stdout=64MiB, output=1GiB, http=1GiB, start=1min, emits=10000, handles=128 or
        logs=1000.
    abi
        How the module is called: command, reactor, component, stdio, yomo or bindgen; detected by default. For Python
        component or stdio.
    engine
        What runs the models: onnxruntime, litert, openvino, or auto to time them once.
    device
        Where the models run: cpu, cuda, cuda:1, gpu …
    precision
        What the engine computes in: f32, bf16 or f16.
    threads
        Threads of one inference; 0 is one per core.
    media_type
        What standard input is, such as image/jpeg; told by its content by default.
    trust
        Load compiled code that was not made here by you.
    summary
        Pipelines: write the summary as JSON to this file.
    log_format
        Pipelines: rich (live progress), text, or json (lines); auto takes rich on a terminal and json elsewhere.
    log_level
        How much the functions' logs tell.
    quiet
        Pipelines: no progress and no summary.
    json
        Classifiers: a JSON object in place of lines of label,value.
    trace_host
        Tell each call of a host function, with its arguments and result, on standard error.
    trace_lines
        How many such lines; later calls are counted.
    metrics
        Pipelines: serve metrics for Prometheus at this address, such as 127.0.0.1:9464; port 0 takes a free one.
    trace
        Pipelines: record what happens to each frame and send it to a collector, such as otlp=http://localhost:4318.
    trace_ratio
        Pipelines: the share of frames that are recorded, such as 0.01 (default 1).
    connect
        Pipelines: a router whose site it shares its streams with, such as quic/edge:7447.
    listen
        Pipelines: where others may connect to, such as quic/0.0.0.0:7448.
    site
        Pipelines: the site's name.
    cert
        Pipelines: the certificate, a file from weft cert; $WEFT_CERT, or the one in this user's settings, by default.
    access
        Pipelines: rules for those who connect to --listen, a document as for weft router --access.
    connect_timeout
        Pipelines: give up with exit code 69 when there is no link after this time, such as 10s.
    offline
        Never touch a registry: a reference that is not in the store is an error. As $WEFT_OFFLINE=1.
    plain_http
        Speak HTTP without TLS to a registry that is not on this machine.
    verify
        A public key that must have signed what comes from registries, or one of several. A policy holds beside it.
    policy
        A policy for what is brought from registries and elsewhere; it holds beside this node's own.
    """
    target = _brought(target, model, BringOptions(offline=offline, plain_http=plain_http, verify=verify, policy=policy))
    watched = Watched(metrics, trace, trace_ratio)
    joins = Joins(tuple(connect), tuple(listen), site, cert, connect_timeout, access)
    pipelines: dict[str, object] = {"--summary": summary, "--log-format": log_format != "auto", "--quiet": quiet}
    pipelines |= {**watched.given, **joins.given}
    if Path(target).suffix in PIPELINE_ENDINGS:
        given: dict[str, object] = {"--model": model, "--config": config, "--dir": dir, "--env": env, "--abi": abi}
        given |= {"--allow": allow, "--state": state, "--http": http, "--memory": memory, "--limit": limit}
        given |= {"--engine": engine, "--device": device != "cpu", "--precision": precision != "f32"}
        given |= {"--trust": trust, "--threads": threads}
        if _is_classifier(Path(target)):
            _only_for_documents(pipelines, as_json=False)
            _not_beside_a_classifier(target, args, {**given, "--trace-host": trace_host})
            return _classify(Path(target), timeout, media_type, log_level, as_json=json)
        given |= {"--timeout": timeout, "--media-type": media_type, "--json": json}
        _not_beside_a_document("pipeline", args, given)
        with options.host_trace(trace_lines, named=True, on=trace_host) as calls:
            from weft.cli.pipelines import run_pipeline

            start = partial(run_pipeline, site=joins.section, patience_s=joins.patience_s)
            return start(Path(target), summary, log_format, log_level, quiet=quiet, trace=calls, watched=watched)
    _only_for_documents(pipelines, as_json=json)
    options.check_words(args, OWN_OPTIONS)
    from weft.cli.foreground import ModelChoice, run_module

    with options.host_trace(trace_lines, on=trace_host) as calls:
        return run_module(
            options.module(target),
            args=args,
            models=options.pairs("--model", model, "net=model.onnx"),
            choice=ModelChoice(engine, device, precision, threads),
            config=options.pairs("--config", config, "threshold=0.5"),
            grants=options.grants(dir, env, allow, state, http),
            limits=options.limits(memory, timeout, limit),
            abi=abi,
            media_type=media_type,
            trust=trust,
            log_level=log_level,
            trace=calls,
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


def _classify(path: Path, timeout: str | None, media_type: str, log_level: str, *, as_json: bool) -> int:
    from weft.cli.classify import run_classifier

    return run_classifier(path, options.limits(None, timeout), media_type, log_level, as_json=as_json)


_HINTS = {
    "pipeline": "set it under functions: in the YAML",
    "classifier": "set it in the YAML",
}


def _not_beside_a_document(kind: str, args: tuple[str, ...], given: Mapping[str, object]) -> None:
    names = sorted(name for name, value in given.items() if value)
    if args or names:
        raise UsageError(f"{', '.join([*names, *args])}: a {kind} says this in its document", cure=_HINTS[kind])


def _not_beside_a_classifier(target: str, args: tuple[str, ...], given: Mapping[str, object]) -> None:
    if args:
        cure = f"weft run {target} < {args[0]}; for many pictures, a pipeline with a `pictures` source"
        raise UsageError(f"{' '.join(args)}: a classifier takes its picture from standard input", cure=cure)
    _not_beside_a_document("classifier", (), given)


def _only_for_documents(given: Mapping[str, object], *, as_json: bool) -> None:
    if as_json and not any(given.values()):
        raise UsageError("--json: only a classifier has it", cure="to pass it to the guest, write it after --")
    if words := ", ".join(name for name, value in given.items() if value):
        joining = " to join a function to streams: weft function FILE --observe STREAM --emit STREAM"
        cure = f"leave out {words};{joining}" if given.get("--connect") else f"leave out {words}"
        raise UsageError(f"{words}: only a pipeline has that", cure=cure)
