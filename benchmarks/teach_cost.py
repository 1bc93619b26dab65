"""Measures time and memory of `corallite teach` on copies of photos.

    python benchmarks/teach_cost.py --photos=photos --per_class=60

Three times in a row: with nothing cached, after ten more photos, and with none more.
Prints seconds, seconds of processor time and the peak of the memory.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from corallite.device.cli import program

_PHOTOS = flags.DEFINE_string("photos", None, "Folder of class folders.", required=True)
_PER_CLASS = flags.DEFINE_integer("per_class", 60, "Photos of each class.")
_MORE = 10


def main(argv: Sequence[str]) -> None:
    """Prints a line for each run."""
    program.reject_arguments(argv)
    with tempfile.TemporaryDirectory() as folder:
        work_dir = Path(folder)
        more = []
        for source in sorted(Path(_PHOTOS.value).iterdir()):
            target = work_dir / "photos" / source.name
            target.mkdir(parents=True)
            paths = sorted(source.iterdir())
            for path in paths[: _PER_CLASS.value]:
                shutil.copy(path, target)
            more += [(path, target) for path in paths[_PER_CLASS.value :]]
        _measure("nothing cached", work_dir)
        for path, target in more[:_MORE]:
            shutil.copy(path, target)
        _measure(f"{_MORE} more photos", work_dir)
        _measure("no more photos", work_dir)


def _measure(what: str, work_dir: Path) -> None:
    corallite = str(Path(sys.executable).with_name("corallite"))
    flags = (f"--photos={work_dir}/photos", f"--model={work_dir}/model.tflite")
    environment = {**os.environ, "XDG_CACHE_HOME": str(work_dir)}
    begin_s = time.monotonic()
    child = subprocess.Popen([corallite, "teach", *flags], env=environment)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    print(
        f"{what}: {time.monotonic() - begin_s:.1f} s, processor "
        f"{used.ru_utime + used.ru_stime:.1f} s, peak {used.ru_maxrss / 1024:.0f} MiB, "
        f"status {child.returncode}",
        flush=True,
    )


if __name__ == "__main__":
    program.run(main)
