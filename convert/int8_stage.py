"""The int8 stage of a run: the file that goes to the device."""

from pathlib import Path

from absl import logging

from corallite.convert import tflite
from corallite.convert.evaluate import evaluate_file
from corallite.convert.float_file import make_manifest
from corallite.convert.tflite_file import count_operators
from corallite.device import files
from corallite.device.manifest import attach_manifest
from corallite.optimize.calibration import DEFAULT_COUNT, choose_images
from corallite.optimize.load import load_model
from corallite.train.data import ImageData, load_data
from corallite.train.run_folder import Stage, hash_file, latest_stage

INT8_FILE = "model_int8.tflite"
SOURCES = ("float", "pruned", "qat")


def convert(
    run_dir: Path,
    *,
    source: str | None = None,
    calibration_count: int = DEFAULT_COUNT,
    overwrite: bool = False,
) -> Stage:
    """Converts a run's model to full int8; returns the int8 stage.

    Args:
        run_dir: A run with a trained model.
        source: The stage to convert, one of SOURCES; "pruned" and "float" by
            post-training quantization. By default the last of them that is there.
        calibration_count: Training images that post-training ranges are measured on.
        overwrite: Convert again if it was done with other settings.

    Raises:
        RequestError: There is no such model, or it cannot be quantized as a whole.
    """
    data = load_data(run_dir)
    Stage(run_dir, "float").require()
    parent = Stage(run_dir, source) if source else latest_stage(run_dir, SOURCES)
    parent_path = parent.require()
    stage = Stage(run_dir, "int8", INT8_FILE)
    inputs = {
        "source": parent.name,
        "calibration_count": calibration_count,
        "parent": hash_file(parent_path),
        "data": data.fingerprint,
    }
    if stage.is_done(inputs, overwrite):
        logging.info("int8: done already.")
        return stage
    images = choose_images(data.parts["train"], calibration_count)
    content = tflite.convert_to_int8(load_model(parent_path), images)
    with files.replacing(stage.model_path) as partial:
        accuracy = _measure_accuracy(content, run_dir, data, partial)
        manifest = make_manifest(run_dir, data, accuracy)
        partial.write_bytes(attach_manifest(content, manifest))
        # Not earlier: until here a failure leaves the former file, and finished.
        stage.reopen()
    operators = dict(count_operators(content))
    stage.finish(inputs, {"val_accuracy": accuracy["int8"], "operators": operators})
    return stage


def _measure_accuracy(
    content: bytes, run_dir: Path, data: ImageData, partial: Path
) -> dict[str, float]:
    """Returns top-1 on the validation part, for the manifest; `partial` is scratch."""
    partial.write_bytes(attach_manifest(content, make_manifest(run_dir, data, {})))
    int8 = evaluate_file(partial, data.parts["val"])
    # An interpreter maps its file: one that is still about must not see it change.
    partial.unlink()
    metrics = Stage(run_dir, "float").metrics()
    best = metrics["history"][metrics["best_epoch"]]
    return {"float": round(best["val_accuracy"], 4), "int8": round(int8.top1, 4)}
