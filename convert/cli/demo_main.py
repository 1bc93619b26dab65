"""Shows the whole pipeline on real images: from training to the device loop.

python -m corallite.convert.cli.demo_main

Trains, prunes, quantizes and converts a ShuffleNetV2 on some of Fashion-MNIST, tests
every stage, and runs the device loop over a video of test images. Run again, it does
only what is missing. `make demo` also installs the packages first.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from corallite.convert.accuracy.gate import AccuracyLostError
from corallite.convert.accuracy.gate_text import format_comparison
from corallite.convert.evaluate.table import format_table
from corallite.convert.export.plan import Request
from corallite.convert.pipeline import demo
from corallite.convert.pipeline.run import Recipes, run_pipeline
from corallite.convert.report.write import write_report
from corallite.device.cli import program
from corallite.train.cli import run_flags
from corallite.train.data import datasets
from corallite.train.data.load import ImageData
from corallite.train.models.network import Network
from corallite.train.runs.recipe import Recipe
from corallite.train.runs.run import Run

_RUN_DIR = flags.DEFINE_string(
    "run_dir",
    None,
    "Run folder; default, runs/demo, or runs/demo_fashion_mnist for all images.",
)
_ARCHIVE = flags.DEFINE_string(
    "archive", "samples/fashion_mnist.tar.xz", "Archive of the sample images."
)
_DATASET = flags.DEFINE_enum(
    "dataset",
    "sample",
    ("sample", "fashion_mnist"),
    "sample, or all 70,000 images, which takes an hour or more.",
)
_OVERWRITE = run_flags.define_overwrite()

# Three of 630 validation images are half a percentage point: the default limit would
# reject files by chance.
_MAX_DROP = 2.0
# Short: minutes on two cores. The defaults of the verbs are for real work.
_RECIPES = Recipes(
    train=Recipe(epochs=9, batch_size=64, learning_rate=0.1),
    prune=Recipe(epochs=3, batch_size=64, learning_rate=0.02, warmup_epochs=0),
    quantize=Recipe(epochs=2, batch_size=64, learning_rate=0.005, warmup_epochs=0),
)


def main(argv: Sequence[str]) -> int:
    program.reject_arguments(argv)
    is_sample = _DATASET.value == "sample"
    default_dir = "runs/demo" if is_sample else "runs/demo_fashion_mnist"
    run_dir = Path(_RUN_DIR.value or default_dir)
    if is_sample:
        data_dir = datasets.unpack_sample(Path(_ARCHIVE.value), run_dir / "images")
    else:
        data_dir = datasets.locate(None, _DATASET.value)
    run = Run.open(run_dir)
    network = Network("shufflenet_v2", 0.5, (32, 32))
    try:
        results, data = run_pipeline(
            data_dir,
            run,
            network,
            _RECIPES,
            Request(max_drop=_MAX_DROP, overwrite=_OVERWRITE.value),
            steps="full",
        )
    except AccuracyLostError as error:
        print(format_comparison(error.comparison))
        return program.EXIT_CHECK_FAILED
    print(format_table(results))
    print(_run_device_loop(run, data))
    return program.EXIT_DONE


def _run_device_loop(run: Run, data: ImageData) -> str:
    split = data.splits["test"]
    rows = demo.choose_rows(split, per_class=4)
    video_path = run.path / "test_images.avi"
    model_path = run.stage("int8").require()
    if not video_path.exists():
        demo.write_video(video_path, split, rows)
    frames = demo.classify_video(model_path, video_path)
    right = demo.count_right(frames, [data.class_names[split.labels[r]] for r in rows])
    p50_ms = statistics.median(frame["latency_ms"] for frame in frames)
    return f"""
The device loop over a video of {len(rows)} test images got {right} of
{len(frames)} frames right, {p50_ms:.2f} ms a frame.

  model  {model_path}
  video  {video_path}
  report {write_report(run, data)}

Show it your camera: .venv/bin/corallite classify --model={model_path} --source=0"""


if __name__ == "__main__":
    program.run(main)
