"""Opens what the page /capture works with."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from corallite.device.serve.capture import former_model
from corallite.device.serve.capture.album import Album
from corallite.device.serve.capture.photo_folder import PhotoFolder
from corallite.device.serve.capture.recorder import Recorder
from corallite.device.serve.capture.teacher import Teacher
from corallite.device.serve.live.camera import Camera
from corallite.device.system.errors import RequestError


class Capture(NamedTuple):
    """What the page works with.

    Attributes:
        album: The classes and their photos.
        recorder: Adds photos of the camera.
        teacher: Makes a model of them.
        model: The file of that model.
        uncertain: Photos that wait for a class; None if they are not kept.
    """

    album: Album
    recorder: Recorder
    teacher: Teacher
    model: Path
    uncertain: PhotoFolder | None

    def exchange_models(self) -> None:
        """Swaps the model and the former one.

        Raises:
            RequestError: There is no former model, or a model is being taught.
        """
        self.teacher.run_idle(lambda: former_model.exchange(self.model))


@contextlib.contextmanager
def open_capture(
    photos: Path, model: Path, camera: Camera, uncertain: PhotoFolder | None
) -> Iterator[Capture]:
    """Yields a `Capture`; ends its threads and its process after the block.

    Args:
        photos: A folder with a folder for each class; created if it is missing.
        model: The file that is taught, which may be missing.
        camera: Its frames are recorded.
        uncertain: Photos that wait for a class.

    Raises:
        RequestError: The folder cannot be used, or contains the uncertain photos.
        OSError: An interrupted exchange of models cannot be completed.
    """
    _require_apart(photos, uncertain)
    former_model.repair(model)
    album = Album(photos)
    with contextlib.ExitStack() as stack:
        recorder = stack.enter_context(contextlib.closing(Recorder(camera, album)))
        teacher = stack.enter_context(contextlib.closing(Teacher(photos, model)))
        yield Capture(album, recorder, teacher, model, uncertain)


def _require_apart(photos: Path, uncertain: PhotoFolder | None) -> None:
    if uncertain is None:
        return
    place = uncertain.path.resolve()
    if photos.resolve() in (place, *place.parents):
        raise RequestError(
            f"--keep_uncertain={uncertain.path}: is in the folder of --capture, where "
            "it would be a class; give another."
        )
