import dataclasses
import errno
from typing import Any

import numpy as np
import pytest

from corallite.device.image.preprocess import Preprocessing
from corallite.device.system.errors import RequestError
from corallite.train.data.augment import LEVELS
from corallite.train.data.decoded.streamed import StreamedImages
from corallite.train.data.input_pipeline import (
    evaluation_batches,
    one_hot,
    reporting_unreadable,
    steps_per_epoch,
    training_batches,
)
from corallite.train.data.load import Split
from corallite.train.framework.keras import keras, tf
from corallite.train.runs.recipe import Recipe


@pytest.fixture
def split(tmp_path):
    """22 images of 8x8; image n is n in every pixel, its label n modulo 3."""
    numbers = np.arange(22)
    array = np.tile(numbers[:, None, None, None], (1, 8, 8, 3)).astype(np.uint8)
    np.save(tmp_path / "images.npy", array)
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    return Split(images, numbers % 3, tuple(f"{n}.png" for n in numbers))


def batches_of(split, first_epoch=0, epochs=2, first_step=0, part=(0, 1), **settings):
    settings = {"batch_size": 5, "seed": 7, "augment": "none", **settings}
    dataset = training_batches(
        split,
        Recipe(epochs, **settings),
        one_hot(3),
        first_epoch=first_epoch,
        epochs=epochs,
        first_step=first_step,
        part=part,
    )
    return [(images.numpy(), labels.numpy()) for images, labels in dataset]


def numbers_of(images):
    return np.rint(images[:, 0, 0, 0] * 255).astype(int)


def test_batches_are_floats_in_the_unit_range_with_their_labels(split):
    for images, labels in batches_of(split):
        assert images.shape == (5, 8, 8, 3) and images.dtype == np.float32
        assert labels.shape == (5, 3) and labels.dtype == np.float32
        np.testing.assert_array_equal(labels.argmax(axis=1), numbers_of(images) % 3)
        np.testing.assert_array_equal(labels.sum(axis=1), 1)


def test_an_epoch_has_full_batches_of_different_images_in_another_order(split):
    batches = batches_of(split)
    assert len(batches) == 2 * steps_per_epoch(split, 5) == 8
    epochs = [
        [numbers_of(images).tolist() for images, _ in batches[start : start + 4]]
        for start in (0, 4)
    ]
    for epoch in epochs:
        assert len({number for batch in epoch for number in batch}) == 20
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("augment", ["none", "light", "standard"])
@pytest.mark.parametrize("mixed", [{}, {"mixup_alpha": 0.2, "cutmix_alpha": 1.0}])
@pytest.mark.parametrize(("first_epoch", "first_step"), [(1, 0), (1, 3), (2, 1)])
def test_a_resumed_training_sees_what_it_would_have_seen(
    split, augment, mixed, first_epoch, first_step
):
    options = {"augment": augment, **mixed}
    whole = batches_of(split, epochs=3, **options)
    rest = batches_of(split, first_epoch, 3, first_step=first_step, **options)
    assert len(rest) == 12 - 4 * first_epoch - first_step
    for expected, got in zip(whole[-len(rest) :], rest, strict=True):
        np.testing.assert_array_equal(expected[0], got[0])
        np.testing.assert_array_equal(expected[1], got[1])


@pytest.mark.parametrize("first_step", [1, 5])
def test_images_in_shards_have_an_order_that_resumes_too(split, first_step):
    stored = dataclasses.replace(split, stored=np.arange(22)[::-1])
    whole = batches_of(stored)
    rest = batches_of(stored, first_step=first_step)
    assert len(rest) == 8 - first_step
    for expected, got in zip(whole[first_step:], rest, strict=True):
        np.testing.assert_array_equal(expected[0], got[0])
    seen = {n for images, _ in whole[:4] for n in numbers_of(images)}
    assert len(seen) == 20


def test_an_image_that_is_lost_while_it_is_streamed_is_named(split):
    def read(path):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    images: Any = StreamedImages(read, split.paths, Preprocessing((8, 8)))
    streamed = dataclasses.replace(split, images_rgb_u8=images)
    sentence = r"^\d+.png: cannot be read any more .No such.*same command again.$"
    with pytest.raises(RequestError, match=sentence), reporting_unreadable():
        batches_of(streamed)


def test_another_seed_gives_another_order(split):
    first, second = batches_of(split), batches_of(split, seed=8)
    assert any(np.any(a[0] != b[0]) for a, b in zip(first, second, strict=True))


def test_fewer_images_than_a_batch_make_one_batch(split):
    assert steps_per_epoch(split, 64) == 1
    batches = batches_of(split, epochs=3, batch_size=64)
    assert [len(images) for images, _ in batches] == [22, 22, 22]


def test_every_level_runs_with_mixup_and_cutmix(split):
    for augment in LEVELS:
        options = {"augment": augment, "mixup_alpha": 0.2, "cutmix_alpha": 1.0}
        batches = batches_of(split, epochs=1, **options)
        assert len(batches) == 4
        for images, labels in batches:
            assert 0 <= images.min() and images.max() <= 1
            np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("alphas", [(0.0, 0.0), (0.2, 0.0), (0.0, 1.0)])
def test_a_teacher_is_shown_what_the_student_sees(split, alphas):
    """Augmented and mixed images, and targets that are mixed as they are."""

    def teach(images, targets):
        brightness = tf.reduce_mean(images, axis=(1, 2, 3))
        return tf.concat([brightness[:, tf.newaxis], targets], axis=1)

    mixed = dict(zip(("mixup_alpha", "cutmix_alpha"), alphas, strict=True))
    recipe = Recipe(1, batch_size=5, augment="standard", **mixed)
    alone, taught = (
        training_batches(
            split, recipe, one_hot(3), first_epoch=0, epochs=1, teach=wanted
        )
        for wanted in (None, teach)
    )
    for (images, targets), (same, answers) in zip(alone, taught, strict=True):
        np.testing.assert_array_equal(images, same)
        expected = images.numpy().mean(axis=(1, 2, 3))
        np.testing.assert_allclose(answers[:, 0], expected, rtol=1e-5)
        np.testing.assert_array_equal(answers[:, 1:], targets)


def test_evaluation_gives_every_image_once_in_order(split):
    batches = list(evaluation_batches(split, 5, one_hot(3)))
    assert [len(images) for images, _ in batches] == [5, 5, 5, 5, 2]
    numbers = np.concatenate([numbers_of(images.numpy()) for images, _ in batches])
    np.testing.assert_array_equal(numbers, np.arange(22))
    labels = np.concatenate([labels.numpy() for _, labels in batches])
    np.testing.assert_array_equal(labels.argmax(axis=1), split.labels)


def test_keras_fits_on_them_with_class_weights(split):
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(3, "softmax")(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        training_batches(
            split, Recipe(2, batch_size=5), one_hot(3), first_epoch=0, epochs=2
        ),
        epochs=2,
        steps_per_epoch=4,
        validation_data=evaluation_batches(split, 5, one_hot(3)),
        class_weight={0: 1.0, 1: 2.0, 2: 0.5},
        verbose=0,
    )
    assert len(history.history["val_accuracy"]) == 2


@pytest.mark.parametrize("augment", ["none", "standard"])
def test_workers_together_get_the_batches_of_one(split, augment):
    settings = {"batch_size": 6, "augment": augment}
    whole = batches_of(split, **settings)
    parts = [batches_of(split, part=(index, 3), **settings) for index in range(3)]
    for (images, labels), *shares in zip(whole, *parts, strict=True):
        for index, share in enumerate(shares):
            np.testing.assert_array_equal(share[0], images[index::3])
            np.testing.assert_array_equal(share[1], labels[index::3])


def test_workers_mix_images_differently(split):
    """With the same draws, images of two workers would have the same partners."""
    settings = {"batch_size": 6, "mixup_alpha": 0.4}
    labels = [
        np.concatenate([y for _, y in batches_of(split, part=(index, 2), **settings)])
        for index in range(2)
    ]
    first, second = (np.sort(x.max(axis=1)) for x in labels)
    assert not np.allclose(first, second, atol=1e-3)
