"""The JSON of the responses, as OpenAPI describes it."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from corallite.device.engine.base import Box
from corallite.device.engine.classifier import Prediction
from corallite.device.loop.detections import box_to_json
from corallite.device.system.files import printable


class ErrorBody(BaseModel):
    """Why a request was refused."""

    error: str = Field(description="One sentence.")


_LABEL = (
    "The most probable label; unknown if the model is not sure enough of it. If the "
    "model gives only boxes, the label of the most probable one."
)
_TOP = "The most probable label first; empty if the model gives only boxes."


class LabelBody(BaseModel):
    """A label and its probability."""

    label: str
    probability: float = Field(ge=0)


class BoxBody(BaseModel):
    """An object in an image."""

    label: str
    score: float = Field(ge=0, le=1)
    box: tuple[float, float, float, float] = Field(
        description="Left, top, right and bottom in pixels of the image."
    )


_BOXES = Field(
    default=None,
    description="The most probable first; null if the model gives no boxes.",
)
_SIZE = Field(
    default=None,
    description="Width and height of the image that the boxes refer to, which may be "
    "smaller than that of the file; null if the model gives no boxes.",
)


class AnswerBody(BaseModel):
    """The prediction for an image."""

    model: str
    version: str
    top: list[LabelBody] = Field(description=_TOP)
    label: str = Field(description=_LABEL)
    size: tuple[int, int] | None = _SIZE
    boxes: list[BoxBody] | None = _BOXES
    latency_ms: float = Field(
        description="Preprocessing, inference, and the wait for the camera's inference."
    )


class StatusBody(BaseModel):
    """The status of the model."""

    model: str
    version: str
    device: str = Field(description="Where the last inference ran: cpu, edgetpu:0, ...")
    state: str = Field(
        description="ready, lost while the CPU replaces the accelerator, or untaught "
        "while there is no model."
    )
    losses: int = Field(description="How often the accelerator was lost.")
    swaps: int = Field(description="How often the model was replaced.")
    last_error: str
    channel_version: str = Field(
        default="",
        description="The number of the release in use; empty without a channel, as are "
        "the next three.",
    )
    channel_latest: str = Field(
        default="", description="The number of the newest release that is known."
    )
    channel_state: str = Field(
        default="",
        description="starting, current, waiting, trying, refused, rolled_back, "
        "unreachable, untrusted, expired, failed or shared.",
    )
    channel_reason: str = Field(default="", description="Why it is not current.")
    answered_by: str | None = Field(
        default=None,
        description="Which of two models made the last prediction, first or second; "
        "null with one model.",
    )
    asked: dict[str, int] | None = Field(
        default=None,
        description="How many images each of two models has classified; null with one.",
    )
    answered: dict[str, int] | None = Field(
        default=None, description="For how many of them its prediction counts."
    )


class ModelBody(BaseModel):
    """The model's manifest and status."""

    manifest: dict[str, Any]
    status: StatusBody


class SourceBody(BaseModel):
    """The status of the camera."""

    name: str
    state: str = Field(
        description="opening, live, stale, reopening, given up, ended or failed."
    )
    frames: int = Field(description="Frames classified so far.")
    dropped: int = Field(description="Frames dropped for a newer one.")
    skipped: int = Field(description="Frames that could not be read.")
    opened: int = Field(description="Attempts to open the camera.")
    failures: int = Field(description="Frames that could not be classified.")
    connection_failures: int = Field(
        description="How often the camera could not be opened, or its frames ended."
    )
    last_error: str = Field(
        description="Why the camera is not live, else the last error of a frame."
    )


class ResultBody(BaseModel):
    """The prediction for the newest frame."""

    frame: int
    source: str
    top: list[LabelBody] = Field(description=f"{_TOP} Also while there is no model.")
    label: str = Field(description=_LABEL)
    size: tuple[int, int] | None = _SIZE
    boxes: list[BoxBody] | None = _BOXES
    counts: dict[str, dict[str, int]] | None = Field(
        default=None,
        description="By label: the boxes inside the zone now, and crossings of the "
        "line to_left and to_right since the start; null without --count.",
    )
    active: list[str] | None = Field(
        description="Null without a threshold; of a detector, the labels of its boxes."
    )
    latency_ms: float = Field(description="Preprocessing and inference.")
    repeated: bool = Field(description="No inference, because nothing has moved.")
    age_ms: float = Field(description="From capture to result.")
    seconds_ago: float


class BoardBody(BaseModel):
    """The board's sensors and the frame rate that they allow; null is unknown."""

    temperature_c: float | None
    throttled: int | None = Field(description="The firmware's throttling bits.")
    frequency_mhz: float | None
    load: float | None
    limit_fps: float | None = Field(
        description="The frame rate that the temperature allows, or that the policy "
        "chose; null is unlimited."
    )
    policy: str | None = Field(
        default=None,
        description="The models that the policy chose: first, second or both; null "
        "without a policy.",
    )
    limit_reason: str = Field(description="Why it is limited; empty without a limit.")


class StateBody(BaseModel):
    """All data of the live page except the picture."""

    model: StatusBody
    source: SourceBody | None = Field(description="Null without a camera.")
    result: ResultBody | None = Field(description="Null before the first frame.")
    board: BoardBody | None
    capture: bool = Field(
        default=False, description="Whether the page /capture is served."
    )


class HealthBody(BaseModel):
    """The result of a probe."""

    status: str


def box_bodies(boxes: Sequence[Box] | None) -> list[BoxBody] | None:
    """Returns boxes with labels that JSON can encode; None for None."""
    if boxes is None:
        return None
    return [
        BoxBody(**box_to_json(box._replace(label=printable(box.label))))
        for box in boxes
    ]


def label_bodies(top: list[Prediction]) -> list[LabelBody]:
    """Returns predictions with labels that JSON can encode."""
    return [
        LabelBody(
            label=printable(prediction.label),
            probability=round(max(0.0, prediction.probability), 6),
        )
        for prediction in top
    ]
