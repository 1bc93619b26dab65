"""Fitting: crop, pad, stretch, and the same bytes from file and camera."""

import cv2
import numpy as np
import pytest

from corallite.device.image.preprocess import (
    Preprocessing,
    bgr_to_rgb,
    decode_image,
    fit_image,
)

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def flat(colour_rgb, height=8, width=8):
    return np.full((height, width, 3), colour_rgb, np.uint8)


def noisy(height=48, width=40):
    rng = np.random.default_rng(7)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(1, 1), (1, 1000), (1000, 1), (37, 20), (500, 301)])
@pytest.mark.parametrize("target", [(32, 32), (24, 40), (1, 1)])
def test_any_size_fits_and_a_flat_colour_is_kept(fit, size, target):
    image = np.full((*size, 3), 200, np.uint8)
    fitted = fit_image(image, Preprocessing(target, fit))
    assert fitted.shape == (*target, 3) and fitted.dtype == np.uint8
    assert fitted.flags.c_contiguous
    if fit == "pad":
        assert set(np.unique(fitted)) <= {0, 200} and fitted.max() == 200
    else:
        assert (fitted == 200).all()


def test_crop_keeps_the_centre():
    image = np.concatenate(
        [flat(RED, 10, 5), flat(GREEN, 10, 10), flat(BLUE, 10, 5)], 1
    )
    assert (fit_image(image, Preprocessing((10, 10))) == GREEN).all()
    upright = np.ascontiguousarray(image.transpose(1, 0, 2))
    assert (fit_image(upright, Preprocessing((5, 5))) == GREEN).all()


def test_pad_keeps_the_image_between_black_bars():
    fitted = fit_image(flat(GREEN, 10, 20), Preprocessing((20, 20), "pad"))
    assert (fitted[5:15] == GREEN).all()
    assert (fitted[:5] == 0).all() and (fitted[15:] == 0).all()


def test_stretch_keeps_all_edges():
    image = np.concatenate([flat(RED, 4, 8), flat(BLUE, 4, 8)], 1)
    fitted = fit_image(image, Preprocessing((4, 4), "stretch"))
    assert (fitted[:, :2] == RED).all() and (fitted[:, 2:] == BLUE).all()


def test_shrinking_averages():
    checkers = np.zeros((64, 64, 3), np.uint8)
    checkers[::2, ::2] = checkers[1::2, 1::2] = 200
    assert (fit_image(checkers, Preprocessing((8, 8))) == 100).all()
    # Also if one axis shrinks and the other grows.
    assert (fit_image(checkers, Preprocessing((128, 8), "stretch")) == 100).all()


def test_image_of_the_right_size_is_untouched():
    image = noisy(32, 32)
    assert (fit_image(image, Preprocessing((32, 32))) == image).all()


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_file_and_camera_give_the_same_bytes(fit):
    image = noisy(61, 83)
    preprocessing = Preprocessing((32, 24), fit)
    png = cv2.imencode(".png", image[..., ::-1])[1].tobytes()
    from_file = fit_image(decode_image(png, "x"), preprocessing)
    frame_bgr = np.ascontiguousarray(image[..., ::-1])
    assert (fit_image(bgr_to_rgb(frame_bgr), preprocessing) == from_file).all()
    # `fit_image` documents that converting last gives the same.
    assert (bgr_to_rgb(fit_image(frame_bgr, preprocessing)) == from_file).all()


def test_argument_is_not_changed():
    image = noisy()
    before = image.copy()
    fit_image(image, Preprocessing((20, 20)))
    assert (image == before).all()


@pytest.mark.parametrize(
    "image",
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((8, 8, 4), "u1")],
)
def test_wrong_arrays_are_refused(image):
    with pytest.raises(ValueError, match="`image_rgb_u8` to be uint8"):
        fit_image(image, Preprocessing((8, 8)))


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="`size_hw`.*got \\(0, 8\\)"):
        Preprocessing((0, 8))
    with pytest.raises(ValueError, match="`fit`.*got 'zoom'"):
        Preprocessing((8, 8), "zoom")


def test_settings_are_the_same_after_json():
    preprocessing = Preprocessing((8, 9), "pad")
    assert Preprocessing.from_json(preprocessing.to_json()) == preprocessing
