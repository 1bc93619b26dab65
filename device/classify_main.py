"""Classifies the frames of a camera, a stream, a video, images or a pipe.

corallite classify --model=model_int8.tflite --source=0

Writes a line for each frame: JSON, or on a terminal one to be read. `latency_ms` is
preprocessing and inference, without decoding; `age_ms` the time since the frame was
captured; `dropped` counts frames left out because a newer one had come. A camera or
stream that fails is opened again until it is back. SIGTERM and Ctrl-C end it between
frames, with status 0.
"""

import itertools
import sys
from collections.abc import Sequence

from absl import flags, logging

from corallite.device import loop, program
from corallite.device.classifier import Classifier
from corallite.device.errors import RequestError
from corallite.device.foreign import choose_manifest
from corallite.device.interruption import stop_on_signals
from corallite.device.preprocess import FITS
from corallite.device.rate import Rate
from corallite.device.smoothing import Smoother
from corallite.device.source_state import Patience
from corallite.device.sources import open_source

_MODEL = flags.DEFINE_string(
    "model", None, "The .tflite file of a classifier.", required=True
)
_SOURCE = flags.DEFINE_string(
    "source",
    None,
    "A USB camera's number, such as 0, or path; csi or csi:1; an http or rtsp URL; the "
    "path of a video, an image or a folder; or - for JPEG images on stdin.",
    required=True,
)
_TOP_K = flags.DEFINE_integer(
    "top_k", 3, "Labels for each frame, the most probable first.", lower_bound=1
)
_LABELS = flags.DEFINE_string(
    "labels", None, "File with one label a line, for a model that carries none."
)
_FIT = flags.DEFINE_enum(
    "fit",
    None,
    FITS,
    "How images are brought to the input's shape, in place of what the model says.",
)
_INPUT_RANGE = flags.DEFINE_list(
    "input_range",
    None,
    "LOW,HIGH: what pixels 0 and 255 stand for, for a model from elsewhere that was "
    "not trained on 0,1.",
)
_STALE_AFTER = flags.DEFINE_float(
    "stale_after",
    5.0,
    "Seconds without a frame after which a camera or stream is stale; after twice that "
    "it is opened again.",
    lower_bound=0.1,
)
_GIVE_UP_AFTER = flags.DEFINE_float(
    "give_up_after",
    None,
    "Ends with status 2 after so many seconds without a frame from a camera or stream "
    "that fails; default, never.",
    lower_bound=0.0,
)
_SMOOTH = flags.DEFINE_float(
    "smooth",
    0.0,
    "Averages the probabilities of the last so many seconds; 0, of each frame alone.",
    lower_bound=0.0,
)
_THRESHOLD = flags.DEFINE_float(
    "threshold",
    None,
    "A label is active from this probability on, 0 to 1; default, none ever is.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_RELEASE = flags.DEFINE_float(
    "release",
    None,
    "An active label stays so down to this probability; default, --threshold.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_NUM_THREADS = flags.DEFINE_integer(
    "num_threads", 1, "Threads of one inference.", lower_bound=1
)
_MAX_FRAMES = flags.DEFINE_integer(
    "max_frames", None, "Stops after this many frames; default, never.", lower_bound=1
)
_JSON = flags.DEFINE_boolean(
    "json", None, "JSON lines; default, unless stdout is a terminal."
)


def main(argv: Sequence[str]) -> None:
    """Runs the loop on what the flags say."""
    program.reject_arguments(argv)
    classifier = _load_classifier()
    smoother = _make_smoother()
    as_json = not sys.stdout.isatty() if _JSON.value is None else _JSON.value
    to_line = loop.to_json_line if as_json else loop.to_text_line
    patience = Patience(_STALE_AFTER.value, _GIVE_UP_AFTER.value)
    rate = Rate()
    with (
        stop_on_signals() as stop,
        open_source(_SOURCE.value, stop, patience) as frames,
    ):
        results = loop.classify_frames(frames, classifier, stop, _TOP_K.value, smoother)
        for result in itertools.islice(results, _MAX_FRAMES.value):
            print(to_line(result), flush=True)
            rate.tick()
    logging.info(
        "%d frames in %.1f s, %.1f frames/s, %d skipped, %d dropped.",
        rate.frames,
        rate.seconds,
        rate.fps,
        frames.skipped,
        frames.dropped,
    )


def _load_classifier() -> Classifier:
    manifest = choose_manifest(
        _MODEL.value,
        labels_path=_LABELS.value,
        fit=_FIT.value,
        input_range=_parse_range(_INPUT_RANGE.value),
    )
    return Classifier(_MODEL.value, manifest=manifest, num_threads=_NUM_THREADS.value)


def _make_smoother() -> Smoother:
    release, threshold = _RELEASE.value, _THRESHOLD.value
    if release is not None and (threshold is None or release > threshold):
        raise RequestError(
            f"--release={release:g}: needs a --threshold that is not less; give one."
        )
    return Smoother(_SMOOTH.value, threshold, release)


def _parse_range(words: list[str] | None) -> tuple[float, float] | None:
    if words is None:
        return None
    try:
        low, high = (float(word) for word in words)
    except ValueError as error:
        raise RequestError(
            f"--input_range={','.join(words)}: is not LOW,HIGH; write two "
            "numbers, such as --input_range=-1,1."
        ) from error
    return low, high


if __name__ == "__main__":
    program.run(main)
