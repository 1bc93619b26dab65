"""The JSON of /v1/capture, as OpenAPI describes it."""

from pydantic import BaseModel, ConfigDict, Field

from corallite.device.learn.former import name_former
from corallite.device.serve.capture.open_capture import Capture
from corallite.device.system.files import printable

# How many of the newest photos of a class the state names.
NEWEST = 7
_LABEL = "The class; null for a photo that waits for one."
_NAME = Field(min_length=1, max_length=255)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClassBody(_Body):
    """A class by its name."""

    label: str = _NAME


class PhotoBody(_Body):
    """A photo of a class."""

    label: str | None = Field(max_length=255, description=_LABEL)
    photo: str = _NAME


class MoveBody(PhotoBody):
    """A photo, and the class that it moves to."""

    to: str = _NAME


class ReleaseBody(_Body):
    """A recording that ends."""

    key: str = Field(pattern="^[0-9a-z]{8,40}$", description="See /record.")


class RecordBody(ReleaseBody):
    """A recording that goes on for a second."""

    label: str = _NAME
    key: str = Field(
        pattern="^[0-9a-z]{8,40}$",
        description="Chosen at random by the client, for as long as a button is held.",
    )


class EmptyBody(_Body):
    """Nothing: an empty object."""


class RecordedBody(BaseModel):
    """What a recording has done so far."""

    kept: int = Field(description="Number of photos.")
    same: int = Field(description="Frames skipped, as they look like the last photo.")
    problem: str = Field(description="Why nothing is recorded; else empty.")
    is_over: bool = Field(description="Whether it has ended.")


class PhotosBody(BaseModel):
    """Names of photos, the newest first."""

    count: int = Field(description="Number of all photos.")
    photos: list[str]


class AlbumClassBody(PhotosBody):
    """A class and its newest photos."""

    label: str


class TeachBody(BaseModel):
    """The state of teaching."""

    state: str = Field(description="idle, running, taught, rejected or failed.")
    lines: list[str] = Field(description="What `corallite teach` printed.")
    step: str = Field(description="The current step; empty unless running.")
    seconds: float = Field(description="How long it has taken so far.")


class CaptureBody(BaseModel):
    """All data of the page /capture except pictures and the current label."""

    classes: list[AlbumClassBody]
    uncertain: PhotosBody | None = Field(
        description="Frames of which the model was not sure; null if none are kept."
    )
    teach: TeachBody
    has_former: bool = Field(description="Whether there is a former model.")


def describe_capture(capture: Capture) -> CaptureBody:
    """Returns the data of the page.

    Raises:
        RequestError: A folder cannot be read.
    """
    classes = []
    # Not `find`, which would list all classes for each of them.
    for label, folder in capture.album.folders().items():
        names = folder.names()
        photos = names[:NEWEST]
        classes.append(AlbumClassBody(label=label, count=len(names), photos=photos))
    uncertain = None
    if capture.uncertain is not None:
        names = capture.uncertain.names()
        uncertain = PhotosBody(count=len(names), photos=names[:NEWEST])
    status = capture.teacher.status
    return CaptureBody(
        classes=classes,
        uncertain=uncertain,
        teach=TeachBody(
            state=status.state,
            lines=[printable(line) for line in status.lines],
            step=printable(status.step),
            seconds=round(status.seconds, 1),
        ),
        has_former=name_former(capture.model).exists(),
    )
