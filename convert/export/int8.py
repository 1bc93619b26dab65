"""The int8 stage of a run: the file that goes to the device."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from corallite.convert.accuracy.gate import AccuracyLostError, Parity
from corallite.convert.accuracy.measure import Steps, measure_parity
from corallite.convert.evaluate.float_tflite import make_manifest
from corallite.convert.evaluate.metrics import answer_images_by_file
from corallite.convert.export.plan import (
    Options,
    choose_granularity,
    choose_methods,
    find_parent,
    float_stages,
)
from corallite.convert.tflite import converter
from corallite.convert.tflite.queries import count_operators
from corallite.device.engine.classifier import Classifier
from corallite.device.engine.runners import litert
from corallite.device.model import selftest
from corallite.device.model.manifest import Manifest, SelfTest
from corallite.device.model.write import attach_manifest
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.optimize.calibrate.choose_images import (
    DEFAULT_COUNT,
    choose_checked_images,
)
from corallite.optimize.calibrate.measure_ranges import measure_ranges
from corallite.optimize.keras_graph.load import load_model
from corallite.optimize.quantize.add_quantizers import add_quantizers
from corallite.optimize.quantize.bias_correction import correct_biases
from corallite.optimize.quantize.qat_stage import DEFAULT_RECIPE
from corallite.train.data.load import ImageData, load_data
from corallite.train.framework.keras import keras
from corallite.train.runs.run import Stage, hash_file
from corallite.train.training.recipe import Recipe

INT8_FILE = "model_int8.tflite"
PARITY_FILE = "parity.json"
# What the last conversion made that lost too much; the file in place stays.
REJECTED_FILE = "model_int8.rejected.tflite"
REJECTED_PARITY_FILE = "parity.rejected.json"


def convert(
    run_dir: Path,
    *,
    source: str | None = None,
    method: str | None = None,
    granularity: str | None = None,
    calibration_count: int = DEFAULT_COUNT,
    max_drop: float | None = None,
    recipe: Recipe = DEFAULT_RECIPE,
    overwrite: bool = False,
) -> Stage:
    """Converts a run's model to full int8; returns the int8 stage.

    Args:
        run_dir: A run with a trained model.
        source: The stage to convert, one of `int8_source.SOURCES`; None for the last
            that is there and that the method can take.
        method: One of `int8_source.METHODS`; None for what suits the source. "auto"
            tries them in order and takes the first that loses no more than it may; it
            trains the qat stage if it comes to that.
        granularity: "channel" or "tensor": the scales of convolutions. None for that
            of the qat stage, else "channel".
        calibration_count: At most so many training images for ranges.
        max_drop: Points of top-1 that int8 may be below float on the validation part;
            None for the method's, see `MAX_DROP`.
        recipe: Of the qat stage, if "auto" has to train it.
        overwrite: Convert again if it was done with other settings.

    Raises:
        RequestError: There is no such model, or it cannot be quantized as a whole.
        AccuracyLostError: The file lost more than it may. It is kept as
            REJECTED_FILE; a former file stays as it was.
    """
    options = Options(
        source, method, granularity, calibration_count, max_drop, recipe, overwrite
    )
    data = load_data(run_dir)
    Stage(run_dir, "float").require()
    *others, last = choose_methods(run_dir, options, read_parity(run_dir))
    for name in others:
        try:
            return _convert_by(name, run_dir, data, options)
        except AccuracyLostError as error:
            drop = error.parity.overall.drop_points
            logging.info("%s: %.2f points below float, too much.", name, drop)
    return _convert_by(last, run_dir, data, options)


def read_parity(run_dir: Path) -> Parity | None:
    """Returns what was measured of the run's int8 file; None if that is not known.

    Nor is it of a file whose origins have been made again since.

    Raises:
        RequestError: The record is damaged.
    """
    stage = Stage(run_dir, "int8", INT8_FILE)
    path = stage.path / PARITY_FILE
    if not path.exists() or not stage.is_complete() or stage.is_outdated():
        return None
    content = files.read_json(path)
    try:
        parity = Parity.from_json(content)
    except (KeyError, TypeError, ValueError) as error:
        raise RequestError(
            f"{path} lacks what was compared ({error!r}); remove it and run `corallite "
            f"convert --run_dir={run_dir}` again."
        ) from error
    return parity if parity.file_sha256 == hash_file(stage.model_path) else None


def _convert_by(method: str, run_dir: Path, data: ImageData, options: Options) -> Stage:
    parent = find_parent(method, run_dir, options)
    inputs = {
        "source": parent.name,
        "method": method,
        "granularity": choose_granularity(parent, options.granularity),
        "calibration_count": options.calibration_count,
        "parent": hash_file(parent.require()),
        "data": data.fingerprint,
    }
    stage = Stage(run_dir, "int8", INT8_FILE)
    # Who lets us choose does not mind that it was made by another method.
    may_replace = options.overwrite or options.method == "auto"
    if stage.is_done(inputs, may_replace) and _holds(stage, options.max_drop):
        logging.info("int8: done already.")
        return stage
    return _make(stage, parent, inputs, data, options.max_drop)


def _holds(stage: Stage, max_drop: float | None) -> bool:
    """Records that the file in place holds the limit; False if it was not measured.

    Raises:
        AccuracyLostError: It does not hold it.
    """
    known = read_parity(stage.run_dir)
    if known is None:
        return False
    known = known.with_limit(max_drop)
    known.check()
    files.write_json(stage.path / PARITY_FILE, known.to_json())
    return True


def _make(
    stage: Stage,
    parent: Stage,
    inputs: dict[str, Any],
    data: ImageData,
    max_drop: float | None,
) -> Stage:
    images = choose_checked_images(data.splits["train"], inputs["calibration_count"])
    model, calibration = _quantize(load_model(parent.model_path), inputs, images)
    content = converter.convert_to_int8(model, images)
    origins = float_stages(stage.run_dir, parent)
    steps = Steps(origins, model, inputs["method"], inputs["granularity"])
    with files.replacing(stage.model_path) as partial:
        answers = _answer(content, stage.run_dir, data, partial)
        accuracy = _accuracy(stage.run_dir, answers, data)
        whole = _complete(content, make_manifest(stage.run_dir, data, accuracy))
        parity = measure_parity(steps, answers, whole, data.splits["val"])
        parity = parity.with_limit(max_drop)
        _keep_if_rejected(stage, whole, parity)
        partial.write_bytes(whole)
        # Not earlier: until here a failure leaves the former file, and finished.
        stage.reopen()
    files.write_json(stage.path / PARITY_FILE, parity.to_json())
    for name in (REJECTED_FILE, REJECTED_PARITY_FILE):
        (stage.path / name).unlink(missing_ok=True)
    operators = dict(count_operators(content))
    measured = {"val_accuracy": accuracy["int8"], "operators": operators}
    stage.finish(inputs, {**measured, "calibration": calibration})
    return stage


def _quantize(
    model: keras.Model, inputs: dict[str, Any], images: np.ndarray
) -> tuple[keras.Model, dict[str, Any] | None]:
    """Returns the model with quantizers, and how their ranges were measured."""
    if inputs["method"] == "qat":
        return model, None
    quantized = add_quantizers(model, granularity=inputs["granularity"])
    measurement = measure_ranges(quantized, images)
    if inputs["method"] == "ptq_corrected":
        correct_biases(quantized, images)
    return quantized, dataclasses.asdict(measurement)


def _answer(
    content: bytes, run_dir: Path, data: ImageData, partial: Path
) -> np.ndarray:
    """Returns the file's answers on the validation part; `partial` is scratch."""
    partial.write_bytes(attach_manifest(content, make_manifest(run_dir, data, {})))
    return answer_images_by_file(partial, data.splits["val"])


def _accuracy(run_dir: Path, answers: np.ndarray, data: ImageData) -> dict[str, float]:
    """Returns top-1 on the validation part, for the manifest."""
    best = Stage(run_dir, "float").best_accuracy()
    int8 = float(np.mean(answers == data.splits["val"].labels))
    return {"float": round(best, 4), "int8": round(int8, 4)}


def _complete(content: bytes, manifest: Manifest) -> bytes:
    """Returns the file with its manifest, and in that what a device must answer."""
    manifest = dataclasses.replace(manifest, selftest=_ask(content, manifest))
    return attach_manifest(content, manifest)


def _ask(content: bytes, manifest: Manifest) -> SelfTest:
    """Returns what the model answers, for a device to compare with."""
    runner = litert.load(INT8_FILE, content=content)
    model = Classifier(INT8_FILE, manifest=manifest, runner=runner)
    return selftest.record(model)


def _keep_if_rejected(stage: Stage, content: bytes, parity: Parity) -> None:
    """Puts what lost too much beside the place of the file, and says so.

    Raises:
        AccuracyLostError: It did.
    """
    if not parity.held:
        files.write_bytes(stage.path / REJECTED_FILE, content)
        files.write_json(stage.path / REJECTED_PARITY_FILE, parity.to_json())
    parity.check()
