"""Makes a network of the user's one that takes what a run's networks take."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import logging

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.adopt.head import choose_outputs
from corallite.train.adopt.input_range import list_ranges, take_photos
from corallite.train.adopt.labels import (
    find_columns,
    find_imagenet_labels,
    find_labels_file,
    read_labels,
)
from corallite.train.adopt.try_inputs import MORE_IMAGES, Trial, choose, try_ranges
from corallite.train.data.load import ImageData
from corallite.train.framework.keras import keras

_ASK_RANGE = "say which with --input_range"


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A network that takes pixel/255 and predicts the classes of the photos.

    Attributes:
        model: The network.
        notes: What was found, in sentences for the user.
        record: The same for the record of the stage.
    """

    model: keras.Model
    notes: list[str]
    record: dict[str, Any]


def fit_photos(
    model: keras.Model,
    data: ImageData,
    path: Path,
    *,
    input_range: str | None = None,
    labels: Path | None = None,
) -> Fitted:
    """Finds the range and the order of the outputs, and makes them those of a run.

    Args:
        model: What `complete_head` returned.
        data: The photos.
        path: The model's file; beside it may be a file of labels.
        input_range: A name of `list_ranges`; None for what fits the photos best.
        labels: The file of labels; None for one beside the model, or ImageNet's.

    Raises:
        RequestError: Labels are missing or do not fit the folders or the model, the
            photos do not decide the range, or what the model predicts for them is no
            better than chance.
    """
    names = data.class_names
    labels = labels or find_labels_file(path)
    labels = labels or find_imagenet_labels(model.output_shape[1], names)
    columns = _find_columns(model, names, labels)
    ranges = list_ranges(model.input_shape[3])
    if input_range is not None and input_range not in ranges:
        raise RequestError(
            f"{path}: takes grey images, whose range is one of {', '.join(ranges)}, "
            f"not {input_range}; give another --input_range."
        )
    split = data.splits["train"]
    trials = try_ranges(model, ranges, split, columns)
    orders = {x.name: x.has_other_order() for x in trials}
    ordered = [x.reorder(orders[x.name] or range(len(names))) for x in trials]
    best, other = choose(ordered)
    if other is not None and input_range is None:
        alike = {x.name: ranges[x.name] for x in (best, other)}
        used = [columns[x] for x in orders[best.name] or range(len(names))]
        best, other = choose(try_ranges(model, alike, split, used, MORE_IMAGES))
    best = _decide(best, other, ordered, path, input_range)
    order = orders[best.name]
    if order is not None:
        _check_order(order, best, trials, names, labels)
        columns = [columns[x] for x in order]
    fitted = take_photos(choose_outputs(model, columns), ranges[best.name])
    record = {
        "input_range": best.name,
        "tried": {x.name: round(x.accuracy, 4) for x in ordered},
        "outputs": columns,
    }
    left_out = model.output_shape[1] - len(columns)
    notes = [
        _describe_range(best, ordered),
        _describe_order(labels, order, names),
        f"{left_out} of its outputs have no photos and were left out." * (left_out > 0),
    ]
    return Fitted(fitted, list(filter(None, notes)), record)


def _find_columns(
    model: keras.Model, class_names: Sequence[str], labels: Path | None
) -> list[int]:
    """Returns the output of each class, by its label or in the order of the folders."""
    outputs = model.output_shape[1]
    if labels is None:
        if outputs != len(class_names):
            raise RequestError(
                f"The model has {outputs} outputs, and the photos have "
                f"{len(class_names)} classes; give the labels of its outputs, one per "
                "line, as --labels=FILE."
            )
        return list(range(outputs))
    known = read_labels(labels)
    if len(known) != outputs:
        raise RequestError(
            f"{labels}: has {len(known)} labels, and the model has {outputs} outputs; "
            "give one label for each output, in their order, as --labels=FILE."
        )
    return find_columns(known, class_names, labels)


def _decide(
    best: Trial,
    other: Trial | None,
    trials: list[Trial],
    path: Path,
    asked: str | None,
) -> Trial:
    """Returns the trial of the range that the photos, or the user, decide on."""
    if asked is not None:
        mine = next(x for x in trials if x.name == asked)
        if best.is_more_accurate(mine):
            logging.warning(
                "--input_range=%s is right for %.1f %% of the photos, and %s for "
                "%.1f %%.",
                *(asked, 100 * mine.accuracy, best.name, 100 * best.accuracy),
            )
        return mine
    if best.is_chance():
        raise RequestError(
            f"{path}: is right for {100 * best.accuracy:.1f} % of "
            f"{len(best.labels)} photos in the best of the ranges "
            f"{', '.join(x.name for x in trials)}, no better than chance; check that "
            "these are photos of its classes, or adopt it all the same with "
            "--input_range."
        )
    if other is not None:
        raise RequestError(
            f"{path}: {len(best.labels)} photos do not decide whether it takes "
            f"{best.name} (right for {100 * best.accuracy:.1f} %) or {other.name} "
            f"({100 * other.accuracy:.1f} %); {_ASK_RANGE}."
        )
    return best


def _check_order(
    order: list[int],
    best: Trial,
    trials: list[Trial],
    class_names: Sequence[str],
    labels: Path | None,
) -> None:
    """Refuses labels that the photos contradict."""
    if labels is not None:
        given = next(x for x in trials if x.name == best.name)
        first = next(x for x, y in enumerate(order) if x != y)
        raise RequestError(
            f"{labels}: its labels are right for {100 * given.accuracy:.1f} % of the "
            f"photos and would be for {100 * best.accuracy:.1f} % in another order, in "
            f"which {files.printable(class_names[order[first]])!r} means "
            f"{files.printable(class_names[first])!r}; correct the file."
        )


def _describe_range(best: Trial, trials: list[Trial]) -> str:
    others = sorted(
        (x for x in trials if x.name != best.name), key=lambda x: -x.accuracy
    )
    return (
        f"It takes {best.name}: right for {100 * best.accuracy:.1f} % of "
        f"{len(best.labels)} photos ({others[0].name}: "
        f"{100 * others[0].accuracy:.1f} %)."
    )


def _describe_order(
    labels: Path | None, order: list[int] | None, class_names: Sequence[str]
) -> str:
    if labels is not None:
        return f"Its labels are those of {labels}."
    if order is None:
        return "Its outputs are in the order of the folders."
    placed = sorted(range(len(order)), key=lambda x: order[x])
    found = ", ".join(files.printable(class_names[x]) for x in placed)
    return (
        "Its outputs are in another order than the folders, found by the photos: "
        f"{found}."
    )
