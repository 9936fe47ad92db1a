"""``poll_oneoff`` of WASI, in place of wasmtime's: a guest that sleeps must wake when its time is up.

wasmtime sleeps where no epoch reaches it, so a guest could sleep through every limit. Only clocks are waited
for; input and output count as ready at once, as POSIX has it for files.

Spec: https://github.com/WebAssembly/WASI, preview 1.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, ClassVar

from weft.wasm.guard import Kind, Refusal
from weft.wasm.host.base import HostModule, exported
from weft.wasm.native import Stop

if TYPE_CHECKING:
    from weft.wasm.instance import Instance

MAX_SUBSCRIPTIONS = 1024
LOOK_EVERY = 0.02
"""Seconds a sleeping guest may take to notice that it was stopped."""

_SUBSCRIPTION = struct.Struct("<Q B 7x I 4x Q Q H 6x")
"""userdata, kind, clock (or descriptor), timeout, precision, flags."""
_EVENT = struct.Struct("<Q H B 5x Q H 6x")
"""userdata, errno, kind, bytes ready, flags."""
_CLOCK, _REALTIME, _MONOTONIC, _ABSOLUTE = 0, 0, 1, 1
_EINVAL = 28


class WasiClock(HostModule):
    """The one WASI function that Weft provides itself."""

    name = "wasi_snapshot_preview1"
    grant = "always there; directories with --dir, environment with --env"
    errno: ClassVar[dict[Kind, int]] = {
        "invalid": _EINVAL,
        "encoding": _EINVAL,
        "not_found": 44,
        "too_small": 61,
        "too_large": 1,
        "denied": 2,
        "unsupported": 58,
        "busy": 10,
        "failed": 29,
    }

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self._born = instance.born

    @exported("(i32 i32 i32 i32) -> (i32)")
    def poll_oneoff(self, subscriptions: int, events: int, count: int, happened_out: int) -> None:
        """Wait for the first of several things to happen."""
        count &= 0xFFFFFFFF
        if not 0 < count <= MAX_SUBSCRIPTIONS:
            raise Refusal("invalid", f"{count} subscriptions; 1 to {MAX_SUBSCRIPTIONS}")
        self.memory.view(events, count * _EVENT.size)
        wanted = list(_SUBSCRIPTION.iter_unpack(self.memory.read(subscriptions, count * _SUBSCRIPTION.size)))
        waits = [self._seconds(*item[1:]) for item in wanted]
        shortest = min(waits)
        self._sleep(shortest)
        done = [
            _EVENT.pack(item[0], 0 if wait >= 0 else _EINVAL, item[1], item[1] != _CLOCK, 0)
            for item, wait in zip(wanted, waits, strict=True)
            if wait <= shortest
        ]
        self.memory.write(events, b"".join(done))
        self.memory.write_u32(happened_out, len(done))

    def _seconds(self, kind: int, clock: int, timeout: int, _precision: int, flags: int) -> float:
        """Until a subscription is due: 0 for what is ready, -1 for what cannot be."""
        if kind != _CLOCK:
            return 0.0 if kind in {1, 2} else -1.0
        if clock not in {_REALTIME, _MONOTONIC}:
            return -1.0
        if flags & _ABSOLUTE:
            now = time.time_ns() if clock == _REALTIME else time.monotonic_ns() - self._born
            timeout -= now
        return max(0.0, timeout / 1e9)

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.instance.expired():
                raise Stop
            time.sleep(min(left, LOOK_EVERY))
