"""When the file of a run names no class: fitted to images that it has not seen."""

import dataclasses

import numpy as np
import pytest

from corallite.convert.export.refusal import fit_run_refusal
from corallite.device.image.preprocess import Preprocessing
from corallite.device.learn.fit_refusal import DEFAULT_SETTINGS
from corallite.train.data.load import ImageData, Split
from corallite.train.runs.run import Run
from corallite.train.training.head import write_held_out

NAMES = ("cat", "dog", "none")


@pytest.fixture
def run(tmp_path):
    return Run.open(tmp_path / "run")


def make_split(count, begin=0):
    paths = tuple(f"{begin + number}.jpg" for number in range(count))
    return Split(np.zeros((count, 1, 1, 3), np.uint8), np.arange(count) % 3, paths)


def make_data(train, val):
    splits = {"train": train, "val": val, "test": val}
    return ImageData(NAMES, Preprocessing((1, 1)), "fingerprint", splits)


def answer(split, wrong=0):
    """Sure of the right class, but of another for the first `wrong` images."""
    probabilities = np.full((len(split.labels), 3), 0.02, np.float32)
    told = (split.labels + (np.arange(len(split.labels)) < wrong)) % 3
    probabilities[np.arange(len(told)), told] = 0.96
    return probabilities


def test_it_is_fitted_to_the_validation_images(run):
    data = make_data(make_split(60), make_split(90, begin=60))
    refusal = fit_run_refusal(
        run, data, answer(data.judging, wrong=3), DEFAULT_SETTINGS
    )
    assert refusal and refusal.photos == 90 and refusal.background == "none"
    # One of the three is an image of "none" that is named, one is named as "none".
    assert refusal.precision == pytest.approx(59 / 61, abs=1e-3)


def test_images_that_were_trained_on_are_judged_by_the_folds(run):
    train = make_split(60)
    shared = dataclasses.replace(train, paths=train.paths[:30])
    data = make_data(train, dataclasses.replace(shared, labels=train.labels[:30]))
    assert data.is_val_shared
    answers = answer(data.judging)
    # An earlier version has not kept them.
    assert fit_run_refusal(run, data, answers, DEFAULT_SETTINGS) is None
    write_held_out(run.first(), answer(train, wrong=6))
    refusal = fit_run_refusal(run, data, answers, DEFAULT_SETTINGS)
    assert refusal and refusal.photos == 60 and refusal.precision < 0.95
    # Of other images, as after a change by hand.
    write_held_out(run.first(), answer(make_split(50)))
    assert fit_run_refusal(run, data, answers, DEFAULT_SETTINGS) is None
