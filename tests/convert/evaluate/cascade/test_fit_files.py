"""Two files become a cascade, on images whose colours are known."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from fixtures.cascade import COLOURS, FIRST, SECOND, WEAK_GREEN, draw, write_pair

from corallite.convert.evaluate.cascade.fit_files import fit_files
from corallite.device.engine.cascade.model_hash import hash_model
from corallite.device.engine.cascade.two_models import CascadeEngine
from corallite.device.engine.classifier import Classifier
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import read_manifest
from corallite.device.system.errors import RequestError
from corallite.train.data.load import ImageData, Split
from corallite.train.runs.run import Run

# Three images of four are easy.
IMAGES = [*COLOURS.values(), WEAK_GREEN] * 5
TRUE = [0, 1, 2, 1] * 5


@pytest.fixture
def data():
    images = np.stack([draw(colour) for colour in IMAGES])
    paths = tuple(f"{n}.png" for n in range(len(IMAGES)))
    split = Split(images, np.array(TRUE), paths)
    splits = {"train": split, "val": split, "test": split}
    return ImageData(FIRST.labels, Preprocessing((32, 32)), "abc", splits)


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "run")


def fit(pair, run, data, **changes):
    return fit_files(pair, run, data, changes.pop("split", "test"), 0.5)


def test_copy_of_the_first_file_keeps_the_threshold(tmp_path, run, data, monkeypatch):
    pair = write_pair(tmp_path, first=FIRST)
    before = pair[0].read_bytes()
    found = slow_second(monkeypatch, lambda: fit(pair, run, data))
    assert (
        found.point is not None and found.written == tmp_path / "small_cascade.tflite"
    )
    assert found.point.share == 0.25 and found.point.top1 == 1.0
    assert pair[0].read_bytes() == before
    manifest = read_manifest(found.written)
    assert manifest is not None and manifest.cascade is not None
    assert manifest._replace(cascade=None) == FIRST
    assert manifest.cascade.second_hash == hash_model(pair[1])
    assert manifest.cascade.second == "large 1" and manifest.cascade.photos == 20
    # The device predicts what was measured.
    engine = CascadeEngine(Classifier(found.written), Classifier(pair[1]))
    predicted = [int(engine.run(draw(colour)).argmax()) for colour in IMAGES]
    assert predicted == TRUE and engine.use.asked == 5


def test_threshold_can_be_fitted_again_to_the_copy(tmp_path, run, data, monkeypatch):
    pair = write_pair(tmp_path, first=FIRST)
    first = slow_second(monkeypatch, lambda: fit(pair, run, data))
    again = (first.written, pair[1])
    second = slow_second(monkeypatch, lambda: fit(again, run, data))
    assert second.written == first.written


def test_output_has_a_table_of_80_columns(tmp_path, run, data, monkeypatch):
    pair = write_pair(tmp_path, first=FIRST)
    found = slow_second(monkeypatch, lambda: fit(pair, run, data))
    lines = found.describe().splitlines()
    assert "20 validation images: small.tflite 75.00 %, 1.000 ms;" in lines
    assert "large.tflite 100.00 %, 9.000 ms." in lines
    assert any(line.split()[1:] == ["25.0", "%", "100.00", "3.250"] for line in lines)
    # Paths are as long as they are.
    assert max(len(x) for x in lines if str(tmp_path) not in x) <= 80
    content = found.to_json()
    assert content["fitted"]["top1"] == content["test"]["top1"] == 1.0


def test_printed_command_can_be_pasted(tmp_path, run, data, monkeypatch):
    folder = tmp_path / "my models"
    folder.mkdir()
    pair = write_pair(folder, first=FIRST)
    found = slow_second(monkeypatch, lambda: fit(pair, run, data))
    words = shlex.split(found.describe().splitlines()[-1])
    assert words[:2] == ["corallite", "classify"]
    flags = dict(word.removeprefix("--").split("=", 1) for word in words[2:])
    assert Path(flags["model"]) == found.written and Path(flags["then"]) == pair[1]
    assert flags["source"] == "0"


def test_without_a_useful_cascade_nothing_is_written(tmp_path, run, data, monkeypatch):
    pair = write_pair(tmp_path, first=FIRST)
    found = slow_second(monkeypatch, lambda: fit(pair, run, data), second_ms=0.5)
    assert found.written is None and not list(tmp_path.glob("*_cascade*"))
    assert "Use the second model alone" in found.describe()
    assert found.to_json()["fitted"] is None


def slow_second(monkeypatch, work, second_ms=9.0):
    """Runs `work` with set times, because the two files take equally long."""
    from corallite.convert.evaluate.cascade import threshold

    times = iter([1.0, second_ms] * 2)
    monkeypatch.setattr(threshold, "_median", lambda milliseconds: next(times))
    return work()


@pytest.mark.parametrize(
    ("manifests", "why"),
    [
        (
            {"second": SECOND.with_classes(labels=("a", "b", "c"))},
            "small 1 has the labels red, green, blue, but large 1 has a, b, c",
        ),
        (
            {"second": SECOND.with_image(preprocessing=Preprocessing((32, 32), "pad"))},
            "give two models with the same input",
        ),
    ],
)
def test_models_of_two_tasks_are_refused(tmp_path, run, data, manifests, why):
    with pytest.raises(RequestError, match=why):
        fit(write_pair(tmp_path, **manifests), run, data)


def test_first_file_without_a_manifest_is_refused(tmp_path, run, data, tiny_file):
    pair = tiny_file, write_pair(tmp_path)[1]
    with pytest.raises(RequestError, match=r"plain\.tflite: has no manifest"):
        fit(pair, run, data)


@pytest.fixture
def tiny_file(tmp_path):
    from fixtures.small_models import write_model

    path = Path(tmp_path / "plain.tflite")
    path.write_bytes(write_model((1, 32, 32, 3)))
    return path


def test_model_of_other_images_is_named_in_a_warning(tmp_path, run, data, caplog):
    fit(write_pair(tmp_path, first=FIRST._replace(data_fingerprint="x")), run, data)
    assert "was trained on other images" in caplog.text
