"""A model of the user's own becomes a run, or is refused in a sentence."""

import json
import shutil

import numpy as np
import pytest

from corallite.convert.report.write import write_report
from corallite.device.image.opencv import cv2
from corallite.device.system.errors import RequestError
from corallite.optimize.keras_graph.load import load_model
from corallite.train.adopt.adopted_run import Adoption, adopt
from corallite.train.data.load import load_data
from corallite.train.framework.keras import keras
from corallite.train.runs.accuracy import find_accuracy
from corallite.train.runs.run import Run

# The colour that a class is brightest in. Folders are sorted: blue, green, red.
CHANNELS = {"red": 0, "green": 1, "blue": 2}
PHOTOS_PER_CLASS = 20


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name, channel in CHANNELS.items():
        (folder / name).mkdir()
        for number in range(PHOTOS_PER_CLASS):
            image = rng.integers(0, 120, (16, 16, 3), np.uint8)
            image[..., channel] += 60
            cv2.imwrite(str(folder / name / f"{number}.png"), image[..., ::-1])
    return folder


def network(*before, last=0.0, order=(0, 1, 2)):
    """A model that is right for pixels in -1..1, and says so clearly.

    Its output is how far the mean of a channel is above a threshold of that range.
    """
    mix = keras.layers.Conv2D(3, 1, name="mix")
    pool = keras.layers.GlobalAveragePooling2D()
    dense = keras.layers.Dense(3, activation="softmax", name="dense")
    layers = [mix, keras.layers.ReLU(), pool, dense]
    model = keras.Sequential([keras.Input((16, 16, 3)), *before, *layers])
    # Red, green and blue without what they have in common; bright photos saturate.
    kernel = 3 * np.eye(3) - 1
    mix.set_weights([kernel[None, None], np.full(3, -0.1)])
    dense.set_weights([8 * np.eye(3)[:, list(order)], np.full(3, last)])
    return model


def make(tmp_path, photos, model, **said):
    path = tmp_path / "mine.h5"
    model.save(path)
    run = Run.open(tmp_path / "run")
    return adopt(photos, run, Adoption(path, **said))


def test_an_adopted_model_is_the_float_stage_of_a_run(tmp_path, photos):
    stage, notes = make(tmp_path, photos, network(), input_range="-1..1")
    assert stage.is_complete() and find_accuracy(stage) == 1.0
    assert load_data(stage.run).class_names == ("blue", "green", "red")
    assert any("in another order" in x and "red, green, blue" in x for x in notes)
    image = np.zeros((1, 16, 16, 3), np.float32)
    image[..., 2] = 1.0
    predicted = load_model(stage.model_path).predict(image, verbose=0)
    assert predicted.argmax() == 0
    assert f"corallite adopt --run_dir={stage.run.path}" in stage.command()
    assert "--input_range=-1..1" in stage.command()
    assert "mine.h5" in stage.command()
    again = adopt(
        photos, stage.run, Adoption(tmp_path / "mine.h5", input_range="-1..1")
    )
    assert again == (stage, [])


def test_an_adopted_run_is_reported(tmp_path, photos):
    stage, _ = make(tmp_path, photos, network(), input_range="-1..1")
    page = write_report(stage.run, load_data(stage.run)).read_text(encoding="utf-8")
    assert "mine.h5" in page and "adopted from" in page
    assert "corallite adopt" in page and "corallite train" not in page


def test_the_range_is_found_by_the_accuracy(tmp_path, photos):
    # 0..255 is far behind: of pixel/255 and pixel/127.5 - 1, the rescaled one is seen.
    scaling = keras.layers.Rescaling(1 / 127.5, -1.0)
    stage, notes = make(tmp_path, photos, network(scaling))
    assert find_accuracy(stage) == 1.0
    assert stage.metrics()["adopted"]["input_range"] in ("0..255", "caffe")
    assert any(x.startswith("It takes ") for x in notes)


def test_labels_beside_the_model_decide_the_order(tmp_path, photos):
    (tmp_path / "labels.txt").write_text("0 Red\n1 Green\n2 Blue\n")
    stage, notes = make(tmp_path, photos, network(), input_range="-1..1")
    assert stage.metrics()["adopted"]["outputs"] == [2, 1, 0]
    assert f"Its labels are those of {tmp_path / 'labels.txt'}." in notes


def test_labels_that_the_photos_contradict_are_refused(tmp_path, photos):
    (tmp_path / "labels.txt").write_text("blue\ngreen\nred\n")
    with pytest.raises(RequestError, match="right for 33.3 % .* 100.0 % in another"):
        make(tmp_path, photos, network(), input_range="-1..1")
    assert not (tmp_path / "run" / "float").exists()


def test_outputs_without_photos_are_left_out(tmp_path, photos):
    wide = keras.Sequential([*network().layers[:-1], keras.layers.Dense(5)])
    wide.build((None, 16, 16, 3))
    weights = np.zeros((3, 5))
    weights[[0, 1, 2], [4, 2, 1]] = 8
    wide.layers[-1].set_weights([weights, np.zeros(5)])
    labels = tmp_path / "names.json"
    labels.write_text(json.dumps(["x", "blue", "green", "y", "red"]))
    stage, notes = make(tmp_path, photos, wide, input_range="-1..1", labels=labels)
    assert find_accuracy(stage) == 1.0
    assert load_model(stage.model_path).output_shape == (None, 3)
    assert any(x.startswith("2 of its outputs have no photos") for x in notes)
    with pytest.raises(RequestError, match="has 5 outputs.*3 classes.*--labels=FILE"):
        adopt(photos, Run.open(tmp_path / "other"), Adoption(tmp_path / "mine.h5"))


def test_folders_of_imagenet_need_no_labels(tmp_path, photos):
    folders = {"blue": "n01443537", "green": "n02124075", "red": "n15075141"}
    for name, number in folders.items():
        shutil.copytree(photos / name, tmp_path / "imagenet" / number)
    wide = keras.Sequential([*network().layers[:-1], keras.layers.Dense(1000)])
    wide.build((None, 16, 16, 3))
    weights = np.zeros((3, 1000))
    weights[[0, 1, 2], [999, 285, 1]] = 8
    wide.layers[-1].set_weights([weights, np.zeros(1000)])
    stage, _ = make(tmp_path, tmp_path / "imagenet", wide, input_range="-1..1")
    assert find_accuracy(stage) == 1.0
    assert stage.metrics()["adopted"]["outputs"] == [1, 285, 999]


def test_a_model_that_is_no_better_than_chance_is_refused(tmp_path, photos):
    model = network()
    model.get_layer("dense").set_weights([np.zeros((3, 3)), np.zeros(3)])
    with pytest.raises(RequestError, match="33.3 % of .* no better than chance"):
        make(tmp_path, photos, model)


def test_another_model_is_refused_in_the_same_run(tmp_path, photos):
    make(tmp_path, photos, network(), input_range="-1..1")
    with pytest.raises(RequestError, match="made with other settings .sha256"):
        make(tmp_path, photos, network(last=1.0), input_range="-1..1")


def test_what_was_trusted_is_loaded_later_and_nothing_else(tmp_path, photos):
    twice = keras.layers.Lambda(lambda x: x * 1.0)
    model = network(twice)
    with pytest.raises(RequestError, match="'Lambda'.*--trust"):
        make(tmp_path, photos, model)
    stage, _ = make(tmp_path, photos, model, input_range="-1..1", is_trusted=True)
    assert load_model(stage.model_path).output_shape == (None, 3)
    with pytest.raises(RequestError, match="'Lambda', which could execute code"):
        load_model(tmp_path / "mine.h5")
