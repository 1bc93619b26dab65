"""Classifies images over HTTP, and shows a camera on a live page.

corallite serve model_int8.tflite --source=0

Then open http://127.0.0.1:8000/ or send an image:

    curl --data-binary @cat.jpg http://127.0.0.1:8000/v1/classify

Without --source it only answers requests. To allow other machines, give --host=0.0.0.0
and a token; --tls_cert and --tls_key encrypt the connections. SIGTERM and Ctrl-C end
the program with status 0.
"""

import contextlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from corallite.device.cli import camera_flags, output_flags, program
from corallite.device.cli.flags import rate_flags
from corallite.device.cli.flags.mqtt_flags import Fact
from corallite.device.model import selftest
from corallite.device.system.errors import RequestError
from corallite.device.system.signals import Stop, stop_on_signals

flags.adopt_module_key_flags(camera_flags)
_HOST = flags.DEFINE_string(
    "host", "127.0.0.1", "Address to listen on; 0.0.0.0 for all network interfaces."
)
_PORT = flags.DEFINE_integer(
    "port", 8000, "TCP port; 0 chooses a free one.", lower_bound=0, upper_bound=65535
)
_TOKEN_FILE = flags.DEFINE_string(
    "token_file",
    None,
    "File with the token that requests must carry; default, the environment variable "
    "CORALLITE_TOKEN, or no token.",
)
_PUBLIC = flags.DEFINE_bool(
    "public", False, "Allow other machines without a token: everyone sees the camera."
)
_TLS_CERT = flags.DEFINE_string("tls_cert", None, "PEM file of a certificate.")
_TLS_KEY = flags.DEFINE_string("tls_key", None, "PEM file of the certificate's key.")
_MAX_BODY_MB = flags.DEFINE_float(
    "max_body_mb", 10.0, "Largest request body, in 10**6 bytes.", lower_bound=0.001
)
_MAX_MEGAPIXELS = flags.DEFINE_float(
    "max_megapixels",
    12.5,
    "Largest image, in 10**6 pixels; the default fits a 12-megapixel camera. Each "
    "million pixels take 3 MB of memory, twice that if EXIF rotates the image.",
    lower_bound=0.001,
    upper_bound=2**27 / 10**6,
)
_MAX_WAITING = flags.DEFINE_integer(
    "max_waiting", 256, "Maximum of waiting images; more get a 503.", lower_bound=0
)
_MAX_STREAMS = flags.DEFINE_integer(
    "max_streams", 8, "Maximum number of clients of the video stream.", lower_bound=0
)

_CAPTURE = flags.DEFINE_string(
    "capture",
    None,
    "Folder of photos, with a folder for each class: serves the page /capture, which "
    "records photos and teaches the file of --model; that may be missing at first. "
    "All who have access can add and delete photos.",
)
_KEEP_UNCERTAIN = flags.DEFINE_string(
    "keep_uncertain",
    None,
    "Folder for frames of which the model is not sure: at most one in 10 seconds, and "
    "200 in all; the oldest go. The page /capture shows them.",
)

_PACKAGES = ("fastapi", "prometheus_client", "python_multipart", "uvicorn")


def main(argv: Sequence[str]) -> None:
    """Serves until a signal."""
    _require_packages()
    # Imported late: --help and the check above must work without the packages.
    from corallite.device.serve.guard import access

    allowed = access.make_access(
        _HOST.value,
        _TOKEN_FILE.value,
        _TLS_CERT.value,
        _TLS_KEY.value,
        _PUBLIC.value,
    )
    from corallite.device.serve import server

    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(server.open_socket(_HOST.value, _PORT.value))
        stop = stack.enter_context(stop_on_signals())
        app, liveness = _make_app(stack, stop, allowed, argv)
        certificate = _TLS_CERT.value, _TLS_KEY.value
        server.run_server(app, listener, stop, *certificate, liveness.tick)
        stop.set()


def _make_app(stack, stop: Stop, allowed, argv):  # type: ignore[no-untyped-def]
    """Opens the model and the source until `stack` closes.

    Returns the application, and what feeds systemd's watchdog.
    """
    from corallite.device.serve.app import create_app
    from corallite.device.serve.backend.liveness import Liveness
    from corallite.device.serve.backend.metrics import Metrics
    from corallite.device.serve.backend.service import Service
    from corallite.device.serve.guard.refusal import Limits
    from corallite.device.serve.live.engine_handle import EngineHandle, FairLock

    _require_source()
    _refuse_for_channel(argv)
    is_capturing = _CAPTURE.value is not None
    engine = stack.enter_context(
        camera_flags.open_engine(argv, is_taught_later=is_capturing)
    )
    if engine.manifest.boxes is not None:
        _refuse_for_boxes()
    # Predictions must work before systemd is notified.
    engine.classify(selftest.draw_images(engine.preprocessing.size_hw)[0])
    turn, metrics = FairLock(), Metrics()
    gate = rate_flags.make_gate()
    rate_limiter = stack.enter_context(rate_flags.open_rate_limiter(engine, gate))
    of_source = EngineHandle(engine, turn)
    facts: list[Fact] = []
    camera = _start_camera(stack, stop, of_source, metrics, rate_limiter, gate, facts)
    limits = Limits(
        body_bytes=round(_MAX_BODY_MB.value * 10**6),
        pixels=round(_MAX_MEGAPIXELS.value * 10**6),
        waiting=_MAX_WAITING.value,
        streams=_MAX_STREAMS.value,
    )
    of_requests = EngineHandle(engine, turn)
    service = Service(
        *(of_requests, camera, limits, stop, rate_limiter.status),
        camera_flags.threshold(engine),
    )
    stack.callback(service.close)
    liveness = Liveness(service, camera)
    stack.callback(liveness.close)
    capture = _open_capture(stack, camera, of_source, argv, facts) if camera else None
    return create_app(service, allowed, metrics, capture), liveness


def _require_source() -> None:
    flag_values = {"capture": _CAPTURE.value, "keep_uncertain": _KEEP_UNCERTAIN.value}
    for name, value in flag_values.items():
        if value is not None and camera_flags.source_name() is None:
            raise RequestError(f"--{name}: needs a camera; give a --source.")
        if value == "":
            raise RequestError(f"--{name}: is empty; give a folder.")
    if camera_flags.source_name() is None:
        camera_flags.refuse_without_source()
    if _CAPTURE.value is not None and camera_flags.is_cascade():
        raise RequestError(
            "--capture: teaches one model, for which no cascade is fitted; leave out "
            "--then."
        )


def _refuse_for_channel(argv: Sequence[str]) -> None:
    if _CAPTURE.value is not None and camera_flags.is_channel(argv):
        raise RequestError(
            "--capture: teaches the file of --model, which is a channel; give a file."
        )


def _refuse_for_boxes() -> None:
    flag_values = {"capture": _CAPTURE.value, "keep_uncertain": _KEEP_UNCERTAIN.value}
    for name, value in flag_values.items():
        if value is not None:
            raise RequestError(
                f"--{name}: keeps photos of classes, but the model is a detector; "
                "leave it out, or give a classifier."
            )


def _open_capture(stack, camera, engine, argv, facts):  # type: ignore[no-untyped-def]
    """Keeps uncertain frames, and opens the page /capture, if the flags say so.

    Returns what the page works with, or None.
    """
    from corallite.device.serve.capture.open_capture import open_capture
    from corallite.device.serve.capture.uncertain import Uncertain

    waiting = None
    if _KEEP_UNCERTAIN.value is not None:
        folder, threshold = Path(_KEEP_UNCERTAIN.value), camera_flags.threshold(engine)
        uncertain = Uncertain(folder, engine, threshold)
        stack.enter_context(contextlib.closing(uncertain))
        camera.on_snapshot = uncertain.offer
        facts.append(uncertain.describe)
        waiting = uncertain.folder
    if _CAPTURE.value is None:
        return None
    model = Path(camera_flags.model_path(argv))
    photos = Path(_CAPTURE.value)
    return stack.enter_context(open_capture(photos, model, camera, waiting))


def _start_camera(stack, stop: Stop, engine, metrics, rate_limiter, gate, facts):  # type: ignore[no-untyped-def]
    """Classifies the source until `stack` closes; returns None without a source."""
    from corallite.device.serve.live.camera import Camera

    name = camera_flags.source_name()
    if name is None:
        return None
    counter = output_flags.make_counter(engine.manifest)
    frames = stack.enter_context(camera_flags.open_frames(stop))
    sinks = stack.enter_context(
        camera_flags.open_sinks(engine, frames, metrics, facts=facts)
    )
    camera = Camera(
        name,
        frames,
        engine,
        stop,
        camera_flags.top_k(),
        camera_flags.make_smoother(engine),
        sinks.put,
        rate_limiter,
        counter,
        gate,
    )
    rate_limiter.on_wait = camera.beat
    stack.callback(camera.join)
    camera.start()
    return camera


def _require_packages() -> None:
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise RequestError(
            f"serve needs {', '.join(missing)}; install it with: pip install "
            f"{' '.join(missing)}"
        )


if __name__ == "__main__":
    program.run(main)
