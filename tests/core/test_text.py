"""What guests say must not steer a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weft.core.text import visible


def test_what_can_be_printed_stays_as_it_is() -> None:
    assert visible("größe 5 µm ✓ 猫") == "größe 5 µm ✓ 猫"


def test_control_characters_become_escapes() -> None:
    assert visible("\x1b[2J\r\a\u202eabc\udcff\x00") == "\\x1b[2J\\r\\x07\\u202eabc\\udcff\\x00"


def test_what_may_stay_is_said_where_it_is_used() -> None:
    assert visible("a\tb\nc") == "a\tb\\nc"
    assert visible("a\tb\nc", keep="\n\t") == "a\tb\nc"
    assert visible("a\tb\nc", keep="") == "a\\tb\\nc"


@given(st.text(st.characters()), st.sampled_from(["", "\t", "\n\t"]))
def test_nothing_else_is_left(text: str, keep: str) -> None:
    assert all(char.isprintable() or char in keep for char in visible(text, keep=keep))
