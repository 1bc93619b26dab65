"""Writes each frame as a JPEG file, with its label and its boxes drawn on it."""

from pathlib import Path

from corallite.device.camera.frame import FrameStream
from corallite.device.loop.classify_frames import Result
from corallite.device.loop.count.counter import BoxCounter
from corallite.device.outputs.drawing import draw_result
from corallite.device.system import files
from corallite.device.system.errors import RequestError


class DrawnFiles:
    """A `Sink`: files named by the frame's number, such as 0000012.jpg."""

    def __init__(
        self, folder: Path, frames: FrameStream, counter: BoxCounter | None = None
    ) -> None:
        """Creates the folder.

        Args:
            folder: Missing or empty.
            frames: The frame that it returned last is that of each result.
            counter: Its zone and its line are drawn, too.

        Raises:
            RequestError: The folder has files, or cannot be created.
        """
        files.require_folder(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            is_empty = not any(folder.iterdir())
        except OSError as error:
            raise RequestError(
                f"--draw: {folder} cannot be used ({error.strerror}); give another "
                "folder."
            ) from error
        if not is_empty:
            raise RequestError(
                f"--draw: {folder} is not empty, and nothing is overwritten; give "
                "another folder."
            )
        self._folder = folder
        self._frames = frames
        self._counter = counter
        self._number_of: dict[str, int] = {}

    def put(self, result: Result) -> None:
        """Writes a file.

        Raises:
            OSError: It cannot be written.
        """
        frame = self._frames.last
        if frame is None:
            return
        content = draw_result(
            frame.image_rgb_u8, result, self._counter, self._number_of
        )
        files.write_bytes(self._folder / f"{result.frame:07}.jpg", content)

    def close(self) -> None:
        """Does nothing: no file is open."""
