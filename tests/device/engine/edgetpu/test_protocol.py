"""Messages between an engine and its Edge TPU's process."""

import json
import socket

import numpy as np
import pytest

from corallite.device.engine.edgetpu import protocol
from corallite.device.model.signature import ModelSignature, TensorSpec

BOXES = TensorSpec("boxes", (2, 4), "float32")
CLASSES = TensorSpec("classes", (1, 3), "int8", 1 / 256, -128)


def test_several_arrays_arrive_as_they_were_sent():
    boxes = np.arange(8, dtype=np.float32).reshape(2, 4)
    classes = np.array([[-128, 0, 127]], np.int8)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        protocol.send(ours, protocol.OUTPUTS, [boxes, classes])
        kind, content = protocol.receive(theirs, 60)
    assert kind == protocol.OUTPUTS
    found = protocol.split(content, (BOXES, CLASSES))
    assert np.array_equal(found["boxes"], boxes)
    assert np.array_equal(found["classes"], classes)


@pytest.mark.parametrize("count", [0, 34, 36])
def test_bytes_that_are_not_these_arrays_are_refused(count):
    with pytest.raises(ValueError):
        protocol.split(bytes(count), (BOXES, CLASSES))


def test_signature_survives_the_round_trip():
    signature = ModelSignature((BOXES,), (CLASSES, BOXES))
    text = json.dumps(signature.to_json())
    assert ModelSignature.from_json(json.loads(text)) == signature
