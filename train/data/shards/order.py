"""The order of the images of an epoch, for images that lie in shards."""

import numpy as np

# Images that lie beside one another and are visited at about the same time: of photos
# of 100 kB, 6 MB, which any disk reads at its full speed.
CHUNK = 64
# Images among which the order is random: 64 chunks.
_WINDOW = 64 * CHUNK


def draw_order(stored: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Returns all rows in a random order that visits neighbours at about one time.

    Chunks of all shards are visited in random order, and the images of 64 chunks at a
    time are shuffled. The disk then reads chunks as a whole, where a random order of
    all images would read each at another place.

    Args:
        stored: int `[n]`, the rows in the order in which they lie in the shards.
        seed: With `epoch`, decides everything.
        epoch: Counted from 0.
    """
    rng = np.random.default_rng((seed, epoch))
    positions = np.arange(len(stored))
    chunks = positions // CHUNK
    turn = rng.permutation(chunks.max(initial=-1) + 1)
    visited = stored[np.argsort(turn[chunks], kind="stable")]
    return visited[np.lexsort((rng.random(len(stored)), positions // _WINDOW))]
