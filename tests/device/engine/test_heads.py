"""What the numbers of an output become: a probability for each label."""

import numpy as np
import pytest

from corallite.device.engine.heads import ClassesHead
from corallite.device.model.manifest import ClassesOutput
from corallite.device.model.refusal import Refusal
from corallite.device.model.signature import ModelSignature, TensorSpec
from corallite.device.system.errors import RequestError

LOGITS = np.array([2.0, -1.0, 0.5], np.float32)


def decode(
    values, labels, numbers, *, dtype="float32", scale=0.0, zero_point=0, refusal=None
):
    spec = TensorSpec("out", (1, len(numbers)), dtype, scale, zero_point)
    described = ClassesOutput(labels, values, refusal=refusal)
    head = ClassesHead(described, ModelSignature((), (spec,)), "a.tflite")
    return head.decode({"out": np.array([numbers], dtype)})


def test_probabilities_and_unknown_numbers_stay_as_they_are():
    for values in ("probabilities", ""):
        assert (decode(values, ("a", "b", "c"), LOGITS) == LOGITS).all()


def test_a_softmax_is_applied_to_logits():
    found = decode("logits", ("a", "b", "c"), LOGITS)
    powers = np.exp(LOGITS)
    assert np.allclose(found, powers / powers.sum()) and found.dtype == np.float32
    large = decode("logits", ("a", "b"), np.array([1000, -1000], np.float32))
    assert (large == [1, 0]).all()


def test_a_temperature_divides_the_logits():
    refusal = Refusal(temperature=2.5)
    found = decode("logits", ("a", "b", "c"), LOGITS, refusal=refusal)
    powers = np.exp(LOGITS / 2.5)
    assert np.allclose(found, powers / powers.sum()) and found.dtype == np.float32
    # An int8 model gives 0 for what is rare: it stays 0.
    quantized = decode(
        *("probabilities", ("a", "b", "c"), [127, -127, -128]),
        **{"dtype": "int8", "scale": 1 / 256, "zero_point": -128, "refusal": refusal},
    )
    powers = np.array([255 / 256, 1 / 256, 0]) ** 0.4
    assert np.allclose(quantized, powers / powers.sum())


def test_quantized_logits_are_dequantized_first():
    found = decode("logits", ("a", "b"), [10, 2], dtype="int8", scale=0.5, zero_point=2)
    expected = np.exp([4.0, 0.0])
    assert np.allclose(found, expected / expected.sum())


def test_int16_outputs_are_dequantized():
    found = decode(
        "probabilities", ("a", "b"), [0, 32767], dtype="int16", scale=1 / 32768
    )
    assert np.allclose(found, [0, 32767 / 32768])


def test_one_number_is_that_of_the_second_of_two_labels():
    assert np.allclose(decode("probabilities", ("no", "yes"), [0.8]), [0.2, 0.8])
    found = decode("logits", ("no", "yes"), [1.0])
    assert np.allclose(found, [1 / (1 + np.e), np.e / (1 + np.e)])


def test_each_label_of_several_has_its_own_probability():
    found = decode("multilabel_logits", ("a", "b", "c"), LOGITS)
    assert np.allclose(found, 1 / (1 + np.exp(-LOGITS))) and found.dtype == np.float32
    assert (decode("multilabel_logits", ("a",), [-1000.0]) == [0]).all()
    shares = np.array([0.9, 0.8, 0.1], np.float32)
    assert (decode("multilabel", ("a", "b", "c"), shares) == shares).all()


@pytest.mark.parametrize(
    ("values", "labels", "numbers"),
    [
        ("probabilities", ("a", "b"), [0.1, 0.2, 0.7]),
        ("probabilities", ("a", "b", "c"), [0.1]),
        ("multilabel", ("a", "b"), [0.1]),
    ],
)
def test_another_number_of_labels_is_refused(values, labels, numbers):
    counts = f"has {len(numbers)} outputs but {len(labels)} labels"
    with pytest.raises(RequestError, match=counts):
        decode(values, labels, numbers)


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("values", ["", "probabilities", "logits"])
def test_outputs_that_are_not_numbers_are_refused(values, number):
    # As NaN, a line of classify was not JSON, and serve said that it is 0.
    with pytest.raises(RequestError, match="a.tflite: its outputs are not all numbers"):
        decode(values, ("a", "b", "c"), [number, 0.5, 0.5])


def test_a_logit_of_minus_infinity_is_a_probability_of_zero():
    assert (decode("logits", ("a", "b", "c"), [-np.inf, 1, 1]) == [0, 0.5, 0.5]).all()
