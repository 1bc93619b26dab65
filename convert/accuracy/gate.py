"""The proof that comes with an int8 file: what each step to it cost, and where."""

import dataclasses
from typing import Any

from corallite.convert.accuracy.layer_error import LayerError
from corallite.convert.accuracy.paired import Hop

# What int8 may cost, in points of top-1: with training for it, and without.
MAX_DROP = {"ptq": 1.0, "ptq_corrected": 1.0, "qat": 0.5}
# Of a model that is pruned and no more.
_OTHER_MAX_DROP = 1.0
_NAMED = 3
# Against the layer of the middle: what stands out of the others.
_STANDS_OUT = 10
# Less is nobody's fault. Behind a ReLU6 a single wild channel changes a layer by 0.7;
# half of all weights pruned away and the rest trained on, one by 0.19 at most.
_LEAST_CHANGE = 0.25


class AccuracyLostError(Exception):
    """The int8 file lost more than it may: a check failed, status 1.

    Attributes:
        parity: What was measured of it.
    """

    def __init__(self, message: str, parity: "Parity"):
        super().__init__(message)
        self.parity = parity


@dataclasses.dataclass(frozen=True)
class Parity:
    """How an int8 file compares with all that it was made of.

    Attributes:
        part: The part of the images, "val".
        images: How many it has: all of them were shown.
        method: How it was quantized, a key of MAX_DROP; "pruned" before that, "file"
            of one from elsewhere.
        granularity: "channel" or "tensor": the scales of its convolutions.
        max_drop: Points of top-1 that it may lose against the float model.
        hops: Neighbours in the chain, from float to int8.
        overall: The first of the chain against the last.
        layer_images: Images of the part that the layers were measured on.
        layers: The worst of their own first.
        file_sha256: Of the file.
    """

    part: str
    images: int
    method: str
    granularity: str
    max_drop: float
    hops: list[Hop]
    overall: Hop
    layer_images: int
    layers: list[LayerError]
    file_sha256: str

    @property
    def held(self) -> bool:
        """Whether the file lost no more than it may, by what was measured."""
        return self.overall.drop_points <= self.max_drop

    def with_limit(self, max_drop: float | None) -> "Parity":
        """Returns the same measured by another limit; None for the method's own."""
        if max_drop is None:
            max_drop = MAX_DROP.get(self.method, _OTHER_MAX_DROP)
        return dataclasses.replace(self, max_drop=max_drop)

    def worst_layers(self) -> list[str]:
        """Returns the names of the layers to look at first."""
        return [error.layer for error in self.layers[:_NAMED]]

    def changed_layers(self) -> list[str]:
        """Returns the layers that pruning or training changed far more than others."""
        known = [x for x in self.layers if x.change is not None]
        ranked = sorted(known, key=lambda error: -(error.change or 0.0))
        if not ranked:
            return []
        middle = ranked[len(ranked) // 2].change or 0.0
        far = [
            x
            for x in ranked
            if (x.change or 0.0) > max(_LEAST_CHANGE, _STANDS_OUT * middle)
        ]
        return [error.layer for error in far[:_NAMED]]

    def check(self) -> None:
        """Raises `AccuracyLostError` if the file lost more than it may."""
        if self.held:
            return
        worst = ", ".join(self.worst_layers()) or "none measured"
        changed = ", ".join(self.changed_layers())
        since = f" Changed most since the float model: {changed}." if changed else ""
        raise AccuracyLostError(
            f"{self.overall.to_name} ({self.method}) is "
            f"{self.overall.drop_points:.2f} points below float on the validation "
            f"part, more than --max_drop={self.max_drop:g}. Worst layers: {worst}."
            f"{since} {self._remedy()}",
            self,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            **dataclasses.asdict(self),
            "held": self.held,
            "hops": [hop.to_json() for hop in self.hops],
            "overall": self.overall.to_json(),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Parity":
        fields = dict(content)
        fields.pop("held")
        fields["max_drop"] = float(fields["max_drop"])
        fields["hops"] = [Hop.from_json(hop) for hop in fields["hops"]]
        fields["overall"] = Hop.from_json(fields["overall"])
        fields["layers"] = [LayerError(**layer) for layer in fields["layers"]]
        return cls(**fields)

    def _remedy(self) -> str:
        if self.changed_layers():
            return "Make the stage again that changed them."
        scales = (
            " a scale a channel (--granularity=channel),"
            if self.granularity == "tensor"
            else ""
        )
        if self.method == "pruned":
            return "Try less sparsity, or a longer `corallite prune`."
        if self.method == "qat":
            return f"Try{scales} a longer `corallite quantize`, or less sparsity."
        return (
            f"Try{scales} quantization-aware training (--method=qat), or more training "
            "images to calibrate on (--calibration_count)."
        )
