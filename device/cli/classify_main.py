"""Classifies the frames of a camera, a stream, a video, images or a pipe.

corallite classify model_int8.tflite --source=0

Writes a line for each frame: JSON, or plain text on a terminal. `latency_ms` is the
time of preprocessing and inference, without decoding; `age_ms` the time since the frame
was captured; `dropped` the number of frames that were replaced by newer ones;
`limit_fps` the frame rate that the temperature allows, or that the policy chose, null
without a limit; `answered_by` which of two models made the prediction (--then);
`policy` the models that the policy chose (--policy);
`accelerator_lost` says that the CPU replaces an Edge TPU; `repeated` that there was no
inference, because nothing has moved (--motion). A camera or stream that fails
is reopened until it works. If the disk is full, lines are lost but the loop continues.
SIGTERM and Ctrl-C end the program between frames, with status 0, or 2 if lines were
lost.
"""

import contextlib
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from corallite.device.camera.frame import FrameStream
from corallite.device.cli import camera_flags, output_flags, program
from corallite.device.cli.flags import rate_flags
from corallite.device.loop import classify_frames, result_lines
from corallite.device.loop.fps import Rate
from corallite.device.loop.motion import MotionGate
from corallite.device.loop.rate_limit import RateLimitStatus
from corallite.device.outputs.lines import Lines, Sink
from corallite.device.outputs.watchdog import LoopWatchdog
from corallite.device.system import log
from corallite.device.system.errors import RequestError
from corallite.device.system.signals import stop_on_signals

if TYPE_CHECKING:
    from corallite.device.loop.count.counter import BoxCounter

flags.adopt_module_key_flags(camera_flags)
flags.mark_flag_as_required("source")
_MAX_FRAMES = flags.DEFINE_integer(
    "max_frames",
    None,
    "Stop after this many frames; default, never.",
    lower_bound=1,
    upper_bound=sys.maxsize,
)
_JSON = flags.DEFINE_boolean(
    "json", None, "Write JSON lines; default, unless stdout is a terminal."
)
_DRAW = flags.DEFINE_string(
    "draw",
    None,
    "Empty or new folder: each frame becomes a JPEG file there, named by its number, "
    "at most 960 pixels wide and high, with its label and its boxes drawn on it.",
)


def main(argv: Sequence[str]) -> int:
    """Classifies the frames of the source."""
    gate = rate_flags.make_gate()
    rate, watchdog, lines = Rate(), LoopWatchdog(), _open_lines()
    with (
        camera_flags.open_engine(argv) as engine,
        # Before the camera is opened and a broker connected: it refuses flags.
        contextlib.nullcontext(output_flags.make_counter(engine.manifest)) as counter,
        stop_on_signals() as stop,
        camera_flags.open_frames(stop) as frames,
        rate_flags.open_rate_limiter(engine, gate) as rate_limiter,
        camera_flags.open_sinks(
            engine, frames, watchdog, lines, *_open_drawn(frames, counter)
        ) as sinks,
    ):
        watchdog.begin(frames)
        lines.stop, lines.on_wait = stop, watchdog.feed
        rate_limiter.on_wait = watchdog.feed
        with contextlib.closing(
            classify_frames.classify_frames(
                frames,
                engine,
                stop,
                camera_flags.top_k(),
                camera_flags.make_smoother(engine),
                rate_limiter,
                gate=gate,
                survives=True,
            )
        ) as results:
            for result in itertools.islice(results, _MAX_FRAMES.value):
                sinks.put(counter.add(result) if counter else result)
                rate.tick()
    _log_summary(rate, frames, rate_limiter.status(), gate)
    return program.EXIT_BAD_REQUEST if lines.lost else program.EXIT_DONE


def _open_lines() -> Lines:
    as_json = not sys.stdout.isatty() if _JSON.value is None else _JSON.value
    to_line = result_lines.to_json_line if as_json else result_lines.to_text_line
    return Lines(sys.stdout.fileno(), to_line, sys.stdout.encoding)


def _open_drawn(frames: FrameStream, counter: "BoxCounter | None") -> list[Sink]:
    """Returns what draws on frames; nothing without --draw."""
    if _DRAW.value is None:
        return []
    if not _DRAW.value:
        raise RequestError("--draw: is empty; give a folder.")
    if frames.is_live and _MAX_FRAMES.value is None:
        raise RequestError(
            "--draw: would fill the disk, because a camera has no end; give "
            "--max_frames, too."
        )
    # Imported late, as sinks are.
    from corallite.device.outputs.drawn_files import DrawnFiles

    return [DrawnFiles(Path(_DRAW.value), frames, counter)]


def _log_summary(
    rate: Rate, frames: FrameStream, limit: RateLimitStatus, gate: MotionGate | None
) -> None:
    log.info(
        "%d frames in %.1f s, %.1f frames/s, %d skipped, %d dropped.",
        *(rate.frames, rate.seconds, rate.fps),
        *(frames.skipped, frames.dropped),
    )
    if limit.lowered:
        log.info("Lowered the frame rate %d times for heat.", limit.lowered)
    if gate is not None:
        log.info("%d frames repeated the last prediction.", gate.repeated)


if __name__ == "__main__":
    program.run(main, logs_later=True)
