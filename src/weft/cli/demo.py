"""``weft demo``: a factory belt, drawn fresh, read by a sandboxed function, and scored against the truth."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from weft.core.errors import UsageError
from weft.core.units import format_duration, parse_duration

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LONGEST = 600.0
"""Seconds of video the demo will draw."""

_TITLES = {"draw": "drawing the belt", "detect": "finding parts in the sandbox"}


def demo(
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("out/demo"),
    seed: int = 1,
    duration: str = "10s",
    json: Annotated[bool, Parameter(negative="", show_default=False)] = False,
) -> int:
    """Watch a sandboxed WebAssembly function find and judge the parts on a conveyor belt.

    Draws a fresh video of a belt, runs it through a C function in the sandbox, draws what the function found
    into an output video, and counts found, missed and false alarms against the truth that was drawn. No network.

        weft demo
        weft demo --seed 7 --duration 30s -o out/belt7

    Parameters
    ----------
    output
        The folder for the video, the results and the pipeline, which you can run again by yourself. A demo that is
        there is replaced, but not one whose pipeline, model or function you changed.
    seed
        Another number is another belt.
    duration
        How much video, such as 10s.
    json
        Print the score as JSON.
    """
    from weft.cli.output import print_json
    from weft.core.resources import example, guest

    seconds = parse_duration(duration)
    if not 1 <= seconds <= LONGEST:
        raise UsageError(f"--duration {duration}", cure=f"1s to {LONGEST:.0f}s")
    conveyor = _load(example("conveyor"))
    with _Display() as display:
        made = conveyor.demo.run(output, seed, seconds, display, guest=guest("detect"))
    if json:
        print_json(made.report.record())
    else:
        sys.stdout.write(_story(made))
    return 0


def _load(folder: Path) -> Any:
    """An example's folder as a package, wherever it lies."""
    name = f"weft_example_{folder.name}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    package: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)
    importlib.import_module(f"{name}.demo")
    return package


def _story(made: Any) -> str:
    stage = made.summary.stage("detect")
    rate = stage.frames_out / made.summary.seconds
    replaced = f"replaced the demo that was in {made.folder}\n" if made.replaced else ""
    return (
        f"{replaced}drew {stage.frames_in} frames in {format_duration(made.drawn_s)}; the function read them "
        f"at {rate:.0f} frames/s (p50 {format_duration(stage.latency.p50)}, p99 {format_duration(stage.latency.p99)})\n"
        f"found {made.report.found} of {len(made.report.parts)} parts, missed {made.report.missed}, "
        f"false alarms {made.report.false_alarms}\n"
        f"boxes: precision {made.report.boxes.precision:.3f}, recall {made.report.boxes.recall:.3f}\n\n"
        f"video     {made.annotated}\nresults   {made.results}\n"
        f"pipeline  {made.folder / 'pipeline.yaml'}   (weft run it again, or change it)\n"
    )


class _Display:
    """Progress bars on a terminal, silence elsewhere."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> _Display:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress

            self._progress = Progress(console=Console(stderr=True))
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress:
            self._progress.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        if self._progress is None:
            return
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(_TITLES.get(what, what), total=total)
        self._progress.update(self._tasks[what], completed=done)
