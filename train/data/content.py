"""Judges the pixels of decoded images: nothing to see, nearly black, tiny.

Such files are valid images and train without an error; only the accuracy shows them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from absl import logging

from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import decode_16_bits
from corallite.device.system import files
from corallite.device.system.errors import RequestError

if TYPE_CHECKING:
    from corallite.train.data.image_data import Split

# 8 x 8, as of an icon or a placeholder.
_MIN_PIXELS = 64
# Standard deviation of every channel, in steps of 255. The noise of a camera in the
# dark is 1 to 2; a page with one thin line has more.
_MIN_STD = 2.0
_MAX_BLACK, _MIN_WHITE = 16.0, 239.0
# Cameras of 10 to 14 bits write 16-bit files; scaled ones use the upper bits. In 8-bit
# files a photo taken at night may lack the two upper bits.
_MOST_UNUSED_BITS = {16: 2, 8: 3}
# The brightest pixel of a 16-bit file with two unused bits, kept as its upper 8 bits.
_MAX_NEARLY_BLACK = 63
# Side of the sample that most photos are judged by.
_SAMPLE_SIDE = 256
# Fewer images of a class may be odd by chance.
_FEWEST_TO_REFUSE = 3


@dataclass(frozen=True)
class Fault:
    """What is wrong with the pixels of an image.

    Attributes:
        kind: "black", "white", "one colour", "tiny" or "nearly black".
        bits: Of a nearly black image: how many of `depth` bits its brightest value has.
        depth: 8 or 16; 0 for other kinds.
    """

    kind: str
    bits: int = 0
    depth: int = 0


def find_fault(image_rgb_u8: np.ndarray, data: bytes) -> Fault | None:
    """Returns what is wrong with a decoded image, or None.

    Args:
        image_rgb_u8: `[height, width, 3]`, not yet resized.
        data: The file that it was decoded from.
    """
    height, width = image_rgb_u8.shape[:2]
    if height * width < _MIN_PIXELS:
        return Fault("tiny")
    bits, depth = 0, 0
    if image_rgb_u8.max() <= _MAX_NEARLY_BLACK:
        bits, depth = _count_bits(image_rgb_u8, data)
    is_dark = 0 < bits <= depth - _MOST_UNUSED_BITS.get(depth, depth)
    if is_dark and depth > 8:
        return Fault("nearly black", bits, depth)
    if _is_flat(image_rgb_u8):
        return Fault(_name_colour(float(image_rgb_u8.mean())))
    return Fault("nearly black", bits, depth) if is_dark else None


def check_content(splits: Mapping[str, "Split"], class_names: Iterable[str]) -> None:
    """Warns once of all images with a fault.

    Args:
        splits: By name; their faults were found when they were cached.
        class_names: By label.

    Raises:
        RequestError: Most images of a class of a split have one.
    """
    names = tuple(class_names)
    faults: dict[str, Fault] = {}
    for split_name, split in splits.items():
        _refuse_faulty_classes(split_name, split, names)
        faults.update(split.faults)
    if faults:
        logging.warning(
            "%d images show little or nothing: %s; %s.",
            *(len(faults), _describe(faults), remedy_for(faults)),
        )


def _refuse_faulty_classes(
    split_name: str, split: "Split", class_names: tuple[str, ...]
) -> None:
    counts = Counter(split.labels.tolist())
    by_label: dict[int, dict[str, Fault]] = defaultdict(dict)
    for path, label in zip(split.paths, split.labels.tolist(), strict=True):
        if path in split.faults:
            by_label[label][path] = split.faults[path]
    for label, faults in sorted(by_label.items()):
        if len(faults) >= _FEWEST_TO_REFUSE and 2 * len(faults) > counts[label]:
            raise RequestError(
                f"{len(faults)} of {counts[label]} images of class "
                f"{class_names[label]!r} in the {split_name} split show little or "
                f"nothing: {_describe(faults)}; {remedy_for(faults)}."
            )


def _count_bits(image_rgb_u8: np.ndarray, data: bytes) -> tuple[int, int]:
    """Returns how many bits the brightest value of a file has, and the samples'."""
    brightest = int(image_rgb_u8.max())
    raw = decode_16_bits(data)
    # A format that states its bits, such as TIFF with 10, is scaled when it is decoded.
    if raw is not None:
        brightest_of_16 = int(raw.max())
        # OpenCV drops the lower bits of a PNG, and rounds those of a TIFF.
        if brightest in (brightest_of_16 >> 8, brightest_of_16 + 128 >> 8):
            return brightest_of_16.bit_length(), 16
    return brightest.bit_length(), 8


def _is_flat(image: np.ndarray) -> bool:
    step = max(1, min(image.shape[:2]) // _SAMPLE_SIDE)
    sample = np.ascontiguousarray(image[::step, ::step])
    return all(cv2.meanStdDev(x)[1].max() < _MIN_STD for x in (sample, image))


def _name_colour(mean: float) -> str:
    if mean < _MAX_BLACK:
        return "black"
    return "white" if mean > _MIN_WHITE else "one colour"


def _describe(faults: Mapping[str, Fault]) -> str:
    by_kind: dict[tuple[str, int], list[str]] = defaultdict(list)
    for path, fault in sorted(faults.items()):
        by_kind[fault.kind, fault.depth].append(path)
    parts = []
    for (kind, depth), paths in sorted(by_kind.items(), key=lambda x: -len(x[1])):
        used = max(faults[path].bits for path in paths)
        bits = f", {used} of {depth} bits used" if depth else ""
        names = ", ".join(map(files.printable, paths[:3]))
        more = ", ..." if len(paths) > 3 else ""
        parts.append(f"{len(paths)} {kind}{bits} ({names}{more})")
    return ", ".join(parts)


def remedy_for(faults: Mapping[str, Fault]) -> str:
    """Returns what to do about images with these faults, as the end of a sentence."""
    bits = max((x.bits for x in faults.values() if x.depth == 16), default=0)
    if not bits:
        return "replace or remove them"
    factor = 1 << (16 - bits)
    return (
        f"multiply the values of the 16-bit files by {factor}, here and on the device, "
        f"as with ImageMagick: mogrify -evaluate multiply {factor} FILES"
    )
