"""An engine that has a manifest and classifies nothing."""

import pytest

from corallite.device.engine.untaught import Untaught


class WithManifest(Untaught):
    """Any manifest, which a test may replace."""

    def __init__(self, manifest):
        super().__init__()
        self._manifest = manifest

    def replace(self, manifest):
        self._manifest = manifest


@pytest.fixture
def make_engine():
    """A function that returns an engine with a manifest."""
    return WithManifest
