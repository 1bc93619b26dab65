"""Measures the latency of operators in a network on this machine.

An operator is measured alone first: a file with several copies of it takes longer than
one with a single copy, and the difference is without what each inference costs. That
is still less than in a network, where other operators have just used the caches. So
networks are made up from the same operators and measured too, and the times of each
kind are raised by the factor with which the sums fit best.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from corallite.device.benchmark.layers.latency_table import LatencyTable
from corallite.device.benchmark.layers.made_up import make_up_networks
from corallite.device.benchmark.layers.operator import WINDOWS, Operator
from corallite.device.benchmark.layers.operator_file import write_operators
from corallite.device.benchmark.layers.stopwatch import Stopwatch

_ROUNDS = 10
_FILE_ROUNDS = 50
_LEAST_NETWORKS = 8
# Copies beside the first: the fewest and the most; and the bytes of their weights and
# outputs, which fit into a second-level cache.
_COPIES = (2, 16)
_COPIES_BYTES = 256 << 10
# More files at once take too much memory where maps are large.
_TOGETHER = 16
# Of the reference: no operator is faster than a tenth of a microsecond.
_LEAST_TIME = 2e-4
# How far the factors of kinds are apart, and how far networks are off, both measured
# in hundredths; their squares' ratio says how many networks a factor takes to be known.
_FACTOR_SPREAD, _NETWORK_SPREAD = 0.1, 0.03
_FILES_PER_REFERENCE = 4
# What is measured all the time, to take out how busy the machine is.
_REFERENCE = 2 * [
    Operator("conv", 16, 16, (32,), 32, kernel=(3, 3)),
    Operator("conv", 16, 16, (32,), 64),
    Operator("depthwise", 16, 16, (64,), 64, kernel=(3, 3)),
    Operator("conv", 16, 16, (64,), 32),
]


def measure_operators(
    operators: Iterable[Operator], *, threads: int = 1
) -> LatencyTable:
    """Measures operators on this machine; takes about 20 ms for each small one.

    Args:
        operators: Equal ones are measured once.
        threads: Of one inference.

    Raises:
        RequestError: An operator cannot be run, or no runtime works here.
    """
    measurement = Measurement(LatencyTable.of_this_machine(threads), operators)
    for _ in measurement.run():
        pass
    return measurement.table()


def measure_files(
    contents: Mapping[str, bytes], table: LatencyTable
) -> dict[str, float]:
    """Measures whole files as the operators of a table were; compare with `predict`.

    Args:
        contents: The content of `.tflite` files by name.
        table: A table of this machine. Times are scaled to its reference, so that it
            does not matter how busy the machine is now.

    Returns:
        The milliseconds of each file.

    Raises:
        RequestError: A file cannot be run, or no runtime works here.
    """
    reference_ms, times = _measure(contents, table.threads, _FILE_ROUNDS)
    scale = table.reference_ms or reference_ms
    return {name: time * scale for name, time in zip(contents, times, strict=True)}


class Measurement:
    """Extends a table by the operators that it lacks.

    Attributes:
        total: How many it lacks.
    """

    def __init__(self, table: LatencyTable, operators: Iterable[Operator]) -> None:
        """Takes a table of this machine, and operators, which may be in it."""
        self._former = table
        self._missing = table.missing(operators)
        self.total = len(self._missing)
        self._alone: dict[Operator, float] = {}
        self._networks: list[_Network] = []
        self._references_ms: list[float] = []

    def run(self) -> Iterator[int]:
        """Measures; after each network, yields how many operators are measured.

        Raises:
            RequestError: As `measure_operators`. What was measured is kept.
        """
        seed = 0
        # Others each time, because few networks tell little of each kind.
        while self._missing and (seed < 2 or len(self._networks) < _LEAST_NETWORKS):
            for network in make_up_networks(self._missing, seed):
                self._measure_network(network)
                yield len(self._alone)
            seed += 1

    def table(self) -> LatencyTable:
        """Returns the former table with the times measured so far."""
        if not self._alone:
            return self._former
        reference_ms = self._former.reference_ms or float(
            np.median(self._references_ms)
        )
        factors = _fit_factors(self._alone, self._networks)
        times = {
            operator.key: ms * factors[_group(operator)] * reference_ms
            for operator, ms in self._alone.items()
        }
        return replace(self._former.with_times(times), reference_ms=reference_ms)

    def _measure_network(self, network: list[Operator]) -> None:
        new = [x for x in dict.fromkeys(network) if x not in self._alone]
        for start in range(0, len(new), _TOGETHER):
            self._measure_alone(new[start : start + _TOGETHER])
        (time,) = self._measure(
            {"a network of the operators": write_operators(network)}
        )
        self._networks.append(_Network(network, time))

    def _measure_alone(self, operators: list[Operator]) -> None:
        contents = {}
        for operator in operators:
            copies = [operator] * (1 + _count_copies(operator))
            contents[operator.key] = write_operators(copies[:1])
            contents[f"{operator.key}, {len(copies)} times"] = write_operators(copies)
        times = self._measure(contents)
        for operator, one, several in zip(
            operators, times[::2], times[1::2], strict=True
        ):
            each = (several - one) / _count_copies(operator)
            self._alone[operator] = max(each, _LEAST_TIME)

    def _measure(self, contents: dict[str, bytes]) -> list[float]:
        """Returns the time of each file, in units of the reference."""
        reference_ms, times = _measure(contents, self._former.threads, _ROUNDS)
        self._references_ms.append(reference_ms)
        return times


@dataclass(frozen=True)
class _Network:
    """A network that was made up, and its time in units of the reference."""

    operators: list[Operator]
    time: float


def _measure(
    contents: Mapping[str, bytes], threads: int, rounds: int
) -> tuple[float, list[float]]:
    """Returns the milliseconds of the reference, and the time of each file in it."""
    # Several times in each round, because all times depend on it.
    files: dict[str, bytes] = {}
    reference, places = write_operators(_REFERENCE), []
    for number, (name, content) in enumerate(contents.items()):
        if number % _FILES_PER_REFERENCE == 0:
            places.append(len(files))
            files[f"reference {number}"] = reference
        files[name] = content
    times_ms = Stopwatch(files, threads).measure(rounds)
    reference_ms = float(np.mean([times_ms[place] for place in places]))
    return reference_ms, [
        ms / reference_ms for n, ms in enumerate(times_ms) if n not in places
    ]


def _count_copies(operator: Operator) -> int:
    least, most = _COPIES
    size = _weight_bytes(operator) + _output_bytes(operator)
    return min(max(_COPIES_BYTES // size, least), most)


def _weight_bytes(operator: Operator) -> int:
    if operator.kind not in ("conv", "dense"):
        return 0
    taps = operator.kernel[0] * operator.kernel[1]
    return taps * operator.channels[0] * operator.out_channels


def _output_bytes(operator: Operator) -> int:
    rows, columns = operator.out_size
    return rows * columns * operator.out_channels


def _group(operator: Operator) -> str:
    """Returns the name of the operators that share a factor.

    Convolutions of small maps wait for their weights: for other caches.
    """
    if operator.kind not in WINDOWS:
        return operator.kind
    is_small = _weight_bytes(operator) > _output_bytes(operator)
    return f"{operator.kind} {operator.kernel}{' of a small map' * is_small}"


def _fit_factors(
    alone: dict[Operator, float], networks: list[_Network]
) -> dict[str, float]:
    """Returns the ratio of the time in a network to that alone, for each group.

    A ridge regression: where networks do not tell, it is the median of their ratios.
    """
    groups = sorted({_group(operator) for operator in alone})
    shares = np.zeros((len(networks), len(groups)))
    for row, network in zip(shares, networks, strict=True):
        for operator in network.operators:
            row[groups.index(_group(operator))] += alone[operator]
    sums = shares.sum(axis=1)
    ratios = np.array([network.time for network in networks]) / sums
    shares /= sums[:, None]
    middle = np.median(ratios)
    ridge = (_NETWORK_SPREAD / _FACTOR_SPREAD) ** 2 * np.eye(len(groups))
    off = np.linalg.solve(shares.T @ shares + ridge, shares.T @ (ratios - middle))
    return dict(zip(groups, (middle + off).tolist(), strict=True))
