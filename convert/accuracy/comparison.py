"""How accurate a model is, compared with the models that it was made from."""

import dataclasses
import enum
from typing import Any

from corallite.convert.accuracy.paired import Step
from corallite.train.runs.kinds import KINDS
from corallite.train.runs.predictions import PredictionSummary

# Percentage points of top-1 that int8 may lose, without and with training for it.
MAX_DROP = {
    "ptq": 1.0,
    "ptq_corrected": 1.0,
    **{kind.name: 0.5 for kind in KINDS.values() if kind.is_quantized},
}
# What is compared of networks that find boxes.
BOXES_MEASURE = "mAP50"
# For other methods.
_OTHER_MAX_DROP = 1.0
_NAMED = 3
# Times the median layer: what stands out.
_STANDS_OUT = 10
# Less is normal. Behind a ReLU6 a single wild channel changes a layer by 0.7;
# half of all weights pruned away and the rest trained on, one by 0.19 at most.
_LEAST_CHANGE = 0.25


class Verdict(enum.Enum):
    """What the 95 % interval of a loss says about a limit."""

    PASSED = "passed"
    FAILED = "FAILED"
    NOT_PROVEN = "not proven"


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
        change: Noise over signal of the float layer against the layer of the slim
            stage, or of the float stage if no channels were removed, with the same
            input: what pruning and training changed. None if that model has no layer
            of this name.
    """

    layer: str
    own_relative_mse: float
    relative_mse: float
    cosine: float
    change: float | None = None


@dataclasses.dataclass(frozen=True)
class AccuracyComparison:
    """The accuracy of a model, compared with the models that it was made from.

    Attributes:
        part: The split of the images, "val".
        images: Number of images compared: those of `ImageData.judging`.
        method: How the model was quantized, a key of MAX_DROP; else the name of the
            stage, or "file" for a third-party file.
        granularity: "channel" or "tensor": the scales of its convolutions.
        max_drop: Percentage points of top-1 that it may be below the first model.
        steps: From each model to the next, in order.
        overall: From the first model to the last.
        layer_images: Images of the split that the layers were measured on.
        layers: The largest own error first.
        file_sha256: SHA-256 of the file.
        predictions: What each model predicts, by its name in the order of the steps;
            empty if an earlier version compared them.
        is_trained_on: The models were trained on these images too; then a small loss
            proves nothing.
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
    predictions: dict[str, PredictionSummary] = dataclasses.field(default_factory=dict)
    is_trained_on: bool = False

    @property
    def verdict(self) -> Verdict:
        """Whether the last model is useful and lost no more than allowed.

        PASSED if the 95 % interval of its loss is within the limit, FAILED if the whole
        interval is above it or the model is useless, else NOT_PROVEN: there are too few
        images to tell.
        """
        least, most = self.overall.drop_interval
        if self.find_useless() or least > self.max_drop:
            return Verdict.FAILED
        is_proven = most <= self.max_drop and not self.is_trained_on
        return Verdict.PASSED if is_proven else Verdict.NOT_PROVEN

    @property
    def passed(self) -> bool:
        """Whether the last model is useful and not proven to have lost too much."""
        return self.verdict is not Verdict.FAILED

    @property
    def is_within_limit(self) -> bool:
        """Whether the model is useful, and its loss, as measured, is allowed."""
        return self.overall.drop_points <= self.max_drop and not self.find_useless()

    @property
    def finds_nothing(self) -> bool:
        """Whether the models find boxes, but neither the first nor the last one any."""
        step = self.overall
        is_zero = not step.top1_from and not step.top1_to
        return step.measure == BOXES_MEASURE and is_zero

    def with_limit(self, max_drop: float | None) -> "AccuracyComparison":
        """Returns the same with another limit; None for the method's default."""
        if max_drop is None:
            max_drop = MAX_DROP.get(self.method, _OTHER_MAX_DROP)
        return dataclasses.replace(self, max_drop=max_drop)

    def list_steps(self) -> list[Step]:
        """Returns the steps and, if there are several, the overall one."""
        return [*self.steps, *([self.overall] if len(self.steps) > 1 else [])]

    def find_useless(self) -> list[str]:
        """Returns the last models of the chain, if they are useless; else none.

        What they predict is no better than one label for all images, see
        `PredictionSummary.explain_fault`. The first of them is the cause.
        """
        names: list[str] = []
        for name, summary in reversed(self.predictions.items()):
            if not summary.explain_fault(name, self.part):
                break
            names.insert(0, name)
        return names

    def lossy_step(self) -> Step | None:
        """Returns the step with the largest significant loss of accuracy.

        The step with the largest loss if none is significant; None if none lost.
        """
        losses = [step for step in self.steps if step.difference < 0]
        significant = [step for step in losses if step.is_significant]
        return min(significant or losses, key=lambda x: x.difference, default=None)

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

    def to_json(self) -> dict[str, Any]:
        fields = dataclasses.asdict(self)
        del fields["steps"]
        return {
            **fields,
            "held": self.passed,
            "verdict": self.verdict.name.lower(),
            "hops": [step.to_json() for step in self.steps],
            "overall": self.overall.to_json(),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "AccuracyComparison":
        fields = dict(content)
        fields.pop("held")
        fields.pop("verdict", None)  # Earlier versions knew only two.
        fields.pop("parent", None)  # Of a rejected file.
        fields["max_drop"] = float(fields["max_drop"])
        fields["steps"] = [Step.from_json(step) for step in fields.pop("hops")]
        fields["overall"] = Step.from_json(fields["overall"])
        fields["layers"] = [LayerError(**layer) for layer in fields["layers"]]
        fields["predictions"] = {
            name: PredictionSummary.from_json(summary)
            for name, summary in fields.get("predictions", {}).items()
        }
        return cls(**fields)
