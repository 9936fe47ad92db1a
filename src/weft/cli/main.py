"""The ``weft`` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from weft import __version__
from weft.core.errors import UsageError, WeftError

EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141

_EPILOGUE = """\
Try `weft demo`, or name what is in a picture:

    weft run classify.wasm --model net=mobilenetv2.onnx < cat.jpg

Exit codes: 0 done, 64 wrong call, 65 unreadable input, 66 not found, 69 not available here, 70 the function
failed, 73 cannot write, 77 not granted, 78 mistakes in a document, 124 time limit, 130 interrupted.
A command module's own exit code is passed on.
"""


COMMANDS = {
    "demo": ("weft.cli.demo:demo", "Watch a sandboxed function judge parts on a conveyor belt."),
    "run": ("weft.cli.run:run", "Run a WebAssembly function on standard input, or a pipeline."),
    "new": ("weft.cli.new:new", "Make a new function in C, Zig, Rust, Go or AssemblyScript."),
    "build": ("weft.cli.build:build", "Compile a function's folder to its module."),
    "validate": ("weft.cli.validate:validate", "Check a pipeline and all it names without running it."),
    "compile": ("weft.cli.modules:compile_", "Compile a module ahead of time."),
    "inspect": ("weft.cli.modules:inspect", "Show a module's ABI, imports, exports and needs."),
    "doctor": ("weft.cli.doctor:doctor", "Look at this machine: engines, devices, codecs."),
    "completion": ("weft.cli.completion:completion", "Print the completion script for a shell."),
}
"""Each command's home, and its line in the overview, which must not import it."""


def make_app(called: str = "") -> App:
    """The command line. Commands are imported when they are called; only ``called`` tells its whole story in --help."""
    app = App(
        name="weft",
        help="Sandboxed AI functions on streams of pictures and data.",
        help_epilogue=_EPILOGUE,
        version=__version__,
        help_format="markdown",
    )
    for name, (home, summary) in COMMANDS.items():
        app.command(home, name=name, help=None if name == called else summary, help_epilogue="")
    model = App(name="model", help="Look at models.", help_epilogue="")
    model.command("weft.cli.models:show", name="show", help_epilogue="")
    app.command(model)
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; the ``weft`` script exits with it."""
    from weft.cli.options import command_line
    from weft.cli.output import print_error

    tokens = list(sys.argv[1:] if argv is None else argv)
    command_line.set(tokens)
    try:
        result = make_app(tokens[0] if tokens else "")(
            tokens, exit_on_error=False, print_error=False, result_action="return_value"
        )
        return result if isinstance(result, int) else 0
    except CycloptsError as error:
        print_error(UsageError(" ".join(str(error).split()), cure="see weft --help"))
        return UsageError.exit_code
    except WeftError as error:
        if _came_from(error, BrokenPipeError):
            return _reader_gone()
        print_error(error, as_json="--json" in tokens)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return _reader_gone()


def _came_from(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__
    return False


def _reader_gone() -> int:
    """The reader of our output went away, as `head` does; what Python still holds for it goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return EXIT_BROKEN_PIPE
