"""``weft function``: one function that takes streams of a site and publishes what it emits."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from weft.cli import options as written
from weft.cli.consumer_options import Consuming
from weft.cli.group_options import Grouping
from weft.cli.site_options import SiteOptions
from weft.cli.spool_options import Spooling
from weft.core.errors import UsageError

Flags = Annotated[list[str], Parameter(negative="", show_default=False)]
Switch = Annotated[bool, Parameter(negative="", show_default=False)]


def function(
    module: str,
    /,
    *args: Annotated[str, Parameter(allow_leading_hyphen=True)],
    observe: Flags,
    emit: Flags,
    delivery: Literal["live", "reliable", "durable"] = "live",
    latest: Switch = False,
    scope: Literal["site", "global"] = "site",
    keep: int = 1024,
    queue: int = 8,
    replicas: int = 1,
    retry: int = 0,
    errors: str | None = None,
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
    trust: Switch = False,
    log_level: Literal["debug", "info", "warning", "error"] = "warning",
    consuming: Consuming = Consuming(),
    grouping: Grouping = Grouping(),
    spooling: Spooling = Spooling(),
    options: SiteOptions = SiteOptions(),
) -> int:
    """Run a function on streams of the site, and publish what it emits.

        weft function classify.wasm --observe 'cam/*' --emit labels --model net=mobilenetv2.onnx
        weft function classify.yaml --observe cam/1 --emit labels/1 --connect quic/edge:7447
        weft function weft:classify --observe 'cam/*' --emit labels --model net=mobilenetv2.onnx --group classify

    What it emits keeps the source, the number and the time of the frame it came from. It goes on until Ctrl-C; what is
    under way is finished.

    Parameters
    ----------
    module
        A .wasm, .wat or .cwasm module, weft:NAME for a function that comes with Weft, a .py, or a classifier's .yaml.
    args
        The guest's arguments.
    observe
        A stream it takes, or a pattern such as 'cam/*'; may be given several times.
    emit
        A stream it emits to, the default one first.
    delivery
        live: the newest results win. reliable: in order, and what was lost on the way is sent again. durable: kept on
        disk first, and sent again after a crash, too.
    latest
        Who takes the results later begins with the last one.
    scope
        site: the results stay within the site. global: all sites that are joined may take them.
    keep
        How many results of a reliable stream can be sent again.
    queue
        Frames that may wait for it; of live streams the oldest are dropped beyond that.
    replicas
        How many instances work at once. The order of each source's frames is kept.
    retry
        How often a frame it failed on is tried again.
    errors
        A stream for a JSON record of each frame it failed on; they are only counted by default.
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
    state
        Grant state, kept in a file: FILE or FILE:SIZE, such as counter.db:4MiB (default 1MiB).
    http
        Grant HTTP requests to a host: HOST[:PORT], such as api.example.org or *.example.org:8443.
    memory
        Memory limit of an instance, such as 64MiB (default 256MiB).
    timeout
        Time limit for a frame, such as 200ms, or "none" (default 60s).
    limit
        Another limit: NAME=VALUE, such as stdout=64MiB, output=1GiB, http=1GiB, start=1min, emits=10000, handles=128 or
        logs=1000.
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
    trust
        Load compiled code that was not made here by you.
    log_level
        How much the function's logs tell.
    """
    from weft.cli.foreground import ModelChoice
    from weft.cli.publish import run_joined
    from weft.flow.functions import FunctionOptions
    from weft.flow.graph import OnError
    from weft.flow.publishing import Observing, observing
    from weft.stream.base import PublishOptions

    written.check_words(args, ())
    if queue < 1 or replicas < 1 or retry < 0:
        raise UsageError("--queue and --replicas begin at 1, --retry at 0", cure="leave them out for the defaults")
    failed = OnError("stream" if errors else "skip", retries=retry, stream=errors or "")
    choice = ModelChoice(engine, device, precision, threads)
    about = FunctionOptions(
        abi=abi,
        models=choice.grants(written.pairs("--model", model, "net=model.onnx")),
        grants=written.grants(dir, env, allow, state, http),
        limits=written.limits(memory, timeout, limit),
        config=written.pairs("--config", config, "threshold=0.5"),
        args=args,
        trust=trust,
    )
    spool = spooling.options(delivery)
    how = Observing(tuple(observe), tuple(emit), queue, replicas, failed, grouping.options(), consuming.options())
    pipeline = observing(written.module(module), about, how, PublishOptions(delivery, latest, scope, keep, spool=spool))
    return run_joined(pipeline, options, log_level)
