"""Schedules and optimizers do what a recipe says."""

import dataclasses
import json
import math
import subprocess
import sys

import numpy as np
import pytest

from corallite.device.system.errors import RequestError
from corallite.train.data.load import Split
from corallite.train.framework.keras import keras, tf
from corallite.train.runs.recipe import AUTO, TRAIN, Usual, usual_of_boxes
from corallite.train.training.recipe import (
    Recipe,
    Transfer,
    build_optimizer,
    learning_rate_schedule,
    settle,
)

RECIPE = Recipe(epochs=10, learning_rate=0.4, warmup_epochs=2.0)
STEPS = 5


def rates(recipe, steps=STEPS):
    schedule = learning_rate_schedule(recipe, steps)
    return [float(schedule(step)) for step in range(recipe.epochs * steps + 1)]


def test_warmup_is_linear_from_zero_to_the_peak():
    np.testing.assert_allclose(rates(RECIPE)[:11], 0.04 * np.arange(11), atol=1e-7)


def test_decay_is_a_cosine_that_ends_at_zero():
    decay = rates(RECIPE)[10:]
    expected = [0.2 * (1 + math.cos(math.pi * n / 40)) for n in range(41)]
    np.testing.assert_allclose(decay, expected, atol=1e-6)
    assert decay[-1] == pytest.approx(0, abs=1e-7)


def test_without_warmup_the_first_step_has_the_peak():
    schedule = rates(dataclasses.replace(RECIPE, warmup_epochs=0.0))
    assert schedule[0] == pytest.approx(0.4)
    assert schedule[-1] == pytest.approx(0, abs=1e-7)


def test_a_warmup_longer_than_the_training_leaves_the_last_step_for_the_peak():
    schedule = rates(Recipe(epochs=1, learning_rate=0.4, warmup_epochs=5.0), steps=4)
    np.testing.assert_allclose(schedule[:4], [0, 0.4 / 3, 0.8 / 3, 0.4], atol=1e-6)


def test_a_warmup_beyond_all_numbers_is_one_of_all_epochs():
    huge = dataclasses.replace(RECIPE, warmup_epochs=1e308)
    assert rates(huge) == rates(dataclasses.replace(RECIPE, warmup_epochs=10.0))


def test_one_single_step_has_the_peak():
    assert rates(Recipe(epochs=1, learning_rate=0.4), steps=1)[0] == pytest.approx(0.4)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_weight_decay_moves_kernels_and_nothing_else(name):
    recipe = Recipe(
        epochs=1,
        optimizer=name,
        learning_rate=0.1,
        warmup_epochs=0.0,
        weight_decay=0.01,
    )
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(image)
    x = keras.layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Dense(2, name="dense")(keras.layers.Flatten()(x))
    model = keras.Model(image, x)
    for variable in model.trainable_variables:
        variable.assign(tf.ones_like(variable))
    optimizer = build_optimizer(recipe, steps_per_epoch=10)
    zeros = [tf.zeros_like(variable) for variable in model.trainable_variables]
    optimizer.apply_gradients(zip(zeros, model.trainable_variables, strict=True))
    after = {v.name: v.numpy().flat[0] for v in model.trainable_variables}
    # Learning rate x decay of a weight of 1: 0.001.
    expected = {name: 0.999 if "kernel" in name else 1.0 for name in after}
    assert len({value for value in expected.values()}) == 2
    assert after == pytest.approx(expected, abs=1e-6)


def test_an_unknown_optimizer_names_the_known_ones():
    with pytest.raises(RequestError, match="one of sgd, adamw, got 'lion'"):
        build_optimizer(Recipe(epochs=1, optimizer="lion"), 1)


@pytest.mark.parametrize(
    ("images", "batch_size"),
    [(10, 4), (96, 4), (288, 8), (320, 16), (2_000, 64), (2_560, 128), (60_000, 128)],
)
def test_batches_follow_the_images_and_rates_the_batches(images, batch_size):
    recipe = TRAIN.for_images(images, Usual(60, 0.1))
    assert (recipe.epochs, recipe.batch_size) == (60, batch_size)
    assert recipe.learning_rate == pytest.approx(0.1 * batch_size / 128)


def test_what_the_user_says_is_kept():
    recipe = Recipe(7, 32, learning_rate=AUTO).for_images(100, Usual(60, 0.1))
    assert recipe == Recipe(7, 32, learning_rate=0.025)
    assert TRAIN.for_images(5000, Usual(60, 0.1)).optimizer == "sgd"
    given = Recipe(AUTO, AUTO, learning_rate=0.3).for_images(100, Usual(60, 0.1))
    assert (given.epochs, given.learning_rate) == (60, 0.3)


# In one process: it imports TensorFlow.
FLAGS_PROGRAM = """
import dataclasses, json, sys
from absl import flags
from absl.testing import flagsaver
from corallite.device.cli import program
from corallite.device.system.errors import RequestError
from corallite.train.cli import recipe_flags
from corallite.train.training.recipe import Recipe

first = recipe_flags.define(Recipe(epochs=7, learning_rate=0.5))
second = recipe_flags.define(
    Recipe(epochs=3, learning_rate=0.2, seed=9), prefix="prune_"
)
read_transfer = recipe_flags.define_transfer()


def answer(given):
    try:
        with flagsaver.as_parsed(**given):
            recipes = [dataclasses.asdict(read()) for read in (first, second)]
            transfer = read_transfer()
    except (RequestError, flags.Error) as error:
        return str(error)
    return [transfer and dataclasses.asdict(transfer), *recipes]


def main(argv):
    answers = [answer(given) for given in json.load(sys.stdin)]
    print(json.dumps([flags.FLAGS.main_module_help(), *answers]))


if __name__ == "__main__":
    program.run(main)
"""
RECIPES = [
    ({}, Recipe(7, learning_rate=0.5), Recipe(3, learning_rate=0.2)),
    # A seed, like batch size and augmentation, is one for all trainings.
    (
        {"epochs": "5", "seed": "4", "prune_learning_rate": "0.7"},
        Recipe(5, learning_rate=0.5, seed=4),
        Recipe(3, learning_rate=0.7, seed=4),
    ),
]
# Whether only the head is fitted; None: random weights.
TRANSFERS = [
    ({"weights": "random"}, None),
    ({}, Transfer("auto")),
    ({"weights": "a.pth"}, Transfer("a.pth")),
    ({"weights": "a.pth", "freeze": "true"}, Transfer("a.pth", True)),
    ({"freeze": "false"}, Transfer("auto", False)),
]
REFUSED = [
    ({"weights": "random", "freeze": "true"}, "omit --weights=random"),
    ({"epochs": "0"}, "flag --epochs=0"),
    ({"seed": "-1"}, "flag --seed=-1"),
    ({"seed": "4294967296"}, "flag --seed=4294967296"),
]


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """The text of --help, and what the flags of each case above became, by case."""
    path = tmp_path_factory.mktemp("flags") / "settings.py"
    path.write_text(FLAGS_PROGRAM)
    cases = [given for given, *_ in (*RECIPES, *TRANSFERS, *REFUSED)]
    done = subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        input=json.dumps(cases),
    )
    assert done.returncode == 0, done.stderr
    shown, *found = json.loads(done.stdout)
    keys = [json.dumps(given) for given in cases]
    return shown, dict(zip(keys, found, strict=True))


@pytest.mark.slow
def test_help_shows_a_flag_for_each_setting(answers):
    shown, _ = answers
    for field in dataclasses.fields(Recipe):
        assert f"--{field.name}: " in shown or f"--[no]{field.name}: " in shown
    assert "--prune_epochs: " in shown
    assert "--prune_seed" not in shown


@pytest.mark.slow
@pytest.mark.parametrize(("given", "first", "second"), RECIPES)
def test_flags_become_recipes(given, first, second, answers):
    _, *recipes = answers[1][json.dumps(given)]
    assert recipes == [dataclasses.asdict(first), dataclasses.asdict(second)]


@pytest.mark.slow
@pytest.mark.parametrize(("given", "expected"), TRANSFERS)
def test_flags_of_weights_say_what_is_trained(given, expected, answers):
    transfer, *_ = answers[1][json.dumps(given)]
    assert transfer == (expected and dataclasses.asdict(expected))


@pytest.mark.slow
@pytest.mark.parametrize(("given", "sentence"), REFUSED)
def test_flags_that_make_no_recipe_are_named(given, sentence, answers):
    assert sentence in answers[1][json.dumps(given)]


def test_boxes_are_trained_as_they_were_measured():
    """docs/results.md, "Class and box": 1,500 scenes."""
    found = TRAIN.for_images(1500, usual_of_boxes(TRAIN, is_pretrained=True))
    assert (found.optimizer, found.learning_rate, found.batch_size) == (
        *("adamw", 0.002),
        32,
    )
    # With fewer images, the batch and the rate become smaller together.
    small = TRAIN.for_images(300, usual_of_boxes(TRAIN, is_pretrained=True))
    assert (small.batch_size, small.learning_rate) == (8, 0.0005)
    by_sgd = dataclasses.replace(TRAIN, optimizer="sgd")
    found = by_sgd.for_images(5000, usual_of_boxes(by_sgd, is_pretrained=True))
    assert (found.optimizer, found.learning_rate, found.batch_size) == (
        "sgd",
        0.01,
        128,
    )


def test_loss_of_boxes_is_not_balanced():
    boxes = np.zeros((4, 1, 5), np.float32)
    pixels = np.zeros((4, 8, 8, 3), np.uint8)
    split = Split(pixels, np.zeros(4, int), ("a", "b", "c", "d"))
    usual = Usual(60, 0.1)
    assert settle(TRAIN, usual, split).balance_classes
    marked = dataclasses.replace(split, boxes=boxes)
    assert not settle(TRAIN, usual, marked).balance_classes
