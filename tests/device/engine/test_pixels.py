"""Images as inputs of every layout and type, run by LiteRT."""

import cv2
import numpy as np
import pytest
from fixtures.small_models import GAIN, write_model

from corallite.device.engine.classifier import Classifier
from corallite.device.model.description.describe import describe

# Colour by colour, what the mean of the small models' channels then is.
IMAGE = np.zeros((4, 4, 3), np.uint8)
IMAGE[:2] = (255, 51, 0)
IMAGE[2:] = (153, 102, 204)
MEANS = IMAGE.reshape(-1, 3).mean(axis=0) / 255


def run(tmp_path, **options):
    path = tmp_path / "model.tflite"
    path.write_bytes(write_model(**options))
    found = describe(path, path.read_bytes()).manifest
    labels = (
        ("a", "b", "c")[: len(MEANS)] if options.get("classes") != 1 else ("a", "b")
    )
    return Classifier(path, manifest=found.with_classes(labels=labels)).run(IMAGE)


def softmax(logits):
    powers = np.exp(logits - np.max(logits))
    return powers / powers.sum()


@pytest.mark.parametrize("shape", [(1, 4, 4, 3), (1, 3, 4, 4)])
def test_both_orders_of_rgb_give_the_same(tmp_path, shape):
    found = run(tmp_path, shape=shape)
    assert np.allclose(found, softmax(GAIN * MEANS), atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 4, 4, 1), (1, 1, 4, 4), (1, 4, 4)])
def test_grey_inputs_get_the_luma(tmp_path, shape):
    found = run(tmp_path, shape=shape, last="LOGISTIC", classes=1)
    luma = cv2.cvtColor(IMAGE, cv2.COLOR_RGB2GRAY).mean() / 255
    expected = 1 / (1 + np.exp(-GAIN * luma))
    assert np.allclose(found, [1 - expected, expected], atol=1e-6)


@pytest.mark.parametrize(
    ("before", "expected"),
    [([("MUL", 1 / 255)], MEANS), ([("MUL", 2.0), ("SUB", 1.0)], 2 * MEANS - 1)],
)
def test_a_network_that_scales_by_itself_gets_what_it_takes(tmp_path, before, expected):
    found = run(tmp_path, before=before)
    assert np.allclose(found, softmax(GAIN * expected), atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "scale", "least", "tolerance"),
    [
        ("INT8", (1 / 255, -128), 0, 0.03),
        ("INT8", (1 / 127.5, 0), -1, 0.06),
        ("INT16", (1 / 32767, 0), 0, 0.001),
    ],
)
def test_quantized_inputs_give_the_same_within_their_steps(
    tmp_path, kind, scale, least, tolerance
):
    found = run(tmp_path, kind=kind, scale=scale)
    expected = softmax(GAIN * (MEANS if least == 0 else 2 * MEANS - 1))
    # Steps of the input, the mean, the logits (4/127 in int8) and the output.
    assert np.abs(found - expected).max() <= tolerance
