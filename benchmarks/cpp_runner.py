"""Compares the C++ program of examples/cpp with this package, and checks its memory.

    python benchmarks/cpp_runner.py --model=model_int8.tflite --photos=photos/test

It is built three times: optimized, with sanitizers, and for Valgrind. Scores are
compared from raw pixels, with one and two threads, and from the photos if OpenCV's C++
headers are installed (else the photos give the pixels only). Then it classifies a photo
--runs times while its memory is watched, and both programs classify in turn to compare
their latency. Prints a table. Exit status 1 if a score from raw pixels or a label
differs, a memory error is found, or the memory grows.

It needs cmake, g++ and valgrind; --work_dir gets builds and pixels.
"""

import importlib.util
import json
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from absl import flags

from corallite.device.cli import program
from corallite.device.engine.classifier import Classifier
from corallite.device.image.preprocess import IMAGE_SUFFIXES, fit_image, read_image
from corallite.device.system.errors import RequestError

_MODEL = flags.DEFINE_string("model", None, "The .tflite file.", required=True)
_PHOTOS = flags.DEFINE_string("photos", None, "Folder with photos.", required=True)
_COUNT = flags.DEFINE_integer("count", 100, "Photos that are used.", lower_bound=1)
_RUNS = flags.DEFINE_integer("runs", 100_000, "Runs of one photo.", lower_bound=100)
_ROUNDS = flags.DEFINE_integer("rounds", 11, "Rounds of both programs.", lower_bound=1)
_WORK_DIR = flags.DEFINE_string("work_dir", "runs/cpp_runner", "Folder for the builds.")

_SOURCE = Path(__file__).parents[1] / "examples" / "cpp"
_BUILDS = {
    "release": [],
    "sanitized": ["-DSANITIZE=ON", "-DCMAKE_BUILD_TYPE=Debug"],
    "debug": ["-DCMAKE_BUILD_TYPE=Debug"],
}
# Of LiteRT, not ours: vector kernels read up to 15 bytes past an array, and drop what
# they read; the list of processors is copied onto itself.
_SUPPRESSIONS = "".join(
    f"{{\n  {kind}\n  Memcheck:{kind}\n{frames}  obj:*/libLiteRt.so\n}}\n"
    for kind, frames in (
        *((f"Value{size}", "") for size in (1, 2, 4, 8, 16)),
        ("Cond", ""),
        ("Overlap", "  fun:*memcpy*\n"),
    )
)
_MOST_GROWTH_KB = 256
_REPEATS = 200


def main(argv: Sequence[str]) -> int:
    """Runs all checks and prints the table."""
    program.reject_arguments(argv)
    for tool in ("cmake", "g++", "valgrind"):
        if not shutil.which(tool):
            raise RequestError(f"{tool} is not installed; install it with apt.")
    work = Path(_WORK_DIR.value).absolute()
    work.mkdir(parents=True, exist_ok=True)
    built = {name: _build(work / name, options) for name, options in _BUILDS.items()}
    classifier = Classifier(_MODEL.value)
    photos = _list_photos()
    raw = list(_write_pixels(classifier, photos, work / "pixels"))
    rows = [
        *(_compare_raw(built["release"], raw, threads) for threads in (1, 2)),
        _compare_photos(built["release"], classifier, photos),
        _check("AddressSanitizer, UBSan", [built["sanitized"]], raw),
        _check("Valgrind", [*_valgrind(work), built["debug"]], raw[:3]),
        _watch_memory(built["release"], raw[0]),
        _compare_latency(built["release"], classifier, raw[0]),
    ]
    print("| check | result | |\n|---|---|---|")
    for name, result, is_good in rows:
        print(f"| {name} | {result} | {'passed' if is_good else 'failed'} |")
    is_good = all(row[2] for row in rows)
    return program.EXIT_DONE if is_good else program.EXIT_CHECK_FAILED


_Row = tuple[str, str, bool]


def _build(folder: Path, options: Sequence[str]) -> str:
    package = importlib.util.find_spec("ai_edge_litert")
    places = package.submodule_search_locations if package else None
    if not places:
        raise RequestError("ai-edge-litert is not installed; run: make install.")
    library = f"-DLITERT_LIBRARY={Path(places[0]) / 'libLiteRt.so'}"
    for command in (
        ["cmake", "-S", str(_SOURCE), "-B", str(folder), library, *options],
        ["cmake", "--build", str(folder)],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RequestError(f"{' '.join(command)} failed: {done.stderr[-500:]}")
    return str(folder / "classify")


def _list_photos() -> list[Path]:
    found = sorted(
        path
        for path in Path(_PHOTOS.value).rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
    )
    if not found:
        raise RequestError(f"{_PHOTOS.value}: has no photos; give another folder.")
    chosen = np.random.default_rng(0).permutation(len(found))[: _COUNT.value]
    return [found[i] for i in sorted(chosen)]


def _write_pixels(
    classifier: Classifier, photos: Sequence[Path], folder: Path
) -> Iterator[tuple[Path, np.ndarray]]:
    """Yields a file with the pixels of each photo, and Python's scores for them."""
    folder.mkdir(exist_ok=True)
    for number, photo in enumerate(photos):
        pixels = fit_image(read_image(photo), classifier.preprocessing)
        path = folder / f"{number}.rgb"
        path.write_bytes(pixels.tobytes())
        yield path, classifier.run(pixels)


def _run(command: Sequence[str], *arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True
    )


def _classify(binary: str, *arguments: object) -> list[dict]:
    done = _run([binary], "--scores", *arguments)
    if done.returncode:
        raise RequestError(f"{binary} failed: {done.stderr[-500:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def _compare_raw(
    binary: str, raw: Sequence[tuple[Path, np.ndarray]], threads: int
) -> _Row:
    paths = [path for path, _ in raw]
    found = _classify(binary, "--raw", f"--threads={threads}", _MODEL.value, *paths)
    theirs = np.float32([x["scores"] for x in found])
    # Those of all classes; a temperature computes powers, which libraries round.
    largest = float(np.abs(theirs - [scores for _, scores in raw]).max())
    result = f"largest difference {largest:.2g} on {len(raw)} images"
    return f"scores from raw pixels, threads={threads}", result, largest < 1e-6


def _compare_photos(
    binary: str, classifier: Classifier, photos: Sequence[Path]
) -> _Row:
    name = "labels from photos"
    if "opencv" not in _run(["ldd"], binary).stdout:
        return name, "not compared: built without OpenCV", True
    theirs = np.float32([x["scores"] for x in _classify(binary, _MODEL.value, *photos)])
    ours = np.array([classifier.classify(read_image(photo)) for photo in photos])
    same = int((theirs.argmax(1) == ours.argmax(1)).sum())
    equal = int((np.abs(theirs - ours).max(1) < 1e-6).sum())
    result = f"{same} of {len(photos)} equal; all scores equal on {equal}"
    return name, result, same == len(photos)


def _valgrind(work: Path) -> list[str]:
    suppressions = work / "litert.supp"
    suppressions.write_text(_SUPPRESSIONS)
    options = ["--quiet", "--leak-check=full", "--error-exitcode=9"]
    return ["valgrind", *options, f"--suppressions={suppressions}"]


def _check(
    name: str, command: Sequence[str], raw: Sequence[tuple[Path, np.ndarray]]
) -> _Row:
    paths = [path for path, _ in raw]
    done = _run(command, "--raw", "--repeat=2", _MODEL.value, *paths)
    is_clean = done.returncode == 0 and not done.stderr
    return name, f"{len(raw)} images: {done.stderr[-300:] or 'no errors'}", is_clean


def _watch_memory(binary: str, raw: tuple[Path, np.ndarray]) -> _Row:
    """Compares the memory after a tenth of the runs with that at the end."""
    flag = f"--repeat={_RUNS.value}"
    command = [binary, "--raw", flag, _MODEL.value, str(raw[0])]
    samples = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            samples.append(_resident_kb(process.pid))
            time.sleep(0.05)
    used = [kb for kb in samples if kb]
    settled = used[len(used) // 10 :]
    growth = settled[-1] - settled[0]
    result = f"{settled[-1]:,} kB resident, {growth:+,} kB since a tenth of the runs"
    is_flat = process.returncode == 0 and growth <= _MOST_GROWTH_KB
    return f"{_RUNS.value:,} runs", result, is_flat


def _resident_kb(pid: int) -> int:
    """Returns the resident memory of a process; 0 if it has ended."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return 4 * int(pages[1]) if len(pages) > 1 else 0


def _compare_latency(
    binary: str, classifier: Classifier, raw: tuple[Path, np.ndarray]
) -> _Row:
    """Both take the median of as many runs, in turn; of their ratios too."""
    height, width = classifier.preprocessing.size_hw
    pixels = np.frombuffer(raw[0].read_bytes(), np.uint8).reshape(height, width, 3)
    theirs, ours = [], []
    for _ in range(_ROUNDS.value):
        flag = f"--repeat={_REPEATS}"
        (found,) = _classify(binary, "--raw", flag, _MODEL.value, raw[0])
        theirs.append(found["latency_ms"])
        ours.append(statistics.median(_time_ms(classifier, pixels)))
    ratio = statistics.median(a / b for a, b in zip(theirs, ours, strict=True))
    result = (
        f"{statistics.median(theirs):.3f} ms, Python {statistics.median(ours):.3f} ms, "
        f"ratio {ratio:.3f}"
    )
    return "latency p50 from raw pixels", result, True


def _time_ms(classifier: Classifier, pixels: np.ndarray) -> Iterator[float]:
    for _ in range(_REPEATS):
        start = time.perf_counter()
        classifier.run(pixels)
        yield 1000 * (time.perf_counter() - start)


if __name__ == "__main__":
    program.run(main)
