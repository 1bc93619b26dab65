import numpy as np
import pytest

from corallite.device.model.refusal import Refusal


@pytest.mark.parametrize("temperature", [0.01, 0.25, 1.0, 8.0, 100.0])
def test_temperature_keeps_the_ranking(temperature):
    # As a power of 100, all of them are below what float32 holds.
    probabilities = np.array([0.1, 0.2, 0.4, 0.3], np.float32)
    found = Refusal(temperature).calibrate(probabilities)
    assert found.argmax() == 2 and found.dtype == np.float32
    assert found.sum() == pytest.approx(1)


def test_zeros_stay_zeros():
    assert (Refusal(2.0).calibrate(np.zeros((2, 3), np.float32)) == 0).all()


def test_labels_in_other_words_keep_their_places():
    refusal = Refusal(2.0, 0.5, {"cat": 0.75}, background="none")
    found = refusal.rename(("cat", "dog", "none"), ("Katze", "Hund", "nichts"))
    assert found == Refusal(2.0, 0.5, {"Katze": 0.75}, background="nichts")
    assert found.rename(("Katze",), ()) == Refusal(2.0, 0.5)
