"""Counts of scores, and their drift."""

import math

import numpy as np
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
    assert find_drift(trained, seen) == 0


@pytest.mark.parametrize(
    ("photos", "predictions", "most"),
    # The shares are those of docs/fleet.md. With 2,000 draws, a share of 0.04 has a
    # standard error of 0.0044: `most` is four of these above.
    [(100, 500, 0.058), (200, 500, 0.015), (500, 8000, 0.002)],
)
def test_chance_seldom_looks_like_drift(photos, predictions, most):
    rng = np.random.default_rng(0)
    shares = np.full(BINS, 1 / BINS)
    pairs = zip(
        rng.multinomial(photos, shares, 2000).tolist(),
        rng.multinomial(predictions, shares, 2000).tolist(),
        strict=True,
    )
    drifts = np.array([find_drift(trained, seen) for trained, seen in pairs])
    assert np.mean(drifts > 0.1) <= most


def test_drift_is_the_population_stability_index():
    trained, seen = [50, 50] + [0] * (BINS - 2), [100, 400] + [0] * (BINS - 2)
    p, q = [50.5 / 105, 50.5 / 105], [100.5 / 505, 400.5 / 505]
    pairs = [*zip(p, q, strict=True), *[(0.5 / 105, 0.5 / 505)] * (BINS - 2)]
    expected = sum((a - b) * math.log(a / b) for a, b in pairs)
    expected -= 9 * (1 / 100 + 1 / 500)
    assert find_drift(trained, seen) == pytest.approx(expected, rel=1e-12)
    assert expected > 0.25


@pytest.mark.parametrize(
    ("trained", "seen"),
    [([9] * BINS, [50] * BINS), ([10] * BINS, [49] * BINS), ((), [99] * BINS)],
)
def test_too_few_scores_have_no_drift(trained, seen):
    assert find_drift(trained, seen) is None
