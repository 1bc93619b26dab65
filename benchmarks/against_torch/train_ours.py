"""Trains ShuffleNetV2 with Corallite on made-up images, and prints how fast."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

sys.path.append(str(Path(__file__).parents[1]))
from training_speed import build_training

from corallite.device.cli import program
from corallite.train.data.input_pipeline import one_hot, training_batches
from corallite.train.data.load import Split
from corallite.train.runs.recipe import Recipe

_WIDTH = flags.DEFINE_float("width", 0.5, "Of the network.")
_SIDE = flags.DEFINE_integer("side", 32, "Of the images, in pixels.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Images per step.")
_SECONDS = flags.DEFINE_float("seconds", 20.0, "Of the measurement.")
_CLASSES, _IMAGES = 10, 1024
_UNCOUNTED_STEPS = 4


def main(argv: Sequence[str]) -> None:
    program.reject_arguments(argv)
    rng = np.random.default_rng(0)
    shape = (_SIDE.value, _SIDE.value, 3)
    images = rng.integers(0, 256, (_IMAGES, *shape), np.uint8)
    labels = rng.integers(0, _CLASSES, _IMAGES)
    split = Split(images, labels, tuple(map(str, range(_IMAGES))))
    recipe = Recipe(10**6, batch_size=_BATCH_SIZE.value, learning_rate=0.01)
    batches = iter(
        training_batches(
            split, recipe, one_hot(_CLASSES), first_epoch=0, epochs=recipe.epochs
        )
    )
    train = build_training(shape, _CLASSES, width=_WIDTH.value)
    for _ in range(_UNCOUNTED_STEPS):
        float(train(batches)["loss"])
    count, began_s, began_cpu_s = 0, time.perf_counter(), time.process_time()
    while not count or time.perf_counter() - began_s < _SECONDS.value:
        float(train(batches)["loss"])
        count += _BATCH_SIZE.value
    elapsed = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    print(json.dumps([count / elapsed[0], 1000 * elapsed[1] / count]))


if __name__ == "__main__":
    program.run(main)
