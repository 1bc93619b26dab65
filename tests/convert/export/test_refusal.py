"""When the file of a run names no class: fitted to images that it has not seen."""

import dataclasses

import numpy as np
import pytest

from corallite.convert.export.refusal import fit_run_refusal
from corallite.device.image.preprocess import Preprocessing
from corallite.device.learn.fit_refusal import DEFAULT_SETTINGS
from corallite.device.learn.head import CrossValidation
from corallite.train.data.load import ImageData, Split

NAMES = ("cat", "dog", "none")


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


def test_it_is_fitted_to_the_validation_images():
    data = make_data(make_split(60), make_split(90, begin=60))
    answers = answer(data.judging, wrong=3)
    refusal = fit_run_refusal(data, answers, None, DEFAULT_SETTINGS)
    assert refusal and refusal.photos == 90 and refusal.background == "none"
    # One of the three is an image of "none" that is named, one is named as "none".
    assert refusal.precision == pytest.approx(59 / 61, abs=1e-3)


def test_images_that_were_trained_on_are_judged_by_the_folds():
    train = make_split(60)
    shared = dataclasses.replace(train, paths=train.paths[:30])
    data = make_data(train, dataclasses.replace(shared, labels=train.labels[:30]))
    assert data.is_val_shared
    answers, folds = answer(data.judging), answer(train, wrong=6)
    # Other layers were trained as well.
    assert fit_run_refusal(data, answers, None, DEFAULT_SETTINGS) is None
    judged = CrossValidation(0.01, 5, np.arange(60) % 5, folds, 54, 0.9, (0.8, 0.95))
    refusal = fit_run_refusal(data, answers, judged, DEFAULT_SETTINGS)
    assert refusal and refusal.photos == 60 and refusal.precision < 0.95
