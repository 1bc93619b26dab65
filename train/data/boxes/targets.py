"""What the outputs of a model that finds boxes are compared with while training."""

import numpy as np

from corallite.train.framework.keras import tf

# A cell this far from the centre is still right if its box overlaps by this much
# (CornerNet, section 3.2, arXiv:1808.01244, as CenterNet uses it).
_MIN_OVERLAP = 0.7


def draw_targets(
    boxes: tf.Tensor, grid_hw: tuple[int, int], num_labels: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the targets of a batch.

    Args:
        boxes: float32 `[batch, most, 5]` as of `RunBoxes.to_array`.
        grid_hw: Rows and columns of cells.
        num_labels: Labels of boxes.

    Returns:
        The heatmap float32 `[batch, rows, columns, labels]`: 1 in the cell of each
        centre, around it a Gaussian (arXiv:1904.07850, section 3); and float32
        `[batch, rows, columns, 5]`: 1 in those cells, then the box there as fractions
        of the image (see `RunBoxes.to_array`). Of two centres in a cell, the smaller
        box is kept.
    """
    rows, columns = grid_hw

    def draw(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        heatmap = np.zeros((len(boxes), rows, columns, num_labels), np.float32)
        cells = np.zeros((len(boxes), rows, columns, 5), np.float32)
        for image, its_heatmap, its_cells in zip(boxes, heatmap, cells, strict=True):
            _draw_image(image[image[:, 0] >= 0], its_heatmap, its_cells)
        return heatmap, cells

    heatmap, cells = tf.numpy_function(draw, [boxes], (tf.float32, tf.float32))
    heatmap.set_shape([boxes.shape[0], rows, columns, num_labels])
    cells.set_shape([boxes.shape[0], rows, columns, 5])
    return heatmap, cells


def _draw_image(boxes: np.ndarray, heatmap: np.ndarray, cells: np.ndarray) -> None:
    grid_hw = np.array(heatmap.shape[:2])
    sizes_hw = (boxes[:, 3:5] - boxes[:, 1:3])[:, ::-1] * grid_hw
    centres = ((boxes[:, 1:3] + boxes[:, 3:5]) / 2)[:, ::-1] * grid_hw
    # The largest first: smaller ones then replace it.
    for number in np.argsort(-sizes_hw.prod(axis=1), kind="stable"):
        cell = np.minimum(centres[number].astype(int), grid_hw - 1)
        bell = _draw_bell(grid_hw, cell, find_radius(*sizes_hw[number]) / 3)
        label = int(boxes[number, 0])
        np.maximum(heatmap[..., label], bell, out=heatmap[..., label])
        cells[tuple(cell)] = (1.0, *boxes[number, 1:])


def _draw_bell(grid_hw: np.ndarray, cell: np.ndarray, deviation: float) -> np.ndarray:
    """Returns a Gaussian that is 1 in a cell, float `[rows, columns]`."""
    row, column = (
        np.exp(-((np.arange(length) - middle) ** 2) / (2 * max(deviation, 0.1) ** 2))
        for length, middle in zip(grid_hw, cell, strict=True)
    )
    return np.outer(row, column)


def find_radius(height: float, width: float) -> float:
    """Returns how far a box may be shifted, both ways, and still overlap by 0.7.

    Shifted by r along both axes, a box keeps (height - r)(width - r) of its area, and
    the union is twice the area less that. The overlap is 0.7 where the kept share is
    1.4 / 1.7 of the area.
    """
    share = 2 * _MIN_OVERLAP / (1 + _MIN_OVERLAP)
    total = height + width
    # The smaller root of r^2 - total r + (1 - share) area.
    root = np.sqrt(max(total**2 - 4 * (1 - share) * height * width, 0.0))
    return (total - root) / 2
