"""``weft run``: a module on standard input, or a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from weft.cli import options
from weft.core.errors import UsageError

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
        "--config",
        "--memory",
        "--timeout",
        "--limit",
        "--abi",
        "--engine",
        "--device",
    ),
    *("--precision", "--threads", "--media-type", "--trust", "--summary", "--log-format", "--log-level", "--quiet"),
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
) -> int:
    """Run a WebAssembly function on standard input, or a pipeline from a YAML file.

    A module of any ABI gets standard input as its one frame, and what it emits goes to standard output.
    Options stand before or after the module; other words after it, and everything after `--`, are the guest's
    arguments.

        weft run classify.wasm --model net=mobilenetv2.onnx --config labels=@imagenet.txt < cat.jpg
        weft run tool.wasm --dir data:/data:ro -- --verbose /data/input.txt
        weft run pipeline.yaml --summary summary.json

    Parameters
    ----------
    target
        A .wasm, .wat or .cwasm module, weft:NAME for a function that comes with Weft, or a pipeline's .yaml.
    args
        The guest's arguments.
    model
        Grant a model: NAME=FILE.
    config
        A value the function can ask for: KEY=VALUE, or KEY=@FILE for a file's text.
    dir
        Grant a directory: HOST[:GUEST][:ro].
    env
        Grant an environment variable: NAME=VALUE, or NAME for this process's value.
    allow
        Grant a capability, such as nn.load.
    memory
        Memory limit of the instance, such as 64MiB (default 256MiB).
    timeout
        Time limit for the frame, such as 200ms, or "none" (default 60s).
    limit
        Another limit: NAME=VALUE, such as stdout=64MiB, output=1GiB, start=1min, emits=10000, handles=128 or logs=1000.
    abi
        How the module is called: command, reactor, stdio, yomo or bindgen; detected by default.
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
    """
    if Path(target).suffix in PIPELINE_ENDINGS:
        from weft.cli.pipelines import run_pipeline

        given: dict[str, object] = {
            "--model": model,
            "--config": config,
            "--dir": dir,
            "--env": env,
            "--allow": allow,
            "--memory": memory,
            "--limit": limit,
        }
        given |= {"--timeout": timeout, "--abi": abi, "--engine": engine, "--device": device != "cpu", "--trust": trust}
        given |= {"--precision": precision != "f32", "--threads": threads, "--media-type": media_type}
        _only_for_modules(args, {name for name, value in given.items() if value})
        return run_pipeline(Path(target), summary, log_format, log_level, quiet=quiet)
    _only_for_pipelines({"--summary": summary, "--log-format": log_format != "auto", "--quiet": quiet})
    options.check_words(args, OWN_OPTIONS)
    from weft.cli.foreground import ModelChoice, run_module

    return run_module(
        options.module(target),
        args=args,
        models=options.pairs("--model", model, "net=model.onnx"),
        choice=ModelChoice(engine, device, precision, threads),
        config=options.pairs("--config", config, "threshold=0.5"),
        grants=options.grants(dir, env, allow),
        limits=options.limits(memory, timeout, limit),
        abi=abi,
        media_type=media_type,
        trust=trust,
        log_level=log_level,
    )


def _only_for_modules(args: tuple[str, ...], given: set[str]) -> None:
    if args or given:
        words = ", ".join([*sorted(given), *args])
        raise UsageError(f"{words}: a pipeline says this in its document", cure="set it under functions: in the YAML")


def _only_for_pipelines(given: Mapping[str, object]) -> None:
    if words := ", ".join(name for name, value in given.items() if value):
        raise UsageError(f"{words}: only a pipeline has progress and a summary", cure=f"leave out {words}")
