"""``weft watch``: a line for every frame of some streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from weft.cli.consumer_options import Consuming
from weft.cli.site_options import SiteOptions

if TYPE_CHECKING:
    from weft.stream.base import Subscription

Switch = Annotated[bool, Parameter(negative="", show_default=False)]


def watch(
    pattern: str,
    /,
    *patterns: str,
    count: int | None = None,
    json: Switch = False,
    consuming: Consuming = Consuming(),
    options: SiteOptions = SiteOptions(),
) -> int:
    """Print a line for every frame of the streams that fit: text and results as they are, pictures by type and size.

        weft watch labels
        weft watch 'cam/*' labels --json --count 10
        weft watch orders --as archive

    It begins with the last frame of streams that keep it, and goes on until Ctrl-C.

    Parameters
    ----------
    pattern
        A stream, or a pattern such as 'cam/*' or '**'.
    patterns
        More of them.
    count
        End after this many frames.
    json
        One JSON object per line.
    """
    from weft.cli import logs
    from weft.cli.absent import told_if_absent
    from weft.cli.site_options import joined
    from weft.cli.until import exit_code, signals
    from weft.stream.base import SubscribeOptions
    from weft.stream.names import check_patterns

    logs.configure("warning", "text")
    wanted = [pattern, *patterns]
    check_patterns(wanted)
    taking = SubscribeOptions(consumer=consuming.options())
    with joined(options) as streams:
        subscription = streams.subscribe(wanted, taking)
        with signals(subscription.close) as heard, told_if_absent(streams, wanted):
            _print(subscription, count, as_json=json)
        subscription.close()
        _tell(subscription.counters)
    return exit_code(heard)


def _print(subscription: Subscription, count: int | None, *, as_json: bool) -> None:
    """Print so many frames, or all until it is closed."""
    from weft.media.sinks.console import ConsoleSink
    from weft.media.sinks.jsonl import JsonlSink

    sink = JsonlSink() if as_json else ConsoleSink()
    left = count
    while left != 0 and (found := subscription.receive()) is not None:
        frame, mark = found
        sink.write(frame)
        if mark is not None:
            subscription.delivered(mark)
        left = None if left is None else left - 1


def _tell(counters: dict[str, int]) -> None:
    from weft.cli.streams import say

    if missed := ", ".join(f"{counters[name]} {name}" for name in ("dropped", "lost", "malformed") if counters[name]):
        say(f"not shown: {missed}\n")
