"""What ``weft dev`` tells on standard error: a few words for people, JSON lines for tools."""

from __future__ import annotations

import sys

from weft.cli.output import print_error, print_line
from weft.cli.progress import JsonProgress, TextProgress
from weft.cli.streams import reader_gone, say
from weft.core.text import visible
from weft.core.units import format_duration
from weft.dev import events
from weft.flow.summary import Summary

_GREEN, _DIM, _PLAIN = "\033[32m", "\033[2m", "\033[0m"


class JsonDisplay:
    """A JSON line per event; its ``event`` says which."""

    def __call__(self, event: events.Event) -> None:
        """Print one. Raises what ended the pipeline when nobody reads its output any more."""
        print_line(event.record())
        _stop_without_reader(event)

    def finish(self, summary: Summary) -> None:
        """The last line: the whole summary."""
        JsonProgress()(summary)


class TextDisplay:
    """A line per event; what compilers say, as they say it."""

    def __call__(self, event: events.Event) -> None:
        """Print one. Raises what ended the pipeline when nobody reads its output any more."""
        match event:
            case events.Changed(files):
                self._say(f"{', '.join(files)} changed", _DIM)
            case events.Built():
                self._built(event)
            case events.Started(pipeline):
                self._say(f"{pipeline} runs", _GREEN)
            case events.Ready(function, seconds):
                self._say(f"{function} is ready after {format_duration(seconds)}, for the next frame", _DIM)
            case events.Swapped(function, frame, seconds):
                self._say(f"{function} swapped at frame {frame} after {format_duration(seconds)}", _GREEN)
            case events.Refused(subject, error):
                print_error(error.at(subject))
            case events.Restarting(pipeline):
                self._say(f"{pipeline} begins anew: its sources, sinks or streams changed", _DIM)
            case events.Ended(summary):
                self._ended(summary)
            case events.Waiting(running):
                self._say("waiting for changes" if running else "waiting for changes, to run again", _DIM)
        _stop_without_reader(event)

    def finish(self, summary: Summary) -> None:
        """The table of the last run."""
        TextProgress()(summary)

    def _built(self, event: events.Built) -> None:
        say(visible(event.messages, keep="\n\t"))
        outcome = ": the same module as before" if event.same else ""
        self._say(f"{event.function} built by {event.compiler} in {format_duration(event.seconds)}{outcome}", _GREEN)

    def _ended(self, summary: Summary) -> None:
        if summary.error is not None:
            print_error(summary.error)
        TextProgress()(summary)

    def _say(self, text: str, colour: str) -> None:
        line = visible(text)
        say(f"{colour}{line}{_PLAIN}\n" if sys.stderr.isatty() else f"{line}\n")


def _stop_without_reader(event: events.Event) -> None:
    if isinstance(event, events.Ended) and event.summary.error is not None and reader_gone(event.summary.error):
        raise event.summary.error
