"""Draws what stood in for the photos of the guides: a line, a greenhouse, a porch.

python benchmarks/guide_scenes.py --scene=line --images=runs/demo/images --out=line
python benchmarks/guide_scenes.py --scene=greenhouse --out=greenhouse
python benchmarks/guide_scenes.py --scene=door --out=porch

Writes `photos/CLASS/*.jpg`, and other photos to try a model on, `new/CLASS/*.jpg`, also
of a class that it does not know. `line` also writes photos of other goods, `more/none`;
scenes with boxes, `boxes/`, and boxes.json in COCO's format; and the frames of a video,
`frames/*.jpg`, with the numbers that pass in passed.json. Its goods are images of
Fashion-MNIST (`--images` has its train/ and test/). The same arguments give the same
files.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import read_image
from corallite.device.system import files

_SCENE = flags.DEFINE_enum("scene", None, ["line", "greenhouse", "door"], "What.")
_IMAGES = flags.DEFINE_string("images", "runs/demo/images", "Fashion-MNIST's folders.")
_OUT = flags.DEFINE_string("out", None, "Folder to write.", required=True)
_PER_CLASS = flags.DEFINE_integer("per_class", 40, "Photos of each class to train on.")

_WIDTH, _HEIGHT = 320, 240
_BOXED = {"train": 300, "val": 60, "test": 100}
# The class folders of Fashion-MNIST, and how the line calls them.
_GOODS = {"ankle_boot": "boot", "sandal": "sandal"}
_STEP, _GAP = 12, 22  # Pixels that the belt moves in a frame; frames between two items.

Rng = np.random.Generator
Drawer = Callable[[str, str, Rng], np.ndarray]


def main(argv: Sequence[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Expected no arguments, got {argv[1:]}.")
    out = Path(_OUT.value)
    drawers: dict[str, tuple[Drawer, Sequence[str], Sequence[str]]] = {
        "line": (_draw_line, ["boot", "sandal", "none"], ["bag"]),
        "greenhouse": (_draw_leaves, ["healthy", "mildew", "none"], ["yellow"]),
        "door": (_draw_door, ["parcel", "none"], []),
    }
    draw, classes, unknown = drawers[_SCENE.value]
    for label in classes:
        _write_photos(out / "photos" / label, draw, label, "train", _PER_CLASS.value)
    for label in (*classes, *unknown):
        _write_photos(out / "new" / label, draw, label, "test", 60)
    if _SCENE.value == "line":
        for label in ("trouser", "shirt", "dress", "sneaker"):
            _write_photos(
                out / "more" / "none", draw, label, "train", _PER_CLASS.value // 4
            )
        _write_boxes(out / "boxes", np.random.default_rng(2))
        _write_video(out, np.random.default_rng(3))


def _write_photos(
    folder: Path, draw: Drawer, label: str, split: str, count: int
) -> None:
    rng = np.random.default_rng([len(label), split == "test", ord(label[0])])
    for number in range(count):
        name = f"{label}_{number:03d}.jpg"
        _write(folder / name, draw(label, split, rng))


def _write(path: Path, image: np.ndarray) -> None:
    jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
    files.write_bytes(path, jpeg.tobytes())


def _finish(image: np.ndarray, rng: Rng, noise: float = 6) -> np.ndarray:
    """Adds light that differs from photo to photo, and the noise of a camera."""
    lit = image.astype(np.float32) * rng.uniform(0.75, 1.2)
    return np.clip(lit + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8)


def _belt(shift: int = 0) -> np.ndarray:
    """Returns a dark belt between two rails; its seams move by `shift` pixels."""
    belt = np.full((_HEIGHT, _WIDTH, 3), (46, 50, 54), np.float32)
    belt[:, (np.arange(_WIDTH) + shift) % 80 < 3] *= 0.8
    belt[:26], belt[-26:] = (120, 122, 118), (120, 122, 118)
    return belt


def _paste_item(
    belt: np.ndarray, name: str, split: str, at: tuple[int, int, int], rng: Rng
) -> None:
    """Lays one item on the belt: left, top and side are in pixels, and may be outside.

    Of each class, the first 500 images of train/ are for training.
    """
    paths = sorted((Path(_IMAGES.value) / split / name).iterdir())
    item = read_image(paths[int(rng.integers(min(500, len(paths))))])[..., 0]
    left, top, side = at
    large = cv2.resize(item, (side, side), interpolation=cv2.INTER_CUBIC)
    large = large.astype(np.float32)[..., None]
    cover = np.clip(large / 40, 0, 1)
    first, last = max(0, left), min(_WIDTH, left + side)
    if first >= last:
        return
    part = slice(first - left, last - left)
    below = belt[top : top + side, first:last]
    colour = np.array((1.0, 0.93, 0.82), np.float32) * (40 + 0.8 * large[:, part])
    below[:] = below * (1 - cover[:, part]) + colour * cover[:, part]


def _draw_line(label: str, split: str, rng: Rng) -> np.ndarray:
    belt = _belt(int(rng.integers(80)))
    name = {y: x for x, y in _GOODS.items()}.get(label, label)
    if label != "none":
        _paste_item(belt, name, split, _choose_place(rng), rng)
    return _finish(belt, rng)


def _choose_place(rng: Rng) -> tuple[int, int, int]:
    side = int(rng.integers(105, 135))
    left = int(rng.integers(0, _WIDTH - side))
    return left, int(rng.integers(26, _HEIGHT - 26 - side)), side


def _draw_leaves(label: str, split: str, rng: Rng) -> np.ndarray:
    """Draws leaves before soil; mildew is white spots, `none` has no leaf in it."""
    image = np.full((_HEIGHT, _WIDTH, 3), (92, 72, 54), np.float32)
    image += cv2.resize(rng.normal(0, 14, (30, 40, 3)), (_WIDTH, _HEIGHT))
    if label == "none":
        return _finish(image, rng)
    leaves = np.zeros((_HEIGHT, _WIDTH), np.uint8)
    for _ in range(int(rng.integers(7, 13))):
        centre = tuple(int(x) for x in rng.integers((0, 0), (_WIDTH, _HEIGHT)))
        axes = tuple(int(x) for x in rng.integers((35, 16), (75, 34)))
        angle = float(rng.uniform(0, 180))
        green = np.array((52, 118, 44)) + rng.normal(0, 14, 3)
        if label == "yellow":
            green = np.array((176, 164, 62)) + rng.normal(0, 14, 3)
        cv2.ellipse(image, centre, axes, angle, 0, 360, green.tolist(), -1, cv2.LINE_AA)
        vein = np.array((axes[0] * np.cos(np.radians(angle)), 0))
        vein[1] = axes[0] * np.sin(np.radians(angle))
        ends = [tuple(int(x) for x in centre + sign * vein) for sign in (-1, 1)]
        cv2.line(image, *ends, (1.25 * green).tolist(), 2, cv2.LINE_AA)
        cv2.ellipse(leaves, centre, axes, angle, 0, 360, 255, -1)
    if label == "mildew":
        _add_spots(image, leaves, rng)
    return _finish(image, rng)


def _add_spots(image: np.ndarray, leaves: np.ndarray, rng: Rng) -> None:
    rows, columns = np.nonzero(leaves)
    for index in rng.integers(len(rows), size=int(rng.integers(14, 45))):
        centre = int(columns[index]), int(rows[index])
        spot = np.zeros(image.shape[:2], np.float32)
        cv2.circle(spot, centre, int(rng.integers(3, 11)), 1.0, -1)
        cover = cv2.GaussianBlur(spot, (0, 0), 2.5)[..., None] * rng.uniform(0.5, 0.9)
        image[:] = image * (1 - cover) + np.array((222, 226, 214)) * cover


def _draw_door(label: str, split: str, rng: Rng) -> np.ndarray:
    """Draws a door step by day, or by night in the grey of infrared light."""
    image = np.full((_HEIGHT, _WIDTH, 3), (168, 160, 150), np.float32)
    image[150:] = (118, 114, 108)
    cv2.rectangle(image, (186, 8), (286, 158), (74, 88, 96), -1)
    cv2.circle(image, (200, 92), 4, (190, 176, 120), -1, cv2.LINE_AA)
    pot = int(rng.integers(20, 60))
    cv2.ellipse(image, (pot, 120), (22, 34), 0, 0, 360, (60, 104, 52), -1, cv2.LINE_AA)
    cv2.rectangle(image, (pot - 14, 140), (pot + 14, 172), (150, 84, 58), -1)
    if rng.random() < 0.5:
        _add_shadow(image, rng)
    if label == "parcel":
        _add_parcel(image, rng)
    if rng.random() < 0.4:
        grey = image.mean(2, keepdims=True) * rng.uniform(0.45, 0.7)
        return _finish(np.repeat(grey, 3, 2), rng, noise=13)
    return _finish(image, rng)


def _add_shadow(image: np.ndarray, rng: Rng) -> None:
    left, top = (int(x) for x in rng.integers((60, 140), (240, 190)))
    points = np.array(
        [(left, top), (left + 90, top - 30), (left + 70, 239), (left, 239)]
    )
    shade = np.ones(image.shape[:2], np.float32)
    cv2.fillPoly(shade, [points], float(rng.uniform(0.55, 0.8)))
    image *= cv2.GaussianBlur(shade, (0, 0), 4)[..., None]


def _add_parcel(image: np.ndarray, rng: Rng) -> None:
    width, height = (int(x) for x in rng.integers((38, 26), (96, 70)))
    left = int(rng.integers(70, _WIDTH - width - 20))
    bottom = int(rng.integers(170, 232))
    brown = np.array((172, 128, 84)) + rng.normal(0, 12, 3)
    depth = height // 4
    top = bottom - height
    lid = [
        (left, top),
        (left + depth, top - depth),
        (left + width + depth, top - depth),
    ]
    lid.append((left + width, top))
    side = [(left + width, top), lid[2], (lid[2][0], bottom - depth)]
    side.append((left + width, bottom))
    cv2.fillPoly(image, [np.array(lid)], (1.12 * brown).tolist(), cv2.LINE_AA)
    cv2.fillPoly(image, [np.array(side)], (0.8 * brown).tolist(), cv2.LINE_AA)
    cv2.rectangle(image, (left, top), (left + width, bottom), brown.tolist(), -1)
    tape = left + width // 2
    cv2.rectangle(image, (tape - 4, top), (tape + 4, bottom), (206, 178, 138), -1)


def _write_boxes(out: Path, rng: Rng) -> None:
    """Writes scenes with one to three items and their boxes, in COCO's format."""
    categories = [{"id": i + 1, "name": x} for i, x in enumerate(_GOODS.values())]
    images: list[Any] = []
    boxes: list[Any] = []
    for split, count in _BOXED.items():
        for number in range(count):
            belt, placed = _lay_items(split, rng)
            name = f"{split}/{number:04d}.jpg"
            _write(out / name, _finish(belt, rng))
            image = {"id": len(images) + 1, "file_name": name}
            images.append({**image, "width": _WIDTH, "height": _HEIGHT})
            for label, box in placed:
                found = {"id": len(boxes) + 1, "image_id": image["id"], "bbox": box}
                area = box[2] * box[3]
                boxes.append(found | {"category_id": label, "area": area, "iscrowd": 0})
    content = {"images": images, "annotations": boxes, "categories": categories}
    files.write_json(out / "boxes.json", content)


def _lay_items(split: str, rng: Rng) -> tuple[np.ndarray, list[tuple[int, list[int]]]]:
    belt, placed = _belt(int(rng.integers(80))), []
    left = int(rng.integers(-20, 40))
    for _ in range(int(rng.integers(0, 4))):
        _, top, side = _choose_place(rng)
        if left + side > _WIDTH + 20:
            break
        label = int(rng.integers(len(_GOODS)))
        kind = "train" if split == "train" else "test"
        _paste_item(belt, list(_GOODS)[label], kind, (left, top, side), rng)
        first, last = max(0, left), min(_WIDTH, left + side)
        placed.append((label + 1, [first, top, last - first, side]))
        left += side + int(rng.integers(5, 60))
    return belt, placed


def _write_video(out: Path, rng: Rng) -> None:
    """Writes frames of a belt that runs from left to right; every fifth is a sandal."""
    names = [list(_GOODS)[number % 5 == 4] for number in range(20)]
    places = [_choose_place(rng)[1:] for _ in names]
    seeds = [int(rng.integers(1 << 30)) for _ in names]
    for number, frame in enumerate(_run_belt(names, places, seeds, rng)):
        _write(out / "frames" / f"{number:04d}.jpg", frame)
    count = {label: names.count(name) for name, label in _GOODS.items()}
    files.write_json(out / "passed.json", count)


def _run_belt(
    names: list[str], places: list[tuple[int, int]], seeds: list[int], rng: Rng
) -> Iterator[np.ndarray]:
    for number in range(len(names) * _GAP + 30):
        belt = _belt(-_STEP * number)
        for index, (name, (top, side), seed) in enumerate(
            zip(names, places, seeds, strict=True)
        ):
            left = _STEP * (number - _GAP * index) - side
            if -side < left < _WIDTH:
                # The same item in each frame.
                item = np.random.default_rng(seed)
                _paste_item(belt, name, "test", (left, top, side), item)
        noisy = belt + rng.normal(0, 6, belt.shape)
        yield np.clip(noisy, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    flags.mark_flag_as_required("scene")
    app.run(main)
