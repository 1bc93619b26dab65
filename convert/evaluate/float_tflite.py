"""A float TFLite file of a stage: what int8 is compared with, on the same device."""

from pathlib import Path

from corallite.convert.tflite import converter
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest
from corallite.device.system import files
from corallite.optimize.keras_graph.load import load_model
from corallite.train.data.load import ImageData, load_data
from corallite.train.runs.run import Stage, package_versions
from corallite.train.training.float_stage import read_network

FLOAT_FILE = "model_float.tflite"


def export_float(stage: Stage) -> Path:
    """Writes a float TFLite file beside a stage's Keras model, if not there yet.

    Raises:
        RequestError: The stage is not finished.
    """
    source = stage.require()
    path = stage.path / FLOAT_FILE
    if not path.exists() or path.stat().st_mtime < source.stat().st_mtime:
        content = converter.convert_to_float(load_model(source))
        manifest = make_manifest(stage.run_dir, load_data(stage.run_dir), {})
        files.write_bytes(path, attach_manifest(content, manifest))
    return path


def make_manifest(
    run_dir: Path, data: ImageData, accuracy: dict[str, float]
) -> Manifest:
    """Returns what a file of this run says about itself."""
    network = read_network(run_dir)
    return Manifest.of_classifier(
        model=f"{network.model} {network.width}x",
        version=run_dir.resolve().name,
        labels=data.class_names,
        preprocessing=data.preprocessing,
        data_fingerprint=data.fingerprint,
        accuracy=accuracy,
        versions=package_versions(),
    )
