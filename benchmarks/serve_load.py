"""Tests `corallite serve` under load, and with damaged requests.

python benchmarks/serve_load.py --model=model_int8.tflite

First it sends rounds of many simultaneous requests, each with another image, every
second one as a form: every answer must equal the model's own prediction. Then it sends
requests with changed, missing or repeated bytes in heads and bodies: the server must
answer all of them, and none with 500. It prints the server's memory during both. Exit
status 1 if an answer was wrong or memory grew by more than --max_growth_mb in the
second half.
"""

import asyncio
import contextlib
import json
import random
import re
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np
import serve_process
from absl import flags

from corallite.device.cli import program
from corallite.device.engine.classifier import Classifier, top_k
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import decode_image

_MODEL = flags.DEFINE_string("model", None, "The .tflite file.", required=True)
_IN_FLIGHT = flags.DEFINE_integer("in_flight", 200, "Parallel requests.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 20, "Rounds of them.", lower_bound=1)
_MUTATED = flags.DEFINE_integer("mutated", 10_000, "Damaged requests.", lower_bound=0)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the damage.")
_MAX_GROWTH_MB = flags.DEFINE_float(
    "max_growth_mb", 2.0, "Largest growth of memory in the second half."
)

_IMAGES = 16
_LIMIT_S = 60
# Parallel damaged requests.
_AT_ONCE = 4
_WAIT_S = 0.25
_FORM_KIND = "multipart/form-data; boundary=edge"
_FORM = (
    b'--edge\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n'
    b"Content-Type: %s\r\n\r\n%s\r\n--edge--\r\n"
)
_KINDS = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


def main(argv: Sequence[str]) -> int:
    """Starts a server and runs both tests."""
    program.reject_arguments(argv)
    requests = _make_requests()
    with serve_process.serving(f"--model={_MODEL.value}") as server:
        is_right = asyncio.run(_load(server.port, requests))
        is_safe = asyncio.run(_damage(server.port, requests))
    is_good = is_right and is_safe
    return program.EXIT_DONE if is_good else program.EXIT_CHECK_FAILED


def _make_requests() -> list[tuple[bytes, list[str]]]:
    """Returns intact requests, every second one a form, and the expected labels."""
    rng = np.random.default_rng(0)
    classifier = Classifier(_MODEL.value)
    requests = []
    for number in range(_IMAGES):
        colours = rng.integers(0, 256, (3, 4, 3), np.uint8)
        image = cv2.resize(colours, (320, 240), interpolation=cv2.INTER_CUBIC)
        suffix, kind = list(_KINDS.items())[number % len(_KINDS)]
        data = cv2.imencode(suffix, image)[1].tobytes()
        probabilities = classifier.classify(decode_image(data, "made"))
        found = top_k(probabilities, classifier.labels, 3)
        labels = [prediction.label for prediction in found]
        if number % 2:
            kind, data = _FORM_KIND, _FORM % (kind.encode(), data)
        head = (
            "POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        requests.append((head.encode() + data, labels))
    return requests


async def _load(port: int, requests: list[tuple[bytes, list[str]]]) -> bool:
    chosen = [requests[n % _IMAGES] for n in range(_IN_FLIGHT.value)]
    wrong, memory_mb = 0, []
    start_s = time.perf_counter()
    for _ in range(_ROUNDS.value):
        answers = await asyncio.gather(*(_ask(port, raw) for raw, _ in chosen))
        pairs = zip(answers, chosen, strict=True)
        wrong += sum(not _is_right(answer, labels) for answer, (_, labels) in pairs)
        memory_mb.append(await _memory_mb(port))
    count = _ROUNDS.value * len(chosen)
    seconds = time.perf_counter() - start_s
    print(f"{count} requests, {len(chosen)} at once: {count / seconds:.0f}/s,")
    print(f"  {wrong} wrong or refused; {_describe(memory_mb)}")
    return wrong == 0 and _is_flat(memory_mb)


async def _damage(port: int, requests: list[tuple[bytes, list[str]]]) -> bool:
    rng = random.Random(_SEED.value)
    statuses: Counter[str] = Counter()
    memory_mb = []
    slots = asyncio.Semaphore(_AT_ONCE)

    async def ask(raw: bytes) -> str:
        async with slots:
            return (await _ask(port, raw, _WAIT_S))[0]

    for done in range(0, _MUTATED.value, 500):
        count = min(500, _MUTATED.value - done)
        raws = [_mutate(rng.choice(requests)[0], rng) for _ in range(count)]
        statuses.update(await asyncio.gather(*map(ask, raws)))
        memory_mb.append(await _memory_mb(port))
    print(f"{_MUTATED.value} damaged requests: {dict(sorted(statuses.items()))};")
    print(f"  {_describe(memory_mb)}")
    failed = {"500", "502", "504", "late"} & set(statuses)
    return not failed and _is_flat(memory_mb)


def _mutate(raw: bytes, rng: random.Random) -> bytes:
    """Damages the head, the body or both, each in a third of the requests."""
    end = raw.index(b"\r\n\r\n") + 4
    head, body = bytearray(raw[:end]), bytearray(raw[end:])
    where = rng.randrange(3)
    for target in [head] if where == 0 else [body] if where == 1 else [head, body]:
        for _ in range(rng.choice((1, 2, 8, 32)) if target is body else 1):
            _mutate_once(target, rng)
    if where:  # Corrects the length, if it is intact, so that the image is read.
        length = b"Content-Length: %d\r\n" % len(body)
        head = bytearray(re.sub(rb"Content-Length: \d+\r\n", length, bytes(head)))
    return bytes(head + body)


def _mutate_once(data: bytearray, rng: random.Random) -> None:
    if not data:
        return
    place = rng.randrange(min(len(data), 64) if rng.random() < 0.5 else len(data))
    kind = rng.randrange(4)
    if kind == 0:
        data[place] = rng.randrange(256)
    elif kind == 1:
        data[place] ^= 1 << rng.randrange(8)
    elif kind == 2:
        del data[place : place + rng.choice((1, 4, 1000))]
    else:
        data[place:place] = data[place : place + rng.choice((1, 4, 1000))]


async def _ask(port: int, raw: bytes, wait_s: float = _LIMIT_S) -> tuple[str, bytes]:
    """Returns status and body; "cut" without an answer, "late" after the timeout.

    After `wait_s` it ends the request, because the server may wait for more of it.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        with contextlib.suppress(ValueError):
            await writer.drain()
        with contextlib.suppress(asyncio.TimeoutError):
            return _split(await asyncio.wait_for(reader.read(), wait_s))
        writer.write_eof()
        return _split(await asyncio.wait_for(reader.read(), _LIMIT_S))
    except OSError:
        return "cut", b""
    except asyncio.TimeoutError:
        return "late", b""
    finally:
        writer.close()


def _split(answer: bytes) -> tuple[str, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return (head[9:12].decode("latin-1") or "cut"), body


def _is_right(answer: tuple[str, bytes], labels: list[str]) -> bool:
    if answer[0] != "200":
        return False
    return [row["label"] for row in json.loads(answer[1])["top"]] == labels


async def _memory_mb(port: int) -> float:
    raw = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    text = (await _ask(port, raw))[1].decode()
    found = re.search(r"(?m)^process_resident_memory_bytes (\S+)", text)
    return float(found[1]) / 1e6 if found else 0.0


def _is_flat(memory_mb: list[float]) -> bool:
    return not memory_mb or _growth_mb(memory_mb) <= _MAX_GROWTH_MB.value


def _growth_mb(memory_mb: list[float]) -> float:
    # In the first half, memory grows to the largest image that a damaged header claims.
    return memory_mb[-1] - memory_mb[len(memory_mb) // 2]


def _describe(memory_mb: list[float]) -> str:
    if not memory_mb:
        return "no memory read."
    return (
        f"memory {memory_mb[len(memory_mb) // 10]:.1f} MB after a tenth, "
        f"{memory_mb[len(memory_mb) // 2]:.1f} MB after half, "
        f"{memory_mb[-1]:.1f} MB at the end, {max(memory_mb):.1f} MB at most."
    )


if __name__ == "__main__":
    program.run(main)
