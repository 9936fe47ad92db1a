"""Time, in one place: wall-clock nanoseconds for frames, monotonic seconds for durations."""

from __future__ import annotations

import time

now_ns = time.time_ns
monotonic = time.perf_counter
