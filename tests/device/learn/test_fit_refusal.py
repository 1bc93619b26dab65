"""When a model says "I don't know": what is named is right as often as asked."""

import numpy as np
import pytest

from corallite.device.learn.fit_refusal import (
    LEAST_OF_CLASS,
    RefusalSettings,
    fit_refusal,
)
from corallite.device.outputs.drift import ScoreCounts
from corallite.device.system.errors import RequestError

NAMES = ("cat", "dog", "none")


def draw(count, seed=0, classes=3, temperature=1.0, hardness=1.0):
    """Returns probabilities and labels; with temperature 1 they are calibrated."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2.5 / hardness, (count, classes))
    powers = np.exp(logits - logits.max(1, keepdims=True))
    true = powers / powers.sum(1, keepdims=True)
    labels = (true.cumsum(1) > rng.random((count, 1))).argmax(1)
    told = true ** (1 / temperature)
    return told / told.sum(1, keepdims=True), labels


def fit(drawn, settings, names=("a", "b", "c")):
    probabilities, labels = drawn
    return fit_refusal(probabilities, labels, names, settings)


def give_int8(probabilities):
    """Returns what an int8 softmax gives for these probabilities."""
    return (np.clip(np.round(probabilities * 256), 0, 255) / 256).astype(np.float32)


def judge(refusal, probabilities, labels, names=NAMES):
    calibrated = refusal.calibrate(probabilities.astype(np.float32))
    is_named = refusal.name_each(calibrated, names)
    is_right = calibrated.argmax(1) == labels
    return is_right[is_named].mean(), is_named.mean()


@pytest.mark.parametrize("asked", [0.8, 0.9, 0.95])
def test_what_is_named_is_right_as_often_as_asked(asked):
    new = draw(20_000, seed=99, hardness=0.6)
    got = []
    for seed in range(20):
        refusal = fit(draw(300, seed, hardness=0.6), RefusalSettings(asked))
        precision, named = judge(refusal, *new)
        assert named > 0.45
        got.append(precision)
    # One fit of five may be below, by chance of its 300 photos; the mean is not.
    assert np.mean(got) >= asked
    assert np.mean(np.array(got) < asked - 0.01) <= 0.2


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_temperature_of_a_model_that_is_too_sure_is_found(temperature):
    # Sharpened by 1 / 0.5: softened again by twice the temperature.
    refusal = fit(draw(3_000, temperature=temperature), RefusalSettings())
    # 3,000 photos leave about 5 % of error, and the grid is 3.5 % wide.
    assert refusal.temperature == pytest.approx(1 / temperature, rel=0.1)


def test_scores_are_counted_as_a_camera_counts_them():
    probabilities, labels = draw(500)
    refusal = fit((probabilities, labels), RefusalSettings())
    counts = ScoreCounts(1000)
    for row in refusal.calibrate(give_int8(probabilities)):
        counts.add(float(row.max()), False)
    assert refusal.scores == tuple(counts.scores) and sum(refusal.scores) == 500


def test_half_is_named_where_the_precision_cannot_be_reached():
    probabilities, labels = draw(400, hardness=5)
    refusal = fit_refusal(probabilities, labels, ("a", "b", "c"), RefusalSettings(0.99))
    assert refusal.coverage == pytest.approx(0.5, abs=0.01)
    assert refusal.precision < 0.99 and refusal.target_precision == 0.99
    assert "(target: 99 %)" in refusal.explain()


def test_all_are_named_if_no_precision_is_asked():
    refusal = fit(draw(200), RefusalSettings(0.0))
    assert refusal.threshold == 0 and refusal.coverage == 1


def test_background_is_never_named():
    probabilities, labels = draw(500)
    refusal = fit_refusal(probabilities, labels, NAMES, RefusalSettings(0.8))
    assert refusal.background == "none"
    assert not refusal.names("none", 1.0) and refusal.names("cat", 1.0)
    # Its photos do not count as photos that could have been named.
    calibrated = refusal.calibrate(give_int8(probabilities))
    is_named = refusal.name_each(calibrated, NAMES)
    assert refusal.coverage == pytest.approx(is_named[labels != 2].mean(), abs=1e-4)
    chosen = fit_refusal(probabilities, labels, NAMES, RefusalSettings(0.8, "dog"))
    assert chosen.background == "dog"


def test_unknown_background_is_refused_in_a_sentence():
    with pytest.raises(RequestError, match="is not one of the classes cat, dog, none"):
        fit(draw(50), RefusalSettings(background_class="nothing"), NAMES)


def test_a_class_with_enough_photos_has_its_own_threshold():
    probabilities, labels = draw(2_000, seed=1)
    few = (probabilities.argmax(1) != 0) | (np.arange(2_000) % 10 == 0)
    probabilities, labels = probabilities[few], labels[few]
    predicted = np.bincount(probabilities.argmax(1))
    assert predicted[0] < LEAST_OF_CLASS <= predicted[1:].min()
    refusal = fit_refusal(probabilities, labels, ("a", "b", "c"), RefusalSettings(0.9))
    assert set(refusal.thresholds) == {"b", "c"}
    assert refusal.threshold_of("a") == refusal.threshold
    for number, name in ((1, "b"), (2, "c")):
        calibrated = refusal.calibrate(probabilities.astype(np.float32))
        is_named = (calibrated.argmax(1) == number) & (
            calibrated.max(1) >= np.float32(refusal.thresholds[name])
        )
        assert (labels == number)[is_named].mean() >= 0.9


def test_zeros_of_an_int8_softmax_are_no_error():
    probabilities = np.zeros((40, 3))
    labels = np.arange(40) % 3
    probabilities[np.arange(40), labels] = 255 / 256
    probabilities[0] = (0, 255 / 256, 0)
    refusal = fit_refusal(probabilities, labels, ("a", "b", "c"), RefusalSettings(0.9))
    assert np.isfinite(refusal.temperature) and refusal.coverage == 1
    # Any probabilities that a model can give.
    assert refusal.calibrate(np.zeros((1, 3), np.float32)).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("seed", range(5))
def test_what_an_int8_file_gives_is_named_as_told(seed):
    # It gives at most 255/256: with a threshold of 0.998 it named nothing.
    probabilities, labels = draw(200, seed, hardness=0.15)
    refusal = fit((probabilities, labels), RefusalSettings())
    given = give_int8(probabilities)
    precision, named = judge(refusal, given, labels, ("a", "b", "c"))
    told = refusal.precision, refusal.coverage
    assert (precision, named) == pytest.approx(told, abs=1e-4)


def test_a_class_named_unknown_is_one_of_what_is_no_class():
    drawn = draw(300)
    assert fit(drawn, RefusalSettings(), ("a", "b", "unknown")).background == "unknown"
    assert fit(drawn, RefusalSettings(), ("a", "none", "unknown")).background == "none"
    assert (
        fit(drawn, RefusalSettings(0.9, "a"), ("a", "b", "unknown")).background == "a"
    )
