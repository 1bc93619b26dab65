"""Opens two models as one engine, and watches the files of both."""

import contextlib
from collections.abc import Iterator

from corallite.device.engine.cascade.two_models import CascadeEngine
from corallite.device.engine.open_model import ModelRequest
from corallite.device.engine.reload.hot_reload import HotReload
from corallite.device.model.cascade.same_task import require_cascade
from corallite.device.system import log
from corallite.device.system.signals import calling_on_hangup


@contextlib.contextmanager
def open_cascade(first: HotReload, request: ModelRequest) -> Iterator[CascadeEngine]:
    """Opens a second model, and starts both; closes the second one.

    Args:
        first: The first model, not started; the caller closes it.
        request: The second model.

    Raises:
        RequestError: The second model cannot be run, or `require_cascade` refuses it.
    """
    with contextlib.closing(HotReload(request)) as second:
        require_cascade(first.manifest, second.manifest)
        first.check = lambda new: require_cascade(new, second.manifest)
        second.check = lambda new: require_cascade(first.manifest, new)

        def ask_to_swap() -> None:
            first.ask_to_swap()
            second.ask_to_swap()

        with calling_on_hangup(ask_to_swap):
            first.start()
            second.start()
            cascade = CascadeEngine(first, second)
            yield cascade
        counts = cascade.asked, cascade.images
        log.info("The second model was asked for %d of %d images.", *counts)
