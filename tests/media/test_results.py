"""Results are read from whatever a guest emits, and drawn where they belong."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.media.draw import MAX_PANEL_LABELS, PALETTE, colour_of, draw_results
from weft.media.results import MAX_ITEMS, Box, Label, Results, parse_json, read_results

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.sampled_from(["label", "score", "box", "x"]), children),
    max_leaves=20,
)


def box(label: str = "bolt", score: float = 0.9, corners: tuple[float, ...] = (0.25, 0.25, 0.75, 0.75)) -> Any:
    return {"label": label, "score": score, "box": list(corners)}


def test_boxes_and_labels_are_read() -> None:
    results = read_results({"boxes": [box()], "labels": [{"label": "tabby", "score": 1}, {"label": "cat"}]})
    assert results.boxes == (Box("bolt", 0.9, (0.25, 0.25, 0.75, 0.75)),)
    assert results.labels == (Label("tabby", 1.0), Label("cat", None))
    assert results.left_out == 0


@pytest.mark.parametrize("document", [None, 1, "boxes", [], {}, {"boxes": None}, {"boxes": {}}, {"labels": "x"}])
def test_other_documents_hold_no_results(document: object) -> None:
    assert not read_results(document)


@pytest.mark.parametrize(
    "entry", [None, 7, {}, box(corners=(0.1, 0.2, 0.3)), box(corners=(0.9, 0, 0.1, 1)), {"box": "abcd"}]
)
def test_entries_that_make_no_sense_are_left_out_and_counted(entry: object) -> None:
    results = read_results({"boxes": [entry, box()]})
    assert (len(results.boxes), results.left_out) == (1, 1)


def test_corners_outside_are_moved_to_the_border() -> None:
    assert read_results({"boxes": [box(corners=(-1, -0.5, 3, 0.5))]}).boxes[0].corners == (0.0, 0.0, 1.0, 0.5)


def test_too_many_entries_are_cut_and_counted() -> None:
    results = read_results({"boxes": [box()] * (MAX_ITEMS + 7)})
    assert (len(results.boxes), results.left_out) == (MAX_ITEMS, 7)


def test_labels_are_made_safe_to_show() -> None:
    label = read_results({"labels": [{"label": "\x1b[2Jx\n" + "y" * 500}]}).labels[0].label
    assert label.isprintable()
    assert len(label) == 80


@given(anything, anything)
def test_no_document_makes_reading_or_drawing_fail(boxes: Any, labels: Any) -> None:
    results = read_results({"boxes": boxes, "labels": labels})
    pixels = np.zeros((24, 32, 3), np.uint8)
    assert draw_results(pixels, results).shape == pixels.shape


@pytest.mark.parametrize("text", [b"", b"{", b"NaN", b'{"a": Infinity}', b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  -- json says it in many ways
        parse_json(text)


def test_json_is_parsed() -> None:
    document = {"boxes": [box()], "n": [1, None, "ü"]}
    assert parse_json(json.dumps(document).encode()) == document


def test_a_box_is_drawn_on_its_border_and_leaves_the_rest() -> None:
    pixels = np.zeros((200, 200, 3), np.uint8)
    drawn = draw_results(pixels, Results((Box("bolt", 0.9, (0.25, 0.25, 0.75, 0.75)),)))
    assert not pixels.any()
    assert drawn[100, 50].tolist() == list(colour_of("bolt"))
    assert drawn[149, 100].tolist() == list(colour_of("bolt"))
    assert not drawn[60:140, 60:140].any()
    assert not drawn[160:].any()
    tag = drawn[35:49, 50:100].reshape(-1, 3)
    assert (tag == colour_of("bolt")).all(axis=1).mean() > 0.3
    assert (tag < 40).all(axis=1).any()


def test_a_tag_at_the_top_right_corner_stays_inside_the_picture() -> None:
    drawn = draw_results(np.zeros((100, 160, 3), np.uint8), Results((Box("washer", 0.5, (0.9, 0, 1, 0.5)),)))
    assert (drawn[:12, 100:] == colour_of("washer")).all(axis=2).sum() > 200


def test_labels_make_a_panel_over_the_boxes() -> None:
    white = np.full((240, 320, 3), 255, np.uint8)
    labels = tuple(Label(f"label {index}", index / 10) for index in range(MAX_PANEL_LABELS + 3))
    drawn = draw_results(white, Results((Box("x", 1.0, (0, 0, 1, 1)),), labels))
    assert drawn[2, 1].max() < 30
    assert (drawn[:80, :80] == colour_of(labels[-1].label)).all(axis=2).any()
    assert not (drawn[1:-1, 1:-1] == colour_of("label 0")).all(axis=2).any() or colour_of("label 0") in {
        colour_of(label.label) for label in labels[3:]
    }
    assert drawn[200, 300].min() == 255


def test_colours_are_stable_and_differ() -> None:
    assert colour_of("bolt") == colour_of("bolt")
    assert len({colour_of(f"part {index}") for index in range(40)}) > len(PALETTE) // 2


def test_drawing_fits_pictures_of_every_size() -> None:
    results = Results((Box("a long label for a box", 0.5, (0, 0, 1, 1)),), (Label("another", 1.0),))
    for size in ((1, 1), (8, 8), (16, 500), (1080, 1920)):
        assert draw_results(np.zeros((*size, 3), np.uint8), results).shape == (*size, 3)
