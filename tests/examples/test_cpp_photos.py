"""The C++ program with OpenCV: image files as this package reads and fits them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from fixtures import cpp_program
from fixtures.small_models import write_model

from corallite.device.engine.classifier import Classifier
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import FITS, Preprocessing, read_image
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest

GOLDEN = Path(__file__).parents[1] / "golden"
# PNG and JPEG: grey, transparent, 16 bits, turned by EXIF, one pixel, very wide.
NAMES = sorted(x.name for x in GOLDEN.iterdir() if x.suffix in (".png", ".jpg"))

pytestmark = [pytest.mark.slow, cpp_program.needs_compiler]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return cpp_program.build(tmp_path_factory.mktemp("build"), with_opencv=True)


@pytest.fixture
def classify(program, tmp_path):
    """A function that runs the program: (model, *arguments)."""
    return cpp_program.classify_with(program, tmp_path)


def make_model(fit="crop"):
    """Takes 9 x 7 pixels and gives the share of each colour."""
    manifest = Manifest.of_classifier(
        "x", "1", ("r", "g", "b"), Preprocessing((9, 7), fit)
    )
    return attach_manifest(write_model((1, 9, 7, 3)), manifest)


def compare(classify, folder, model, names):
    """Compares scores; another OpenCV may decode and average a little otherwise."""
    done = classify(model, "--scores", *names)
    assert (done.returncode, done.stderr) == (0, "")
    theirs = [json.loads(line)["scores"] for line in done.stdout.splitlines()]
    ours = Classifier(folder / "model.tflite")
    expected = [ours.classify(read_image(folder / name)) for name in names]
    np.testing.assert_allclose(theirs, expected, atol=2e-3)


@pytest.mark.parametrize("fit", FITS)
def test_scores_are_those_of_python(classify, tmp_path, fit):
    for name in NAMES:
        shutil.copy(GOLDEN / name, tmp_path)
    compare(classify, tmp_path, make_model(fit), NAMES)


def test_a_large_photo_is_reduced_while_it_is_decoded(classify, tmp_path, draw_clouds):
    (clouds,) = draw_clouds(1, 200, 300)
    photo = cv2.resize((255 * clouds).astype(np.uint8), (3001, 2003))
    for name in ("large.jpg", "large.png", "large.ppm"):
        assert cv2.imwrite(str(tmp_path / name), photo)
    compare(classify, tmp_path, make_model(), ["large.jpg", "large.png", "large.ppm"])


def test_damaged_and_other_files_are_refused(classify, tmp_path):
    for name in ("photo_150x200.jpg", "odd_37x23.png"):
        content = (GOLDEN / name).read_bytes()
        for share in (0.1, 0.5, 0.99):
            (tmp_path / f"{share}_{name}").write_bytes(
                content[: int(share * len(content))]
            )
    shutil.copy(GOLDEN / "lossy_70x60.webp", tmp_path)
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("P6 is a format, and this is text")
    (tmp_path / "huge.ppm").write_text("P6 20000 20000 255\n")
    names = sorted(x.name for x in tmp_path.iterdir())
    done = classify(make_model(), *names)
    assert done.returncode == 2 and done.stdout == ""
    lines = done.stderr.splitlines()
    assert [line.split(": ")[1] for line in lines] == names
    assert all(
        "is damaged, truncated, or not a JPEG, PNG, PGM or PPM" in line
        or "more than 134 megapixels" in line
        for line in lines
    )
