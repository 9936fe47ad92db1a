"""``weft record`` and ``weft replay``: streams to a file, and back."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from weft.cli.site_options import SiteOptions
from weft.cli.spool_options import Spooling

if TYPE_CHECKING:
    from weft.stream.recording import RecordingWriter

Switch = Annotated[bool, Parameter(negative="", show_default=False)]


def record(
    pattern: str,
    /,
    *patterns: str,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    max_size: str | None = None,
    duration: str | None = None,
    options: SiteOptions = SiteOptions(),
) -> int:
    """Write the frames of some streams to a file, with the times at which they came.

        weft record cam/1 -o day.weftrec
        weft record 'cam/*' labels -o day.weftrec --max-size 2GiB --duration 8h

    It goes on until Ctrl-C, or until the time is over or the file full. A file that was cut off is right up to the cut.

    Parameters
    ----------
    pattern
        A stream, or a pattern such as 'cam/*' or '**'.
    patterns
        More of them.
    output
        The file to write. Nothing is overwritten.
    max_size
        End before the file is larger, such as 2GiB.
    duration
        End after this time, such as 10min.
    """
    from weft.core.units import parse_duration, parse_size
    from weft.stream.names import check_patterns

    wanted = [pattern, *patterns]
    most = None if max_size is None else parse_size(max_size)
    seconds = math.inf if duration is None else parse_duration(duration)
    check_patterns(wanted)
    endings = {"full": f", which is all of {max_size}", "duration": f", in {duration}", "stop": ""}
    return _record(wanted, output, most, seconds, endings, options)


def _record(
    wanted: Sequence[str],
    output: Path,
    most: int | None,
    seconds: float,
    endings: Mapping[str, str],
    options: SiteOptions,
) -> int:
    from weft.cli import logs
    from weft.cli.absent import told_if_absent
    from weft.cli.site_options import joined
    from weft.cli.streams import say
    from weft.cli.until import exit_code, signals
    from weft.flow.record import Recorder
    from weft.stream.recording import RecordingWriter

    logs.configure("warning", "text")
    with joined(options) as streams:
        subscription = streams.subscribe(wanted)  # before the file is there, as this may be refused
        writer = RecordingWriter(output, most)
        recorder = Recorder(subscription, writer, seconds)
        say(f"recording to {output}; Ctrl-C ends it\n")
        with signals(recorder.stop) as heard, told_if_absent(streams, wanted):
            ending = recorder.run()
    _tell(output, writer, recorder.counters, endings[ending])
    return exit_code(heard)


def _tell(output: Path, writer: RecordingWriter, counters: Mapping[str, int], why: str) -> None:
    from weft.core.units import format_size

    sys.stdout.write(f"{output}  {writer.frames} frames, {format_size(writer.size)}{why}\n")
    if left_out := ", ".join(f"{number} {name}" for name, number in counters.items() if number):
        sys.stdout.write(f"not in it: {left_out}\n")


def replay(
    file: Path,
    pattern: Annotated[list[str] | None, Parameter(name=["--stream"], negative="", show_default=False)] = None,
    *,
    speed: float = 1.0,
    loop: Switch = False,
    delivery: Literal["live", "reliable", "durable"] = "live",
    latest: Switch = False,
    scope: Literal["site", "global"] = "site",
    keep: int = 1024,
    log_level: Literal["debug", "info", "warning", "error"] = "warning",
    spooling: Spooling = Spooling(),
    options: SiteOptions = SiteOptions(),
) -> int:
    """Publish what a recording holds, at the pace at which it came, each stream under its own name.

        weft replay day.weftrec
        weft replay day.weftrec --speed 2 --stream 'cam/*'

    Parameters
    ----------
    file
        A file that weft record wrote.
    pattern
        Only the streams that fit; all by default.
    speed
        How many times as fast; 0 is as fast as it goes.
    loop
        Begin again at the end, until Ctrl-C. The numbers of the frames go on.
    delivery
        live: the newest frames win. reliable: in order, and what was lost on the way is sent again. durable: kept on
        disk first, and sent again after a crash, too.
    latest
        Who takes a stream later begins with its last frame.
    scope
        site: they stay within the site. global: all sites that are joined may take them.
    keep
        How many frames of each stream can be sent again, where it is reliable.
    log_level
        How much is told.
    """
    from weft.cli.publish import run_joined
    from weft.flow.publishing import replaying
    from weft.stream.base import PublishOptions

    spool = spooling.options(delivery)
    pipeline = replaying(
        file, tuple(pattern or ("**",)), speed, PublishOptions(delivery, latest, scope, keep, spool=spool), loop=loop
    )
    return run_joined(pipeline, options, log_level)
