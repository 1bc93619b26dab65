"""Fuzzes the audit with damaged .tflite files.

python benchmarks/fuzz_audit.py --minutes=10 --findings_dir=findings model_int8.tflite

It changes, drops, repeats or cuts off bytes, overwrites them with absurd numbers, or
appends bytes of another file; mostly in the model's structure, seldom in its weights.
Each file must give an audit, as text and as JSON, or a one-line error, within a second
of processor time and 200 MB of additional memory. Files that fail are kept, and the
exit status is 1. XNNPACK is not fuzzed: it runs in another process.
"""

import json
import random
import resource
import signal
import struct
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from absl import flags

from corallite.convert.audit.audit_text import format_audit
from corallite.convert.audit.examine import audit_file
from corallite.convert.edgetpu.predict.compilers import COMPILERS
from corallite.convert.tflite.reader import decode
from corallite.device.cli import program
from corallite.device.system.errors import RequestError

_MINUTES = flags.DEFINE_float("minutes", 1.0, "How long, in minutes.", 0.0)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the damage.")
_FINDINGS_DIR = flags.DEFINE_string(
    "findings_dir", "findings", "Folder for the files that failed."
)

_LIMIT_S = 1.0
_ROOM_BYTES = 200 << 20
_ABSURD = (0, 1, 3, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_LENGTHS = (1, 4, 16, 1000)
# The other places are anywhere in the file.
_SHARE_OF_STRUCTURE = 0.9


class LateError(Exception):
    """An audit took longer than the limit."""


@dataclass(frozen=True)
class Seed:
    """A file to damage, and the places in it that are not weights."""

    content: bytes
    places: list[int]


def main(argv: Sequence[str]) -> int:
    """Damages and audits files until the time is over."""
    if len(argv) < 2:
        raise RequestError("Expected at least one .tflite file; give some.")
    seeds = [_read_seed(Path(name)) for name in argv[1:]]
    findings_dir = Path(_FINDINGS_DIR.value)
    findings_dir.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGPROF, _raise_late)
    _limit_memory()
    counts, slowest_s = Counter[str](), 0.0
    for number, content in _damage_until(time.monotonic() + 60 * _MINUTES.value, seeds):
        path = findings_dir / f"{_SEED.value}_{number}.tflite"
        path.write_bytes(content)
        began_s = time.process_time()
        ended = _audit(path, list(COMPILERS)[number % len(COMPILERS)])
        slowest_s = max(slowest_s, time.process_time() - began_s)
        counts[ended] += 1
        if ended in ("audited", "refused"):
            path.unlink()
    failed = counts.total() - counts["audited"] - counts["refused"]
    print(f"{counts.total()} files in {_MINUTES.value:g} min: {dict(counts)};")
    print(f"  slowest {slowest_s:.2f} s, {_peak_mb():.0f} MB at most; {failed} failed")
    return program.EXIT_CHECK_FAILED if failed else program.EXIT_DONE


def _read_seed(path: Path) -> Seed:
    """Reads a file and finds the bytes that are not constants."""
    content = path.read_bytes()
    is_structure = bytearray(b"\1" * len(content))
    for graph in decode(content).graphs:
        for tensor in graph.tensors:
            is_structure[tensor.start : tensor.start + tensor.size] = bytes(tensor.size)
    return Seed(content, [i for i, kept in enumerate(is_structure) if kept])


def _damage_until(end_s: float, seeds: Sequence[Seed]) -> Iterator[tuple[int, bytes]]:
    """Yields damaged files by number; seed and number reproduce a file."""
    number = 0
    while time.monotonic() < end_s:
        rng = random.Random(f"{_SEED.value} {number}")
        seed, other = rng.choice(seeds), rng.choice(seeds)
        data = bytearray(seed.content)
        for _ in range(rng.choice((1, 1, 2, 4))):
            rng.choice(_KINDS)(data, _choose_place(seed, len(data), rng), rng)
        if rng.random() < 0.1:
            data[_choose_place(seed, len(data), rng) :] = other.content[
                _choose_place(other, len(other.content), rng) :
            ]
        yield number, bytes(data)
        number += 1


def _choose_place(seed: Seed, size: int, rng: random.Random) -> int:
    """Returns a place in `size` bytes, most often one of the structure."""
    if rng.random() < _SHARE_OF_STRUCTURE:
        return min(rng.choice(seed.places), size - 1)
    return rng.randrange(size)


def _change(data: bytearray, place: int, rng: random.Random) -> None:
    data[place] = rng.randrange(256)


def _flip(data: bytearray, place: int, rng: random.Random) -> None:
    data[place] ^= 1 << rng.randrange(8)


def _overwrite(data: bytearray, place: int, rng: random.Random) -> None:
    """Writes a number at an aligned place, which may be an offset or a length."""
    number = rng.choice((*_ABSURD, rng.randrange(len(data) + 1), rng.randrange(64)))
    place = min(place & ~3, len(data) - 4)
    struct.pack_into("<I", data, max(place, 0), number)


def _drop(data: bytearray, place: int, rng: random.Random) -> None:
    del data[place : place + min(rng.choice(_LENGTHS), len(data) // 2)]


def _double(data: bytearray, place: int, rng: random.Random) -> None:
    data[place:place] = data[place : place + rng.choice(_LENGTHS)]


def _cut(data: bytearray, place: int, rng: random.Random) -> None:
    del data[max(place, 8) :]


_KINDS: tuple[Callable[[bytearray, int, random.Random], None], ...] = (
    *(_change, _flip, _overwrite, _overwrite, _overwrite),
    *(_drop, _double, _cut),
)


def _audit(path: Path, compiler: str) -> str:
    """Audits a file; returns "audited", "refused" or the name of an error."""
    signal.setitimer(signal.ITIMER_PROF, _LIMIT_S)
    try:
        audit = audit_file(path, compiler=compiler, ask_xnnpack=False)
        format_audit(audit, details=True)
        json.dumps(audit.to_json(), allow_nan=False)
        return "audited"
    except RequestError as error:
        return "refused" if "\n" not in str(error) else "more than a sentence"
    except Exception as error:  # noqa: BLE001
        traceback.print_exc()
        return type(error).__name__
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _raise_late(number: int, frame: object) -> None:
    raise LateError(f"More than {_LIMIT_S:g} s.")


def _limit_memory() -> None:
    """Limits the growth of this process to `_ROOM_BYTES`."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    limit = pages * resource.getpagesize() + _ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    program.run(main)
