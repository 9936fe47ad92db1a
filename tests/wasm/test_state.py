"""State, called through wasm: the three functions, the frame as a transaction, and whatever numbers a guest passes."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wasm.harness import Driven, Probe, Thread, probe_wat
from tests.wasm.harness import settings as guest_settings
from tests.wasm.test_properties import POINTERS
from weft.core.errors import GuestError, GuestFailed, GuestTrap, OutputError
from weft.core.limits import MIB, Limits, StateGrant
from weft.flow.state import FunctionState
from weft.flow.state_admin import content, value
from weft.wasm.function import Function
from weft.wasm.guard import Refusal
from weft.wasm.inspect import inspect
from weft.wasm.output import GuestLog
from weft.wasm.state import MAX_KEY, GuestState, StateCounters

INVALID, NOT_FOUND, TOO_LARGE, DENIED, FAILED = -1, -2, -3, -4, -6
Make = Callable[..., Probe]
Drive = Callable[..., Driven]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def host(probe: Make, path: Path) -> Probe:
    """A guest in a frame, with state of at most 64 bytes."""
    made = probe("weft", state=store(path, size=64))
    made.frame()
    return made


def store(path: Path, size: int = MIB) -> FunctionState:
    return FunctionState(StateGrant(path, size=size))


# --- the functions -------------------------------------------------------------------------


def test_put_get_delete(host: Probe) -> None:
    key, data = host.text("ключ"), host.text("value")
    assert host.state_get(*key, 0, 0) == NOT_FOUND
    assert host.state_put(*key, *data) == 0
    at = host.put(b"\xee" * 8)
    assert host.state_get(*key, at, 4) == 5
    assert host.read(at, 8) == b"\xee" * 8, "copied only if it fits"
    assert host.state_get(*key, at, 5) == 5
    assert host.read(at, 8) == b"value" + b"\xee" * 3
    assert host.state_delete(*key) == 0
    assert host.state_delete(*key) == NOT_FOUND
    assert host.state_get(*key, at, 8) == NOT_FOUND
    assert host.instance.notes == [], "not there is no defect"


def test_an_empty_value_is_a_value(host: Probe) -> None:
    key = host.text("k")
    assert host.state_put(*key, 0, 0) == 0
    assert host.state_get(*key, 0, 0) == 0


def test_keys_that_are_none(host: Probe) -> None:
    assert host.state_get(0, 0, 0, 0) == INVALID
    assert host.state_put(host.put(b"\xff\xfe"), 2, 0, 0) == INVALID
    assert host.state_delete(-4, 8) == INVALID
    longest = host.put(b"k" * (MAX_KEY + 1))
    assert host.state_put(longest, MAX_KEY + 1, 0, 0) == TOO_LARGE
    assert host.instance.cure == "shorten the key"
    assert host.state_get(longest, MAX_KEY, 0, 0) == NOT_FOUND
    assert host.state_get(longest, -1, 0, 0) == TOO_LARGE


def test_a_limit_is_refused_with_its_cure_and_changes_nothing(host: Probe) -> None:
    key = host.text("k")
    assert host.state_put(*key, *host.text("old")) == 0
    assert host.state_put(*key, 0, 64) == TOO_LARGE
    assert host.instance.notes == ["weft.state_put: 65 B of keys and values, over its limit of 64 B"]
    assert host.instance.cure == "raise grants.state.size (--state FILE:SIZE)"
    assert host.state_get(*key, 0, 0) == 3
    assert host.state_put(*key, 0, -1) == INVALID


def test_without_a_grant_everything_is_denied_with_the_cure(probe: Make, caplog: pytest.LogCaptureFixture) -> None:
    host = probe("weft")
    host.frame()
    key = host.text("k")
    with caplog.at_level(logging.WARNING):
        assert host.state_get(*key, 0, 0) == DENIED
    assert host.state_put(*key, 0, 0) == DENIED
    assert host.state_delete(*key) == DENIED
    assert host.instance.notes[0] == "weft.state_get: no state was granted"
    assert host.instance.cure == "grant it with grants: {state: 1MiB} (--state FILE)"
    assert "no state was granted; grant it with" in caplog.text


def test_inspect_says_what_it_asks_for(wat: Callable[[str], Path]) -> None:
    assert inspect(wat(probe_wat("weft", ["state_put"])))["grants"] == ["its state: --state FILE"]
    assert inspect(wat(probe_wat("weft", ["emit"])))["grants"] == []


# --- a frame is a transaction --------------------------------------------------------------


@pytest.fixture
def counter(drive: Drive, guest: Callable[[str], Path], path: Path) -> Driven:
    """Counts frames; one that says "fail" or "trap" counts and then fails."""
    return drive(guest("counter"), state=store(path))


def kept(path: Path) -> int:
    return int.from_bytes(value(path, "count") or b"", "little")


def test_a_frame_that_fails_leaves_the_state_as_it_was(counter: Driven, path: Path) -> None:
    assert counter() == [b"1"]
    with pytest.raises(GuestFailed):
        counter(b"fail")
    assert counter() == [b"2"]
    with pytest.raises(GuestTrap):
        counter(b"trap")
    assert counter() == [b"3"]
    assert kept(path) == 3


def test_the_state_is_free_at_once_when_a_frame_is_over(counter: Driven, path: Path) -> None:
    for payload in (b"", b"fail", b"trap"):
        if payload:
            with pytest.raises((GuestFailed, GuestTrap)):
                counter(payload)
        else:
            counter()
        store(path).begin(lambda: True).rollback()


@pytest.mark.parametrize("policy", ["reuse", "fresh"])
def test_it_outlives_instances_and_functions(
    drive: Drive, guest: Callable[[str], Path], path: Path, policy: str
) -> None:
    for number in (1, 3):
        driven = drive(guest("counter"), state=store(path), policy=policy)
        assert driven() == [b"%d" % number]
        assert driven() == [b"%d" % (number + 1)]
        driven.close()


def test_what_frames_do_is_counted(counter: Driven) -> None:
    counter()
    counter()
    for payload in (b"fail", b"trap"):
        with pytest.raises((GuestFailed, GuestTrap)):
            counter(payload)
    counter.close()
    wanted = StateCounters(state_gets=4, state_puts=4, state_commits=2, state_rollbacks=2)
    assert counter.handler.counters == wanted


def test_refused_writes_are_counted(drive: Drive, guest: Callable[[str], Path], path: Path) -> None:
    driven = drive(guest("counter"), state=store(path, size=12))
    with pytest.raises(GuestFailed, match="13 B of keys and values, over its limit of 12 B"):
        driven()
    driven.close()
    assert driven.handler.counters == StateCounters(state_gets=1, state_refused=1)


def test_a_commit_that_fails_fails_the_frame(counter: Driven, path: Path) -> None:
    assert counter() == [b"1"]
    connection = counter.function.settings.state._file._connection
    connection.execute("PRAGMA max_page_count = 1")
    connection.execute("CREATE TEMP TRIGGER t BEFORE UPDATE ON totals BEGIN SELECT raise(ABORT, 'no room'); END")
    with pytest.raises(OutputError, match="no room"):
        counter()
    connection.execute("DROP TRIGGER t")
    assert counter() == [b"2"]


def test_waiting_for_the_state_is_within_the_time_of_the_frame(
    drive: Drive, guest: Callable[[str], Path], path: Path
) -> None:
    driven = drive(guest("counter"), state=store(path), limits=Limits(time=0.2))
    held = store(path).begin(lambda: False)
    with pytest.raises(GuestError, match="the state is in use by another frame"):
        driven()
    held.rollback()
    assert driven() == [b"1"]


STDIO = """
(module
  (import "weft" "state_put" (func $put (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\00\\01\\00\\00\\00\\10\\00\\00")
  (data (i32.const 16) "\\20\\00\\00\\00\\08\\00\\00\\00")
  (data (i32.const 48) "beforeframe")
  (func (export "weft_stdio"))
  (func (export "_start")
    (if (call $put (i32.const 48) (i32.const 6) (i32.const 48) (i32.const 1)) (then unreachable))
    (loop $next
      (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (if (i32.load (i32.const 8)) (then
        (if (call $put (i32.const 54) (i32.const 5) (i32.const 48) (i32.const 2)) (then unreachable))
        (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))
        (br $next))))))
"""


def test_a_stdio_guest_keeps_what_it_writes_before_its_first_frame(
    drive: Drive, wat: Callable[[str], Path], path: Path
) -> None:
    driven = drive(wat(STDIO), state=store(path))
    driven()
    assert content(path).sizes == {"before": 1, "frame": 2}
    driven.close()
    counters = driven.handler.counters
    assert counters is not None
    assert counters.state_puts == 2
    assert counters.state_commits in {1, 2}, "the first frame may be there before the guest gets to its first call"


# --- the object other ABIs use -------------------------------------------------------------


@pytest.fixture
def guest_state(path: Path) -> Iterator[tuple[GuestState, threading.Event]]:
    """A guest's state, and what makes its time be over."""
    over = threading.Event()
    made = GuestState(guest_settings("guest", state=store(path)), GuestLog("guest", 10), over.is_set)
    yield made, over
    made.close()


def test_outside_a_frame_each_call_is_kept_at_once(guest_state: tuple[GuestState, threading.Event], path: Path) -> None:
    state, _ = guest_state
    state.put("a", b"1")
    assert value(path, "a") == b"1"
    assert state.get("a") == b"1"
    assert state.delete("a")
    assert not state.delete("a")
    assert content(path).sizes == {}


def test_a_frame_that_is_forgotten_is_thrown_away_by_the_next(
    guest_state: tuple[GuestState, threading.Event], path: Path
) -> None:
    state, _ = guest_state
    state.begin()
    state.put("a", b"1")
    state.begin()
    assert state.get("a") is None
    state.put("b", b"2")
    state.commit()
    state.rollback()
    assert content(path).sizes == {"b": 1}
    assert (state.counters.state_commits, state.counters.state_rollbacks) == (1, 1)


def test_when_its_time_is_over_nothing_is_written_any_more(
    guest_state: tuple[GuestState, threading.Event], path: Path
) -> None:
    state, over = guest_state
    over.set()
    with pytest.raises(Refusal, match="its frame is over"):
        state.put("a", b"1")
    over.clear()
    state.close()
    with pytest.raises(Refusal, match="its frame is over"):
        state.put("a", b"1")
    assert content(path).sizes == {}


@pytest.mark.parametrize("key", ["", "k" * (MAX_KEY + 1), "\ud800"])
def test_keys_that_are_none_are_refused_whoever_asks(guest_state: tuple[GuestState, threading.Event], key: str) -> None:
    state, _ = guest_state
    with pytest.raises(Refusal):
        state.get(key)


# --- whatever a guest passes ---------------------------------------------------------------

PAGES = 2
SIZE = PAGES * 65536


@functools.cache
def thread() -> Thread:
    return Thread()


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    """A guest of two pages with state of 1 KiB, and a key and a value in it."""
    folder = tmp_path_factory.mktemp("fuzzed")
    (folder / "probe.wat").write_text(probe_wat("weft", pages=PAGES))
    options = guest_settings("fuzzed", state=store(folder / "f.db", size=1024), limits=Limits(memory=SIZE))
    made = Probe(folder / "probe.wat", thread(), options)
    yield made
    made.close()


@settings(max_examples=300, deadline=None)
@given(
    calls=st.lists(st.tuples(st.sampled_from(["state_get", "state_put", "state_delete"]), *[POINTERS] * 4), max_size=6),
    memory=st.binary(max_size=48),
    keep=st.booleans(),
)
def test_arbitrary_pointers_and_lengths(
    fuzzed: Probe, calls: list[tuple[str, int, int, int, int]], memory: bytes, keep: bool
) -> None:
    fuzzed.frame()
    fuzzed.instance.memory.write(16, memory)
    for name, key, key_length, ptr, length in calls:
        before = fuzzed.read(0, SIZE)
        args = (key, key_length) if name == "state_delete" else (key, key_length, ptr, length)
        result = fuzzed.call(name, *args)
        assert result in {0, INVALID, NOT_FOUND, TOO_LARGE} or (name == "state_get" and 0 <= result <= 1024)
        wrote = result if name == "state_get" and 0 < result <= length & 0xFFFFFFFF else 0
        start = ptr & 0xFFFFFFFF
        after = fuzzed.read(0, SIZE)
        assert after[:start] == before[:start]
        assert after[start + wrote :] == before[start + wrote :]
    if keep:
        fuzzed.instance.state.commit()
    else:
        fuzzed.instance.state.rollback()
    path = fuzzed.program.settings.state._file.path
    assert content(path).size <= 1024


def test_a_function_needs_no_state_to_be_loaded(guest: Callable[[str], Path]) -> None:
    assert Function(guest("counter"), guest_settings()).instance().counters is None
