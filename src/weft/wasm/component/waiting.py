"""Waiting with an end: ``wasi:io/poll`` and the timers of ``wasi:clocks``, where a guest sleeps.

wasmtime waits inside one host call, where neither the epoch nor anything else reaches it: a guest that sleeps for an
hour would keep its thread for an hour. So a wait for one thing is cut into moments, with a look at the time after
each, and a timer rings at the end of the frame's time at the latest: all else that a guest here can wait for is
ready at once. (A wait for several things stays wasmtime's own: 50.0.1 ends a guest that lends two handles to a
function of the host.) The waiting itself is done by an aide, since only a component can hand a handle on.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from weft.wasm.component import cvalues, native
from weft.wasm.component.aide import WASI, Aide, AideCode
from weft.wasm.component.types import U64, no_handles
from weft.wasm.host.base import HostPart
from weft.wasm.native import Stop

if TYPE_CHECKING:
    from weft.wasm.instance import Instance

FUNCTIONS = {
    f"wasi:io/poll@{WASI}": ("[method]pollable.block",),
    f"wasi:clocks/monotonic-clock@{WASI}": ("subscribe-duration", "subscribe-instant"),
}
"""What is replaced in wasmtime's own interfaces."""

LOOK_EVERY = 50_000_000
"""Nanoseconds of one wait."""

GRACE = 10_000_000
"""Nanoseconds after the end of its time at which a guest is woken, to find that it is over."""

_LONGEST = 2**62

_WAITER = f"""
(component
  (import "wasi:io/poll@{WASI}" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@{WASI}" (instance $clock
    (alias outer 1 $pollable (type $outer))
    (export "pollable" (type $pollable (eq $outer)))
    (export "now" (func (result u64)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))
  (core module $memory
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32)))
  (core instance $m (instantiate $memory))
  (core func $poll (canon lower (func $poll "poll")
    (memory (core memory $m "memory")) (realloc (core func $m "realloc"))))
  (core func $now (canon lower (func $clock "now")))
  (core func $timer (canon lower (func $clock "subscribe-duration")))
  (core func $drop (canon resource.drop $pollable))
  (core module $main
    (import "m" "memory" (memory 1))
    (import "h" "poll" (func $poll (param i32 i32 i32)))
    (import "h" "now" (func $now (result i64)))
    (import "h" "timer" (func $timer (param i64) (result i32)))
    (import "h" "drop" (func $drop (param i32)))
    (func (export "wait") (param $handle i32) (param $ns i64) (result i32)
      (i32.store (i32.const 0) (local.get $handle))
      (i32.store (i32.const 4) (call $timer (local.get $ns)))
      (call $poll (i32.const 0) (i32.const 2) (i32.const 8))
      (call $drop (local.get $handle))
      (call $drop (i32.load (i32.const 4)))
      (i32.eqz (i32.load (i32.load (i32.const 8)))))
    (func (export "timer") (param $ns i64) (param $most i64) (result i32)
      (call $timer (select (local.get $ns) (local.get $most) (i64.lt_u (local.get $ns) (local.get $most)))))
    (func (export "until") (param $when i64) (param $most i64) (result i32)
      (local $now i64)
      (local.set $now (call $now))
      (if (i64.le_u (local.get $when) (local.get $now)) (then (return (call $timer (i64.const 0)))))
      (local.set $when (i64.sub (local.get $when) (local.get $now)))
      (call $timer (select (local.get $when) (local.get $most) (i64.lt_u (local.get $when) (local.get $most))))))
  (core instance $i (instantiate $main
    (with "m" (instance $m))
    (with "h" (instance (export "poll" (func $poll)) (export "now" (func $now)) (export "timer" (func $timer))
      (export "drop" (func $drop))))))
  (func (export "wait") (param "for" (borrow $pollable)) (param "ns" u64) (result bool)
    (canon lift (core func $i "wait")))
  (func (export "timer") (param "ns" u64) (param "most" u64) (result (own $pollable))
    (canon lift (core func $i "timer")))
  (func (export "until") (param "when" u64) (param "most" u64) (result (own $pollable))
    (canon lift (core func $i "until")))
)"""


_CODE = AideCode("waiting", _WAITER, ("wait", "timer", "until"))


class Waiting(HostPart):
    """The functions that wait, or make something to wait for, for one instance."""

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self._aide: Aide | None = None

    def bind(self, function: str) -> Callable[..., int]:
        """The function as wasmtime calls it."""
        return {"subscribe-duration": self._timer, "subscribe-instant": self._until}.get(function, self._block)

    def _block(self, context: int, args: int, _count: int, _results: int) -> int:
        """Wait for what a handle stands for; Stop when the guest's time is up."""
        result = ctypes.create_string_buffer(cvalues.SIZE)
        try:
            while not result.raw[cvalues.AT]:
                if self.instance.expired():
                    raise Stop
                self._ask("wait", context, args, LOOK_EVERY, ctypes.addressof(result))
            if self.instance.expired():
                raise Stop  # what it waited for may have ended with its time
        finally:
            native.give_back(context, ctypes.c_size_t.from_address(args + cvalues.AT).value)
        return 0

    def _timer(self, context: int, args: int, _count: int, results: int) -> int:
        """A timer that rings after so many nanoseconds."""
        self._ask("timer", context, args, self._most(), results)
        return 0

    def _until(self, context: int, args: int, _count: int, results: int) -> int:
        """A timer that rings at an instant of the guest's clock."""
        self._ask("until", context, args, self._most(), results)
        return 0

    def _most(self) -> int:
        """Nanoseconds until the guest has to be awake."""
        left = self.instance.seconds_left()
        return _LONGEST if left == math.inf else int(left * 1e9) + GRACE

    def _ask(self, name: str, context: int, first: int, second: int, result: int) -> None:
        """Call our aide with the value at an address and a number."""
        if self._aide is None:
            self._aide = Aide(_CODE, context)
        params = ctypes.create_string_buffer(2 * cvalues.SIZE)
        ctypes.memmove(params, first, cvalues.SIZE)
        U64.write(ctypes.addressof(params) + cvalues.SIZE, second, no_handles)
        self._aide.call(name, params, 2, result)
