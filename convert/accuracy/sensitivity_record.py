"""What a network loses if one of its layers is changed alone, as a run records it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from corallite.device.system import files
from corallite.train.runs.run import Run

SENSITIVITY_FILE = "sensitivity.json"
_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Change:
    """How the results change.

    Attributes:
        loss: Increase of the cross-entropy; negative if it falls.
        top1: Change of top-1, -1 to 1.
    """

    loss: float
    top1: float


@dataclasses.dataclass(frozen=True)
class LayerSensitivity:
    """What one layer loses.

    Attributes:
        layer: Its Keras name.
        quantized: With its kernel and its output in int8; None if it has no kernel.
        pruned: Without the least important quarter of its output channels; None if
            they cannot be removed, or are too few.
    """

    layer: str
    quantized: Change | None
    pruned: Change | None


@dataclasses.dataclass(frozen=True)
class Sensitivity:
    """The sensitivity of a network's layers.

    Attributes:
        stage: Whose network it is.
        sha256: Hash of its model.
        images: Number of validation images.
        loss: Cross-entropy of the unchanged network.
        top1: Its top-1, 0 to 1.
        layers: In the order of the network.
    """

    stage: str
    sha256: str
    images: int
    loss: float
    top1: float
    layers: Sequence[LayerSensitivity]

    def to_json(self) -> dict[str, Any]:
        """Returns the content of the record."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Sensitivity":
        """Creates an object from what `to_json` returns.

        Raises:
            KeyError, TypeError, ValueError: The content is damaged.
        """
        layers = [
            LayerSensitivity(
                str(x["layer"]), _parse(x["quantized"]), _parse(x["pruned"])
            )
            for x in content["layers"]
        ]
        numbers = {name: float(content[name]) for name in ("loss", "top1")}
        return cls(
            str(content["stage"]),
            str(content["sha256"]),
            int(content["images"]),
            layers=layers,
            **numbers,
        )

    def describe(self) -> str:
        """Returns the layers that lose most, as text of a few lines."""
        lines = [
            f"{self.stage} on {self.images} validation images: loss {self.loss:.4f}, "
            f"top-1 {100 * self.top1:.2f}; a layer alone adds to the loss:"
        ]
        for change in ("quantized", "pruned"):
            found = [(x.layer, getattr(x, change)) for x in self.layers]
            known = [(name, x.loss) for name, x in found if x is not None]
            worst = sorted(known, key=lambda pair: -pair[1])[:_NAMED]
            text = ", ".join(f"{name} {loss:+.4f}" for name, loss in worst)
            lines.append(f"{change}: {text or 'no layer'}")
        return "\n".join(lines)


def read_sensitivity(run: Run) -> Sensitivity | None:
    """Returns the sensitivity of a run's network.

    Returns:
        None if it was not measured, or the network was made again since.

    Raises:
        RequestError: The record is damaged.
    """
    path = run.path / SENSITIVITY_FILE
    if not path.exists():
        return None
    command = f"`corallite evaluate --sensitivity --run_dir={run.path}`"
    known = files.read_record(path, Sensitivity.from_json, command)
    stages = {stage.name: stage for stage in run.stages()}
    if known.stage not in stages or stages[known.stage].sha256() != known.sha256:
        return None
    return known


def _parse(change: dict[str, Any] | None) -> Change | None:
    if change is None:
        return None
    return Change(float(change["loss"]), float(change["top1"]))
