"""Requests that are not granted: a status and one sentence."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """How much is taken on at once, so that memory does not grow.

    Attributes:
        body_bytes: Of one request.
        pixels: Of one image.
        bodies: Requests whose body is in memory at once.
        waiting: Requests that wait before their body is read; more are refused.
        wait_s: The longest such wait.
        body_s: For a body to arrive.
        streams: Clients of the video stream at once.
    """

    body_bytes: int = 10 * 10**6
    pixels: int = 12_500_000
    bodies: int = 4
    waiting: int = 256
    wait_s: float = 30.0
    body_s: float = 15.0
    streams: int = 8


class Refusal(Exception):
    """Ends a request with an error.

    Attributes:
        status: The HTTP status.
        sentence: What is wrong, for whoever sent the request.
        headers: To add to the answer.
    """

    def __init__(
        self, status: int, sentence: str, headers: dict[str, str] | None = None
    ) -> None:
        """Has a status from 400 on."""
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers or {}


class ClientLeftError(Exception):
    """Whoever sent the request does not wait for the answer."""


def busy(sentence: str) -> Refusal:
    """Returns the refusal of what may be asked again in a second."""
    return Refusal(503, sentence, {"Retry-After": "1"})
