"""The ``weft`` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from weft import __version__
from weft.cli import streams
from weft.core.errors import UsageError, WeftError
from weft.core.remote import bring_by

if TYPE_CHECKING:
    from cyclopts import App, CycloptsError

EXIT_INTERRUPTED = 130

_EPILOGUE = """\
Try `weft demo`, or name what is in a picture:

    weft run classify.wasm --model net=mobilenetv2.onnx < cat.jpg

Exit codes: 0 done, 64 wrong call, 65 unreadable input, 66 not found, 69 not available here, 70 the function
failed, 73 cannot write, 75 no room now, 77 not granted, 78 mistakes in a document, 124 time limit, 130 interrupted.
A command module's own exit code is passed on.
"""


COMMANDS = {
    "demo": ("weft.cli.demo:demo", "Watch a sandboxed function judge parts on a conveyor belt."),
    "run": ("weft.cli.run:run", "Run a WebAssembly function on standard input, or a pipeline."),
    "new": ("weft.cli.new:new", "Make a new function in C, Zig, Rust, Go, AssemblyScript or Python."),
    "build": ("weft.cli.build:build", "Compile a function's folder to its module."),
    "dev": ("weft.cli.dev:dev", "Run a function's pipeline; rebuild and swap the function when a file changes."),
    "top": ("weft.cli.top:top", "Watch the pipelines that run: speed, queues, latency, drops and failures."),
    "debug": ("weft.cli.debug:debug", "Debug a function at a line of its source, in gdb or lldb."),
    "router": ("weft.cli.router:router", "Run a router: the machines of a site connect to it."),
    "cert": ("weft.cli.cert:cert", "Issue a certificate for a device."),
    "function": ("weft.cli.function:function", "Run a function on streams of the site, and publish what it emits."),
    "serve": ("weft.cli.serve:serve", "Serve models over HTTP, in the Open Inference Protocol."),
    "watch": ("weft.cli.watch:watch", "Print a line for every frame of some streams."),
    "view": ("weft.cli.view:view", "Show streams on a page: live pictures with their boxes and labels."),
    "streams": ("weft.cli.stream_list:streams", "Show the streams that are published, and how much comes of each."),
    "record": ("weft.cli.record:record", "Write the frames of some streams to a file."),
    "replay": ("weft.cli.record:replay", "Publish what a recording holds."),
    "push": ("weft.cli.artifacts:push", "Send a function to a registry."),
    "pull": ("weft.cli.artifacts:pull", "Bring a function or model from a registry into the store."),
    "sign": ("weft.cli.signing:sign", "Sign a function or model that is in a registry."),
    "verify": ("weft.cli.signing:verify", "Check who signed a function or model."),
    "validate": ("weft.cli.validate:validate", "Check a pipeline and all it names without running it."),
    "compile": ("weft.cli.modules:compile_", "Compile a module ahead of time."),
    "inspect": ("weft.cli.modules:inspect", "Show a module's ABI, imports, exports and needs."),
    "doctor": ("weft.cli.doctor:doctor", "Look at this machine: engines, devices, codecs."),
    "completion": ("weft.cli.completion:completion", "Print the completion script for a shell."),
}
"""Each command's home, and its line in the overview, which must not import it."""

GROUPS = {
    "model": (
        "Look at models, and move them between registries and the store.",
        {
            "show": "weft.cli.model_show:show",
            "push": "weft.cli.models:push",
            "pull": "weft.cli.models:pull",
            "list": "weft.cli.models:list_",
            "rm": "weft.cli.models:rm",
        },
    ),
    "key": (
        "Make a key: for a caller of weft serve, or to sign with.",
        {"caller": "weft.cli.key:caller", "new": "weft.cli.key:new"},
    ),
    "cache": (
        "Look at what is kept on this machine, and make room.",
        {"list": "weft.cli.cache:list_", "verify": "weft.cli.cache:verify", "gc": "weft.cli.cache:gc"},
    ),
    "state": (
        "Look at what functions keep from run to run.",
        {"show": "weft.cli.state:show", "delete": "weft.cli.state:delete"},
    ),
}
"""The commands that have commands of their own: a line, and where these are."""


def make_app(called: str = "") -> App:
    """The command line. Commands are imported when they are called; only ``called`` tells its whole story in --help."""
    from cyclopts import App

    from weft.cli.help_text import help_of

    app = App(
        name="weft",
        help="Sandboxed AI functions on streams of pictures and data.",
        help_epilogue=_EPILOGUE,
        version=__version__,
        help_format="markdown",
    )
    for name, (home, summary) in COMMANDS.items():
        app.command(home, name=name, help=help_of(home) if name == called else summary, help_epilogue="")
    for group, (summary, homes) in GROUPS.items():
        under = App(name=group, help=summary, help_epilogue="")
        for name, home in homes.items():
            under.command(home, name=name, help=help_of(home) if group == called else None, help_epilogue="")
        app.command(under)
    source = App(name="source", help="Publish a source as a stream: a video, a camera, pictures …", help_epilogue="")
    if called in ("source", "completion"):  # its commands come from the document's models, which take a while to load
        from weft.cli.source import make

        make(source)
    app.command(source)
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; the ``weft`` script exits with it."""
    tokens = list(sys.argv[1:] if argv is None else argv)
    try:
        streams.hold()
        code = streams.finish(_call(tokens))
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    if argv is None and "zenoh" in sys.modules:
        os._exit(code)  # one of Zenoh's threads may still call into a Python that is being taken down, which aborts
    return code


def _call(tokens: list[str]) -> int:
    # Imported under the eye of whoever waits for Ctrl-C: it takes a while.
    from weft.cli.options import command_line
    from weft.cli.output import print_error

    command_line.set(tokens)
    bring_by(_bring)
    try:
        return _dispatch(tokens)
    except (WeftError, OSError) as error:
        if streams.reader_gone(error):
            return _reader_gone()
        told = error if isinstance(error, WeftError) else streams.unwritable(error)
        print_error(told, as_json="--json" in tokens)
        return told.exit_code


def _bring(reference: str) -> Path:
    """The file of a reference, with progress on a terminal."""
    from weft.cli.bringing import BringOptions

    return BringOptions().bring(reference)


def _dispatch(tokens: list[str]) -> int:
    """Run the command. ``weft run MODULE`` without options does without cyclopts, a tenth of a second to import."""
    if tokens[:1] == ["run"]:
        from weft.cli.foreground import is_plain, run_plain

        if is_plain(tokens[1:]):
            return run_plain(tokens[1:])
    from cyclopts import CycloptsError

    try:
        result = make_app(tokens[0] if tokens else "")(
            tokens, exit_on_error=False, print_error=False, result_action="return_value"
        )
    except CycloptsError as error:
        called = " ".join(("weft", *(error.command_chain or ())))
        raise UsageError(_what(error), cure=f"see {called} --help") from error
    return result if isinstance(result, int) else 0


def _what(error: CycloptsError) -> str:
    """In a line, and without the command, which the cure names."""
    from cyclopts import MissingArgumentError

    if isinstance(error, MissingArgumentError) and error.argument is not None and not error.tokens_so_far:
        return f"{error.argument.name} is missing"
    return " ".join(str(error).split())


def _reader_gone() -> int:
    """The reader of our output went away, as `head` does; what Python still holds for it goes nowhere."""
    streams.discard(sys.stdout)
    return streams.EXIT_BROKEN_PIPE
