"""Which member of a group a key belongs to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weft.core.frame import Frame
from weft.stream.members import key_by, owner


def test_nobody_owns_a_key_where_nobody_is() -> None:
    assert owner([], "cam") is None


@given(keys=st.lists(st.text(max_size=8), max_size=30), gone=st.sampled_from(range(4)))
def test_only_the_keys_of_a_member_that_left_move(keys: list[str], gone: int) -> None:
    before = [owner(range(4), key) for key in keys]
    assert before == [owner([3, 1, 0, 2], key) for key in keys]
    after = [owner([ident for ident in range(4) if ident != gone], key) for key in keys]
    assert all(new == old for old, new in zip(before, after, strict=True) if old != gone)
    assert gone not in after


def test_many_keys_are_spread() -> None:
    found = [owner([2**64 - 1, 5, 7, 9], f"cam/{number}") for number in range(400)]
    assert all(60 <= found.count(ident) <= 140 for ident in (2**64 - 1, 5, 7, 9))


def test_what_a_key_is_made_of() -> None:
    frame = Frame(b"", source="door", headers={"zone": "b"})
    assert [key_by(by, frame, "cam/1") for by in ("", "source", "stream", "zone", "other")] == [
        "",
        "door",
        "cam/1",
        "b",
        "",
    ]
