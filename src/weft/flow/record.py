"""Recording streams to a file, until somebody stops it, its time is over or the file is full."""

from __future__ import annotations

import math
from typing import Literal

from weft.core.clock import monotonic
from weft.core.errors import InputError
from weft.flow.faults import log
from weft.stream.base import Subscription
from weft.stream.recording import RecordingWriter

Ending = Literal["stop", "duration", "full"]


class Recorder:
    """Writes what a subscription receives.

    Args:
        subscription: what is received; it is closed when the recording ends.
        writer: the file; likewise.
        duration_s: seconds after which it ends.

    Attributes:
        refused: frames that could not be written, because they are too large.
    """

    def __init__(self, subscription: Subscription, writer: RecordingWriter, duration_s: float = math.inf) -> None:
        self.refused = 0
        self._subscription = subscription
        self._writer = writer
        self._duration_s = duration_s

    def run(self) -> Ending:
        """Record until the end, and say why it ended. Raises OutputError."""
        try:
            return self._record(monotonic() + self._duration_s)
        finally:
            self._subscription.close()
            self._writer.close()

    @property
    def counters(self) -> dict[str, int]:
        """Frames that are not in the file, by why: ``dropped``, ``lost``, ``malformed``, ``refused``."""
        counted = self._subscription.counters
        missed = {name: counted[name] for name in ("dropped", "lost", "malformed", "refused")}
        return {**missed, "refused": missed["refused"] + self.refused}

    def stop(self) -> None:
        """End it; from any thread and from signal handlers. What has arrived is still written."""
        self._subscription.close()

    def _record(self, deadline: float) -> Ending:
        while (left := deadline - monotonic()) > 0:
            frame = self._subscription.get(None if math.isinf(left) else left)
            if frame is None:
                break
            try:
                if not self._writer.write(frame):
                    return "full"
            except InputError as error:
                if not self.refused:
                    log.warning("a frame was left out: %s", error)
                self.refused += 1
        return "duration" if monotonic() >= deadline else "stop"
