"""Feeds systemd's watchdog while all threads of the server make progress."""

from corallite.device.outputs.watchdog import Notifier
from corallite.device.serve.backend.service import Service
from corallite.device.serve.live.camera import Camera


class Liveness:
    """Feeds the watchdog from the event loop.

    It feeds only if, since the last time, the camera's loop has made progress and, if
    images were waiting, one was processed. So systemd restarts the server if any
    of the three threads hangs. A camera that has ended or was given up is no reason
    for a restart, as images are still classified; a failed camera loop is.
    """

    def __init__(
        self, service: Service, camera: Camera | None, notifier: Notifier | None = None
    ) -> None:
        """Sends nothing yet.

        Args:
            service: Its image thread is watched.
            camera: Its loop is watched; None without a camera.
            notifier: Default, that of the systemd service of this process, if any.
        """
        self._service = service
        self._camera = camera
        self._notifier = notifier or Notifier()
        self._is_up = self._has_camera_progress = self._has_image_progress = False
        self._heartbeats = self._processed = 0

    def tick(self) -> None:
        """Called about ten times a second by the event loop once it listens."""
        if not self._is_up:
            self._is_up = True
            self._notifier.begin()
        self._check_progress()
        if self._has_camera_progress and self._has_image_progress:
            self._has_camera_progress = self._has_image_progress = False
            self._notifier.feed(self._describe)

    def close(self) -> None:
        """Tells systemd that the server stops."""
        self._notifier.close()

    def _check_progress(self) -> None:
        processed, camera = self._service.processed, self._camera
        if processed != self._processed or not self._service.is_processing:
            self._has_image_progress = True
        self._processed = processed
        heartbeats = 0 if camera is None else camera.heartbeats
        if camera is None or heartbeats != self._heartbeats or camera.is_over:
            self._has_camera_progress = True
        self._heartbeats = heartbeats

    def _describe(self) -> str:
        source = ""
        if self._camera is not None:
            status = self._camera.status()
            source = f"Source {status.state}, {status.classified} results, "
        return f"{source}{self._service.processed} images so far."
