"""Measures data that do not fit: memory, and the speed of decoding while training.

    python benchmarks/streaming.py --work_dir=runs/streaming

It lists --listed files, packs and streams --streamed small made images, each step in a
process of its own, and prints the peak memory of each. Then it trains networks on
cached and on streamed photos in turn, and prints milliseconds of processor time an
image: of training on each, and of decoding alone. The ratio is that of the speeds of a
machine whose processors do both: cached / streamed.
"""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from made_photos import make_photos
from training_speed import build_training, cost_round

from corallite.device.cli import program
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Preprocessing
from corallite.device.system import memory
from corallite.train.data.decoded.streamed import StreamedImages
from corallite.train.data.input_pipeline import one_hot, training_batches
from corallite.train.data.listing.images import list_images
from corallite.train.data.load import Split, prepare_data
from corallite.train.data.shards.pack import pack
from corallite.train.data.shards.packed import open_packed
from corallite.train.runs.recipe import Recipe
from corallite.train.runs.run import Run

_WORK_DIR = flags.DEFINE_string("work_dir", "runs/streaming", "Folder for all files.")
_LISTED = flags.DEFINE_integer("listed", 1_000_000, "Files to list.", lower_bound=40)
_STREAMED = flags.DEFINE_integer(
    "streamed", 200_000, "Small images to pack and stream.", lower_bound=600
)
_PHOTOS = flags.DEFINE_integer("photos", 600, "Photos to train on.", lower_bound=40)
_SIZE = flags.DEFINE_integer("size", 224, "Side in training, pixels.", lower_bound=32)
_BATCH = flags.DEFINE_integer("batch_size", 32, "Images per step.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds of training.", lower_bound=1)
_STEPS_A_ROUND = flags.DEFINE_integer("steps", 10, "Steps a round.", lower_bound=1)
_STEP = flags.DEFINE_string(
    "step", None, "The step that a process of its own measures."
)

# Name and width of each network, and width and height of its photos in pixels.
_TRAININGS = (
    ("mobilenet_v2", 1.0, (320, 240)),
    ("shufflenet_v2", 0.5, (320, 240)),
    ("shufflenet_v2", 0.5, (640, 480)),
)
_CLASSES = 20
# Below the size from which photos are compared with one another.
_SMALL_SIDE = 24
_MOST_LINKS = 30_000
# Of small images that are streamed.
_STREAM_BATCH = 256


def main(argv: Sequence[str]) -> None:
    program.reject_arguments(argv)
    work_dir = Path(_WORK_DIR.value)
    if _STEP.value:
        print(json.dumps(_STEPS[_STEP.value](work_dir)))
        return
    _make_links(work_dir / "listed", _LISTED.value)
    _make_small_images(work_dir / "small", _STREAMED.value)
    steps = [_run_step(name) for name in _STEPS]
    print(_to_table(steps))
    speeds = [_compare(work_dir, *row) for row in _TRAININGS]
    print(_to_table(speeds))
    print(json.dumps({"memory": steps, "speed": speeds}))


def _make_links(folder: Path, count: int) -> None:
    """Links a few empty files many times: what is listed is not opened."""
    each = count // _CLASSES
    for label in range(_CLASSES):
        class_dir = folder / f"class_{label:02d}"
        class_dir.mkdir(parents=True, exist_ok=True)
        for number in range(each):
            path = class_dir / f"{number:06d}.jpg"
            first = class_dir / f"{number - number % _MOST_LINKS:06d}.jpg"
            if path == first:
                path.touch()
            elif not path.exists():
                os.link(first, path)


def _make_small_images(folder: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    for number in range(count):
        image = rng.integers(0, 256, (_SMALL_SIDE, _SMALL_SIDE, 3), np.uint8)
        path = folder / f"class_{number % _CLASSES:02d}" / f"{number:07d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(cv2.imencode(".jpg", image)[1].tobytes())


def _run_step(name: str) -> dict[str, Any]:
    command = [sys.executable, *sys.argv, f"--step={name}"]
    began_s = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    seconds = round(time.perf_counter() - began_s, 1)
    return {
        "step": name,
        "images": "",
        "MB": 0,
        "s": seconds,
        **json.loads(done.stdout),
    }


def _begin(work_dir: Path) -> dict[str, Any]:
    """Measures a process that has only imported what it needs."""
    return {"MB": _peak_mb()}


def _list(work_dir: Path) -> dict[str, Any]:
    return {"images": len(list_images(work_dir / "listed").files), "MB": _peak_mb()}


def _pack(work_dir: Path) -> dict[str, Any]:
    result = pack(work_dir / "small", str(work_dir / "shards"))
    return {"images": result.images, "MB": _peak_mb()}


def _open(work_dir: Path) -> dict[str, Any]:
    return {"images": len(_open_small(work_dir).labels), "MB": _peak_mb()}


def _stream_a_twentieth(work_dir: Path) -> dict[str, Any]:
    return _stream(work_dir, 20)


def _stream_all(work_dir: Path) -> dict[str, Any]:
    return _stream(work_dir, 1)


def _stream(work_dir: Path, divisor: int) -> dict[str, Any]:
    """Reads an epoch, or a part of it, as a training does."""
    split = _open_small(work_dir)
    recipe = Recipe(1, batch_size=_STREAM_BATCH, augment="none")
    batches = training_batches(
        split, recipe, one_hot(_CLASSES), first_epoch=0, epochs=1
    )
    count = max(1, len(split.labels) // _STREAM_BATCH // divisor)
    images = sum(len(images) for images, _ in batches.take(count))
    return {"images": images, "MB": _peak_mb()}


def _open_small(work_dir: Path) -> Split:
    run = Run.open(work_dir / "small_run")
    how = Preprocessing((_SMALL_SIDE, _SMALL_SIDE))
    return prepare_data(work_dir / "shards", run, how, cache_gb=0).splits["train"]


_STEPS = {
    "begin": _begin,
    "list": _list,
    "pack": _pack,
    "open": _open,
    "stream 1/20": _stream_a_twentieth,
    "stream": _stream_all,
}


def _peak_mb() -> int:
    return round((memory.read_peak_bytes() or 0) / 1e6)


def _compare(
    work_dir: Path, name: str, width: float, photo_wh: tuple[int, int]
) -> dict[str, Any]:
    """Trains on cached and on streamed photos in turn."""
    kind = f"{photo_wh[0]}x{photo_wh[1]}"
    photos, shards = work_dir / f"photos_{kind}", work_dir / f"shards_{kind}"
    make_photos(photos, _PHOTOS.value, photo_wh)
    pack(photos, str(shards))
    how = Preprocessing((_SIZE.value, _SIZE.value))
    run = Run.open(work_dir / f"run_{kind}_{_SIZE.value}")
    cached = prepare_data(shards, run, how).splits["train"]
    images: Any = StreamedImages(open_packed(shards).read, cached.paths, how)
    streamed = dataclasses.replace(cached, images_rgb_u8=images)
    splits = {"cached": cached, "streamed": streamed}
    classes = int(cached.labels.max()) + 1
    recipe = Recipe(10**6, batch_size=_BATCH.value)
    batches = {
        way: iter(
            training_batches(
                split, recipe, one_hot(classes), first_epoch=0, epochs=10**6
            )
        )
        for way, split in splits.items()
    }
    train = build_training((_SIZE.value, _SIZE.value, 3), classes, name, width)
    rounds = [
        {
            **{
                way: cost_round(train, batches[way], _BATCH.value, _STEPS_A_ROUND.value)
                for way in ("cached", "streamed")
            },
            "decoding": _cost_of_decoding(streamed),
        }
        for _ in range(_ROUNDS.value)
    ]
    return {"network": f"{name} {width}", "photos": kind, **_summarize(rounds)}


def _cost_of_decoding(split: Split) -> float:
    """Returns milliseconds of processor time an image."""
    began_s = time.process_time()
    for start in range(0, len(split.labels), _BATCH.value):
        np.asarray(split.images_rgb_u8[start : start + _BATCH.value])
    return 1000 * (time.process_time() - began_s) / len(split.labels)


def _summarize(rounds: list[dict[str, float]]) -> dict[str, Any]:
    costs = {
        name: round(statistics.median(x[name] for x in rounds), 2)
        for name in ("cached", "streamed", "decoding")
    }
    ratios = sorted(x["cached"] / x["streamed"] for x in rounds)
    return {
        **costs,
        "ratio": round(statistics.median(ratios), 3),
        "lowest": round(ratios[0], 3),
        "highest": round(ratios[-1], 3),
    }


def _to_table(rows: list[dict[str, Any]]) -> str:
    texts = [list(rows[0]), *(list(map(_to_text, row.values())) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join(
        "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True))
        for row in texts
    )


def _to_text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    program.run(main)
