"""What the server tells of its model."""

import threading
from typing import Any

from corallite.device.engine.base import Status
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.refusal import Refusal
from corallite.device.serve.backend.service import Service
from corallite.device.serve.guard.refusal import Limits


def test_labels_of_a_refusal_are_written_as_json():
    labels = "a\ud800", "b\ud800"
    refusal = Refusal(2.0, 0.5, {labels[0]: 0.75}, background=labels[1])
    manifest = Manifest.of_classifier("m", "1", labels, Preprocessing((4, 4)))

    class Engine:
        """Has a manifest."""

        def __init__(self):
            self.manifest = manifest.with_classes(refusal=refusal)

        def status(self):
            return Status("m", "1")

    limits = Limits(body_bytes=1, pixels=1, waiting=1, streams=1)
    engine: Any = Engine()
    service = Service(engine, None, limits, threading.Event(), None)
    try:
        shown = service.describe_model()
    finally:
        service.close()
    assert shown.model_dump_json().count("\\\\ud800") == 4
