"""A function's state: values by name that outlive the instance and the process.

A frame is a transaction: from its first call to its end it has the state to itself, and what it writes is kept
when it succeeds and thrown away when it fails. Outside a frame (in ``weft_init``, say) every call is a transaction of
its own; what a stdio guest does before it reads its first frame may fall into either. Where the values are kept is
the business of the layer above, which passes a :class:`StateStore` in.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable
from dataclasses import astuple, dataclass
from threading import Lock
from typing import TYPE_CHECKING, Protocol, TypeVar

from weft.core.errors import WeftError
from weft.wasm.guard import Refusal, refusal_of

if TYPE_CHECKING:
    from weft.wasm.output import GuestLog
    from weft.wasm.program import Settings

T = TypeVar("T")

MAX_KEY = 512
"""Bytes of a key, as UTF-8."""


@dataclass(slots=True)
class StateCounters:
    """What frames did with the state of their function.

    Attributes:
        state_gets: values asked for, found or not.
        state_puts: values written.
        state_deletes: keys deleted.
        state_refused: calls that were refused: over a limit, a wrong key, a store that failed.
        state_commits: frames (or calls outside one) that wrote something which was kept.
        state_rollbacks: frames that wrote something which was thrown away.
    """

    state_gets: int = 0
    state_puts: int = 0
    state_deletes: int = 0
    state_refused: int = 0
    state_commits: int = 0
    state_rollbacks: int = 0

    def __add__(self, other: StateCounters) -> StateCounters:
        """Both together."""
        return StateCounters(*map(operator.add, astuple(self), astuple(other)))


class Transaction(Protocol):
    """The state while it belongs to one frame. Ends with ``commit`` or ``rollback``, once.

    Raises the errors of the tree where the store fails; it can then only be rolled back.
    """

    def get(self, key: bytes) -> bytes | None:
        """A value, with what this transaction wrote."""

    def put(self, key: bytes, value: bytes) -> None:
        """Write a value. Raises Refusal ("too_large") over a limit, which changes nothing."""

    def delete(self, key: bytes) -> bool:
        """Delete a key; False where it was not there."""

    def commit(self) -> None:
        """Keep what was written. Where that fails nothing is kept, and the error is raised."""

    def rollback(self) -> None:
        """Throw away what was written. Never raises."""


class StateStore(Protocol):
    """Where the state of a function is kept, shared by its instances on all threads."""

    def begin(self, give_up: Callable[[], bool]) -> Transaction:
        """Wait until the state is free; looks at ``give_up`` now and then. Raises Refusal ("busy") then."""

    def flush(self) -> None:
        """A handler is closed: be complete for whoever looks from outside. Never raises."""


class GuestState:
    """What one instance may do with the state of its function. Refuses everything where none was granted.

    Safe to call from a guest's own thread while its handler ends the frame.

    Attributes:
        counters: what it did so far.
    """

    def __init__(self, settings: Settings, log: GuestLog, expired: Callable[[], bool]) -> None:
        """``expired`` is true when the guest must end; calls are then refused, and none waits any longer."""
        self._store = settings.state
        self._log = log
        self._expired = expired
        self._lock = Lock()
        self._open: Transaction | None = None
        self._in_frame = False
        self._wrote = False
        self.counters = StateCounters()

    # --- for guests --------------------------------------------------------------------

    def get(self, key: str) -> bytes | None:
        """A value, or None. Raises Refusal."""
        value = self._do(key, lambda transaction, name: transaction.get(name))
        self.counters.state_gets += 1
        return value

    def put(self, key: str, value: bytes) -> None:
        """Write a value. Raises Refusal: "too_large" says which limit, and how to raise it."""
        self._do(key, lambda transaction, name: transaction.put(name, value), writes=True)
        self.counters.state_puts += 1

    def delete(self, key: str) -> bool:
        """Delete a key; False where it was not there. Raises Refusal."""
        found = self._do(key, lambda transaction, name: transaction.delete(name), writes=True)
        self.counters.state_deletes += found
        return found

    # --- for the instance and its handler ----------------------------------------------

    def begin(self) -> None:
        """A frame starts: what is called from here on is one transaction."""
        with self._lock:
            self._roll_back()
            self._in_frame = True

    def commit(self) -> None:
        """The frame succeeded: keep what it wrote. Raises OutputError or InputError, and then nothing is kept."""
        with self._lock:
            self._in_frame = False
            self._commit()

    def rollback(self) -> None:
        """The frame is over: throw away what was not committed. Nothing happens where all is."""
        if self._in_frame or self._open is not None:
            with self._lock:
                self._in_frame = False
                self._roll_back()

    def close(self) -> None:
        """The instance ends."""
        self._expired = _always  # it refers to the instance, which is then free without waiting for the collector
        self.rollback()

    # --- helpers -----------------------------------------------------------------------

    def _do(self, key: str, work: Callable[[Transaction, bytes], T], *, writes: bool = False) -> T:
        store = self._store
        if store is None:
            raise self._denied()
        with self._lock:
            try:
                name = _checked(key)
                if self._expired():
                    raise Refusal("failed", "the time of its frame is over")
                self._open = self._open or store.begin(self._expired)
                result = work(self._open, name)
                self._wrote |= writes
                if not self._in_frame:
                    self._commit()
                return result
            except WeftError as error:
                self.counters.state_refused += 1
                raise refusal_of(error) from error
            except Refusal:
                self.counters.state_refused += 1
                raise
            finally:
                if not self._in_frame:
                    self._roll_back()

    def _commit(self) -> None:
        transaction, self._open = self._open, None
        if transaction is None:
            return
        wrote, self._wrote = self._wrote, False
        try:
            transaction.commit()
        except WeftError:
            self.counters.state_rollbacks += wrote
            raise
        self.counters.state_commits += wrote

    def _roll_back(self) -> None:
        transaction, self._open = self._open, None
        if transaction is not None:
            transaction.rollback()
            self.counters.state_rollbacks += self._wrote
            self._wrote = False

    def _denied(self) -> Refusal:
        """Guests often carry on without their state: so the refusal is logged, too."""
        what, cure = "no state was granted", "grant it with grants: {state: 1MiB} (--state FILE)"
        self._log.line(logging.WARNING, f"{what}; {cure}")
        return Refusal("denied", what, cure)


def _checked(key: str) -> bytes:
    try:
        name = key.encode()
    except UnicodeEncodeError:
        raise Refusal("invalid", "a key that is no UTF-8 text") from None
    if not name:
        raise Refusal("invalid", "an empty key")
    if len(name) > MAX_KEY:
        raise Refusal("too_large", f"a key of {len(name)} bytes; keys have at most {MAX_KEY}", "shorten the key")
    return name


def _always() -> bool:
    return True
