"""When the label of a result is "unknown": a part of the manifest.

NumPy is imported only where it is needed, because `corallite audit` reads manifests
without it.
"""

import math
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from corallite.device.model.text_bounds import require_label

# The label of a result if the model is not sure enough of any class.
UNKNOWN = "unknown"
# Between the bins in which scores are counted. Narrow near 1, where most scores are.
SCORE_EDGES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)

if TYPE_CHECKING:
    import numpy as np

    Probabilities = np.ndarray[Any, np.dtype[np.float32]]


class Refusal(NamedTuple):
    """How sure a model must be to name a class; `learn.fit_refusal` fits it.

    Attributes:
        temperature: The model's probabilities p become p ** (1 / temperature), divided
            by their sum (Guo et al. 2017, 4.2). Above 1: the model is overconfident.
        threshold: The least calibrated probability of a class that is named, 0 to 1.
        thresholds: Thresholds of the classes that have their own.
        background: The class of photos that show none of the others; it is never named.
            "" if there is none.
        target_precision: The share of named photos that should be right, 0 to 1.
        precision: The share of named held-out photos that was right, 0 to 1.
        coverage: The share of held-out photos that was named, 0 to 1, without those of
            the background.
        photos: Number of held-out photos; 0 if it was not fitted.
        scores: Held-out photos by their largest calibrated probability: the numbers
            below each of SCORE_EDGES and above the last; empty if they are unknown.
    """

    temperature: float = 1.0
    threshold: float = 0.0
    thresholds: Mapping[str, float] = {}
    background: str = ""
    target_precision: float = 0.0
    precision: float = 0.0
    coverage: float = 0.0
    photos: int = 0
    scores: tuple[int, ...] = ()

    def calibrate(self, probabilities: "Probabilities") -> "Probabilities":
        """Applies the temperature to probabilities, float32 `[..., classes]`."""
        if self.temperature == 1:
            return probabilities
        import numpy as np

        # Relative to the largest: its power is 1, even if that of all is too small.
        most = probabilities.max(-1, keepdims=True, initial=0)
        relative = probabilities / np.where(most > 0, most, 1)
        powers = np.maximum(relative, 0) ** np.float32(1 / self.temperature)
        total = powers.sum(-1, keepdims=True)
        return np.divide(powers, total, out=np.zeros_like(powers), where=total > 0)

    def rename(self, old: tuple[str, ...], new: tuple[str, ...]) -> "Refusal":
        """Returns it for the same classes by other names, in the same order.

        Names that are not of these classes are left out.
        """
        name_of = dict(zip(old, new, strict=False))
        return self._replace(
            thresholds={
                name_of[name]: share
                for name, share in self.thresholds.items()
                if name in name_of
            },
            background=name_of.get(self.background, ""),
        )

    def threshold_of(self, label: str) -> float:
        """Returns the least probability at which a class is named."""
        return self.thresholds.get(label, self.threshold)

    def names(self, label: str, probability: float) -> bool:
        """Returns whether the most probable class is named.

        Args:
            label: The most probable class.
            probability: Its probability, after `calibrate`.
        """
        threshold = self.threshold_of(label)
        return label != self.background and reaches(probability, threshold)

    def name_each(
        self, probabilities: "Probabilities", class_names: tuple[str, ...]
    ) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        """Returns whether the most probable class of each row is named, bool `[n]`.

        Args:
            probabilities: float32 `[n, classes]`, after `calibrate`.
            class_names: The name of each class.
        """
        import numpy as np

        least = np.array([self.threshold_of(x) for x in class_names], np.float32)
        may_name = np.array([name != self.background for name in class_names])
        predicted = probabilities.argmax(1)
        confidence = probabilities.max(1).astype(np.float32)
        return may_name[predicted] & (confidence >= least[predicted])

    def explain(self) -> str:
        """Returns the predicate of a sentence about coverage and precision."""
        is_missed = self.precision < self.target_precision
        target = f" (target: {100 * self.target_precision:g} %)" if is_missed else ""
        return (
            f"names {100 * self.coverage:.0f} % of photos, "
            f"{100 * self.precision:.1f} % of these correctly{target}; the others are "
            f"{UNKNOWN}"
        )

    def to_json(self) -> dict[str, Any]:
        """Returns a dict for JSON; the reverse of `from_json`."""
        thresholds, scores = dict(self.thresholds), list(self.scores)
        return {**self._asdict(), "thresholds": thresholds, "scores": scores}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Refusal":
        """Creates an object from the dict of `to_json`.

        Raises:
            AttributeError, KeyError, TypeError, ValueError, OverflowError: `content` is
                something else.
        """
        if not isinstance(content, dict):
            raise TypeError("its refusal is not an object")
        content = {**cls._field_defaults, **content}
        thresholds = content["thresholds"].items()
        background = content["background"]
        temperature = float(content["temperature"])
        if not 0.01 <= temperature <= 100:
            raise ValueError(f"the temperature {temperature:g} is not from 0.01 to 100")
        return cls(
            temperature,
            parse_share(content["threshold"]),
            {require_label(str(x)): parse_share(share) for x, share in thresholds},
            require_label(str(background)) if background else "",
            target_precision=parse_share(content["target_precision"]),
            precision=parse_share(content["precision"]),
            coverage=parse_share(content["coverage"]),
            photos=parse_count(content["photos"]),
            scores=_parse_scores(content["scores"]),
        )


def reaches(probability: float, threshold: float) -> bool:
    """Returns whether a probability is at least a threshold, in a model's float32."""
    least, found = struct.unpack("2f", struct.pack("2f", threshold, probability))
    return bool(found >= least)


def parse_share(value: Any) -> float:
    """Returns a share, 0 to 1.

    Raises:
        TypeError, ValueError: `value` is something else.
    """
    share = float(value)
    if not 0 <= share <= 1 or math.isnan(share):
        raise ValueError(f"{share} is not from 0 to 1")
    return share


def _parse_scores(values: Any) -> tuple[int, ...]:
    # A later version may count in other bins.
    if len(values) != len(SCORE_EDGES) + 1:
        return ()
    return tuple(map(parse_count, values))


def parse_count(value: Any) -> int:
    """Returns a number of photos.

    Raises:
        TypeError, ValueError, OverflowError: `value` is something else.
    """
    count = int(value)
    if count < 0:
        raise ValueError(f"{count} is not a number of photos")
    return count
