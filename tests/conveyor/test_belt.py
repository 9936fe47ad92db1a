"""The belt: the same from the same seed, and true to its own truth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from conveyor import belt, parts
from conveyor.measure import frames_of
from conveyor.scene import MIN_VISIBLE, Scene

SMALL = (320, 180)


@pytest.fixture(scope="module")
def scene():
    return Scene(11, 240, SMALL)


def test_the_same_seed_gives_the_same_frames_and_truth(scene):
    again = Scene(11, 240, SMALL)
    assert all(np.array_equal(scene.frame(i), again.frame(i)) for i in (0, 80, 239))
    assert [scene.truth(i) for i in range(240)] == [again.truth(i) for i in range(240)]


def test_another_seed_gives_another_belt(scene):
    other = Scene(12, 240, SMALL)
    assert scene.truth(80) != other.truth(80)
    assert not np.array_equal(scene.frame(80), other.frame(80))


@pytest.mark.parametrize("seed", range(4))
def test_boxes_lie_inside_the_frame_and_name_known_labels(seed):
    scene = Scene(seed, 60, SMALL)
    for box in itertools.chain.from_iterable(map(scene.truth, range(60))):
        x1, y1, x2, y2 = box.box
        assert 0 <= x1 < x2 <= 1
        assert 0 <= y1 < y2 <= 1
        assert box.label in parts.LABELS
        assert MIN_VISIBLE <= box.visible <= 1


def test_parts_travel_to_the_right_at_the_speed_of_the_belt(scene):
    places = [{box.part: box for box in scene.truth(i)} for i in range(240)]
    moves = 0
    for before, after in itertools.pairwise(places):
        for part in before.keys() & after.keys():
            if before[part].visible == after[part].visible == 1:
                assert after[part].box[0] - before[part].box[0] == pytest.approx(scene.speed / SMALL[0], abs=3e-5)
                assert after[part].box[1] == before[part].box[1]
                moves += 1
    assert moves > 100


def test_a_part_enters_bit_by_bit_and_leaves_bit_by_bit(scene):
    views = {}
    for i in range(240):
        for box in scene.truth(i):
            views.setdefault(box.part, []).append(box.visible)
    passed = [seen for seen in views.values() if seen[0] < 0.5 and seen[-1] < 0.5]
    assert passed
    for seen in passed:
        peak = seen.index(max(seen))
        assert seen[: peak + 1] == sorted(seen[: peak + 1])
        assert seen[peak:] == sorted(seen[peak:], reverse=True)


def test_what_the_truth_calls_a_part_is_there_to_see(scene):
    """Inside a box the picture has edges; on the empty belt around it has few."""
    frame, (width, height) = scene.frame(80).astype(np.float32).mean(2), SMALL
    inside = np.zeros((height, width), bool)
    for box in scene.truth(80):
        x1, y1, x2, y2 = (round(v * s) for v, s in zip(box.box, SMALL * 2, strict=True))
        inside[y1:y2, x1:x2] = True
    belt_rows = slice(scene.rail + 8, height - scene.rail - 8)
    edges = np.hypot(*np.gradient(frame))[belt_rows]
    assert edges[inside[belt_rows]].mean() > 2 * edges[~inside[belt_rows]].mean()


def test_light_and_noise_change_from_frame_to_frame(scene):
    rails = [scene.frame(i)[: scene.rail].astype(np.float32) for i in (0, 1, 100)]
    assert np.abs(rails[0] - rails[1]).mean() > 0.5
    assert abs(rails[0].mean() - rails[2].mean()) > 0.5


def test_render_writes_the_video_and_the_truth(tmp_path):
    told = []
    truth = belt.render(tmp_path / "belt.mp4", 3, 0.4, size=SMALL, progress=lambda *at: told.append(at))
    frames = list(frames_of(tmp_path / "belt.mp4"))
    assert [frame.shape for frame in frames] == [(180, 320, 3)] * 10
    assert told == [(i, 10) for i in range(1, 11)]
    assert belt.read_truth(tmp_path / "truth.jsonl") == truth
    assert len(truth) == 10
    drawn = Scene(3, 10, SMALL).frame(9).astype(np.float32)
    assert np.abs(frames[9] - drawn).mean() < 8


@pytest.mark.parametrize("kind", parts.KINDS)
def test_a_defect_changes_how_a_part_looks(kind):
    def draw(defect):
        return parts.draw(kind, defect, 0.3, np.random.default_rng(5))

    good = draw("")
    assert good.label == kind
    for defect in parts.DEFECTS[kind]:
        bad = draw(defect)
        assert bad.label == f"{kind} (defect)"
        assert bad.colour.shape == (*bad.alpha.shape, 3)
        assert bad.alpha.min() >= 0
        assert bad.alpha.max() == 1
        same = good.alpha.shape == bad.alpha.shape and np.allclose(good.colour, bad.colour, atol=0.1)
        assert not same, defect


def test_parts_look_right_at_any_size():
    small, large = (parts.draw("gear", "", 0.7, np.random.default_rng(1), scale) for scale in (0.5, 2.0))
    assert large.alpha.shape[0] == pytest.approx(4 * small.alpha.shape[0], rel=0.05)
    assert large.alpha.mean() == pytest.approx(small.alpha.mean(), abs=0.03)
