"""A features file of three features, the mean colours; and class folders."""

import os

import numpy as np
import pytest
from fixtures.small_models import write_model

from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import FEATURES, ClassesOutput, Manifest
from corallite.device.model.write import attach_manifest


@pytest.fixture(scope="session")
def make_features():
    """A function that returns a features file's content: (size), its manifest's."""

    def make(**options):
        content = write_model((1, 32, 32, 3), kind="INT8", last=None, **options)
        manifest = Manifest.of_classifier("mean", "1", (), Preprocessing((32, 32)))
        output = ClassesOutput((), FEATURES, FEATURES)
        return attach_manifest(content, manifest._replace(outputs=(output,)))

    return make


@pytest.fixture
def features_path(make_features, tmp_path):
    """A features file: 4 times the mean of red, green and blue, each 0 to 1."""
    path = tmp_path / "features.tflite"
    path.write_bytes(make_features())
    return path


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    """The folder of cached features; each test has its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "corallite" / "features"


@pytest.fixture
def make_photos(tmp_path, draw_square):
    """A function that writes squares into folders: make_photos(red=12, blue=12)."""
    import cv2

    def make(folder="photos", begin=0, **counts):
        root = tmp_path / folder
        for label, name in enumerate(("red", "green", "blue")):
            rng = np.random.default_rng([label, begin])
            for number in range(begin, begin + counts.get(name, 0)):
                os.makedirs(root / name, exist_ok=True)
                # Large, because the squares are on noise.
                image = cv2.resize(draw_square(rng, label), (64, 64))
                cv2.imwrite(str(root / name / f"{number:03d}.png"), image[:, :, ::-1])
        return root

    return make
