"""Makes scenes with exact boxes: small photos pasted on large ones.

python benchmarks/detect/make_scenes.py --objects=cifar10 --backgrounds=waste \
    --out=scenes

`cifar10` has train/ and test/ with class folders of small photos, `waste` has class
folders of large ones. A scene is a random crop of a large photo, its class, with one to
four small photos of three classes on it, which are its boxes. No photo, large or small,
is in two splits. Writes train/, val/ and test/ with class folders, and boxes.json in
COCO's format. The same arguments give the same scenes.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import app, flags

from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import read_image
from corallite.device.system import files

_OBJECTS = flags.DEFINE_string("objects", None, "Folder of CIFAR-10.", required=True)
_BACKGROUNDS = flags.DEFINE_string("backgrounds", None, "Class folders.", required=True)
_OUT = flags.DEFINE_string("out", None, "Folder to write.", required=True)
_LABELS = flags.DEFINE_list(
    "labels", "automobile,horse,ship", "Classes of the objects."
)
_CLASSES = flags.DEFINE_list(
    "classes", "carton,glass,paper,textiles", "Classes of the backgrounds."
)
_COUNTS = flags.DEFINE_list("counts", "1500,300,600", "Scenes of train, val and test.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed.")

_SIDE = 128
_OBJECT_SIDES = (24, 64)
_MOST_OBJECTS = 4
# Of a box that another one covers; more would hide what it is.
_MOST_COVERED = 0.2
# Of each class of backgrounds, from the last one: photos for val and for test.
_HELD_OUT = {"val": (-60, -40), "test": (-40, None), "train": (None, -60)}


class Pasted(NamedTuple):
    """An object in a scene, in pixels."""

    label: int
    left: int
    top: int
    side: int


def main(argv: Sequence[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Expected no arguments, got {argv[1:]}.")
    out, rng = Path(_OUT.value), np.random.default_rng(_SEED.value)
    content: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    for number, label in enumerate(_LABELS.value):
        content["categories"].append({"id": number + 1, "name": label})
    for split, count in zip(("train", "val", "test"), _COUNTS.value, strict=True):
        for number in range(int(count)):
            _write_scene(out, split, number, rng, content)
    files.write_json(out / "boxes.json", content)


def _write_scene(
    out: Path,
    split: str,
    number: int,
    rng: np.random.Generator,
    content: dict[str, Any],
) -> None:
    kind = _CLASSES.value[number % len(_CLASSES.value)]
    scene = _crop(_choose_background(kind, split, rng), rng)
    pasted = _place(rng)
    for item in pasted:
        _paste(scene, item, split, rng)
    path = Path(split) / kind / f"{number:05d}.jpg"
    encoded = cv2.imencode(".jpg", scene[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    files.write_bytes(out / path, encoded.tobytes())
    image = {"id": len(content["images"]) + 1, "file_name": path.as_posix()}
    content["images"].append({**image, "width": _SIDE, "height": _SIDE})
    for item in pasted:
        content["annotations"].append(
            {
                "id": len(content["annotations"]) + 1,
                "image_id": image["id"],
                "category_id": item.label + 1,
                "bbox": [item.left, item.top, item.side, item.side],
                "area": item.side**2,
                "iscrowd": 0,
            }
        )


def _choose_background(kind: str, split: str, rng: np.random.Generator) -> np.ndarray:
    paths = _list_photos(Path(_BACKGROUNDS.value) / kind)
    first, last = _HELD_OUT[split]
    return read_image(_choose(paths[first:last], rng))


@functools.cache
def _list_photos(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def _choose(paths: list[Path], rng: np.random.Generator) -> Path:
    return paths[int(rng.integers(len(paths)))]


def _crop(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns a random square of 0.6 to 1 of the shorter side, mirrored or not."""
    side = int(min(photo.shape[:2]) * rng.uniform(0.6, 1))
    top, left = (int(rng.integers(length - side + 1)) for length in photo.shape[:2])
    square = photo[top : top + side, left : left + side]
    scene = cv2.resize(square, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(scene[:, ::-1] if rng.random() < 0.5 else scene)


def _place(rng: np.random.Generator) -> list[Pasted]:
    """Chooses what is where; later objects hide little of the earlier ones."""
    placed: list[Pasted] = []
    for _ in range(int(rng.integers(1, _MOST_OBJECTS + 1))):
        side = int(rng.integers(_OBJECT_SIDES[0], _OBJECT_SIDES[1] + 1))
        left, top = (int(x) for x in rng.integers(0, _SIDE - side + 1, 2))
        item = Pasted(int(rng.integers(len(_LABELS.value))), left, top, side)
        if all(_covered(item, other) <= _MOST_COVERED for other in placed):
            placed.append(item)
    return placed


def _covered(one: Pasted, other: Pasted) -> float:
    """Returns the larger of the fractions of both that they have in common."""
    width = min(one.left + one.side, other.left + other.side)
    height = min(one.top + one.side, other.top + other.side)
    common = max(0, width - max(one.left, other.left))
    common *= max(0, height - max(one.top, other.top))
    return common / min(one.side, other.side) ** 2


def _paste(
    scene: np.ndarray, item: Pasted, split: str, rng: np.random.Generator
) -> None:
    folder = Path(_OBJECTS.value) / ("train" if split == "train" else "test")
    paths = _list_photos(folder / _LABELS.value[item.label])
    # The first half of the test photos is that of val.
    half = len(paths) // 2
    chosen = {"train": paths, "val": paths[:half], "test": paths[half:]}[split]
    photo = read_image(_choose(chosen, rng))
    small = cv2.resize(photo, (item.side,) * 2, interpolation=cv2.INTER_CUBIC)
    rows = slice(item.top, item.top + item.side)
    scene[rows, item.left : item.left + item.side] = small


if __name__ == "__main__":
    app.run(main)
