"""Which networks may teach: runs, Keras and `.tflite` files of the same classes."""

import zipfile

import h5py
import numpy as np
import pytest
from fixtures.small_models import write_model

from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import ClassesOutput, ImageInput, Manifest
from corallite.device.model.write import attach_manifest
from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras, tf
from corallite.train.training.model_file import save_model
from corallite.train.training.teaching.open_network import find_model, open_network

NAMES = ("red", "green", "blue")


def red_green_blue(side=32):
    """Images of one colour each."""
    return tf.constant(
        np.tile(np.eye(3, dtype=np.float32)[:, None, None], (1, side, side, 1))
    )


def make_model(activation="softmax", outputs=3):
    image = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    return keras.Model(image, keras.layers.Dense(outputs, activation)(pooled))


def save(model, path):
    save_model(model, path)
    return path


@pytest.mark.parametrize("kind", ["float32", "int8", "uint8"])
def test_a_tflite_file_says_what_it_says_on_a_device(tiny_models, kind):
    """Images of any size, in a graph, a batch at a time; labels are not needed."""
    predict = open_network(tiny_models[kind], NAMES)
    for side in (32, 20):
        answers = tf.function(predict)(red_green_blue(side))
        assert answers.shape == (3, 3)
        np.testing.assert_array_equal(np.argmax(answers, axis=1), [0, 1, 2])
        np.testing.assert_allclose(np.sum(answers, axis=1), 1, atol=0.02)


def test_labels_of_a_manifest_must_be_those_of_the_photos(tiny_models, tmp_path):
    image = ImageInput(Preprocessing((32, 32)))
    manifest = Manifest("tiny", "1", (image,), (ClassesOutput(NAMES),))
    path = tmp_path / "named.tflite"
    path.write_bytes(attach_manifest(tiny_models["float32"].read_bytes(), manifest))
    open_network(path, NAMES)
    with pytest.raises(RequestError, match="knows the classes red, green, blue, and"):
        open_network(path, ("blue", "green", "red"))


def test_another_number_of_classes_is_refused(tiny_models, tmp_path):
    keras_file = save(make_model(), tmp_path / "model.h5")
    for path in (tiny_models["float32"], keras_file):
        with pytest.raises(
            RequestError, match="knows 3 classes, and the photos have 2"
        ):
            open_network(path, ("cat", "dog"))


def test_a_keras_file_teaches_what_it_predicts(tmp_path):
    model = make_model()
    predict = open_network(save(model, tmp_path / "any_name"), NAMES)
    images = red_green_blue()
    np.testing.assert_allclose(predict(images), model(images), rtol=1e-6)


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_outputs_that_are_no_probabilities_are_refused(activation, tmp_path):
    path = save(make_model(activation), tmp_path / "model.h5")
    with pytest.raises(RequestError, match="not probabilities that add up to 1; give"):
        open_network(path, NAMES)


def test_an_int8_file_of_many_classes_may_round_each_of_them(tmp_path):
    image = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    draw = keras.initializers.RandomNormal(stddev=2.0, seed=0)
    dense = keras.layers.Dense(1000, "softmax", bias_initializer=draw)
    converter = tf.lite.TFLiteConverter.from_keras_model(
        keras.Model(image, dense(pooled))
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([x[None]] for x in red_green_blue(8))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    path = tmp_path / "model.tflite"
    path.write_bytes(converter.convert())
    predict = open_network(path, tuple(map(str, range(1000))))
    # Most of the 1,000 are rounded to 0.
    assert (np.sum(predict(red_green_blue(8)), axis=1) < 0.9).all()


def test_a_tflite_file_of_several_labels_is_refused(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(write_model(last="LOGISTIC"))
    with pytest.raises(RequestError, match="not probabilities that add up to 1; give"):
        open_network(path, NAMES)


def test_a_keras_file_that_is_no_classifier_is_refused(tmp_path):
    image = keras.Input((8, 8, 3))
    path = save(keras.Model(image, keras.layers.ReLU()(image)), tmp_path / "model.h5")
    with pytest.raises(RequestError, match=r"gives \(None, 8, 8, 3\), and a teacher"):
        open_network(path, NAMES)


def test_code_in_a_keras_file_does_not_run(tmp_path):
    image = keras.Input((8, 8, 3))
    flat = keras.layers.Flatten()(image)
    path = save(
        keras.Model(image, keras.layers.Lambda(lambda x: x[:, :3])(flat)),
        tmp_path / "model.h5",
    )
    with pytest.raises(RequestError, match="the class 'Lambda', which could execute"):
        open_network(path, NAMES)


def make_saved_model(path):
    path.mkdir()
    (path / "saved_model.pb").write_bytes(b"graph")


def make_keras_3(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", b"")


def make_text(path):
    path.write_text("no model")


def make_weights(path):
    with h5py.File(path, "w") as file:
        file["weight"] = np.zeros(3)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (make_saved_model, "is a SavedModel; give a run folder, an .h5 file"),
        (make_keras_3, "is a model of Keras 3; give a run folder, an .h5 file"),
        (make_text, "is not a model of a known kind; give a run folder"),
        (lambda path: None, "cannot be read .No such file or directory.; give a run"),
        (
            lambda path: path.mkdir(),
            "has no finished float stage; run `corallite train",
        ),
    ],
)
def test_what_is_no_teacher_is_refused_in_one_sentence(make, sentence, tmp_path):
    make(tmp_path / "teacher")
    with pytest.raises(RequestError, match=sentence) as caught:
        find_model(tmp_path / "teacher")
    assert "\n" not in str(caught.value)


def test_a_file_with_only_weights_is_refused(tmp_path):
    make_weights(tmp_path / "weights.h5")
    with pytest.raises(RequestError, match="it has only weights"):
        open_network(tmp_path / "weights.h5", NAMES)
