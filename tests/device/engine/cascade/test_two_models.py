"""Which of two models makes a prediction."""

import numpy as np
import pytest
from fixtures.cascade import COLOURS, FIRST, SECOND, WEAK_GREEN, draw, pair

from corallite.device.engine.cascade.two_models import CascadeEngine
from corallite.device.engine.classifier import Classifier

__all__ = ["pair"]


@pytest.fixture
def cascade(pair):
    return CascadeEngine(*map(Classifier, pair))


@pytest.mark.parametrize("label", COLOURS)
def test_sure_prediction_of_the_first_model_counts(cascade, pair, label):
    found = cascade.run(draw(COLOURS[label]))
    np.testing.assert_array_equal(found, Classifier(pair[0]).run(draw(COLOURS[label])))
    assert FIRST.labels[found.argmax()] == label
    assert (cascade.images, cascade.asked) == (1, 0)
    assert cascade.manifest.model == cascade.status().model == "small"


def test_second_model_is_asked_where_the_first_is_unsure(cascade, pair):
    image = draw(WEAK_GREEN)
    assert FIRST.labels[Classifier(pair[0]).run(image).argmax()] == "blue"
    found = cascade.run(image)
    np.testing.assert_array_equal(found, Classifier(pair[1]).run(image))
    assert FIRST.labels[found.argmax()] == "green"
    assert (cascade.images, cascade.asked) == (1, 1)
    # Its refusal decides whether the label is unknown.
    assert cascade.manifest == SECOND
    assert cascade.status().model == "large"


@pytest.mark.parametrize(("mode", "label"), [("first", "blue"), ("second", "green")])
def test_mode_of_one_model_asks_only_that(cascade, mode, label):
    cascade.mode = mode
    found = cascade.run(draw(WEAK_GREEN))
    assert FIRST.labels[found.argmax()] == label
    assert cascade.asked == (mode == "second")


def test_only_a_new_model_that_is_used_next_is_a_successor(pair):
    class Replaced(Classifier):
        has_successor = False

    first, second = map(Replaced, pair)
    cascade = CascadeEngine(first, second)
    cascade.run(draw(COLOURS["red"]))
    second.has_successor = True
    found = [cascade.has_successor]  # The first is sure, and sees the same again.
    cascade.run(draw(WEAK_GREEN))
    found.append(cascade.has_successor)
    first.has_successor, second.has_successor = True, False
    found.append(cascade.has_successor)
    cascade.mode = "second"
    found.append(cascade.has_successor)
    assert found == [False, True, True, False]


def test_status_has_the_losses_and_errors_of_both(pair):
    class Troubled(Classifier):
        error = ""

        def status(self):
            return super().status()._replace(losses=1, swaps=2, last_error=self.error)

    first, second = map(Troubled, pair)
    second.error = "the new model is not used"
    status = CascadeEngine(first, second).status()
    assert (status.losses, status.swaps) == (2, 4)
    assert status.last_error == "the new model is not used"
