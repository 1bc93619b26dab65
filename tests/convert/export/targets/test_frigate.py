"""What Frigate reads, by a stand-in that does what its runtime is documented to do."""

import cv2
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from fixtures.small_run import open_run

from corallite.convert.export.convert import convert
from corallite.convert.tflite import converter
from corallite.device.image.spec import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest
from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras

pytestmark = pytest.mark.slow


def build_model(side):
    """Returns a full-int8 file whose logits are 4 times the mean of each channel."""
    keras.utils.set_random_seed(0)
    image = keras.Input((side, side, 3))
    x = keras.layers.GlobalAveragePooling2D()(image)
    x = keras.layers.Dense(3, kernel_initializer=keras.initializers.Identity(4))(x)
    model = keras.Model(image, keras.layers.Softmax()(x))
    # Smooth ones, as noise is refused.
    colours = np.random.default_rng(0).random((2, 16, 1, 1, 3))
    share = np.linspace(0, 1, side)[:, np.newaxis] * np.ones((side, 1, 1))
    images = colours[0] + (colours[1] - colours[0]) * share
    return converter.convert_to_int8(model, images.astype(np.float32))


def write_int8(run, data, preprocessing):
    """Puts a model of this input size in place of the run's int8 file."""
    content = build_model(preprocessing.size_hw[0])
    manifest = Manifest.of_classifier("tiny", "1", data.class_names, preprocessing)
    stage = run.stage("int8")
    record = stage.metrics()
    stage.model_path.write_bytes(attach_manifest(content, manifest))
    stage.finish(record.pop("inputs"), record, stage.parent())


class Frigate:
    """Classifies as Frigate 0.17 does, from the folder of a model."""

    def __init__(self, folder):
        self.labels = (folder / "labelmap.txt").read_text().splitlines()
        self.interpreter = Interpreter(str(folder / "model.tflite"), num_threads=2)
        self.interpreter.allocate_tensors()

    def classify(self, image_rgb_u8):
        """Returns label and score of a crop, as its runtime computes them."""
        pixels = cv2.resize(image_rgb_u8, (224, 224))
        (taken,) = self.interpreter.get_input_details()
        (given,) = self.interpreter.get_output_details()
        self.interpreter.set_tensor(taken["index"], pixels[np.newaxis])
        self.interpreter.invoke()
        numbers = self.interpreter.get_tensor(given["index"])[0]
        shares = numbers / numbers.sum(axis=0)
        return self.labels[int(shares.argmax())], float(shares.max())


def test_frigate_names_what_the_model_does(small_copy):
    run, data = open_run(small_copy)
    write_int8(run, data, Preprocessing((224, 224), "stretch"))
    stage = convert(run, data, target="frigate")
    assert [x.name for x in stage.list_files()] == ["model.tflite", "labelmap.txt"]
    assert "model_cache/NAME" in stage.metrics()["notes"][0]
    frigate = Frigate(stage.path)
    # The highest channel wins; the classes are blue, green and red.
    for channel, label in enumerate(data.class_names):
        image = np.full((90, 160, 3), 20, np.uint8)
        image[..., channel] = 240
        found, score = frigate.classify(image)
        assert found == label and 0.5 < score <= 1


@pytest.mark.parametrize(
    "preprocessing",
    [Preprocessing((224, 224), "crop"), Preprocessing((96, 96), "stretch")],
)
def test_a_model_for_other_images_is_refused(small_copy, preprocessing):
    run, data = open_run(small_copy)
    write_int8(run, data, preprocessing)
    with pytest.raises(RequestError, match="train with --image_size=224 --fit=stretch"):
        convert(run, data, target="frigate")
    assert not run.stage("exports/frigate").path.exists()
