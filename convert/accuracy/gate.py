"""The accuracy gate: the loss of each step and each layer, and the limit."""

import dataclasses
from typing import Any

from corallite.convert.accuracy.paired import Step
from corallite.train.runs.kinds import KINDS

# Percentage points of top-1 that int8 may lose, without and with training for it.
MAX_DROP = {
    "ptq": 1.0,
    "ptq_corrected": 1.0,
    **{kind.name: 0.5 for kind in KINDS.values() if kind.is_quantized},
}
# For other methods.
_OTHER_MAX_DROP = 1.0
_NAMED = 3
# Times the median layer: what stands out.
_STANDS_OUT = 10
# Less is normal. Behind a ReLU6 a single wild channel changes a layer by 0.7;
# half of all weights pruned away and the rest trained on, one by 0.19 at most.
_LEAST_CHANGE = 0.25


@dataclasses.dataclass(frozen=True)
class LayerError:
    """The error of a layer of a quantized model, compared with the float model inside.

    Attributes:
        layer: Its Keras name.
        own_relative_mse: Noise over signal with the float layer's input: 0 is exact, 1
            is as much noise as signal.
        relative_mse: The same, with the errors of the layers before it.
        cosine: Cosine similarity of the outputs of the quantized and the float layer,
            over all images; 1 is equal up to a factor.
        change: Noise over signal of the float layer against the layer of the first
            float model, with the same input: what pruning and training changed. None
            if that model has no layer of this name.
    """

    layer: str
    own_relative_mse: float
    relative_mse: float
    cosine: float
    change: float | None = None


class AccuracyLostError(Exception):
    """A file lost more accuracy than allowed; the program exits with status 1.

    Attributes:
        comparison: The measured comparison.
    """

    def __init__(self, comparison: "AccuracyComparison"):
        super().__init__(comparison.explain())
        self.comparison = comparison


@dataclasses.dataclass(frozen=True)
class AccuracyComparison:
    """The accuracy of a model, compared with the models that it was made from.

    Attributes:
        part: The split of the images, "val".
        images: Size of the split; all images were used.
        method: How the model was quantized, a key of MAX_DROP; else the name of the
            stage, or "file" for a third-party file.
        granularity: "channel" or "tensor": the scales of its convolutions.
        max_drop: Percentage points of top-1 that it may be below the first model.
        steps: From each model to the next, in order.
        overall: From the first model to the last.
        layer_images: Images of the split that the layers were measured on.
        layers: The largest own error first.
        file_sha256: SHA-256 of the file.
    """

    part: str
    images: int
    method: str
    granularity: str
    max_drop: float
    steps: list[Step]
    overall: Step
    layer_images: int
    layers: list[LayerError]
    file_sha256: str

    @property
    def passed(self) -> bool:
        """Whether the model lost no more than allowed."""
        return self.overall.drop_points <= self.max_drop

    def with_limit(self, max_drop: float | None) -> "AccuracyComparison":
        """Returns the same with another limit; None for the method's default."""
        if max_drop is None:
            max_drop = MAX_DROP.get(self.method, _OTHER_MAX_DROP)
        return dataclasses.replace(self, max_drop=max_drop)

    def list_steps(self) -> list[Step]:
        """Returns the steps and, if there are several, the overall one."""
        return [*self.steps, *([self.overall] if len(self.steps) > 1 else [])]

    def worst_layers(self) -> list[str]:
        """Returns the names of the layers to look at first."""
        return [error.layer for error in self.layers[:_NAMED]]

    def changed_layers(self) -> list[str]:
        """Returns the layers that pruning or training changed far more than others."""
        known = [(x.change, x.layer) for x in self.layers if x.change is not None]
        ranked = sorted(known, key=lambda pair: -pair[0])
        if not ranked:
            return []
        least = max(_LEAST_CHANGE, _STANDS_OUT * ranked[len(ranked) // 2][0])
        return [layer for change, layer in ranked if change > least][:_NAMED]

    def check(self) -> None:
        """Raises `AccuracyLostError` if the model lost more than allowed."""
        if not self.passed:
            raise AccuracyLostError(self)

    def explain(self) -> str:
        """Returns the loss, the worst layers and what to do, if the model failed."""
        worst = ", ".join(self.worst_layers()) or "none measured"
        changed = ", ".join(self.changed_layers())
        since = f" Changed most since the float model: {changed}." if changed else ""
        return (
            f"{self.overall.to_name} ({self.method}) is "
            f"{self.overall.drop_points:.2f} percentage points below "
            f"{self.overall.from_name} on the validation split, more than "
            f"--max_drop={self.max_drop:g}. Worst layers: {worst}.{since} "
            f"{self._remedy()}"
        )

    def to_json(self) -> dict[str, Any]:
        fields = dataclasses.asdict(self)
        del fields["steps"]
        return {
            **fields,
            "held": self.passed,
            "hops": [step.to_json() for step in self.steps],
            "overall": self.overall.to_json(),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "AccuracyComparison":
        fields = dict(content)
        fields.pop("held")
        fields["max_drop"] = float(fields["max_drop"])
        fields["steps"] = [Step.from_json(step) for step in fields.pop("hops")]
        fields["overall"] = Step.from_json(fields["overall"])
        fields["layers"] = [LayerError(**layer) for layer in fields["layers"]]
        return cls(**fields)

    def _remedy(self) -> str:
        if self.changed_layers():
            return "Train the stage that changed them again, with --overwrite."
        scales = (
            " per-channel scales (--granularity=channel),"
            if self.granularity == "tensor"
            else ""
        )
        if self.method in KINDS:
            verb = KINDS[self.method].verb
            return f"Try{scales} a longer `corallite {verb}`, or less sparsity."
        return (
            f"Try{scales} quantization-aware training (--method=qat), or more training "
            "images to calibrate on (--calibration_count)."
        )
