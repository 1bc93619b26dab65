"""Is the camera of the guides: a network camera that shows the images of folders.

python benchmarks/guide_camera.py --frames=line/frames --fps=10 --port=8081

Images are shown in the order of their names, again and again, until Ctrl-C.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import mjpeg_server
from absl import app, flags

_FRAMES = flags.DEFINE_multi_string("frames", None, "Folder; repeat it.", required=True)
_FPS = flags.DEFINE_float("fps", 10.0, "Images per second.")
_PORT = flags.DEFINE_integer("port", 8081, "TCP port.")


def main(argv: Sequence[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Expected no arguments, got {argv[1:]}.")
    paths = [x for folder in _FRAMES.value for x in sorted(Path(folder).iterdir())]
    jpegs = [path.read_bytes() for path in paths]
    with mjpeg_server.serving(jpegs, _FPS.value, _PORT.value) as url:
        print(url, flush=True)
        while True:
            time.sleep(60)


if __name__ == "__main__":
    app.run(main)
