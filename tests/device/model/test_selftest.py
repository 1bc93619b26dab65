"""Images that anyone can draw, and models that are sound or not."""

import zlib

import numpy as np
import pytest

from corallite.device.engine.classifier import Classifier
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model import selftest
from corallite.device.model.manifest import Manifest, SelfTest
from corallite.device.system.errors import RequestError

MANIFEST = Manifest.of_classifier(
    "tiny", "1", ("red", "green", "blue"), Preprocessing((32, 32))
)
# Of the images at 37x50.
CHECKSUMS = [2513714365, 656241155, 2229786744]


class FakeModel:
    """Answers with each of `answers` in turn, and again."""

    def __init__(self, *answers, manifest=MANIFEST):
        self.answers = [np.array(answer, np.float32) for answer in answers]
        self.manifest = manifest
        self.count = 0

    def run(self, pixels_u8):
        self.count += 1
        return self.answers[(self.count - 1) % len(self.answers)]


def test_images_are_the_same_for_ever():
    # A file carries what its model answered for the first: see RECIPE.
    images = selftest.draw_images((37, 50))
    assert {image.shape for image in images} == {(37, 50, 3)}
    found = [zlib.crc32(image.tobytes()) for image in images]
    assert found == CHECKSUMS


def test_recorded_model_passes(tiny_models):
    model = Classifier(tiny_models["uint8"], manifest=MANIFEST)
    recorded = selftest.record(model)
    # The first image is reddish.
    assert (recorded.recipe, recorded.best_index) == (
        1,
        0,
    ) and recorded.probability > 0.5
    tested = MANIFEST._replace(selftest=recorded)
    selftest.check(Classifier(tiny_models["uint8"], manifest=tested))
    # Other kernels, other types: as far apart as right answers may be.
    selftest.check(Classifier(tiny_models["float32"], manifest=tested))


def test_model_without_a_record_passes(tiny_models):
    selftest.check(Classifier(tiny_models["int8"], manifest=MANIFEST))


def test_record_of_a_newer_recipe_is_left_out():
    newer = MANIFEST._replace(selftest=SelfTest(99, 7, 1.0))
    selftest.check(FakeModel([0.2, 0.3, 0.5], manifest=newer))


def test_sum_is_left_alone_where_outputs_may_be_anything():
    selftest.check(FakeModel([5, -3, 9], manifest=MANIFEST.with_classes(values="")))


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (FakeModel([0.5, float("nan"), 0.5]), "outputs are not all numbers"),
        (FakeModel([0.5, float("inf"), 0.5]), "outputs are not all numbers"),
        (FakeModel([0.5, 0.5, 0.5]), "probabilities sum to 1.50"),
        (FakeModel([0.1, 0.1, 0.1]), "probabilities sum to 0.30"),
        (FakeModel([0.5, 0.5, 0], [0.4, 0.6, 0]), "give different results"),
    ],
)
def test_unsound_model_is_refused(model, sentence):
    with pytest.raises(RequestError, match=sentence):
        selftest.check(model)


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (SelfTest(1, 2, 0.9), "is 0.50, but it was 0.90 when the model was made"),
        (SelfTest(1, 3, 0.9), "is 0.00, but it was 0.90"),
        (SelfTest(1, -4, 0.9), "is 0.00, but it was 0.90"),
    ],
)
def test_model_that_answers_otherwise_than_when_made_is_refused(record, sentence):
    model = FakeModel([0.25, 0.25, 0.5], manifest=MANIFEST._replace(selftest=record))
    with pytest.raises(RequestError, match=sentence):
        selftest.check(model)


def test_recorded_prediction_names_the_file_that_fails():
    tested = MANIFEST._replace(selftest=SelfTest(1, 2, 0.9))
    model = FakeModel([0.25, 0.25, 0.5], manifest=tested)
    message = r"^m.tflite: fails its self-test \(its .* was made\); copy or convert it"
    with pytest.raises(RequestError, match=message):
        selftest.check_recorded(model, "m.tflite")


def test_model_that_does_not_run_keeps_its_own_sentence():
    class Broken(FakeModel):
        def run(self, pixels_u8):
            raise RequestError("m.tflite: cannot be run (x); copy it again.")

    model = Broken(manifest=MANIFEST._replace(selftest=SelfTest(1, 2, 0.9)))
    with pytest.raises(RequestError, match=r"^m.tflite: cannot be run \(x\); copy"):
        selftest.check_recorded(model, "m.tflite")


def test_difference_is_the_greatest():
    first = [np.array([0.5, 0.5], np.float32), np.array([1, 0], np.float32)]
    second = [np.array([0.5, 0.5], np.float32), np.array([0.75, 0.25], np.float32)]
    assert selftest.differ(first, second) == 0.25


def test_labels_of_several_may_sum_to_anything_and_are_shares():
    several = MANIFEST.with_classes(values="multilabel")
    selftest.check(FakeModel([0.9, 0.8, 0.0], manifest=several))
    with pytest.raises(RequestError, match="not all from 0 to 1"):
        selftest.check(FakeModel([2.5, 0.8, 0.0], manifest=several))
