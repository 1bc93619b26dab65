"""Models of Keras 2 and 3 are loaded, and what could execute code is not."""

import base64
import marshal

import numpy as np
import pytest
from fixtures.adopted_models import write_archive, write_hdf5

from corallite.device.system.errors import RequestError
from corallite.train.adopt.file.open_file import open_model
from corallite.train.framework.keras import keras

# Float sums in another order: 1e-7 was seen.
ROUNDING = 1e-5
INPUT = {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 8, 8, 3]}}
DENSE = {"class_name": "Dense", "config": {"name": "dense", "units": 3}}


def sequential(*layers):
    return {"class_name": "Sequential", "config": {"layers": [INPUT, *layers]}}


def lambdas(marker):
    """A Lambda that would write a file: of Keras 2, and of Keras 3."""
    source = f"lambda x: open({str(marker)!r}, 'w').write('executed') and x"
    code = eval(source).__code__  # noqa: S307
    dump = base64.b64encode(marshal.dumps(code)).decode()
    of_keras_2 = {"function": [dump, None, None], "function_type": "lambda"}
    value = {"code": dump, "defaults": None, "closure": None}
    of_keras_3 = {"function": {"class_name": "__lambda__", "config": value}}
    return [
        {"class_name": "Lambda", "config": {"name": "l", **config}}
        for config in (of_keras_2, of_keras_3)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_model_of_keras_3_predicts_the_same(keras_3_models, name):
    model = open_model(keras_3_models / name)
    predicted = model.predict(np.load(keras_3_models / "images.npy"), verbose=0)
    expected = np.load(keras_3_models / "outputs.npy")
    np.testing.assert_allclose(predicted, expected, atol=ROUNDING)


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "folder"])
def test_a_nested_model_of_keras_2_predicts_the_same(tmp_path, name):
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(image))
    body = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    head = keras.Sequential([keras.layers.Dense(3, activation="softmax")])
    model = keras.Sequential([keras.Sequential([body]), head])
    images = np.random.default_rng(0).random((4, 16, 16, 3), np.float32)
    expected = model.predict(images, verbose=0)
    model.save(tmp_path / name)
    predicted = open_model(tmp_path / name).predict(images, verbose=0)
    np.testing.assert_allclose(predicted, expected, atol=ROUNDING)


@pytest.mark.parametrize("write", [write_hdf5, write_archive])
@pytest.mark.parametrize("number", [0, 1])
def test_a_lambda_is_not_executed(tmp_path, write, number):
    marker = tmp_path / "executed"
    path = write(tmp_path / "hostile", sequential(lambdas(marker)[number], DENSE))
    with pytest.raises(RequestError, match="'Lambda', which could execute code, so"):
        open_model(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        ({"class_name": "TFOpLambda", "config": {"name": "io.write_file"}}, "TFOpL"),
        ({"class_name": "Mine>Layer", "config": {}}, "Mine>Layer"),
        ({"class_name": "Wrapper", "config": {"layer": DENSE}}, "Wrapper"),
        (
            {
                "class_name": "Activation",
                "config": {"activation": {"class_name": "function", "config": "os"}},
            },
            "function",
        ),
    ],
)
@pytest.mark.parametrize("write", [write_hdf5, write_archive])
def test_other_classes_are_refused_by_name(tmp_path, write, layer, named):
    path = write(tmp_path / "hostile", sequential(layer))
    with pytest.raises(RequestError, match=f"{named}.*add --trust"):
        open_model(path)


def test_a_trusted_lambda_is_executed(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Lambda(lambda x: x * 2),
            keras.layers.Flatten(),
        ]
    )
    model.save(tmp_path / "model.h5")
    ones = np.ones((1, 8, 8, 3), np.float32)
    opened = open_model(tmp_path / "model.h5", is_trusted=True)
    assert (opened.predict(ones, verbose=0) == 2).all()


def functional(links):
    image = {"batch_input_shape": [None, 8, 8, 3], "name": "a"}
    config = {
        "layers": [
            {**INPUT, "config": image, "name": "a", "inbound_nodes": []},
            {**DENSE, "name": "dense", "inbound_nodes": [[links]]},
        ],
        "input_layers": [["a", 0, 0]],
        "output_layers": [["dense", 0, 0]],
    }
    return {"class_name": "Functional", "config": config}


@pytest.mark.parametrize("links", [["dense", 0, 0, {}], ["gone", 0, 0, {}]])
def test_links_that_keras_would_follow_forever_are_refused(tmp_path, links):
    path = write_hdf5(tmp_path / "model.h5", functional(links))
    with pytest.raises(RequestError, match="'dense' has no input"):
        open_model(path)


def first_layer(**config):
    return sequential({"class_name": "Conv2D", "config": {"name": "c", **config}})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (first_layer(data_format="channels_first"), "'c' has channels first"),
        (first_layer(strange=2), "'c' .Conv2D. has the setting strange=2"),
        ({"class_name": "Sequential", "config": {"layers": [DENSE]}}, "image_size"),
        ({"class_name": "Functional"}, "cannot build its model"),
    ],
)
def test_what_cannot_be_built_is_explained(tmp_path, config, message):
    with pytest.raises(RequestError, match=message):
        open_model(write_hdf5(tmp_path / "model.h5", config))


def test_a_file_of_weights_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    model.save_weights(tmp_path / "model.h5")
    with pytest.raises(RequestError, match="has only weights; save the whole model"):
        open_model(tmp_path / "model.h5")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\nx" * 9])
def test_another_file_is_refused(tmp_path, content):
    (tmp_path / "model.h5").write_bytes(content)
    with pytest.raises(RequestError, match="model.h5: (is not|Keras cannot)"):
        open_model(tmp_path / "model.h5")
    with pytest.raises(RequestError, match="is a folder without a model"):
        open_model(tmp_path)
    with pytest.raises(RequestError, match="cannot be read .No such file"):
        open_model(tmp_path / "none.h5")


def test_a_graph_without_layers_is_refused(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(RequestError, match="SavedModel without the layers of Keras"):
        open_model(tmp_path)


def test_an_open_size_is_asked_for_and_set(tmp_path):
    layers = [keras.layers.Conv2D(3, 3), keras.layers.GlobalAveragePooling2D()]
    keras.Sequential([keras.Input((None, None, 3)), *layers]).save(tmp_path / "m.h5")
    with pytest.raises(RequestError, match="images of any size.*--image_size"):
        open_model(tmp_path / "m.h5")
    model = open_model(tmp_path / "m.h5", image_size=24)
    assert model.input_shape == (None, 24, 24, 3)
    model.save(tmp_path / "fixed.h5")
    with pytest.raises(RequestError, match="takes 24x24 pixels, not 32; omit"):
        open_model(tmp_path / "fixed.h5", image_size=32)


def test_several_inputs_are_refused(tmp_path):
    images = [keras.Input((8, 8, 3), name=name) for name in ("left", "right")]
    keras.Model(images, keras.layers.Add()(images)).save(tmp_path / "model.h5")
    with pytest.raises(RequestError, match="has 2 inputs and 1 outputs"):
        open_model(tmp_path / "model.h5")
