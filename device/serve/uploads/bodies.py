"""What the answers hold, as OpenAPI describes them."""

from typing import Any

from pydantic import BaseModel, Field

from corallite.device.engine.base import Status
from corallite.device.engine.classifier import Prediction
from corallite.device.system.files import printable


class ErrorBody(BaseModel):
    """Why a request was not granted."""

    error: str = Field(description="One sentence.")


class LabelBody(BaseModel):
    """A label and its probability."""

    label: str
    probability: float = Field(ge=0)


class AnswerBody(BaseModel):
    """What is on an image."""

    model: str
    version: str
    top: list[LabelBody] = Field(description="The most probable first.")
    latency_ms: float = Field(
        description="Preprocessing and inference, and the wait for the camera's turn.",
    )


class StatusBody(BaseModel):
    """How the model is."""

    model: str
    version: str
    device: str = Field(description="What gave the last answer: cpu, edgetpu:0, ...")
    state: str = Field(description="ready, or lost while the CPU stands in.")
    losses: int = Field(description="How often an accelerator was lost.")
    swaps: int = Field(description="How often the model was replaced.")
    last_error: str


class ModelBody(BaseModel):
    """What is known of the model."""

    manifest: dict[str, Any]
    status: StatusBody


class SourceBody(BaseModel):
    """How the camera is."""

    name: str
    state: str = Field(
        description="opening, live, stale, reopening, given up, ended or failed."
    )
    frames: int = Field(description="Classified so far.")
    dropped: int = Field(description="Left out because a newer one had come.")
    skipped: int = Field(description="Could not be read.")
    opened: int = Field(description="How often it was opened, or tried to be.")
    failures: int = Field(description="Frames that could not be classified.")
    last_error: str


class ResultBody(BaseModel):
    """What was seen last."""

    frame: int
    source: str
    top: list[LabelBody]
    active: list[str] | None = Field(description="Null without a threshold.")
    latency_ms: float = Field(description="Preprocessing and inference.")
    age_ms: float = Field(description="From capture to result.")
    seconds_ago: float


class BoardBody(BaseModel):
    """How the board is, and what it can bear; null is unknown, or no limit."""

    temperature_c: float | None
    throttled: int | None = Field(description="The firmware's bits.")
    frequency_mhz: float | None
    load: float | None
    limit_fps: float | None = Field(description="The frame rate that heat allows.")
    limit_reason: str = Field(description="Why; empty without a limit.")


class StateBody(BaseModel):
    """All that the live page shows but the picture."""

    model: StatusBody
    source: SourceBody | None = Field(description="Null without a camera.")
    result: ResultBody | None = Field(description="Null before the first frame.")
    board: BoardBody | None


class HealthBody(BaseModel):
    """The process answers."""

    status: str


def label_bodies(top: list[Prediction]) -> list[LabelBody]:
    """Returns predictions as text that JSON can take."""
    return [
        LabelBody(
            label=printable(prediction.label),
            probability=round(max(0.0, prediction.probability), 6),
        )
        for prediction in top
    ]


def status_body(status: Status) -> StatusBody:
    """Returns an engine's status."""
    return StatusBody(**{name: getattr(status, name) for name in vars(status)})
