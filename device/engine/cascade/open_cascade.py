"""Opens two models as one engine, and replaces both at once."""

import contextlib
from collections.abc import Iterator

from corallite.device.engine.cascade.model_hash import hash_model
from corallite.device.engine.cascade.two_models import CascadeEngine, CascadeUse
from corallite.device.engine.open_model import ModelRequest, open_model
from corallite.device.engine.reload.hot_reload import HotReload
from corallite.device.model.cascade.same_task import require_cascade
from corallite.device.system import log
from corallite.device.system.signals import calling_on_hangup


class CascadeReload(HotReload):
    """Runs two models as one, and the new pair when the file of either changes.

    Attributes:
        use: Which models are asked, and how often they were.
    """

    def __init__(
        self, first: ModelRequest, second: ModelRequest, *, look_s: float = 1.0
    ) -> None:
        """Loads both models; the arguments are those of `HotReload`.

        Raises:
            RequestError: A model cannot be run, or `require_cascade` refuses the two.
        """
        self.use = CascadeUse()
        self._second = second
        super().__init__(first, look_s=look_s)

    @property
    def requests(self) -> tuple[ModelRequest, ...]:
        """Both models."""
        return (self._request, self._second)

    def open(self) -> CascadeEngine:
        """Opens both files.

        Raises:
            RequestError: As `__init__`.
        """
        first, second = map(open_model, self.requests)
        second_hash = hash_model(self._second.path)
        require_cascade(first.manifest, second.manifest, second_hash)
        return CascadeEngine(first, second, self.use)


@contextlib.contextmanager
def open_cascade(first: ModelRequest, second: ModelRequest) -> Iterator[CascadeReload]:
    """Opens and starts two models as one engine.

    Args:
        first: The first model.
        second: The second model.

    Raises:
        RequestError: As `CascadeReload`.
    """
    with contextlib.closing(CascadeReload(first, second)) as engine:
        with calling_on_hangup(engine.ask_to_swap):
            engine.start()
            yield engine
        use = engine.use
        log.info(
            "The second model was asked for %d of %d images.", use.asked, use.images
        )
