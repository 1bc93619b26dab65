"""Refused requests, each with an HTTP status and one sentence, and the limits."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits that keep memory bounded.

    Attributes:
        body_bytes: Largest body of one request.
        pixels: Largest image.
        bodies: How many of the largest bodies fit into memory at the same time.
        running: Images given to the engine's thread at the same time.
        waiting: Images that wait for it; more are refused.
        wait_s: The longest such wait, and the longest wait for memory.
        body_s: The longest time that a client takes for a body.
        min_bytes_s: The lowest rate of a body, in bytes per second.
        silence_s: How long a client may be below that rate.
        streams: Clients of the video stream at the same time.
    """

    body_bytes: int = 10 * 10**6
    pixels: int = 12_500_000
    bodies: int = 4
    running: int = 2
    waiting: int = 256
    wait_s: float = 30.0
    body_s: float = 15.0
    min_bytes_s: float = 16_000
    silence_s: float = 5.0
    streams: int = 8


class Refusal(Exception):
    """Ends a request with an error response.

    Attributes:
        status: The HTTP status, from 400 on.
        sentence: What is wrong, for the client.
        headers: Added to the response.
    """

    def __init__(
        self, status: int, sentence: str, headers: dict[str, str] | None = None
    ) -> None:
        """Takes the parts of the response."""
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers or {}


class ClientLeftError(Exception):
    """The client closed the connection before its response."""


def busy(sentence: str) -> Refusal:
    """Returns a 503 refusal that asks the client to try again in a second."""
    return Refusal(503, sentence, {"Retry-After": "1"})
