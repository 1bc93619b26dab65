"""One operator of an int8 network: what its latency depends on."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

# Kinds with a window: `kernel`, `strides` and `padding` count.
WINDOWS = ("conv", "depthwise", "average_pool", "max_pool")
# Kinds that a rectifier can be fused into.
RECTIFIABLE = (*WINDOWS, "dense", "add", "add_constant", "mul", "mul_constant", "scale")
# Kinds with two inputs of as many channels, and kinds with several inputs.
PAIRS = ("add", "border", "mul", "scale")
JOINS = (*PAIRS, "concat")
# Kinds that return as many channels as the first input has.
SAME_CHANNELS = (
    *("add", "add_constant", "average_pool", "border", "crop", "hard_swish"),
    *("int8_to_uint8", "logistic", "max_pool", "mul", "mul_constant", "pool", "relu"),
    *("relu6", "requantize", "reshape", "scale", "softmax", "uint8_to_int8"),
)
KINDS = sorted({*WINDOWS, *RECTIFIABLE, *JOINS, *SAME_CHANNELS, "pad", "slice"})
ACTIVATIONS = ("none", "relu", "relu6")
PADDINGS = ("same", "valid")
# Kinds whose `kernel` is the number of rows and columns that they add or cut.
_MARGINS = ("border", "crop", "pad")
# More than any tensor has; a damaged list may ask for more memory than there is.
_MOST_SIZE = 1 << 16
_MOST_VALUES = 1 << 26


@dataclass(frozen=True)
class Operator:
    """One operator on int8 maps `[1, height, width, channels]`.

    Attributes:
        kind: One of `KINDS`. "pool" is the global average, "scale" the product of a map
            and one number per channel, "add_constant" and "mul_constant" have a scalar,
            "pad" adds zeros, "border" adds either rows or columns of a second input,
            "crop" cuts rows and columns, "slice" takes some of the
            channels; a vector, as of "dense", is a map of 1x1.
        height: Rows of the input.
        width: Columns of the input.
        channels: Channels of each input.
        out_channels: Channels of the output.
        kernel: Rows and columns of the window; of "border", "crop" and "pad", the rows
            and columns that are added or cut.
        strides: Rows and columns from one window to the next.
        padding: One of `PADDINGS`; of a window of 1x1, always "same".
        activation: The fused rectifier, one of `ACTIVATIONS`.
    """

    kind: str
    height: int
    width: int
    channels: tuple[int, ...]
    out_channels: int
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    padding: str = "same"
    activation: str = "none"

    def __post_init__(self) -> None:
        """Raises ValueError if a field is out of range, or says nothing of the kind."""
        for name, value, choices in (
            ("kind", self.kind, KINDS),
            ("padding", self.padding, PADDINGS),
            ("activation", self.activation, ACTIVATIONS),
        ):
            if value not in choices:
                raise _unexpected(name, f"one of {', '.join(choices)}", value)
        if self.kernel == (1, 1):
            # The same operator, which makes one of two keys.
            object.__setattr__(self, "padding", "same")
        self._check_sizes()
        self._check_channels()
        if self.activation != "none" and self.kind not in RECTIFIABLE:
            raise _unexpected("activation", f"none for {self.kind}", self.activation)
        window = (self.strides, self.padding)
        if self.kind not in WINDOWS and window != ((1, 1), "same"):
            raise _unexpected("strides and padding", f"none for {self.kind}", window)
        if self.kind not in (*WINDOWS, *_MARGINS) and self.kernel != (1, 1):
            raise _unexpected("kernel", f"(1, 1) for {self.kind}", self.kernel)

    @property
    def key(self) -> str:
        """A short text, different for each operator: conv 3x3/2 32x32x16>32 relu6."""
        words = [self.kind]
        if self.kind in WINDOWS:
            words.append(f"{_by(self.kernel)}/{_stride(self.strides)}")
        elif self.kind in _MARGINS:
            words.append(_by(self.kernel))
        words.append(
            f"{self.height}x{self.width}x{'+'.join(map(str, self.channels))}"
            f">{self.out_channels}"
        )
        words += [word for word in (self.padding,) if word != "same"]
        words += [word for word in (self.activation,) if word != "none"]
        return " ".join(words)

    @property
    def out_size(self) -> tuple[int, int]:
        """Rows and columns of the output."""
        if self.kind in ("pool", "dense"):
            return 1, 1
        if self.kind in ("border", "pad"):
            return self.height + self.kernel[0], self.width + self.kernel[1]
        cut = self.kernel if self.kind == "crop" else (0, 0)
        if self.padding == "valid":
            cut = (self.kernel[0] - 1, self.kernel[1] - 1)
        # Rounded up, as TensorFlow does.
        return (
            -(-(self.height - cut[0]) // self.strides[0]),
            -(-(self.width - cut[1]) // self.strides[1]),
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the fields, for JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, content: Any) -> "Operator":
        """Returns an operator from what `to_json` returned.

        Raises:
            ValueError: `content` is something else.
        """
        if not isinstance(content, Mapping):
            raise _unexpected("operator", "an object", content)
        unknown = sorted(set(content) - set(cls.__dataclass_fields__))
        if unknown:
            raise ValueError(f"An operator has the unknown field {unknown[0]!r}.")
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in content.items()
        }
        try:
            return cls(**fields)
        except TypeError as error:
            raise ValueError(f"An operator lacks a field ({error}).") from error

    def _check_sizes(self) -> None:
        pairs = (self.kernel, self.strides)
        if not all(isinstance(each, tuple) and len(each) == 2 for each in pairs):
            raise _unexpected("kernel and strides", "two numbers each", pairs)
        sizes = (self.height, self.width, self.out_channels)
        least = 0 if self.kind in _MARGINS else 1
        for name, value, smallest in (
            ("channels", self.channels, 1),
            ("height, width, out_channels", sizes, 1),
            ("kernel", self.kernel, least),
            ("strides", self.strides, 1),
        ):
            if not _are_sizes(value, smallest):
                rule = f"whole numbers from {smallest} to {_MOST_SIZE}"
                raise _unexpected(name, rule, value)
        if min(self.out_size) < 1:
            raise _unexpected("kernel", "a window inside the map", self.kernel)
        if self.kind == "border" and all(self.kernel):
            raise _unexpected("kernel", "rows or columns, not both", self.kernel)
        if self.kind == "dense" and (self.height, self.width) != (1, 1):
            raise _unexpected("height and width", "1 for dense", sizes[:2])
        weights = math.prod(self.kernel) * self.channels[0] * self.out_channels
        most = max(weights, self.height * self.width * sum(self.channels))
        if most > _MOST_VALUES:
            raise _unexpected("the operator", f"of at most {_MOST_VALUES} values", most)

    def _check_channels(self) -> None:
        first, made = self.channels[0], self.out_channels
        if (len(self.channels) > 1) != (self.kind in JOINS):
            raise _unexpected(
                "channels", f"of all inputs of {self.kind}", self.channels
            )
        if self.kind in PAIRS and self.channels != (first, first):
            raise _unexpected("channels", "two equal numbers", self.channels)
        possible = {
            "concat": made == sum(self.channels),
            "depthwise": made % first == 0,
            "pad": made >= first,
            "slice": made <= first,
        }
        default = made == first or self.kind not in SAME_CHANNELS
        if not possible.get(self.kind, default):
            rule = f"what {self.kind} makes of {self.channels}"
            raise _unexpected("out_channels", rule, made)


def _are_sizes(values: Any, least: int) -> bool:
    return (
        isinstance(values, tuple)
        and bool(values)
        and all(type(x) is int and least <= x <= _MOST_SIZE for x in values)
    )


def _unexpected(name: str, rule: Any, value: Any) -> ValueError:
    return ValueError(f"Expected `{name}` to be {rule}, got {value!r}.")


def _by(pair: tuple[int, int]) -> str:
    return f"{pair[0]}x{pair[1]}"


def _stride(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else _by(pair)
