"""Opens a model, of a file or a channel, as an engine that takes newer ones."""

import contextlib
from collections.abc import Callable, Iterator

from corallite.device.engine.base import Status
from corallite.device.engine.open_model import ModelRequest
from corallite.device.engine.reload.hot_reload import HotReload
from corallite.device.system.errors import ModelFaultError, RequestError


def is_url(model: str) -> bool:
    """Returns whether a model is a URL, as that of a channel, and not a file."""
    return model.lower().startswith(("http://", "https://"))


@contextlib.contextmanager
def open_reloading(
    request: ModelRequest, root: str | None = None
) -> Iterator[tuple[HotReload, Callable[[], None]]]:
    """Yields an engine, and a function that makes it look for a new model now.

    The caller starts the engine.

    Args:
        request: Its path is a file, or the URL of a channel.
        root: With a channel: a file with its root that the user trusts; default, that
            of the first contact.

    Raises:
        RequestError: The model cannot be run, or there is none yet and none can be
            downloaded.
    """
    if is_url(request.path):
        _refuse_for_channel(request)
        with _follow(request, root) as opened:
            yield opened
        return
    if root is not None:
        raise RequestError(
            "--channel_root: is for a channel; give its URL as --model, or leave it "
            "out."
        )
    with contextlib.closing(HotReload(request)) as engine:
        yield engine, engine.ask_to_swap


@contextlib.contextmanager
def _follow(
    request: ModelRequest, root: str | None
) -> Iterator[tuple[HotReload, Callable[[], None]]]:
    # Imported late, as all that few starts need.
    from corallite.device.channel.address import parse_channel
    from corallite.device.channel.follower import Follower

    def add_channel(status: Status) -> Status:
        version, latest, state, reason = follower.status()
        return status._replace(
            channel_version=version,
            channel_latest=latest,
            channel_state=state,
            channel_reason=reason,
        )

    def note_tried(reason: str, error: Exception | None) -> bool:
        # With these flags, a model that is in order may fail its self-test.
        changed = request.input_range is not None or request.output is not None
        is_of_flags = changed and isinstance(error, ModelFaultError)
        return follower.note_tried(reason, None if is_of_flags else error)

    follower = Follower(parse_channel(request.path, root))
    with contextlib.closing(follower):
        engine = follower.open(
            lambda model, cpu: HotReload(request._replace(path=model, cpu_path=cpu))
        )
        with contextlib.closing(engine):
            engine.on_tested = follower.note_tested
            engine.on_tried = note_tried
            engine.add_channel = add_channel
            follower.start(engine.ask_to_swap)
            yield engine, follower.ask_to_poll


def _refuse_for_channel(request: ModelRequest) -> None:
    if request.cpu_path is not None:
        raise RequestError(
            "--cpu_model: is a file of this device, but --model is a channel, which "
            "has that file too; leave it out."
        )
