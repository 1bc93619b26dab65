"""Measures whether training waits for its input.

    python benchmarks/input_pipeline.py --cifar10_dir=cifar10 --run_dir=runs/input

It trains ShuffleNetV2 0.5x alternately on batches of the input pipeline and on one
batch kept in memory, and compares images per second. Data: CIFAR-10 as class folders,
if given, and synthetic photos at 224 pixels. Exit status 1 if the pipeline reaches less
than --min_ratio of the kept batch's speed.
"""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags
from made_photos import make_photos
from training_speed import build_training, time_round

from corallite.device.cli import program
from corallite.device.image.preprocess import Preprocessing
from corallite.train.data import augment
from corallite.train.data.input_pipeline import one_hot, training_batches
from corallite.train.data.load import ImageData, prepare_data
from corallite.train.framework.keras import tf
from corallite.train.runs.recipe import Recipe
from corallite.train.runs.run import Run

_CIFAR10_DIR = flags.DEFINE_string(
    "cifar10_dir", None, "CIFAR-10 as class folders; default, not measured."
)
_RUN_DIR = flags.DEFINE_string(
    "run_dir", "runs/input_pipeline", "Folder for photos and decoded images."
)
_AUGMENT = flags.DEFINE_enum("augment", "light", augment.LEVELS, "Augmentation.")
_NUM_PHOTOS = flags.DEFINE_integer(
    "num_photos", 1000, "Synthetic photos; 0 skips them.", lower_bound=0
)
_PHOTO_SIZE = flags.DEFINE_integer(
    "photo_size", 224, "Side of the photos in training, in pixels.", lower_bound=32
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Images per step.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer(
    "rounds", 7, "Rounds; the median of their ratios counts.", lower_bound=1
)
_ROUND_S = flags.DEFINE_float(
    "round_s", 20.0, "Seconds of training per round and input.", lower_bound=0.0
)
_MIN_RATIO = flags.DEFINE_float(
    "min_ratio", 0.95, "Lowest ratio to the kept batch's speed.", lower_bound=0.0
)


def main(argv: Sequence[str]) -> int:
    program.reject_arguments(argv)
    run_dir = Path(_RUN_DIR.value)
    rows = []
    if _CIFAR10_DIR.value:
        rows.append(_measure("cifar10", Path(_CIFAR10_DIR.value), run_dir, 32))
    if _NUM_PHOTOS.value:
        photo_dir = run_dir / f"photos_{_NUM_PHOTOS.value}"
        make_photos(photo_dir, _NUM_PHOTOS.value)
        rows.append(_measure("photos", photo_dir, run_dir, _PHOTO_SIZE.value))
    print(f"{'data':<10}{'pixels':>7}{'pipeline':>14}{'one batch':>14}{'ratio':>8}")
    for row in rows:
        print(
            f"{row['data']:<10}{row['image_size']:>7}"
            f"{row['pipeline_images_per_s']:>10.1f} /s"
            f"{row['one_batch_images_per_s']:>11.1f} /s{row['ratio']:>8.3f}"
        )
    print(json.dumps(rows))
    is_fast = all(row["ratio"] >= _MIN_RATIO.value for row in rows)
    return program.EXIT_DONE if is_fast else program.EXIT_CHECK_FAILED


def _measure(name: str, data_dir: Path, run_dir: Path, size: int) -> dict[str, Any]:
    run = Run.open(run_dir / f"{name}_{size}")
    data = prepare_data(data_dir, run, Preprocessing((size, size)))
    batches = _pipeline(data)
    # A batch of the pipeline, so that both inputs train on the same pixels.
    one_batch = tf.data.Dataset.from_tensors(next(iter(batches))).repeat()
    train = build_training((size, size, 3), len(data.class_names))
    kinds = {"pipeline": iter(batches), "one_batch": iter(one_batch)}
    speeds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(_ROUNDS.value):
        for kind, batch_iterator in kinds.items():
            speed = time_round(train, batch_iterator, _BATCH_SIZE.value, _ROUND_S.value)
            speeds[kind].append(speed)
    ratios = [p / o for p, o in zip(*speeds.values(), strict=True)]
    return {
        "data": name,
        "image_size": size,
        "batch_size": _BATCH_SIZE.value,
        "augment": _AUGMENT.value,
        "pipeline_images_per_s": round(statistics.median(speeds["pipeline"]), 1),
        "one_batch_images_per_s": round(statistics.median(speeds["one_batch"]), 1),
        "ratio": round(statistics.median(ratios), 4),
        "ratios": [round(ratio, 4) for ratio in ratios],
    }


def _pipeline(data: ImageData) -> tf.data.Dataset:
    return training_batches(
        data.splits["train"],
        Recipe(10**6, batch_size=_BATCH_SIZE.value, augment=_AUGMENT.value),
        one_hot(len(data.class_names)),
        first_epoch=0,
        epochs=10**6,
    )


if __name__ == "__main__":
    program.run(main)
