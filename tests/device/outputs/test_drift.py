"""Counts of scores, and their drift."""

import math

import pytest

from corallite.device.outputs.drift import BINS, ScoreCounts, find_drift


def test_scores_are_counted_by_bin():
    counts = ScoreCounts(1000)
    for score in (0.0, 0.29, 0.3, 0.5, 0.97, 0.98, 1.0):
        counts.add(score, False)
    assert counts.scores == [2, 1, 0, 1, 0, 0, 0, 0, 1, 2]
    assert (counts.seen, counts.unknown) == (7, 0)


def test_a_detector_without_scores_has_unknowns():
    counts = ScoreCounts(1000)
    counts.add(None, True)
    assert (counts.scores, counts.seen, counts.unknown) == ([0] * BINS, 1, 1)


def test_numbers_stay_bounded_and_old_ones_weigh_less():
    counts = ScoreCounts(1000)
    for _ in range(10_000):
        counts.add(0.1, True)
    for _ in range(10_000):
        counts.add(1.0, False)
    assert counts.seen <= 1000 and counts.unknown <= 10
    assert counts.scores[-1] > 490 and counts.scores[0] <= 10


def test_equal_shares_have_no_drift():
    trained, seen = [10] * BINS, [1000] * BINS
    # Half a score in each bin changes no share by more than 5 %.
    assert find_drift(trained, seen) == pytest.approx(0, abs=1e-4)


def test_drift_is_the_population_stability_index():
    trained, seen = [50, 50] + [0] * (BINS - 2), [100, 300] + [0] * (BINS - 2)
    p, q = [50.5 / 105, 50.5 / 105], [100.5 / 405, 300.5 / 405]
    pairs = [*zip(p, q, strict=True), *[(0.5 / 105, 0.5 / 405)] * (BINS - 2)]
    expected = sum((a - b) * math.log(a / b) for a, b in pairs)
    assert find_drift(trained, seen) == pytest.approx(expected, rel=1e-12)
    assert expected > 0.25


@pytest.mark.parametrize(
    ("trained", "seen"),
    [([9] * BINS, [99] * BINS), ([99] * BINS, [9] * BINS), ((), [99] * BINS)],
)
def test_too_few_scores_have_no_drift(trained, seen):
    assert find_drift(trained, seen) is None
