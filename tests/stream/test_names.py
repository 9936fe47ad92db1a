"""Streams as Zenoh's keys: both sides must mean the same by a pattern, and scopes must stay apart."""

from __future__ import annotations

from contextlib import suppress

import pytest
import zenoh
from hypothesis import given
from hypothesis import strategies as st

from weft.core.errors import UsageError
from weft.core.streams import matches
from weft.stream.names import ALIVE, ASK, CACHE, GLOBAL, check_site, key_of, key_pattern, scope_of, stream_of

PART = st.text("ab.-_ü1", min_size=1, max_size=4)
NAME = st.lists(PART, min_size=1, max_size=4).map("/".join)
PATTERN_PART = st.text("ab.*", min_size=1, max_size=4).filter(lambda part: "**" not in part)
PATTERN = st.tuples(st.lists(PATTERN_PART, min_size=1, max_size=4), st.booleans()).map(
    lambda pair: "/".join([*pair[0], *["**"] * pair[1]])
)


@given(PATTERN | st.just("**"), NAME)
def test_a_pattern_means_the_same_here_and_in_zenoh(pattern: str, stream: str) -> None:
    key = zenoh.KeyExpr(key_of(stream, "plant"))
    assert zenoh.KeyExpr(key_pattern(pattern, "plant")).intersects(key) == matches(pattern, stream)


@given(NAME, st.data())
def test_a_pattern_made_from_a_name_matches_it_in_both(stream: str, data) -> None:
    parts = stream.split("/")
    at = data.draw(st.integers(0, len(parts) - 1))
    cut = data.draw(st.integers(0, len(parts[at])))
    pattern = "/".join([*parts[:at], parts[at][:cut] + "*", *parts[at + 1 :]])
    assert matches(pattern, stream)
    assert zenoh.KeyExpr(key_pattern(pattern, "s")).intersects(zenoh.KeyExpr(key_of(stream, "s")))


@given(PATTERN | st.just("**"), NAME, st.sampled_from([("a", "b"), ("a", GLOBAL), (GLOBAL, "a"), ("a", "a.b")]))
def test_no_pattern_reaches_into_another_scope(pattern: str, stream: str, scopes: tuple[str, str]) -> None:
    here, there = scopes
    assert not zenoh.KeyExpr(key_pattern(pattern, here)).intersects(zenoh.KeyExpr(key_of(stream, there)))


@given(PATTERN | st.just("**"), NAME, st.sampled_from([CACHE, ASK, ALIVE]))
def test_no_pattern_matches_what_lies_below_a_stream(pattern: str, stream: str, below: str) -> None:
    key = zenoh.KeyExpr(f"{key_of(stream, 's')}/{below}/00ff/1")
    assert not zenoh.KeyExpr(key_pattern(pattern, "s")).intersects(key)


@given(NAME, st.sampled_from(["plant", GLOBAL]))
def test_a_key_gives_its_stream_and_scope_back(stream: str, scope: str) -> None:
    key = key_of(stream, scope)
    assert (stream_of(key), scope_of(key)) == (stream, scope)
    assert stream_of(f"{key}/{CACHE}/00ff") == stream


@given(st.text(max_size=12))
def test_every_text_is_a_name_zenoh_takes_or_refused(text: str) -> None:
    for make in (key_of, key_pattern):
        with suppress(UsageError):
            zenoh.KeyExpr(make(text, "s"))


@pytest.mark.parametrize("site", ["", "@all", "a/b", "*", "a b", "a\n"])
def test_what_is_no_site_is_refused(site: str) -> None:
    with pytest.raises(UsageError, match="no site's name"):
        check_site(site)
