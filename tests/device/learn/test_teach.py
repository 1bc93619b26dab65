import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from fixtures import compiled_by_stand_in
from fixtures.small_models import write_model

from corallite.device.camera.open_source import open_source
from corallite.device.engine.classifier import Classifier
from corallite.device.image.preprocess import read_image
from corallite.device.learn import former
from corallite.device.learn.fit_refusal import RefusalSettings
from corallite.device.learn.former import read_former
from corallite.device.learn.teach import teach
from corallite.device.loop.classify_frames import classify_frames
from corallite.device.model.archive import split_archive
from corallite.device.model.manifest import read_manifest
from corallite.device.model.write import attach_manifest
from corallite.device.system.errors import RequestError


def read_record(path):
    """Returns the record of a taught file."""
    found = read_former(path)
    assert found is not None
    return found


@pytest.fixture
def photos(make_photos):
    return make_photos(red=12, green=12, blue=12)


@pytest.fixture
def model(tmp_path):
    return tmp_path / "model.tflite"


def test_unseen_photos_are_named(photos, make_photos, model, features_path):
    taught = teach(photos, model, features_path)
    assert taught.path == model and taught.former_path is None
    assert taught.scenes == 36 and not taught.is_rejected
    assert taught.validation and taught.validation.accuracy > 0.95
    assert taught.comparison is None
    classifier = Classifier(model)
    others = make_photos("others", begin=50, red=5, green=5, blue=5)
    for path in others.rglob("*.png"):
        best = classifier.classify(read_image(path)).argmax()
        assert classifier.labels[best] == path.parent.name


def test_what_is_no_class_is_unknown(photos, make_photos, model, features_path):
    (photos / "blue").rename(photos / "none")
    taught = teach(photos, model, features_path)
    classes = Classifier(model).manifest.classes
    assert taught.refusal and classes.refusal == taught.refusal
    assert classes.labels == ("green", "none", "red")
    assert classes.refusal.background == "none" and classes.refusal.photos == 36
    others = make_photos("others", begin=50, red=5, blue=5)
    labels: dict[str, set[str]] = {"red": set(), "blue": set()}
    with open_source(str(others), threading.Event()) as frames:
        for result in classify_frames(
            frames, Classifier(model), threading.Event(), top_k=1
        ):
            labels[Path(result.source).parent.name].add(result.label)
    assert labels == {"red": {"red"}, "blue": {"unknown"}}


def test_a_background_class_that_is_missing_is_refused(photos, model, features_path):
    with pytest.raises(RequestError, match="--background_class=sky: is not one of"):
        teach(photos, model, features_path, RefusalSettings(background_class="sky"))
    assert not model.exists()


def compile_all(path, factor=1.0):
    """Writes a stand-in for the compiled file: one operator in place of all."""
    content = path.read_bytes()
    manifest = read_manifest(path, content)
    assert manifest
    unpacked = compiled_by_stand_in.read(split_archive(content)[0])
    (output,) = unpacked.subgraphs[0].outputs
    quantization = unpacked.subgraphs[0].tensors[output].quantization
    quantization.scale = quantization.scale * np.float32(factor)
    piece = list(range(len(compiled_by_stand_in.operators(unpacked))))
    compiled = path.with_name(f"{path.stem}_edgetpu.tflite")
    replaced = compiled_by_stand_in.replace(unpacked, [piece])
    compiled.write_bytes(attach_manifest(replaced, manifest))
    return compiled


def read_head(path):
    """Returns the names of the last two operators, and the head's constants."""
    unpacked = compiled_by_stand_in.read(split_archive(path.read_bytes())[0])
    graph = unpacked.subgraphs[0]
    dense, softmax = graph.operators[-2:]
    codes = [unpacked.operatorCodes[x.opcodeIndex] for x in (dense, softmax)]
    numbers = [graph.tensors[n].buffer for n in dense.inputs[1:]]
    assert list(graph.outputs) == list(softmax.outputs)
    return (
        [(code.builtinCode, code.version) for code in codes],
        [bytes(unpacked.buffers[number].data) for number in numbers],
    )


def test_head_stands_behind_the_compiled_features(photos, model, features_path):
    taught = teach(photos, model, compile_all(features_path))
    path = model.with_name("model_edgetpu.tflite")
    assert taught.path == model and taught.compiled_path == path
    on_cpu, compiled = (read_head(file) for file in (model, path))
    assert compiled == on_cpu
    assert read_manifest(path) == read_manifest(model)
    # Taught again, both former files are kept, as a pair.
    again = teach(photos, model, features_path.with_name("features_edgetpu.tflite"))
    assert again.former_path == model.with_name("model.former.tflite")
    former = model.with_name("model.former_edgetpu.tflite")
    assert former.read_bytes() == path.read_bytes()


def test_no_compiled_file_of_a_former_model_stays(photos, model, features_path):
    # With it the accelerator would go on with the former model, the CPU with the new.
    compiled = compile_all(features_path)
    teach(photos, model, compiled)
    taught = teach(photos, model, features_path)
    assert taught.compiled_path is None and taught.former_path
    paired = model.with_name("model_edgetpu.tflite")
    former = model.with_name("model.former_edgetpu.tflite")
    assert not paired.exists() and former.exists()
    taught = teach(photos, model, compiled)
    assert paired.exists() and not former.exists()


def test_a_compiled_file_of_somebody_else_stays(photos, model, features_path):
    other = model.with_name("model_edgetpu.tflite")
    other.write_bytes(b"mine")
    with pytest.raises(RequestError, match="model_edgetpu.tflite: .* not replaced; "):
        teach(photos, model, compile_all(features_path))
    assert other.read_bytes() == b"mine" and not model.exists()
    assert teach(photos, model, features_path).path == model
    assert other.read_bytes() == b"mine"


def test_a_compiled_file_of_other_features_is_refused(photos, model, features_path):
    compiled = compile_all(features_path, factor=2)
    with pytest.raises(RequestError, match="has other features; compile it again"):
        teach(photos, model, compiled)
    assert not model.exists()


def test_a_damaged_compiled_file_is_refused(photos, model, features_path):
    compiled = compile_all(features_path)
    whole = split_archive(compiled.read_bytes())[0]
    rng = np.random.default_rng(0)
    refused = 0
    for cut in (len(whole) // 2, *rng.integers(8, len(whole), 30)):
        damaged = bytearray(whole[: len(whole) // 2] if not refused else whole)
        damaged[int(cut) % len(damaged)] ^= 0xFF
        compiled.write_bytes(damaged)
        try:
            teach(photos, model, compiled)
        except RequestError as error:
            refused += "features_edgetpu.tflite: is damaged (" in str(error)
            assert not model.exists()
        for path in model.parent.glob("model*"):
            path.unlink()
    assert refused > 5


def test_a_compiled_file_without_quantization_is_refused(photos, model, features_path):
    other = features_path.with_name("features_edgetpu.tflite")
    other.write_bytes(write_model((1, 32, 32, 3)))
    with pytest.raises(RequestError, match="has other features; compile it again"):
        teach(photos, model, other)


def test_features_of_other_pixels_are_refused(
    photos, model, features_path, make_features
):
    features_path.write_bytes(make_features(scale=(1 / 100, -128)))
    with pytest.raises(RequestError, match="its input holds 0 to 2.55 but pixels are"):
        teach(photos, model, features_path)


def test_a_compiled_file_alone_is_refused(photos, model, features_path):
    compiled = compile_all(features_path)
    features_path.unlink()
    with pytest.raises(RequestError, match="features.tflite: cannot be read"):
        teach(photos, model, compiled)


def test_copies_are_one_scene(photos, model, features_path):
    for path in sorted(photos.glob("red/*"))[:4]:
        path.with_name(f"copy_{path.name}").write_bytes(path.read_bytes())
    taught = teach(photos, model, features_path)
    assert len(taught.labels) == 40 and taught.scenes == 36


def test_photos_in_two_classes_are_reported(photos, model, features_path, caplog):
    for number in range(3):
        copied = photos / "red" / f"{number:03d}.png"
        shutil.copy(copied, photos / "blue" / f"copy{number}.png")
    with caplog.at_level("WARNING", logger="absl"):
        taught = teach(photos, model, features_path)
    assert taught.validation
    assert "3 photos are in two classes, such as " in caplog.text
    assert f"{photos}/blue/copy0.png = {photos}/red/000.png" in caplog.text


def test_classes_of_the_same_photos_are_judged(photos, model, features_path, caplog):
    # By their groups they were one class: "accuracy unknown: a single scene".
    shutil.rmtree(photos / "blue")
    shutil.copytree(photos / "red", photos / "rot")
    taught = teach(photos, model, features_path)
    assert taught.validation and taught.validation.accuracy < 0.75
    assert "12 photos are in two classes" in caplog.text


def test_a_model_that_is_as_good_replaces_the_former(
    photos, make_photos, model, features_path
):
    teach(photos, model, features_path)
    before = model.read_bytes()
    make_photos(begin=20, red=2, blue=2)
    taught = teach(photos, model, features_path)
    assert taught.comparison and taught.comparison.photos == 36
    assert not taught.is_rejected and taught.former_path
    assert taught.former_path.read_bytes() == before != model.read_bytes()
    assert len(read_record(model).photos) == 40


def test_a_worse_model_is_kept_beside_the_former(
    photos, model, features_path, make_features
):
    teach(photos, model, features_path)
    before = model.read_bytes()
    # One feature, which tells red from the others.
    features_path.write_bytes(make_features(classes=1))
    taught = teach(photos, model, features_path)
    assert taught.is_rejected and taught.comparison
    assert taught.comparison.lost > taught.comparison.gained
    assert model.read_bytes() == before and taught.former_path is None
    assert taught.path.name == "model.rejected.tflite"
    assert Classifier(taught.path).labels == ("blue", "green", "red")


def test_other_classes_are_another_task(photos, model, features_path, make_photos):
    two = make_photos("two", red=12, blue=12)
    teach(two, model, features_path)
    taught = teach(photos, model, features_path)
    assert taught.comparison is None and taught.former_path is not None


@pytest.mark.parametrize("count", [1, 2])
def test_one_and_two_photos_a_class_are_enough(
    make_photos, model, features_path, count
):
    taught = teach(
        make_photos(red=count, green=count, blue=count), model, features_path
    )
    assert (taught.validation is None) == (count == 1)
    assert read_record(model).class_names == ("blue", "green", "red")
    assert Classifier(model).labels == ("blue", "green", "red")


def test_a_class_without_readable_photos_is_refused(photos, model, features_path):
    for path in (photos / "green").iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(RequestError, match="green: none of its photos can be read"):
        teach(photos, model, features_path)
    assert not model.exists()


def test_a_file_of_somebody_else_stays(photos, model, features_path):
    model.write_bytes(features_path.read_bytes())
    with pytest.raises(RequestError, match="was not made by corallite teach"):
        teach(photos, model, features_path)
    assert model.read_bytes() == features_path.read_bytes()


def test_a_kill_leaves_photos_and_former_model(photos, model, features_path):
    """At each file that is written, as the power may fail at any time."""
    teach(photos, model, features_path)
    before = {x: x.read_bytes() for x in [model, *photos.rglob("*.png")]}
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from corallite.device.learn.teach import teach\n"
        "left, replace = [int(sys.argv[1])], os.replace\n"
        "def replace_or_die(*paths):\n"
        "    left[0] -= 1\n"
        "    if left[0] < 0: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    replace(*paths)\n"
        "os.replace = replace_or_die\n"
        "teach(*map(Path, sys.argv[2:]))\n"
    )
    for path in (model.parent / "cache").rglob("*.rows"):
        path.unlink()
    for writes in range(3):
        # The cache, the former model, the model.
        command = [sys.executable, "-c", code, str(1 if writes else 0)]
        done = subprocess.run([*command, str(photos), str(model), str(features_path)])
        assert done.returncode == -signal.SIGKILL
        assert {x: x.read_bytes() for x in before} == before
    assert teach(photos, model, features_path).path == model


def test_level_of_the_test_is_five_per_cent():
    assert former.LEVEL == 0.05
    assert np.isclose(former.sign_test(0, 5), 1 / 32)
