"""The store: one transaction after the other, within limits, as a dict would have it."""

from __future__ import annotations

import gc
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from weft.core.errors import UsageError
from weft.core.limits import MIB, StateGrant, parse_state
from weft.flow.state import FunctionState, StateTransaction, opened
from weft.flow.state_admin import content, value
from weft.flow.state_place import default_path
from weft.wasm.guard import Refusal

Open = Callable[..., FunctionState]


def never() -> bool:
    return False


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(path: Path) -> Open:
    """``store(size=…)`` is a function's state in this test's file."""
    return lambda **limits: FunctionState(StateGrant(path, **limits))


def write(store: FunctionState, **values: bytes) -> None:
    """A transaction that writes and is kept."""
    transaction = store.begin(never)
    for key, data in values.items():
        transaction.put(key.encode(), data)
    transaction.commit()


# --- transactions --------------------------------------------------------------------------


def test_a_transaction_sees_what_it_wrote_and_others_see_it_when_it_is_kept(store: Open) -> None:
    first = store().begin(never)
    first.put(b"a", b"1")
    assert first.get(b"a") == b"1"
    assert first.get(b"b") is None
    first.commit()
    second = store().begin(never)
    assert second.get(b"a") == b"1"
    second.rollback()


def test_what_is_thrown_away_was_never_there(store: Open, path: Path) -> None:
    write(store(), a=b"1", b=b"2")
    lost = store().begin(never)
    lost.put(b"a", b"changed")
    lost.put(b"c", b"new")
    assert lost.delete(b"b")
    lost.rollback()
    assert content(path).sizes == {"a": 1, "b": 1}
    assert content(path).size == 4
    write(store(size=6), d=b"4")  # and it does not count


def test_deleting_says_whether_it_was_there(store: Open, path: Path) -> None:
    write(store(), a=b"")
    transaction = store().begin(never)
    assert transaction.get(b"a") == b""
    assert transaction.delete(b"a")
    assert not transaction.delete(b"a")
    transaction.commit()
    assert content(path).sizes == {}


def test_keys_are_any_bytes_and_told_apart(store: Open, path: Path) -> None:
    keys = ["a", "A", "ä", "a\0b", "a\0c", "\N{SNOWMAN}", "%", "'", "x" * 512]
    write(store(), **{key: key.encode() for key in keys})
    assert all(value(path, key) == key.encode() for key in keys)
    assert list(content(path).sizes) == sorted(keys, key=str.encode)


def test_a_value_is_as_large_as_the_limit_allows(store: Open, path: Path) -> None:
    write(store(size=4 * MIB), big=bytes(4 * MIB - 3))
    assert value(path, "big") == bytes(4 * MIB - 3)


# --- limits --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "words", "cure"),
    [
        ({"size": 9}, "10 B of keys and values, over its limit of 9 B", "raise grants.state.size (--state FILE:SIZE)"),
        ({"value": 3}, "a value of 4 B, over its limit of 3 B", "raise grants.state.value"),
        ({"keys": 1}, "2 keys, over its limit of 1", "raise grants.state.keys"),
    ],
)
def test_a_limit_is_named_with_its_cure_and_the_transaction_goes_on(
    store: Open, path: Path, limits: dict[str, int], words: str, cure: str
) -> None:
    transaction = store(**limits).begin(never)
    transaction.put(b"a", b"123")
    with pytest.raises(Refusal) as refused:
        transaction.put(b"bb", b"1234")
    assert (refused.value.kind, refused.value.reason, refused.value.cure) == ("too_large", words, cure)
    transaction.put(b"a", b"456")
    transaction.commit()
    assert value(path, "a") == b"456"
    assert content(path).sizes == {"a": 3}


def test_what_is_deleted_or_made_smaller_makes_room(store: Open) -> None:
    transaction = store(size=10, keys=1).begin(never)
    transaction.put(b"a", bytes(9))
    with pytest.raises(Refusal):
        transaction.put(b"a", bytes(10))
    transaction.put(b"a", b"")
    transaction.put(b"a", bytes(9))
    assert transaction.delete(b"a")
    transaction.put(b"b", bytes(9))
    transaction.commit()


def test_a_smaller_limit_lets_what_is_there_be_read_and_deleted(store: Open) -> None:
    write(store(), a=bytes(100), b=bytes(100))
    transaction = store(size=50).begin(never)
    assert transaction.get(b"a") == bytes(100)
    with pytest.raises(Refusal):
        transaction.put(b"c", b"")
    assert transaction.delete(b"a")
    assert transaction.delete(b"b")
    transaction.put(b"c", b"")
    transaction.commit()


@pytest.mark.parametrize("name", ["size", "value", "keys"])
def test_limits_below_1_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"state.{name} is 0"):
        StateGrant(Path("x"), **{name: 0})


# --- several at once -----------------------------------------------------------------------


def test_threads_take_turns_and_lose_no_update(store: Open, path: Path) -> None:
    shared, own = store(), store()

    def count(store: FunctionState) -> None:
        transaction = store.begin(never)
        number = int.from_bytes(transaction.get(b"n") or b"", "little") + 1
        transaction.put(b"n", number.to_bytes(8, "little"))
        transaction.commit()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, [shared, own] * 200))
    assert int.from_bytes(value(path, "n") or b"", "little") == 400


def test_whoever_waits_gives_up_when_told(store: Open) -> None:
    held = store().begin(never)
    give_up = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store().begin, give_up.is_set)
        assert not waiting.done()
        give_up.set()
        with pytest.raises(Refusal) as refused:
            waiting.result(10)
    assert (refused.value.kind, refused.value.reason) == ("busy", "the state is in use by another frame")
    held.rollback()
    store().begin(never).rollback()


def test_a_transaction_may_end_on_another_thread(store: Open, path: Path) -> None:
    transaction = store().begin(never)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(transaction.put, b"a", b"1").result(10)
        pool.submit(transaction.commit).result(10)
    assert value(path, "a") == b"1"


# --- files ---------------------------------------------------------------------------------


def test_a_file_is_opened_once_by_whatever_name(tmp_path: Path, path: Path) -> None:
    first = opened(path)
    link = tmp_path / "link.db"
    link.symlink_to(path)
    assert opened(link) is first
    assert opened(tmp_path / "x" / ".." / "state.db") is first


def test_a_file_nobody_uses_is_closed_and_has_everything_in_it(store: Open, path: Path) -> None:
    write(store(), a=b"1")
    gc.collect()
    assert [file.name for file in path.parent.iterdir()] == ["state.db"]
    assert value(path, "a") == b"1"


def test_after_a_flush_a_copy_of_the_file_is_complete(store: Open, path: Path) -> None:
    kept = store()
    write(kept, a=b"1")
    kept.flush()
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    assert value(copy, "a") == b"1"
    busy = kept.begin(never)
    kept.flush()  # somebody is using it: left for later
    busy.rollback()


def test_a_file_that_was_replaced_is_opened_anew(store: Open, path: Path) -> None:
    kept = store()
    write(kept, a=b"1")
    for file in path.parent.iterdir():
        file.unlink()
    write(store(), b=b"2")
    assert content(path).sizes == {"b": 1}


def test_the_file_is_this_users_alone(store: Open, path: Path) -> None:
    store()
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_default_place_is_told_by_names_or_by_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_STATE", str(tmp_path / "kept"))
    place = default_path("belt", tmp_path, "count")
    assert place == tmp_path / "kept" / "functions" / "belt" / "count.db"
    write(FunctionState(StateGrant(place)), a=b"1")
    assert value(place, "a") == b"1"
    here, there = (default_path(None, folder, "count") for folder in (tmp_path, tmp_path / "other"))
    assert here != there
    assert here == default_path(None, tmp_path / "other" / "..", "count")
    monkeypatch.delenv("WEFT_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    assert default_path("belt", tmp_path, "count") == Path("/var/state/weft/functions/belt/count.db")


@pytest.mark.parametrize(
    ("text", "grant"),
    [
        ("counter.db", StateGrant(Path("counter.db"))),
        ("counter.db:4MiB", StateGrant(Path("counter.db"), size=4 * MIB)),
        ("a:b.db", StateGrant(Path("a:b.db"))),
        ("a:b.db:1k", StateGrant(Path("a:b.db"), size=1024)),
        ("7", StateGrant(Path("7"))),
    ],
)
def test_grants_from_the_command_line(text: str, grant: StateGrant) -> None:
    assert parse_state(text) == grant


@pytest.mark.parametrize("text", ["", ":4MiB", "x.db:0"])
def test_what_is_no_grant(text: str) -> None:
    with pytest.raises(UsageError):
        parse_state(text)


# --- against a dict ------------------------------------------------------------------------

KEYS = st.sampled_from([b"a", b"b", b"cc", b"ddd", b"\xff\0"])
SIZE, VALUE, COUNT = 24, 12, 3


class StoreMachine(RuleBasedStateMachine):
    """The store does what a dict does that is copied at the start of a transaction and put back when it fails."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp())
        self.store = self.make()
        self.kept: dict[bytes, bytes] = {}
        self.seen: dict[bytes, bytes] = {}
        self.open: StateTransaction | None = None

    def make(self) -> FunctionState:
        return FunctionState(StateGrant(self.folder / "m.db", size=SIZE, value=VALUE, keys=COUNT))

    @property
    def transaction(self) -> StateTransaction:
        self.open = self.open or self.store.begin(never)
        return self.open

    @rule(key=KEYS)
    def get(self, key: bytes) -> None:
        assert self.transaction.get(key) == self.seen.get(key)

    @rule(key=KEYS, data=st.binary(max_size=VALUE + 2))
    def put(self, key: bytes, data: bytes) -> None:
        after = {**self.seen, key: data}
        fits = len(data) <= VALUE and len(after) <= COUNT and sum(len(k) + len(v) for k, v in after.items()) <= SIZE
        try:
            self.transaction.put(key, data)
        except Refusal:
            assert not fits
        else:
            assert fits
            self.seen = after

    @rule(key=KEYS)
    def delete(self, key: bytes) -> None:
        assert self.transaction.delete(key) == (self.seen.pop(key, None) is not None)

    @precondition(lambda self: self.open is not None)
    @rule(keep=st.booleans())
    def end(self, keep: bool) -> None:
        transaction, self.open = self.transaction, None
        if keep:
            transaction.commit()
            self.kept = dict(self.seen)
        else:
            transaction.rollback()
            self.seen = dict(self.kept)

    @precondition(lambda self: self.open is None)
    @rule()
    def restart(self) -> None:
        del self.store
        self.store = self.make()

    @invariant()
    def others_see_what_was_kept(self) -> None:
        assert content(self.folder / "m.db").sizes == {
            key.decode(errors="replace"): len(data) for key, data in self.kept.items()
        }

    def teardown(self) -> None:
        if self.open is not None:
            self.open.rollback()
        del self.store
        shutil.rmtree(self.folder)


StoreMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestStoreAgainstADict = StoreMachine.TestCase
