"""From heatmaps written by hand to boxes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corallite.device.engine.detect.peaks import find_peaks


def decode(scores, boxes=(0.5, 0.5, 0.1, 0.1), threshold=0.3, most=100):
    """Decodes a grid of {(row, column, label): score}, all cells with one box."""
    heatmap = np.zeros((8, 8, 2), np.float32)
    for place, score in scores.items():
        heatmap[place] = score
    cells = np.broadcast_to(np.float32(boxes), (8, 8, 4))
    limits = {"threshold": threshold, "most": most}
    return find_peaks(heatmap, cells, stride=8, size_hw=(64, 32), **limits)


def test_the_highest_of_a_neighbourhood_is_a_peak():
    hill = {(3, 3, 0): 0.9, (3, 4, 0): 0.8, (4, 4, 0): 0.7, (4, 5, 0): 0.6}
    found = decode(hill)
    assert found.labels.tolist() == [0]
    assert found.scores == pytest.approx([0.9])


def test_a_box_is_relative_to_its_cell_and_to_the_input():
    """Centre: cell (2, 1) of 8 pixels, a quarter and a half into it."""
    found = decode({(2, 1, 1): 0.5}, boxes=(0.25, 0.5, 0.5, 0.25))
    x, y, width, height = 8 * 1.25, 8 * 2.5, 0.5 * 32, 0.25 * 64
    expected = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    assert found.corners[0] == pytest.approx(expected)
    assert found.labels.tolist() == [1] and found.corners.dtype == np.float32


def test_each_label_has_its_own_peaks():
    # An apple on a table: the table is also the best of its cells.
    found = decode({(3, 3, 0): 0.9, (3, 4, 1): 0.6}, boxes=(0.5, 0.5, 0.9, 0.9))
    assert found.labels.tolist() == [0, 1]


def test_overlapping_boxes_of_a_label_are_one_object():
    two = {(3, 1, 0): 0.6, (3, 3, 0): 0.9}
    assert len(decode(two, boxes=(0.5, 0.5, 0.3, 0.3)).scores) == 2
    (score,) = decode(two, boxes=(0.5, 0.5, 2.0, 0.3)).scores
    assert score == pytest.approx(0.9)


def test_the_most_probable_come_first_and_stay():
    scores = {(0, 0, 0): 0.4, (0, 3, 1): 0.9, (6, 3, 0): 0.5}
    assert decode(scores).scores == pytest.approx([0.9, 0.5, 0.4])
    assert decode(scores, most=2).scores == pytest.approx([0.9, 0.5])


@pytest.mark.parametrize("size", [(0.0, 0.3), (0.3, 0.0)])
def test_a_box_without_width_or_height_is_dropped(size):
    assert not len(decode({(3, 3, 0): 0.9}, boxes=(0.5, 0.5, *size)).scores)


def test_the_threshold_itself_counts():
    assert len(decode({(1, 1, 0): 0.3}).scores) == 1
    assert not len(decode({(1, 1, 0): 0.29}).scores)


def test_a_peak_may_be_in_a_corner():
    found = decode({(0, 0, 0): 0.9, (7, 7, 0): 0.8})
    assert found.scores == pytest.approx([0.9, 0.8])


def test_cells_of_equal_height_are_one_object_if_their_boxes_overlap():
    """Int8 heatmaps have many equal cells."""
    plateau = {(3, 3, 0): 0.9, (3, 4, 0): 0.9, (4, 3, 0): 0.9}
    assert len(decode(plateau, boxes=(0.5, 0.5, 1.0, 1.0)).scores) == 1


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), most=st.integers(1, 20))
def test_any_heatmap_is_decoded_as_by_loops(seed, most):
    """Compared with the definition, written cell by cell."""
    rng = np.random.default_rng(seed)
    # 1/256 steps, as of int8: equal neighbours occur.
    heatmap = rng.integers(0, 256, (5, 6, 2)).astype(np.float32) / np.float32(256)
    boxes = rng.random((5, 6, 4), np.float32)
    limits = {"threshold": 0.4, "most": most}
    found = find_peaks(heatmap, boxes, stride=8, size_hw=(40, 48), **limits)
    expected = []
    for row, column, label in np.ndindex(heatmap.shape):
        around = heatmap[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
        score = heatmap[row, column, label]
        if score >= 0.4 and score == around[..., label].max():
            expected.append((score, label, row, column))
    expected.sort(key=lambda peak: -peak[0])
    kept: list[tuple[int, tuple[float, ...]]] = []
    for _, label, row, column in expected:
        dx, dy, width, height = boxes[row, column]
        x, y = (column + dx) * 8, (row + dy) * 8
        half_wh = width * 48 / 2, height * 40 / 2
        box = (x - half_wh[0], y - half_wh[1], x + half_wh[0], y + half_wh[1])
        if all(label != other or share(box, last) <= 0.5 for other, last in kept):
            kept.append((label, box))
    assert found.labels.tolist() == [label for label, _ in kept[:most]]
    # float32 and float64 differ in the seventh digit of some fifty pixels.
    assert np.allclose(found.corners, [box for _, box in kept[:most]], atol=1e-4)


def share(box, other):
    """Returns intersection over union."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    common = max(width, 0) * max(height, 0)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)]
    return common / (sum(areas) - common)
