"""Lists the operators of a network from its widths, without building it.

Building one takes a second, and a search prices thousands. The lists equal those that
`layer_operators` makes of the built networks; the tests compare them.
"""

import math
from typing import Any

from corallite.device.benchmark.layers.operator import Operator


class OperatorList:
    """The operators of a chain of layers, as it grows.

    Attributes:
        side: Rows and columns of the last map.
        channels: Its channels.
        operators: The operators so far.
    """

    def __init__(self, side: int, channels: int = 3):
        self.side = side
        self.channels = channels
        self.operators: list[Operator] = []

    def branch(self) -> "OperatorList":
        """Returns a list that begins with the last map, and adds to the same list."""
        other = OperatorList(self.side, self.channels)
        other.operators = self.operators
        return other

    def conv(
        self, channels: int, kernel: int, *, stride: int = 1, activation: str = "none"
    ) -> None:
        """Adds a convolution."""
        self._window("conv", channels, kernel, stride, activation)

    def depthwise(
        self, kernel: int, *, stride: int = 1, activation: str = "none"
    ) -> None:
        """Adds a depthwise convolution."""
        self._window("depthwise", self.channels, kernel, stride, activation)

    def max_pool(self, kernel: int, stride: int) -> None:
        """Adds a max pool."""
        self._window("max_pool", self.channels, kernel, stride, "none")

    def add(self, *, activation: str = "none") -> None:
        """Adds the sum of two maps."""
        pair = (self.channels, self.channels)
        self._append("add", pair, self.channels, activation=activation)

    def slice(self, channels: int) -> None:
        """Adds a slice of channels."""
        self._append("slice", (self.channels,), channels)

    def concat(self, channels: tuple[int, ...]) -> None:
        """Adds a concatenation of maps with these channels."""
        self._append("concat", channels, sum(channels))

    def classify(self, num_classes: int) -> None:
        """Adds the mean over the image, the dense layer and the softmax."""
        self._append("pool", (self.channels,), self.channels)
        self.side = 1
        self._append("dense", (self.channels,), num_classes)
        self._append("softmax", (num_classes,), num_classes)

    def _window(
        self, kind: str, channels: int, kernel: int, stride: int, activation: str
    ) -> None:
        window: dict[str, Any] = {
            "kernel": (kernel, kernel),
            "strides": (stride, stride),
        }
        inputs = (self.channels,)
        self._append(kind, inputs, channels, activation=activation, **window)
        self.side = math.ceil(self.side / stride)

    def _append(
        self, kind: str, inputs: tuple[int, ...], made: int, **more: Any
    ) -> None:
        operator = Operator(kind, self.side, self.side, inputs, made, **more)
        self.operators.append(operator)
        self.channels = made
