"""Compares a compacted file with the one it was made from: bytes, load time, outputs.

    python benchmarks/compact.py --model=model_int8.tflite

A file that is compact already is compared with its form with names, as the converter
had written it. Both are loaded alternately, from the bytes on the disk to allocated
tensors, and run on the same noise. Exit status 1 if an output differs, or if the median
of the ratios of load times is above --max_ratio.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import flatbuffers
import numpy as np
from absl import flags
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from corallite.convert.tflite.compact import compact, restore_names
from corallite.device.cli import program
from corallite.device.model.archive import append_archive, split_archive

_MODEL = flags.DEFINE_string("model", None, "The .tflite file.", required=True)
_ROUNDS = flags.DEFINE_integer("rounds", 301, "Rounds.", lower_bound=1)
_IMAGES = flags.DEFINE_integer("images", 50, "Random inputs.", lower_bound=1)
_MAX_RATIO = flags.DEFINE_float(
    "max_ratio", 1.02, "Highest median of the ratios.", lower_bound=0.0
)


def main(argv: Sequence[str]) -> int:
    """Measures both files alternately, and prints JSON."""
    program.reject_arguments(argv)
    content = Path(_MODEL.value).read_bytes()
    contents = {"before": _write_whole(content), "after": compact(content)}
    times: dict[str, list[float]] = {name: [] for name in contents}
    with tempfile.TemporaryDirectory() as folder:
        for name, each in contents.items():
            (Path(folder) / name).write_bytes(each)
        for _ in range(_ROUNDS.value + 1):  # The first round fills the file cache.
            for name, values in times.items():
                values.append(_time_load(Path(folder) / name))
    before, after = (values[1:] for values in times.values())
    ratio = statistics.median(a / b for a, b in zip(after, before, strict=True))
    is_equal = _run(contents["before"]) == _run(contents["after"])
    sizes = {f"bytes_{name}": len(each) for name, each in contents.items()}
    row = {
        **sizes,
        "fewer_percent": round(
            100 * (1 - len(contents["after"]) / sizes["bytes_before"]), 1
        ),
        "load_ms_before": round(statistics.median(before) * 1000, 3),
        "load_ms_after": round(statistics.median(after) * 1000, 3),
        "load_ratio": round(ratio, 4),
        "outputs_equal": is_equal,
    }
    print(json.dumps(row))
    is_good = is_equal and ratio <= _MAX_RATIO.value
    return program.EXIT_DONE if is_good else program.EXIT_CHECK_FAILED


def _write_whole(content: bytes) -> bytes:
    """Returns a file with all names, and with no shared vectors."""
    model, files = split_archive(restore_names(content))
    builder = _AligningBuilder(1 << 20)
    builder.Finish(schema.ModelT.InitFromPackedBuf(model).Pack(builder), b"TFL3")
    return append_archive(bytes(builder.Output()), files)


class _AligningBuilder(flatbuffers.Builder):
    """Aligns constants, as the converter does."""

    def CreateNumpyVector(self, x: np.ndarray) -> int:  # noqa: N802
        if x.dtype == np.uint8:
            self.Prep(16, x.size)
        return int(super().CreateNumpyVector(x))


def _time_load(path: Path) -> float:
    start_s = time.perf_counter()
    Interpreter(str(path), num_threads=1).allocate_tensors()
    return time.perf_counter() - start_s


def _run(content: bytes) -> list[bytes]:
    """Returns the outputs for noise, from XNNPACK and from the reference kernels."""
    outputs = []
    for kernels in (OpResolverType.AUTO, OpResolverType.BUILTIN_REF):
        interpreter = Interpreter(
            model_content=content, experimental_op_resolver_type=kernels
        )
        interpreter.allocate_tensors()
        (source,) = interpreter.get_input_details()
        rng = np.random.default_rng(0)
        for _ in range(_IMAGES.value):
            noise = rng.integers(0, 128, source["shape"]).astype(source["dtype"])
            interpreter.set_tensor(source["index"], noise)
            interpreter.invoke()
            for target in interpreter.get_output_details():
                outputs.append(interpreter.get_tensor(target["index"]).tobytes())
    return outputs


if __name__ == "__main__":
    program.run(main)
