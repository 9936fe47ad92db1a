"""``--trace-host``: a line for each call a guest makes of the host, with its arguments and what came of it.

A host function is wrapped when an instance first calls it, and only where its function is traced: others do not
even look. Tracing reads guest memory with the same bounds as everything else, and never changes a result.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING

from weft.core.text import visible
from weft.core.units import format_duration
from weft.wasm.guard import Kind, guarded, refusal_of
from weft.wasm.native import Stop
from weft.wasm.trace_words import Plan

if TYPE_CHECKING:
    from weft.wasm.host.base import HostModule

LINES = 1000
"""Lines written unless somebody asks for more; later calls are counted."""

MAX_LINE = 1024
"""Characters of one line; the rest is cut."""


class HostTrace:
    """Where the lines of one run go, of all its functions and threads: at most ``lines`` of them.

    Attributes:
        written: lines written.
        dropped: calls that came later.
    """

    def __init__(self, write: Callable[[str], None], *, lines: int = LINES, named: bool = False) -> None:
        """``write`` takes text; ``named`` begins each line with the function's name."""
        self._write = write
        self._lines = lines
        self._named = named
        self._lock = threading.Lock()
        self.written = 0
        self.dropped = 0

    def call(self, function: str, called: str, came: str, seconds: float) -> None:
        """One call: of which function, ``frame_read(room for 64)``, ``= 64``, and how long it took."""
        took = format_duration(seconds)
        who = f"{function}: " if self._named else ""
        line = visible(f"{who}{called}{' ' if came else ''}{came}")
        if len(line) > MAX_LINE:
            line = line[:MAX_LINE] + "…"
        with self._lock:
            if self.written >= self._lines:
                self.dropped += 1
                return
            self.written += 1
        self._write(f"{line}  {took}\n")

    def close(self) -> None:
        """Say how many calls were not shown."""
        if self.dropped:
            calls = "1 more host call" if self.dropped == 1 else f"{self.dropped:,} more host calls"
            self._write(f"… {calls} not shown; --trace-lines shows more than {self._lines:,}\n")
            self.dropped = 0


def traced(
    trace: HostTrace, host: HostModule, function: str, method: Callable[..., int | None], errno: Mapping[Kind, int]
) -> Callable[..., int]:
    """The guarded ``method`` behind one import, telling ``trace`` of every call."""
    return _Traced(trace, host, function, method, errno).call


class _Traced:
    """One host function of one instance; calls come one after the other."""

    def __init__(
        self,
        trace: HostTrace,
        host: HostModule,
        function: str,
        method: Callable[..., int | None],
        errno: Mapping[Kind, int],
    ) -> None:
        self._trace = trace
        self._instance = host.instance
        self._method = method
        self._guarded = guarded(self._watched, f"{host.name}.{function}", errno, host.instance)
        self._label = label(host.name, function)
        self._plan = Plan(method, host.words, host.memory)
        self._has_result = not host.signatures()[function].endswith("-> ()")
        self._refused = ""

    def call(self, *args: int) -> int:
        """As the guest calls it."""
        self._refused = ""
        called = f"{self._label}({self._plan.arguments(args)})"
        begin = perf_counter()
        try:
            result = self._guarded(*args)
        except Stop:
            self._tell(called, self._ended(), begin)
            raise
        self._tell(called, self._came(args, result), begin)
        return result

    def _tell(self, called: str, came: str, begin: float) -> None:
        self._trace.call(self._instance.settings.name, called, came, perf_counter() - begin)

    def _watched(self, *args: int) -> int | None:
        try:
            return self._method(*args)
        except Exception as error:
            refusal = refusal_of(error)
            self._refused = refusal_words(refusal.kind, refusal.reason, refusal.cure)
            raise

    def _came(self, args: tuple[int, ...], result: int) -> str:
        value = f"= {result}" if self._has_result else ""
        more = self._refused or self._plan.results(args, result)
        return f"{value} {more}".strip()

    def _ended(self) -> str:
        reason = self._instance.fatal
        return f"ended the guest: {reason.what}" if reason else "ended the guest"


def label(module: str, function: str) -> str:
    """A function's name in a trace: Weft's own, and those that say whose they are, go without their module's."""
    return function if module == "weft" or function.startswith(module) else f"{module}.{function}"


def refusal_words(kind: Kind, reason: str, cure: str = "") -> str:
    """``not found: no config 'treshold'; did you mean 'threshold'?``."""
    words = ": ".join(filter(None, (kind.replace("_", " "), reason)))
    return f"{words}; {cure}" if cure else words
