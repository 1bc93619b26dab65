"""Tells systemd that the server is up, and goes on as long as all of it does."""

from corallite.device.outputs.watchdog import Manager
from corallite.device.serve.backend.service import Service
from corallite.device.serve.live.camera import Camera


class Vitals:
    """Feeds systemd's watchdog from the event loop.

    Only when, since it was fed last, the camera's loop went on, too, and an answer was
    given unless there was nothing to answer. So whichever of the three threads hangs,
    the server is started again. A camera that has come to its end or was given up is
    no reason: images are answered without it. One whose loop broke down is.
    """

    def __init__(
        self, service: Service, camera: Camera | None, manager: Manager | None = None
    ) -> None:
        """Tells nothing yet.

        Args:
            service: Whose answers are watched.
            camera: Whose loop is watched, if there is one.
            manager: Default, the systemd that started this process, if one did.
        """
        self._service = service
        self._camera = camera
        self._manager = manager or Manager()
        self._is_up = self._has_camera_gone_on = self._have_answers_gone_on = False
        self._beats = self._answers = 0

    def tick(self) -> None:
        """Is called ten times a second or so, by the event loop once it listens."""
        if not self._is_up:
            self._is_up = True
            self._manager.begin()
        self._look()
        if self._has_camera_gone_on and self._have_answers_gone_on:
            self._has_camera_gone_on = self._have_answers_gone_on = False
            self._manager.feed(self._describe)

    def close(self) -> None:
        """Tells that the server ends."""
        self._manager.close()

    def _look(self) -> None:
        answers, camera = self._service.answers, self._camera
        if answers != self._answers or not self._service.is_answering:
            self._have_answers_gone_on = True
        self._answers = answers
        if camera is None or camera.beats != self._beats or camera.is_over:
            self._has_camera_gone_on = True
        self._beats = 0 if camera is None else camera.beats

    def _describe(self) -> str:
        camera = self._camera
        seen = ""
        if camera is not None:
            seen = f"Source {camera.state}, {camera.rate.frames} results, "
        return f"{seen}{self._service.answers} answers so far."
