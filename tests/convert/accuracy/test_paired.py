"""Paired differences and their interval, held against those of other programs."""

import itertools
import json
import math

import numpy as np
import pytest

from corallite.convert.accuracy.paired import Hop, compare_answers, paired_interval


@pytest.mark.parametrize(
    ("won", "lost", "count", "interval"),
    [
        # What the tests of R's contingencytables expect: Cavo et al., 2012.
        (6, 16, 161, (-0.1240, -0.0054)),
        # Fagerland et al., 2014, Table V (Tango), of Bentur et al., 2009, as R's
        # ratesci repeats it; three digits.
        (1, 7, 21, (-0.517, -0.026)),
    ],
)
def test_the_interval_is_that_of_other_programs(won, lost, count, interval):
    # Half of the last digit.
    digits = 5e-5 if count > 100 else 5e-4
    assert paired_interval(won, lost, count) == pytest.approx(interval, abs=digits)


@pytest.mark.parametrize("count", [1, 20, 600])
def test_of_pairs_that_all_agree_the_interval_has_a_width(count):
    # Tango's statistic is -difference x sqrt(n / (d (1 - d))) then.
    limit = 1.96**2 / (count + 1.96**2)
    assert paired_interval(0, 0, count) == pytest.approx((-limit, limit), abs=1e-6)


@pytest.mark.parametrize(("won", "lost"), [(20, 0), (0, 20), (3, 9), (10, 10)])
def test_the_interval_holds_the_difference_and_mirrors(won, lost):
    low, high = paired_interval(won, lost, 20)
    assert -1 <= low <= (won - lost) / 20 <= high <= 1
    assert paired_interval(lost, won, 20) == pytest.approx((-high, -low))


def test_it_covers_the_true_difference_nearly_as_often_as_it_says():
    # All outcomes of 60 pairs, 3 % won and 8 % lost, by their probability.
    count, won_share, lost_share = 60, 0.03, 0.08
    covered = 0.0
    for won, lost in itertools.product(range(20), range(25)):
        low, high = paired_interval(won, lost, count)
        same = count - won - lost
        ways = math.comb(count, won) * math.comb(count - won, lost)
        chance = ways * won_share**won * lost_share**lost
        chance *= (1 - won_share - lost_share) ** same
        covered += chance * (low <= won_share - lost_share <= high)
    assert 0.93 < covered < 0.98


def test_answers_are_compared_image_by_image():
    labels = np.array([0, 1, 2, 2, 1])
    before = np.array([0, 1, 2, 1, 0])
    after = np.array([0, 1, 1, 2, 2])
    hop = compare_answers(("qat", "int8"), before, after, labels)
    assert (hop.top1_from, hop.top1_to, hop.difference) == (0.6, 0.6, 0)
    assert hop.agreement == 0.4
    assert hop.interval == paired_interval(1, 1, 5)


def test_three_images_of_600_are_half_a_point():
    labels = np.zeros(600, int)
    after = np.where(np.arange(600) < 3, 1, 0)
    hop = compare_answers(("float", "int8"), labels, after, labels)
    assert hop.drop_points == 0.5


def test_a_hop_survives_json():
    hop = Hop("float", "int8", 0.9, 0.8, -0.1, (-0.2, 0.0), 0.85)
    content = json.loads(json.dumps(hop.to_json()))
    assert content["from"] == "float"
    assert content["interval"] == [-0.2, 0.0]
    assert Hop.from_json(content) == hop
