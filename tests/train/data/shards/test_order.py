import numpy as np

from corallite.train.data.shards.order import CHUNK, draw_order


def test_an_epoch_has_every_image_once_in_an_order_of_its_own():
    stored = np.random.default_rng(0).permutation(10_000)
    orders = [draw_order(stored, *key) for key in ((1, 0), (1, 1), (2, 0), (1, 0))]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(10_000))
    np.testing.assert_array_equal(orders[0], orders[3])
    for other in orders[1:3]:
        # Two random orders agree in 1 place on average.
        assert np.sum(orders[0] == other) < 20


def test_images_near_one_another_are_visited_at_about_one_time():
    """So that a disk reads whole chunks, but two of them never in turn."""
    count = 200 * CHUNK
    order = draw_order(np.arange(count), 0, 0)
    position = np.empty(count, int)
    position[order] = np.arange(count)
    chunks = position.reshape(-1, CHUNK)
    # A chunk at the border of two windows is in both.
    assert (np.ptp(chunks, axis=1) < 2 * 64 * CHUNK).all()
    assert np.mean(np.abs(np.diff(order)) == 1) < 0.01
    # Chunks themselves are visited in random order: all of them are in any part.
    starts = chunks.min(axis=1)
    assert np.mean(starts[:100] < starts.mean()) < 0.7


def test_a_split_smaller_than_a_chunk_is_shuffled():
    assert sorted(draw_order(np.arange(5), 0, 0)) == [0, 1, 2, 3, 4]
    assert len(draw_order(np.arange(0), 0, 0)) == 0
