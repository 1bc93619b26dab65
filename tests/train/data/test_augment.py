import numpy as np
import pytest

from corallite.device.system.errors import RequestError
from corallite.train.data import augment
from corallite.train.framework.keras import tf

OWN_LEVELS = ("none", "light", "standard")


@pytest.fixture
def images():
    """Smooth images: neighbouring pixels are alike, left and right are not."""
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 255, (16, 4, 4, 3)).astype(np.float32)
    return tf.cast(tf.image.resize(corners, (32, 32)), tf.uint8)


def seed_of(number):
    return tf.constant([3, number], tf.int64)


@pytest.mark.parametrize("level", augment.LEVELS)
@pytest.mark.parametrize("size_hw", [(32, 32), (20, 36), (96, 100)])
def test_every_level_gives_floats_of_the_same_shape_in_the_unit_range(level, size_hw):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, *size_hw, 3)).astype(np.uint8)
    policy = augment.build_policy(level, seed=1)
    for result in (
        policy(tf.constant(images), seed_of(0)),
        tf.function(policy)(tf.constant(images), seed_of(0)),
    ):
        assert result.shape == images.shape
        assert result.dtype == tf.float32
        assert 0 <= result.numpy().min() and result.numpy().max() <= 1


@pytest.mark.parametrize("level", OWN_LEVELS)
def test_the_seed_decides(images, level):
    policy = augment.build_policy(level)
    first = policy(images, seed_of(0))
    np.testing.assert_array_equal(first, policy(images, seed_of(0)))
    # XLA-free graphs may fuse differently: a float32 step or two.
    in_graph = tf.function(policy)(images, seed_of(0))
    np.testing.assert_allclose(first, in_graph, atol=3e-7)
    is_other = bool(np.any(first != policy(images, seed_of(1))))
    assert is_other == (level != "none")


def test_none_only_scales(images):
    policy = augment.build_policy("none")
    expected = images.numpy().astype(np.float32) / 255
    np.testing.assert_array_equal(policy(images, seed_of(0)), expected)


def test_a_flipped_and_shifted_image_is_a_part_of_the_reflected_one(images):
    # Every result must be one of the 2 x 9 x 9 crops that a padded image has.
    padded = np.pad(images.numpy(), ((0, 0), (4, 4), (4, 4), (0, 0)), "reflect")
    results = augment.flip_and_shift(images, seed_of(0)).numpy()
    flips, offsets = [], set()
    for image, result in zip(padded, results, strict=True):
        matches = [
            (is_flipped, top, left)
            for top in range(9)
            for left in range(9)
            for is_flipped in (False, True)
            if np.array_equal(
                image[top : top + 32, left : left + 32][:, :: -1 if is_flipped else 1],
                result,
            )
        ]
        assert len(matches) == 1
        flips.append(matches[0][0])
        offsets.add(matches[0][1:])
    assert any(flips) and not all(flips)
    assert len(offsets) > 8


def test_resized_boxes_stay_inside_and_half_are_mirrored():
    # Red rises to the right, green downwards: what a result shows can be read off.
    rows, columns = np.mgrid[0:100, 0:120]
    ramp = np.stack([columns * 2, rows * 2, 0 * rows], axis=-1).astype(np.uint8)
    images = tf.constant(np.repeat(ramp[None], 64, axis=0))
    result = augment.flip_and_resize(images, seed_of(0)).numpy().astype(int)
    assert result.shape == (64, 100, 120, 3)
    across = result[:, 50, -1, 0] - result[:, 50, 0, 0]
    down = result[:, -1, 60, 1] - result[:, 0, 60, 1]
    assert 16 <= (across < 0).sum() <= 48
    assert np.all(down > 0)
    area = np.abs(across) / 238 * down / 198
    # Boxes are rounded to whole pixels: one in 120 and one in 100.
    assert 0.33 < area.min() < 0.45 and 0.9 < area.max() <= 1


def test_grey_images_change_in_brightness_only():
    images = tf.fill([256, 4, 4, 3], tf.constant(100, tf.uint8))
    result = augment.vary_colour(images, seed_of(0)).numpy()
    # OpenCV rounds differently in its vector code and in the rest of a row.
    assert np.ptp(result.astype(int), axis=(1, 2, 3)).max() <= 1
    assert 70 <= result.min() < 72 and 128 < result.max() <= 130


def test_colours_are_an_affine_map_cut_off_at_the_ends(images):
    result = augment.vary_colour(images, seed_of(0)).numpy()
    assert np.any(result != images)
    for before, after in zip(images.numpy(), result, strict=True):
        inputs = np.c_[before.reshape(-1, 3), np.ones(before.size // 3)]
        outputs = after.reshape(-1, 3)
        inside = ((outputs > 0) & (outputs < 255)).all(axis=1)
        matrix = np.linalg.lstsq(inputs[inside], outputs[inside], rcond=None)[0]
        # Rounding to whole levels: half a level, and OpenCV's fixed point another.
        assert np.abs(np.clip(inputs @ matrix, 0, 255) - outputs).max() < 1.5
        diagonal, others = (
            np.diag(matrix[:3]),
            matrix[:3] - np.diag(np.diag(matrix[:3])),
        )
        assert 0.3 < diagonal.min() and diagonal.max() < 2
        assert np.abs(others).max() < 0.31 * 1.3**2


def test_an_unknown_level_is_refused():
    with pytest.raises(RequestError, match="one of none, light, standard, rand, got"):
        augment.build_policy("strong")


def mix_flat_images(mixup_alpha, cutmix_alpha):
    """Mixes eight images, each of one level; returns levels, images and labels."""
    mix = augment.build_mixer(mixup_alpha, cutmix_alpha)
    assert mix is not None
    levels = np.arange(8, dtype=np.float32) / 8
    images = np.tile(levels[:, None, None, None], (1, 16, 16, 3))
    mixed = tf.function(mix)(tf.constant(images), tf.eye(8), seed_of(0))
    return levels, mixed[0].numpy(), mixed[1].numpy()


def test_mixup_gives_labels_the_shares_of_the_images():
    levels, images, labels = mix_flat_images(0.2, 0.0)
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    # What a flat image was mixed of is its level. float32 sums of 8: 1e-5 is ample.
    np.testing.assert_allclose(images[:, 0, 0, 0], labels @ levels, atol=1e-5)
    assert np.all(images == images[:, :1, :1, :1])


def test_mixup_draws_shares_of_the_whole_range():
    _, _, labels = mix_flat_images(0.2, 0.0)
    shares = np.diag(labels)
    assert shares.min() < 0.2 and shares.max() > 0.8


def test_cutmix_gives_labels_the_shares_of_the_pixels():
    levels, images, labels = mix_flat_images(0.0, 1.0)
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    own_share = (images == levels[:, None, None, None]).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(own_share, np.diag(labels), atol=1e-6)
    assert np.any(own_share < 1)


@pytest.mark.parametrize("alphas", [(0.2, 0.0), (0.0, 1.0), (0.2, 1.0)])
def test_the_seed_decides_what_is_mixed(images, alphas):
    mix = augment.build_mixer(*alphas)
    assert mix is not None
    unit = augment.to_unit_range(images)
    first, again, other = (mix(unit, tf.eye(16), seed_of(x)) for x in (0, 0, 1))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert np.any(first[1] != other[1])


def test_with_both_each_batch_is_mixed_by_one():
    mix = augment.build_mixer(0.2, 1.0)
    assert mix is not None
    images = tf.random.stateless_uniform([8, 16, 16, 3], [0, 0])
    kinds = set()
    for number in range(12):
        mixed = mix(images, tf.eye(8), seed_of(number))[0]
        kinds.add(bool(np.any((mixed == images).numpy().all(axis=-1))))
    # CutMix leaves pixels outside its box as they were, MixUp none.
    assert kinds == {True, False}


def test_no_alphas_no_mixing():
    assert augment.build_mixer(0.0, 0.0) is None


def test_keras_cv_writes_nothing_to_stdout(capfd):
    augment.build_policy("rand")
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("level", OWN_LEVELS)
@pytest.mark.parametrize("side", [32, 96])
def test_a_part_of_a_batch_becomes_what_it_becomes_in_the_whole(level, side):
    """Workers that share a batch see what one process sees."""
    rng = np.random.default_rng(0)
    images = tf.constant(rng.integers(0, 256, (12, side, side, 3)).astype(np.uint8))
    policy = augment.build_policy(level)
    whole = policy(images, seed_of(0)).numpy()
    for first in range(3):
        seed = augment.PartSeed(seed_of(0), first, 3, 12)
        part = policy(images[first::3], seed)
        np.testing.assert_array_equal(part, whole[first::3])
