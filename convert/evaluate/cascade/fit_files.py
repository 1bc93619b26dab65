"""Fits a cascade of two files to the images of a run, and writes the threshold."""

from pathlib import Path
from typing import Any, NamedTuple

from absl import logging

from corallite.convert.evaluate.cascade.threshold import (
    PairPredictions,
    Point,
    choose_point,
    describe_point,
    predict_pair,
)
from corallite.convert.evaluate.stages import manifest_of
from corallite.device.engine.cascade.model_hash import hash_model
from corallite.device.learn.interval import wilson_interval
from corallite.device.model.cascade.same_task import name_model, require_same_task
from corallite.device.model.manifest import Manifest, read_manifest
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.data.load import ImageData
from corallite.train.runs.commands import format_command
from corallite.train.runs.run import Run

MAX_DROP = 0.5
_SUFFIX = "_cascade"
# Shares of the images for which the table has a row.
_SHARES = [n / 10 for n in range(11)]
_ROW = "{:>9}  {:>12}  {:>6}  {:>9}"


class FittedCascade(NamedTuple):
    """A cascade of two files.

    Attributes:
        paths: The two files.
        split: The name of the split on which it was tested.
        validation: Predictions on the validation images.
        test: Predictions on that split.
        point: What was chosen by the validation images; None if no cascade is both
            accurate and fast enough.
        max_drop: See `choose_point`.
        written: The copy of the first file with the threshold; None without a point.
    """

    paths: tuple[Path, Path]
    split: str
    validation: PairPredictions
    test: PairPredictions
    point: Point | None
    max_drop: float
    written: Path | None

    def to_json(self) -> dict[str, Any]:
        """Returns a dict for JSON."""
        first, second = self.validation.top1()
        point, written = self.point, self.written
        return {
            "files": list(map(str, self.paths)),
            "max_drop": self.max_drop,
            "val": {"first_top1": first, "second_top1": second},
            "first_ms": self.validation.first_ms,
            "second_ms": self.validation.second_ms,
            "points": [x._asdict() for x in _pick_rows(self.validation.list_points())],
            "fitted": point and point._asdict(),
            self.split: point and self.test.apply(point.threshold)._asdict(),
            "written": written and str(written),
        }

    def describe(self) -> str:
        """Returns a table of thresholds, and below it what was fitted."""
        first, second = self.validation.top1()
        times = self.validation.first_ms, self.validation.second_ms
        lines = [
            f"{len(self.validation.labels)} validation images: {self.paths[0].name} "
            f"{100 * first:.2f} %, {times[0]:.3f} ms;",
            f"{self.paths[1].name} {100 * second:.2f} %, {times[1]:.3f} ms.",
            "",
            _ROW.format("threshold", "second asked", "top-1", "mean ms"),
            *map(_format_row, _pick_rows(self.validation.list_points())),
            "",
        ]
        return "\n".join([*lines, *self._conclude()])

    def _conclude(self) -> list[str]:
        if self.point is None:
            return [
                f"No cascade is within {self.max_drop:g} percentage points of the "
                "second model and faster;",
                "nothing was written. Use the second model alone, or allow a larger "
                "--max_drop.",
            ]
        found = self.test.apply(self.point.threshold)
        alone, count = self.test.top1(), len(self.test.labels)
        low, high = wilson_interval(round(found.top1 * count), count)
        flags = {"model": self.written, "then": self.paths[1], "source": 0}
        top1 = f"{100 * found.top1:.2f} % (95 %: {100 * low:.1f} to {100 * high:.1f})"
        return [
            "Fitted:",
            _format_row(self.point),
            "",
            f"{count} {self.split} images: {top1}, second asked for "
            f"{100 * found.share:.1f} %;",
            f"alone {100 * alone[0]:.2f} and {100 * alone[1]:.2f} %.",
            "",
            format_command("classify", flags),
        ]


def fit_files(
    paths: tuple[Path, Path], run: Run, data: ImageData, split: str, max_drop: float
) -> FittedCascade:
    """Fits a cascade on the validation split, and writes a copy of the first file.

    Args:
        paths: A `.tflite` file with our manifest, and a second file of any kind.
        run: The run whose images are used.
        data: Its images.
        split: The split on which the fitted cascade is tested.
        max_drop: Percentage points that its top-1 may be below the second model's.

    Raises:
        RequestError: A file cannot be run or written, or the two are not a cascade.
    """
    first, second = _read_manifests(paths, run, data)
    pair = (paths[0], first), (paths[1], second)
    validation = predict_pair(*pair, data.splits["val"])
    test = validation if split == "val" else predict_pair(*pair, data.splits[split])
    point, written = choose_point(validation, max_drop), None
    if point is not None:
        names = name_model(second), hash_model(paths[1])
        fitted = describe_point(point, validation, *names)
        written = _write(paths[0], first._replace(cascade=fitted))
    return FittedCascade(paths, split, validation, test, point, max_drop, written)


def _read_manifests(
    paths: tuple[Path, Path], run: Run, data: ImageData
) -> tuple[Manifest, Manifest]:
    if paths[0].suffix != ".tflite" or read_manifest(paths[0]) is None:
        raise RequestError(
            f"{paths[0]}: has no manifest of corallite, which keeps the threshold; "
            "give a .tflite file that corallite has converted."
        )
    own = [read_manifest(path) for path in paths if path.suffix == ".tflite"]
    if len(own) == 2 and own[0] is not None and own[1] is not None:
        # Before they are compared with the run: the sentence then names both.
        require_same_task(own[0], own[1])
    first, second = (manifest_of(path, run, data) for path in paths)
    for path, manifest in zip(paths, (first, second), strict=True):
        if manifest.data_fingerprint not in ("", data.fingerprint):
            logging.warning(
                "%s was trained on other images than %s has; if it has seen the "
                "validation images, the threshold is too low.",
                path,
                run.path,
            )
    return first, second


def _write(path: Path, manifest: Manifest) -> Path:
    # Not at the top: only this needs the generated schema.
    from corallite.device.model.write import attach_manifest

    # A copy: files of a run must stay what its records say.
    copy = path.with_name(f"{path.stem.removesuffix(_SUFFIX)}{_SUFFIX}.tflite")
    try:
        files.write_bytes(copy, attach_manifest(path.read_bytes(), manifest))
    except OSError as error:
        raise RequestError(
            f"{copy}: cannot be written ({error.strerror}); copy both files to a "
            "folder that can be written."
        ) from error
    return copy


def _pick_rows(points: list[Point]) -> list[Point]:
    """Returns the points that are nearest to tenths of the images, without repeats."""
    nearest = [min(points, key=lambda x: abs(x.share - share)) for share in _SHARES]
    return list(dict.fromkeys(nearest))


def _format_row(point: Point) -> str:
    return _ROW.format(
        f"{point.threshold:.4f}",
        f"{100 * point.share:.1f} %",
        f"{100 * point.top1:.2f}",
        f"{point.mean_ms:.3f}",
    )
