"""Measures how long an honest client of `corallite serve` waits beside bad ones.

    python benchmarks/slow_clients.py --model=model_int8.tflite

It starts a server on 127.0.0.1. An honest client sends small images, first alone, on
one kept connection and on a new one for each; then on new ones beside many bad clients,
which connect again a second after they are disconnected. There are three kinds:

- slow: each sends a byte of its body per second,
- idle: each only connects,
- large: each sends images of 12 megapixels.

It prints a table: the median and the longest time of the honest requests, how many were
answered, and how many failed. --row_s seconds after a row has begun, it sends no more
requests, and a request fails if it takes as long.
"""

import asyncio
import contextlib
import http.client
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
from absl import flags
from serve_process import serving

from corallite.device.cli import program
from corallite.device.image.opencv import cv2

_MODEL = flags.DEFINE_string("model", None, "The .tflite file.", required=True)
_REQUESTS = flags.DEFINE_integer(
    "requests", 50, "Honest requests per row.", lower_bound=1
)
_BAD = flags.DEFINE_multi_integer(
    "bad", [8, 100, 700], "Bad clients; repeat for more rows.", 1, 900
)
_ROW_S = flags.DEFINE_float(
    "row_s", 60.0, "Time to send the requests of a row, in seconds.", lower_bound=1.0
)

# The bad clients are at work before the first honest request.
_SETTLE_S = 2.0
_LARGE_SIZE_HW = (3000, 4000)
_HEAD = (
    "POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/{kind}\r\n"
    "Connection: close\r\nContent-Length: {length}\r\n\r\n"
)
_SLOW_HEAD = _HEAD.format(kind="png", length=9_000_000).encode()
_Misbehave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def main(argv: Sequence[str]) -> int:
    """Starts a server and measures."""
    program.reject_arguments(argv)
    print("| bad clients | median | longest | answered | failed |")
    print("| :---------- | -----: | ------: | -------: | -----: |")
    with serving(f"--model={_MODEL.value}") as server:
        port = server.port
        _print_row("none, one kept connection", _ask_often(port, is_kept=True))
        _print_row("none", _ask_often(port))
        for name, misbehave in _kinds().items():
            for count in _BAD.value:
                outcomes = asyncio.run(_ask_beside(port, misbehave, count))
                _print_row(f"{count} {name}", outcomes)
    return program.EXIT_DONE


def _kinds() -> dict[str, _Misbehave]:
    body = cv2.imencode(".jpg", np.full((*_LARGE_SIZE_HW, 3), 128, np.uint8))[1]
    head = _HEAD.format(kind="jpeg", length=len(body)).encode()
    large_request = head + body.tobytes()

    async def send_large(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(large_request)
        await reader.read()

    return {"slow": _send_slowly, "idle": _stay_idle, "large": send_large}


async def _send_slowly(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    writer.write(_SLOW_HEAD)
    while not reader.at_eof():
        writer.write(b"x")
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(reader.read(), 1)


async def _stay_idle(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await reader.read()


async def _ask_beside(
    port: int, misbehave: _Misbehave, count: int
) -> list[float | None]:
    """Returns the outcomes of honest requests beside `count` bad clients."""
    bad = [asyncio.create_task(_repeat(misbehave, port)) for _ in range(count)]
    try:
        await asyncio.sleep(_SETTLE_S)
        return await asyncio.to_thread(_ask_often, port)
    finally:
        for task in bad:
            task.cancel()
        await asyncio.gather(*bad, return_exceptions=True)


async def _repeat(misbehave: _Misbehave, port: int) -> None:
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                await misbehave(reader, writer)
            finally:
                writer.close()
        # New connections alone must not use up the processor time of the machine.
        await asyncio.sleep(1)


def _ask_often(port: int, is_kept: bool = False) -> list[float | None]:
    """Returns the seconds of each request, None for those that failed."""
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    body = cv2.imencode(".png", image)[1].tobytes()
    end_s = time.monotonic() + _ROW_S.value
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=_ROW_S.value)
    outcomes = []
    with contextlib.closing(client):
        while len(outcomes) < _REQUESTS.value and time.monotonic() < end_s:
            outcomes.append(_ask(client, body))
            if not is_kept:
                client.close()
    return outcomes


def _ask(client: http.client.HTTPConnection, body: bytes) -> float | None:
    start_s = time.perf_counter()
    try:
        client.request("POST", "/v1/classify", body, {"Content-Type": "image/png"})
        response = client.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        client.close()
        return None
    return time.perf_counter() - start_s if response.status == 200 else None


def _print_row(name: str, outcomes: list[float | None]) -> None:
    times_ms = [seconds * 1000 for seconds in outcomes if seconds is not None]
    failed = len(outcomes) - len(times_ms)
    median, longest = (
        (f"{statistics.median(times_ms):.1f} ms", f"{max(times_ms):.1f} ms")
        if times_ms
        else ("-", "-")
    )
    print(f"| {name} | {median} | {longest} | {len(times_ms)} | {failed} |", flush=True)


if __name__ == "__main__":
    program.run(main)
