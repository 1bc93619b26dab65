"""Checks predicted costs on random networks of the space, as whole files."""

import dataclasses
import itertools
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from corallite.convert.search.space.candidates import Candidate, Space
from corallite.convert.search.space.prices import Prices
from corallite.convert.tflite.compact import compact
from corallite.convert.tflite.converter import convert_to_int8
from corallite.device.benchmark.ethosu import vela
from corallite.device.benchmark.layers.measure_operators import measure_files
from corallite.device.system import files
from corallite.optimize.slim.latencies import is_file
from corallite.optimize.slim.operator_costs import count_bytes, count_shared_bytes
from corallite.train.framework.keras import keras

COUNT = 20
# Further networks, whose latencies show what the sum of operators lacks. The ratio of
# one is off by up to 8 %, in small networks; the median of 15 is within 2 %.
CALIBRATING = 15
# Relative error that is allowed, and of how many networks it may be above.
ALLOWED, EXCEPTIONS = 0.1, 1
# Another seed than that of the operators that are measured.
_SEED = 1
_IMAGES = 20
# Networks of at least this part of the limits.
_LEAST = 0.3


@dataclasses.dataclass(frozen=True)
class Check:
    """Relative errors of the predicted costs of some networks.

    Attributes:
        errors: For each cost, (predicted - measured) / measured of each network.
        latency_factor: What the sum of operators was multiplied by: the median of other
            networks.
    """

    errors: dict[str, list[float]]
    latency_factor: float = 1.0

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Check":
        """Returns a check from the dict of `dataclasses.asdict`."""
        errors = content["errors"].items()
        rows = {str(name): [float(x) for x in row] for name, row in errors}
        # A search that was begun without a factor continues without one.
        return cls(rows, float(content.get("latency_factor", 1)))

    def list_lines(self) -> list[str]:
        """Returns a sentence for each cost that was measured."""
        lines = [_describe(name, errors) for name, errors in self.errors.items()]
        if "latency_ms" in self.errors:
            lines.append(
                f"a network takes {self.latency_factor:.2f} of its operators' sum "
                f"(median of {CALIBRATING} others), which the predictions contain"
            )
        return lines

    def is_good(self) -> bool:
        """Returns whether all costs but of one network are within 10 %."""
        return all(
            sum(abs(x) > ALLOWED for x in errors) <= EXCEPTIONS
            for errors in self.errors.values()
        )


def _describe(name: str, errors: Sequence[float]) -> str:
    within = sum(abs(x) <= ALLOWED for x in errors)
    return (
        f"predicted {name}: within {ALLOWED:.0%} of the measured one for {within} of "
        f"{len(errors)} random networks; the errors are {min(errors):+.1%} to "
        f"{max(errors):+.1%}"
    )


def check_predictions(
    space: Space,
    prices: Prices,
    images: np.ndarray,
    folder: Path,
) -> Check:
    """Builds random networks with random weights, converts and measures them.

    Args:
        space: Where they are from.
        prices: The limits, and what is checked.
        images: To calibrate with, uint8 `[n, height, width, 3]`.
        folder: Receives the files, for a board to measure; those that are there are
            used.
    """
    # They may be decoded only now.
    images = np.asarray(images[:: max(1, len(images) // _IMAGES)])
    calibrating = CALIBRATING if prices.table else 0
    drawn = space.draw(prices, least=_LEAST, seed=_SEED)
    found = list(itertools.islice(drawn, COUNT + calibrating))
    contents = {}
    for number, candidate in enumerate(found, 1):
        path = folder / f"{candidate.network.to_json()['config']}.tflite"
        if not path.exists():
            logging.info(
                "Checking the predictions: network %d of %d.", number, len(found)
            )
            files.write_bytes(path, _convert(candidate, space.num_classes, images))
        contents[path.name] = path.read_bytes()
    # These files have no manifest.
    predicted = [
        count_shared_bytes(x.operators) + sum(map(count_bytes, x.operators))
        for x in found
    ]
    sizes = [len(x) for x in contents.values()]
    errors = {"bytes": compare(predicted, sizes)[calibrating:]}
    times = _measure(contents, prices)
    if not times:
        return Check(errors)
    return calibrate(errors, [x.costs["latency_ms"] for x in found], times)


def calibrate(
    errors: dict[str, list[float]], sums: Sequence[float], times: Sequence[float]
) -> Check:
    """Finds the factor of latencies by the first networks, and the errors of the rest.

    Args:
        errors: Of other costs.
        sums: Of the operators' latencies, of each network.
        times: Latencies of the networks as whole files.
    """
    ratios = [time / total for time, total in zip(times, sums, strict=True)]
    factor = round(statistics.median(ratios[:CALIBRATING]), 4)
    found = compare([factor * x for x in sums], times)[CALIBRATING:]
    return Check({**errors, "latency_ms": found}, factor)


def _convert(candidate: Candidate, num_classes: int, images: np.ndarray) -> bytes:
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    model = candidate.network.build(num_classes)
    _vary(model)
    side = candidate.network.size_hw[0]
    if images.shape[1] != side:
        rows = np.arange(side) * images.shape[1] // side
        images = images[:, rows][:, :, rows]
    floats = images.astype(np.float32) / np.float32(255)
    return compact(convert_to_int8(model, floats))


def _vary(model: keras.Model) -> None:
    """Changes biases, which would be equal, so that a file would store them once."""
    rng = np.random.default_rng(_SEED)
    for weights in model.trainable_variables:
        if weights.shape.rank == 1:
            weights.assign_add(rng.normal(scale=0.1, size=weights.shape))


def _measure(contents: dict[str, bytes], prices: Prices) -> list[float]:
    """Returns the latencies; none if only a board can measure them."""
    board = prices.budget.board
    if prices.table is None or is_file(board):
        return []
    if board is not None:
        return [vela.estimate(x, board).milliseconds for x in contents.values()]
    return list(measure_files(contents, prices.table).values())


def compare(predicted: Sequence[float], measured: Sequence[float]) -> list[float]:
    """Returns (predicted - measured) / measured of each."""
    pairs = zip(predicted, measured, strict=True)
    return [round(float(a / b - 1), 4) for a, b in pairs]
