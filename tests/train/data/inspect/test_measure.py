import hashlib

import numpy as np
import pytest

from corallite.device.image.difference_hash import difference_hash
from corallite.device.image.opencv import cv2
from corallite.train.data.content import Fault
from corallite.train.data.inspect.measure import (
    measure_photo,
    measure_photos,
    measure_sharpness,
)


@pytest.fixture
def photo(draw_clouds):
    """uint8 [96, 128, 3], RGB."""
    return (draw_clouds(1, 96, 128)[0] * 255).astype(np.uint8)


def write(path, image_rgb):
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), image_rgb[:, :, ::-1])


def test_every_file_is_measured_or_has_a_reason(tmp_path, photo):
    write(tmp_path / "a/1.png", photo)
    write(tmp_path / "a/black.png", np.zeros_like(photo))
    (tmp_path / "a/text.jpg").write_text("no image")
    (tmp_path / "a/gone.jpg").symlink_to("nowhere")
    paths = ["a/1.png", "a/black.png", "a/text.jpg", "a/gone.jpg"]
    measured = measure_photos(tmp_path, paths)
    assert measured.photos.keys() == {"a/1.png", "a/black.png"}
    assert measured.not_read == {"a/gone.jpg": "No such file or directory"}
    assert "a/text.jpg: is not an image" in measured.not_decoded["a/text.jpg"]
    assert measured.sha256 == {
        path: hashlib.sha256((tmp_path / path).read_bytes()).hexdigest()
        for path in paths[:3]
    }
    found = measured.photos["a/1.png"]
    assert found.shorter_side == 96 and found.fault is None
    assert found.difference_hash == difference_hash(photo)
    assert found.thumbnail.shape == (16, 16, 3) and found.thumbnail.dtype == np.uint8
    assert measured.photos["a/black.png"].fault == Fault("black")


def test_a_large_jpeg_is_measured_as_if_decoded_in_full(tmp_path, photo):
    large = cv2.resize(photo, (2400, 1800), interpolation=cv2.INTER_CUBIC)
    write(tmp_path / "a/1.jpg", large)
    found = measure_photos(tmp_path, ["a/1.jpg"]).photos["a/1.jpg"]
    expected = measure_photo(large, b"", 1800)
    assert found.shorter_side == 1800
    assert (found.difference_hash ^ expected.difference_hash).bit_count() <= 2
    difference = found.thumbnail.astype(int) - expected.thumbnail
    assert np.abs(difference).mean() < 4
    assert found.sharpness == pytest.approx(expected.sharpness, rel=0.3)


def test_blur_lowers_the_sharpness_and_contrast_does_not(photo):
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    sharp = measure_sharpness(grey)
    assert measure_sharpness(cv2.GaussianBlur(grey, (0, 0), 2)) < sharp / 5
    assert measure_sharpness(grey // 4) == pytest.approx(sharp, rel=0.2)


def test_sharpness_does_not_depend_on_the_size_of_the_file(draw_clouds):
    clouds = cv2.resize(draw_clouds(1, 64, 64)[0], (256, 256)) * 255
    grey = cv2.cvtColor(clouds.astype(np.uint8), cv2.COLOR_RGB2GRAY)
    large = cv2.resize(grey, (1024, 1024), interpolation=cv2.INTER_CUBIC)
    assert measure_sharpness(large) == pytest.approx(measure_sharpness(grey), rel=0.2)


def test_an_image_of_one_colour_has_sharpness_0():
    assert measure_sharpness(np.full((20, 20), 9, np.uint8)) == 0
