"""The network without its head, from a run."""

import numpy as np
import pytest
from fixtures.small_run import open_run

from corallite.convert.export.convert import convert
from corallite.convert.export.plan import Request
from corallite.convert.export.targets.features import FEATURES_FILE, remove_head
from corallite.device.engine.runners import litert
from corallite.device.image.preprocess import Preprocessing
from corallite.device.learn.embed import embed_photos
from corallite.device.learn.features_file import FeaturesFile
from corallite.device.learn.teach import teach
from corallite.device.model.manifest import (
    FEATURES,
    ClassesOutput,
    ImageInput,
    Manifest,
)
from corallite.device.system.errors import RequestError

# The input of a model of `make_writer` holds these values.
IMAGE = ImageInput(Preprocessing((4, 4)), input_range=(-64.0, 63.5))
MANIFEST = Manifest("tiny", "1", (IMAGE,), (ClassesOutput(("a", "b")),))


def test_head_is_removed(tmp_path, make_writer):
    writer = make_writer()
    x = writer.conv(writer.input((1, 4, 4, 3)), 6)
    x = writer.operator("MEAN", [x, writer.integers(1, 2)], (1, 6), version=2)
    x = writer.dense(x, 2)
    writer.operator("SOFTMAX", [x], None, version=2, options="SoftmaxOptions", beta=1)
    path = tmp_path / "features.tflite"
    path.write_bytes(remove_head(writer.content(), MANIFEST))
    features = FeaturesFile.open(path)
    assert features.size == 6 and features.output.scale == 0.5
    assert features.manifest.labels == ()
    assert features.manifest.classes.values == FEATURES


def test_a_network_without_a_dense_layer_is_refused(writer):
    writer.conv(writer.input())
    with pytest.raises(RequestError, match="tiny: has no dense layer"):
        remove_head(writer.content(), MANIFEST)


@pytest.mark.slow
def test_a_run_teaches_its_photos_to_a_new_head(
    small_copy, squares_dir, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run, data = open_run(small_copy)
    stage = convert(run, data, Request(), "features")
    assert stage.path == small_copy / "exports" / "features"
    assert stage.model_path.name == FEATURES_FILE
    # The same network as that of the int8 file.
    features = FeaturesFile.open(stage.model_path)
    runner = litert.load(run.stage("int8").model_path)
    assert runner.signature.inputs == litert.load(features.path).signature.inputs
    photos = sorted(squares_dir.rglob("*.png"))[:10]
    assert np.ptp(embed_photos(photos, features).features) > 0
    taught = teach(squares_dir, tmp_path / "taught.tflite", features.path)
    assert taught.validation is not None and taught.validation.accuracy > 0.9
    assert convert(run, data, Request(), "features").metrics() == stage.metrics()
