"""Flags of every program that runs the loop, and what they describe."""

import contextlib
import math
import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager

from absl import flags

from corallite.device.camera.connection_state import Patience
from corallite.device.camera.frame import FrameStream
from corallite.device.camera.open_source import open_source
from corallite.device.cli import output_flags
from corallite.device.cli.output_flags import open_sinks as open_sinks
from corallite.device.cli.output_flags import refuse_sinks as refuse_sinks
from corallite.device.engine.base import Engine
from corallite.device.engine.open_model import ModelRequest
from corallite.device.engine.reload.hot_reload import HotReload
from corallite.device.engine.runtime import MOST_THREADS
from corallite.device.image.preprocess import FITS
from corallite.device.loop.rate_limit import Pace
from corallite.device.loop.smoothing import Smoother
from corallite.device.loop.thermal import Governor
from corallite.device.system.errors import RequestError
from corallite.device.system.signals import calling_on_hangup

flags.adopt_module_key_flags(output_flags)
_MODEL = flags.DEFINE_string(
    "model", None, "The .tflite file of a classifier.", required=True
)
_DEVICE = flags.DEFINE_string(
    "device",
    "auto",
    "cpu; edgetpu; edgetpu:N for one of several; or auto: the Edge TPU if --model was "
    "compiled for it, as soon as there is one, else the CPU.",
)
_CPU_MODEL = flags.DEFINE_string(
    "cpu_model",
    None,
    "The int8 file that a --model for the Edge TPU was compiled from: runs when that "
    "fails. Default, the same name without _edgetpu.",
)
_SOURCE = flags.DEFINE_string(
    "source",
    None,
    "A USB camera's number, such as 0, or path; csi or csi:1; an http or rtsp URL; the "
    "path of a video, an image or a folder; or - for JPEG images on stdin.",
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
_MAX_FPS = flags.DEFINE_float(
    "max_fps", None, "At most so many frames a second; default, any.", lower_bound=0.01
)
_MAX_TEMPERATURE = flags.DEFINE_float(
    "max_temperature",
    80.0,
    "Degrees Celsius that the processor is not to reach: 3 below, the frame rate is "
    "lowered step by step, and 8 below raised again. A Raspberry Pi's firmware slows "
    "it down from 80 on. 0: never mind.",
    lower_bound=0.0,
)
_NUM_THREADS = flags.DEFINE_integer(
    "num_threads",
    1,
    "Threads of one inference.",
    lower_bound=1,
    upper_bound=MOST_THREADS,
)


@contextlib.contextmanager
def open_engine() -> Iterator[Engine]:
    """Opens the model that the flags name, on what they name.

    A file that changes, or SIGHUP, has it replaced by what the file then holds.

    Raises:
        RequestError: It cannot be run, or the flags do not describe it.
    """
    request = ModelRequest(
        _MODEL.value,
        _check_device(_DEVICE.value),
        _CPU_MODEL.value,
        _LABELS.value,
        _FIT.value,
        _parse_range(_INPUT_RANGE.value),
        _NUM_THREADS.value,
    )
    with contextlib.closing(HotReload(request)) as engine:
        with calling_on_hangup(engine.ask_to_swap):
            engine.start()
            yield engine


def open_frames(stop: threading.Event) -> AbstractContextManager[FrameStream]:
    """Opens the source that the flags name; `stop` ends its frames."""
    patience = Patience(_STALE_AFTER.value, _GIVE_UP_AFTER.value)
    return open_source(_SOURCE.value, stop, patience)


def source_name() -> str | None:
    """Returns what to call the source, without a password; None if none is named."""
    source = _SOURCE.value
    if not source or "://" not in source:
        return source
    from corallite.device.camera.capture import without_secrets

    return without_secrets(source)


def make_smoother() -> Smoother:
    """Returns what averages over frames and says which labels are active.

    Raises:
        RequestError: --release does not go with --threshold.
    """
    release, threshold = _RELEASE.value, _THRESHOLD.value
    if release is not None and (threshold is None or release > threshold):
        raise RequestError(
            f"--release={release:g}: needs a --threshold that is not less; give one."
        )
    return Smoother(_SMOOTH.value, threshold, release)


@contextlib.contextmanager
def open_pace() -> Iterator[Pace]:
    """Opens what holds the loop to the frame rate that flags and heat allow."""
    max_c = _MAX_TEMPERATURE.value
    pace = Pace(_MAX_FPS.value, Governor(max_c) if max_c else None)
    try:
        yield pace
    finally:
        pace.close()


def top_k() -> int:
    """Returns how many labels a result has."""
    return _TOP_K.value


def _check_device(device: str) -> str:
    if not re.fullmatch(r"auto|cpu|edgetpu(:[0-9]+)?", device):
        raise RequestError(
            f"--device={device}: is no device; write auto, cpu, edgetpu or edgetpu:N, "
            "such as edgetpu:1."
        )
    return device


def _parse_range(words: list[str] | None) -> tuple[float, float] | None:
    if words is None:
        return None
    try:
        low, high = (float(word) for word in words)
        if not -math.inf < low < high < math.inf:
            raise ValueError(words)
    except ValueError as error:
        raise RequestError(
            f"--input_range={','.join(words)}: is not LOW,HIGH; write two "
            "numbers, such as --input_range=-1,1."
        ) from error
    return low, high
