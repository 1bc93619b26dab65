"""The objective of classification, and how it compares epochs."""

import dataclasses

import numpy as np
import pytest

from corallite.device.image.preprocess import Preprocessing
from corallite.train.data.load import ImageData, Split
from corallite.train.training.objectives import classify
from corallite.train.training.recipe import Recipe


@pytest.fixture
def data():
    labels = np.array([0, 0, 0, 1])
    split = Split(np.zeros((4, 8, 8, 3), np.uint8), labels, tuple("abcd"))
    return ImageData(("x", "y"), Preprocessing((8, 8)), "these", {"train": split})


def test_targets_of_classification_are_one_hot(data):
    targets = classify(data, Recipe(epochs=1)).targets(data.splits["train"].labels)
    np.testing.assert_array_equal(targets, np.eye(2)[[0, 0, 0, 1]])


def test_classes_are_balanced_by_the_recipe(data):
    recipe = Recipe(epochs=1, balance_classes=True)
    assert classify(data, recipe).class_weights == {0: 4 / 6, 1: 2.0}
    recipe = dataclasses.replace(recipe, balance_classes=False)
    assert classify(data, recipe).class_weights is None


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_the_first_of_equal_epochs_is_the_best(data, higher_is_better):
    objective = dataclasses.replace(
        classify(data, Recipe(epochs=1)), higher_is_better=higher_is_better
    )
    low, high = {"val_accuracy": 0.25}, {"val_accuracy": 0.5}
    assert objective.is_better(low, None)
    assert not objective.is_better(low, low)
    assert objective.is_better(high, low) == higher_is_better
    assert objective.is_better(low, high) != higher_is_better
