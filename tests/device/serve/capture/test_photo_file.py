"""Recorded photos: their names, their content, and which look the same."""

import re

import numpy as np

from corallite.device.image.preprocess import decode_image
from corallite.device.serve.capture.photo_file import (
    LastKept,
    begin_burst,
    encode_photo,
    name_photo,
)
from corallite.device.serve.capture.photo_folder import OWN_NAME


def test_photos_of_a_burst_are_one_group_of_a_training():
    burst, other = begin_burst(), begin_burst()
    names = [name_photo(burst, 1), name_photo(burst, 12345), name_photo(other, 1)]
    assert all(OWN_NAME.fullmatch(name) for name in names)
    groups = [re.search("(.*)_[0-9]+", name)[1] for name in names]  # type: ignore[index]
    assert groups == [burst, burst, other]
    assert sorted(names[:2]) == names[:2]


def test_photo_has_the_size_and_colours_of_the_frame():
    image = np.full((48, 64, 3), (200, 30, 10), np.uint8)
    decoded = decode_image(encode_photo(image), "x")
    assert decoded.shape == (48, 64, 3)
    assert np.abs(decoded.astype(int) - image).max() < 8


def test_frame_with_a_little_noise_looks_the_same(camera):
    image = camera.show().image_rgb_u8
    noise = np.random.default_rng(1).normal(0, 3, image.shape)
    noisy = np.clip(image + noise, 0, 255).astype(np.uint8)
    last = LastKept()
    assert last.is_new(image)
    assert not last.is_new(noisy)
    assert last.is_new(camera.show().image_rgb_u8)
    assert last.is_new(noisy)
    several = LastKept(2)
    assert several.is_new(image) and several.is_new(camera.show().image_rgb_u8)
    assert not several.is_new(noisy)
    assert several.is_new(camera.show().image_rgb_u8) and several.is_new(noisy)
