"""Paired differences and their interval, checked against those of other programs."""

import itertools
import json
import math

import numpy as np
import pytest

from corallite.convert.accuracy.paired import Step, compare_predictions, paired_interval


@pytest.mark.parametrize(
    ("gained", "lost", "count", "interval"),
    [
        # What the tests of R's contingencytables expect: Cavo et al., 2012.
        (6, 16, 161, (-0.1240, -0.0054)),
        # Fagerland et al., 2014, Table V (Tango), of Bentur et al., 2009, as R's
        # ratesci repeats it; three digits.
        (1, 7, 21, (-0.517, -0.026)),
    ],
)
def test_the_interval_is_that_of_other_programs(gained, lost, count, interval):
    # Half of the last digit.
    digits = 5e-5 if count > 100 else 5e-4
    assert paired_interval(gained, lost, count) == pytest.approx(interval, abs=digits)


@pytest.mark.parametrize("count", [1, 20, 600])
def test_of_pairs_that_all_agree_the_interval_has_a_width(count):
    # Tango's statistic is -difference x sqrt(n / (d (1 - d))) then.
    limit = 1.96**2 / (count + 1.96**2)
    assert paired_interval(0, 0, count) == pytest.approx((-limit, limit), abs=1e-6)


@pytest.mark.parametrize(("gained", "lost"), [(20, 0), (0, 20), (3, 9), (10, 10)])
def test_the_interval_holds_the_difference_and_mirrors(gained, lost):
    low, high = paired_interval(gained, lost, 20)
    assert -1 <= low <= (gained - lost) / 20 <= high <= 1
    assert paired_interval(lost, gained, 20) == pytest.approx((-high, -low))


def test_it_covers_the_true_difference_nearly_as_often_as_it_says():
    # All outcomes of 60 pairs, 3 % gained and 8 % lost, by their probability.
    count, gained_share, lost_share = 60, 0.03, 0.08
    covered = 0.0
    for gained, lost in itertools.product(range(20), range(25)):
        low, high = paired_interval(gained, lost, count)
        same = count - gained - lost
        ways = math.comb(count, gained) * math.comb(count - gained, lost)
        chance = ways * gained_share**gained * lost_share**lost
        chance *= (1 - gained_share - lost_share) ** same
        covered += chance * (low <= gained_share - lost_share <= high)
    assert 0.93 < covered < 0.98


def test_predictions_are_compared_image_by_image():
    labels = np.array([0, 1, 2, 2, 1])
    before = np.array([0, 1, 2, 1, 0])
    after = np.array([0, 1, 1, 2, 2])
    step = compare_predictions(("qat", "int8"), before, after, labels)
    assert (step.top1_from, step.top1_to, step.difference) == (0.6, 0.6, 0)
    assert step.agreement == 0.4
    assert step.interval == paired_interval(1, 1, 5)


def test_three_images_of_600_are_half_a_percentage_point():
    labels = np.zeros(600, int)
    after = np.where(np.arange(600) < 3, 1, 0)
    step = compare_predictions(("float", "int8"), labels, after, labels)
    assert step.drop_points == 0.5


def test_a_step_survives_json():
    step = Step("float", "int8", 0.9, 0.8, -0.1, (-0.2, 0.0), 0.85)
    content = json.loads(json.dumps(step.to_json()))
    assert content["from"] == "float"
    assert content["interval"] == [-0.2, 0.0]
    assert Step.from_json(content) == step
