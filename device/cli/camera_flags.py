"""Flags of the programs that run the loop, and the objects that they describe."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

from absl import flags

from corallite.device.camera.connection_state import Timeouts
from corallite.device.camera.frame import FrameStream
from corallite.device.camera.open_source import name_source, open_source
from corallite.device.channel.follow import is_url, open_reloading
from corallite.device.cli import model_flags, output_flags, program
from corallite.device.cli.flags import rate_flags
from corallite.device.cli.flags.mqtt_flags import Fact
from corallite.device.engine.base import Engine
from corallite.device.engine.open_model import ModelRequest, check_device
from corallite.device.engine.runtime import MOST_THREADS
from corallite.device.image.orientation import DEGREES, Orientation
from corallite.device.image.preprocess import FITS
from corallite.device.loop.smoothing import Smoother
from corallite.device.model.manifest import Manifest
from corallite.device.outputs.lines import Sink, Sinks
from corallite.device.system.errors import RequestError
from corallite.device.system.signals import calling_on_hangup

# Flags for a model that does not say this of itself.
_OF_ONE_MODEL = ("labels", "fit", "input_range", "output")

flags.adopt_module_key_flags(model_flags)
flags.adopt_module_key_flags(output_flags)
flags.adopt_module_key_flags(rate_flags)
_MODEL = flags.DEFINE_string(
    "model",
    None,
    "The .tflite file of a classifier or a detector, or the https URL of a channel's "
    "channel.json; --model= may be left out.",
)
_CHANNEL_ROOT = flags.DEFINE_string(
    "channel_root",
    None,
    "A copy of the channel's channel.json that you trust; default, that of the first "
    "contact over https is trusted from then on.",
)
_THEN = flags.DEFINE_string(
    "then",
    None,
    "A second model, which is asked where --model is unsure, on the CPU; `corallite "
    "evaluate --cascade` fits how sure --model must be.",
)
_DEVICE = flags.DEFINE_string(
    "device",
    "auto",
    "cpu; edgetpu; edgetpu:N for one of several; or auto: the Edge TPU if --model was "
    "compiled for it, as soon as the system shows one; else the CPU.",
)
_CPU_MODEL = flags.DEFINE_string(
    "cpu_model",
    None,
    "CPU fallback of a --model for the Edge TPU: the int8 file that it was compiled "
    "from. Default, the same name without _edgetpu.",
)
_SOURCE = flags.DEFINE_string(
    "source",
    None,
    "Number or path of a USB camera, such as 0; csi or csi:1; an http or rtsp URL; the "
    "path of a video, an image or a folder; or - for JPEG images on stdin.",
)
_ROTATE = flags.DEFINE_enum(
    "rotate",
    "0",
    [str(degrees) for degrees in DEGREES],
    "Degrees by which to rotate each frame clockwise; 180 for a camera that hangs "
    "upside down.",
)
_MIRROR = flags.DEFINE_boolean(
    "mirror", False, "Swap left and right of each frame, after --rotate."
)
_TOP_K = flags.DEFINE_integer(
    "top_k", 3, "Labels per frame, the most probable first.", lower_bound=1
)
_LABELS = flags.DEFINE_string(
    "labels",
    None,
    "File with one label per line, in the order of the outputs or numbered, for a "
    "model without labels.",
)
_FIT = flags.DEFINE_enum(
    "fit", None, FITS, "How images fit the input; default, that of the manifest."
)
_STALE_AFTER = flags.DEFINE_float(
    "stale_after",
    5.0,
    "Seconds without a frame after which a camera or stream is stale; after twice that "
    "time it is reopened.",
    lower_bound=0.1,
)
_GIVE_UP_AFTER = flags.DEFINE_float(
    "give_up_after",
    None,
    "Exit with status 2 if a camera or stream fails and sends no frame for this many "
    "seconds; default, never.",
    lower_bound=0.0,
)
_SMOOTH = flags.DEFINE_float(
    "smooth", 0.0, "Average predictions over these seconds; 0: do not.", lower_bound=0.0
)
_THRESHOLD = flags.DEFINE_float(
    "threshold",
    None,
    "Probability, 0 to 1, at which a label becomes active, and below which the result "
    "is unknown; of a detector, at which a box counts. Default, what the model was "
    "fitted with.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_RELEASE = flags.DEFINE_float(
    "release",
    None,
    "Probability below which a label is no longer active; default, --threshold.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_NUM_THREADS = flags.DEFINE_integer(
    "num_threads", 1, "Threads per inference.", lower_bound=1, upper_bound=MOST_THREADS
)


@contextlib.contextmanager
def open_engine(
    argv: Sequence[str], *, is_taught_later: bool = False
) -> Iterator[Engine]:
    """Opens the model of the command line on the device of the flags.

    If the file changes, or at SIGHUP, the file's new model replaces the old one.

    Args:
        argv: What is left of the command line without flags: the model, or nothing.
        is_taught_later: The file may be missing until `teach` writes it.

    Raises:
        RequestError: A model cannot be run, or the flags do not fit it.
    """
    path = model_path(argv)
    if is_url(_THEN.value or "") or (is_cascade() and is_url(path)):
        raise RequestError(
            "--then: is a file of this device, and so is --model with it, but one of "
            "them is a URL; leave --then out, or give two files."
        )
    changed = [x for x in _OF_ONE_MODEL if is_cascade() and flags.FLAGS[x].present]
    if changed:
        raise RequestError(
            f"--{changed[0]}: describes one model, but --then gives two; leave it out, "
            "and give two files that corallite has converted."
        )
    request = ModelRequest(
        path,
        check_device(_DEVICE.value),
        _CPU_MODEL.value,
        _LABELS.value,
        _FIT.value,
        model_flags.input_range(),
        model_flags.output(),
        _NUM_THREADS.value,
        is_taught_later,
        _THRESHOLD.value,
    )
    if (second := _THEN.value) is not None:
        # Imported late, as all that few starts need.
        from corallite.device.engine.cascade.open_cascade import open_cascade

        _check_release()
        then = ModelRequest(second, "cpu", num_threads=_NUM_THREADS.value)
        with open_cascade(request, then) as cascade:
            cascade.check = output_flags.require_labels
            yield cascade
        return
    with open_reloading(request, _CHANNEL_ROOT.value) as (engine, on_hangup):
        if engine.manifest.boxes is None:
            _check_release()
        else:
            _refuse_for_boxes(engine.manifest)
        if not is_taught_later:
            # Photos of the label may come after the next lesson.
            engine.check = output_flags.require_labels
        with calling_on_hangup(on_hangup):
            engine.start()
            yield engine


def is_channel(argv: Sequence[str]) -> bool:
    """Returns whether the model is that of a channel."""
    return is_url(model_path(argv))


def is_cascade() -> bool:
    """Returns whether there are two models."""
    return _THEN.value is not None


def model_path(argv: Sequence[str]) -> str:
    """Returns the model file of the command line.

    Raises:
        RequestError: There is none, or there are several.
    """
    return program.require_model(argv, _MODEL.value)


def open_frames(stop: threading.Event) -> AbstractContextManager[FrameStream]:
    """Opens the source of the flags; `stop` ends its frames."""
    timeouts = Timeouts(_STALE_AFTER.value, _GIVE_UP_AFTER.value)
    orientation = Orientation(int(_ROTATE.value), _MIRROR.value)
    return open_source(_SOURCE.value, stop, timeouts, orientation, rate_flags.max_fps())


@contextlib.contextmanager
def open_sinks(
    engine: Engine, frames: FrameStream, *first: Sink, facts: Sequence[Fact] = ()
) -> Iterator[Sinks]:
    """Opens the sinks of the flags; see `output_flags.open_sinks`.

    Raises:
        RequestError: Without --threshold: the model is multi-label, or never names a
            label of --on_label.
    """
    if engine.manifest.classes.is_multilabel and _THRESHOLD.value is None:
        output_flags.refuse_sinks(
            "needs --threshold, because the model gives several labels for an image; "
            "give the lowest probability of a label that counts, such as 0.5."
        )
    refusal = engine.manifest.classes.refusal
    if refusal is not None and _THRESHOLD.value is None:
        output_flags.require_named(refusal.background)
    with output_flags.open_sinks(engine, frames, *first, facts=facts) as sinks:
        yield sinks


def refuse_without_source() -> None:
    """Raises `RequestError` if a flag needs frames."""
    output_flags.refuse_without_source(**rate_flags.list_needing_frames())


def source_name() -> str | None:
    """Returns the name of the source, without a password; None without a source."""
    return _SOURCE.value and name_source(_SOURCE.value)


def make_smoother(engine: Engine) -> Smoother:
    """Creates the smoother, which averages over time and finds the active labels."""
    return Smoother(_SMOOTH.value, threshold(engine), _RELEASE.value)


def _check_release() -> None:
    release, threshold = _RELEASE.value, _THRESHOLD.value
    if release is not None and (threshold is None or release > threshold):
        raise RequestError(
            f"--release={release:g}: is above --threshold or without it; give a "
            "--threshold that is at least as high."
        )


def _refuse_for_boxes(manifest: Manifest) -> None:
    """Raises `RequestError` for flags that mean nothing for a detector."""
    if _RELEASE.value is not None:
        raise RequestError(
            "--release: is for classes, but --threshold is that of boxes, because the "
            "model is a detector; leave --release out."
        )
    if _SMOOTH.value and not manifest.classes.labels:
        raise RequestError(
            "--smooth: averages the probabilities of classes, but the model gives only "
            "boxes; leave it out."
        )


def threshold(engine: Engine) -> float | None:
    """Returns the least probability of a class; None for that of the model."""
    return None if engine.manifest.boxes is not None else _THRESHOLD.value


def top_k() -> int:
    """Returns how many labels a result has."""
    return _TOP_K.value
