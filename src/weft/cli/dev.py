"""``weft dev``: a pipeline that runs while its functions are worked on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from weft.dev.session import Session


def dev(
    target: Path = Path(),
    /,
    *,
    pipeline: Path | None = None,
    debug: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    json: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    log_level: Literal["debug", "info", "warning", "error"] = "warning",
) -> int:
    """Run a function's pipeline, and rebuild and swap the function whenever its files change.

        weft dev counter
        weft dev counter --pipeline belt.yaml
        weft dev pipeline.yaml

    The function is swapped between two frames: none is lost, and the old one goes on while the new one is built and
    loaded. One that does not compile or start is told and left out. A test pattern goes on until Ctrl-C; a file is
    played to its end, and again after each change.

    Parameters
    ----------
    target
        A function's folder with its function.toml (the current one by default), a pipeline's .yaml, or a single
        .py, .wasm or classifier's .yaml, which gets a test pattern.
    pipeline
        Run this pipeline rather than the folder's pipeline.yaml.
    debug
        Build for the debugger, without optimisation.
    json
        Tell what happens as JSON lines on standard error.
    log_level
        How much the functions' logs tell.
    """
    from weft.cli import logs
    from weft.cli.dev_display import JsonDisplay, TextDisplay
    from weft.cli.pipelines import TERMINATED
    from weft.dev.session import Session
    from weft.dev.target import target_of

    logs.configure(log_level, "json" if json else "text")
    display = JsonDisplay() if json else TextDisplay()
    session = Session(target_of(target, pipeline), display, debug=debug)
    with _interrupted_by_signals(session) as heard:
        summary = session.run()
    if summary is not None:
        display.finish(summary)
    return TERMINATED[heard[0]]


@contextmanager
def _interrupted_by_signals(session: Session) -> Iterator[list[str]]:
    """SIGINT and SIGTERM end the session, a second one at once; the names of those that came."""
    heard: list[str] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        heard.append(signal.Signals(number).name)
        session.interrupt(heard[-1])

    previous = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield heard
    finally:
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
