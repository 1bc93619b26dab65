"""Which of two models makes a prediction."""

import numpy as np
import pytest
from fixtures.cascade import COLOURS, FIRST, SECOND, WEAK_GREEN, draw, pair

from corallite.device.engine.base import AcceleratedEngine
from corallite.device.engine.cascade.two_models import CascadeEngine
from corallite.device.engine.classifier import Classifier

__all__ = ["pair"]


@pytest.fixture
def cascade(pair):
    return CascadeEngine(Classifier(pair[0]), Classifier(pair[1]))


@pytest.mark.parametrize("label", COLOURS)
def test_sure_prediction_of_the_first_model_counts(cascade, pair, label):
    found = cascade.run(draw(COLOURS[label]))
    np.testing.assert_array_equal(found, Classifier(pair[0]).run(draw(COLOURS[label])))
    assert FIRST.labels[found.argmax()] == label
    assert (cascade.use.images, cascade.use.asked) == (1, 0)
    assert cascade.status().answered_by == "first"
    assert cascade.manifest.model == cascade.status().model == "small"


def test_second_model_is_asked_where_the_first_is_unsure(cascade, pair):
    image = draw(WEAK_GREEN)
    assert FIRST.labels[Classifier(pair[0]).run(image).argmax()] == "blue"
    found = cascade.run(image)
    np.testing.assert_array_equal(found, Classifier(pair[1]).run(image))
    assert FIRST.labels[found.argmax()] == "green"
    assert (cascade.use.images, cascade.use.asked) == (1, 1)
    # Its refusal decides whether the label is unknown.
    assert cascade.manifest == SECOND
    assert cascade.status().model == "large"
    assert cascade.status().answered_by == "second"


def test_images_are_counted_by_model(cascade):
    for mode, colour in [("both", COLOURS["red"]), ("both", WEAK_GREEN)]:
        cascade.use.mode = mode
        cascade.run(draw(colour))
    cascade.use.mode = "second"
    cascade.run(draw(COLOURS["red"]))
    status = cascade.status()
    assert status.asked == {"first": 2, "second": 2}
    assert status.answered == {"first": 1, "second": 2}


@pytest.mark.parametrize(("mode", "label"), [("first", "blue"), ("second", "green")])
def test_mode_of_one_model_asks_only_that(cascade, mode, label):
    cascade.use.mode = mode
    found = cascade.run(draw(WEAK_GREEN))
    assert FIRST.labels[found.argmax()] == label
    assert cascade.use.asked == (mode == "second")


def test_status_has_the_losses_and_errors_of_both(pair):
    class Troubled(Classifier):
        error = ""

        def status(self):
            return super().status()._replace(losses=1, last_error=self.error)

    first, second = map(Troubled, pair)
    second.error = "the new model is not used"
    status = CascadeEngine(first, second).status()
    assert status.losses == 2
    assert status.last_error == "the new model is not used"


class Accelerated(Classifier, AcceleratedEngine):
    """Records what is asked of its accelerator."""

    def __init__(self, path):
        super().__init__(path)
        self.calls = []

    def start(self):
        self.calls.append("start")

    def wait_started(self, timeout_s):
        self.calls.append(timeout_s)
        return "the accelerator is missing"

    def stop(self):
        self.calls.append("stop")


def test_accelerator_of_the_first_model_is_started_and_stopped(pair):
    first, second = Accelerated(pair[0]), Classifier(pair[1])
    cascade = CascadeEngine(first, second)
    cascade.start()
    assert cascade.wait_started(2.0) == "the accelerator is missing"
    cascade.stop()
    assert first.calls == ["start", 2.0, "stop"]
    assert CascadeEngine(second, second).wait_started(2.0) == ""
