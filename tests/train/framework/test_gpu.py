"""float16 is for GPUs that compute faster in it."""

import pytest

from corallite.train.framework.gpu import has_tensor_cores
from corallite.train.framework.keras import tf

V100, PASCAL = {"compute_capability": (7, 0)}, {"compute_capability": (6, 1)}


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        ([], False),
        ([V100], True),
        ([PASCAL], False),
        ([V100, PASCAL], False),
        ([{"device_name": "METAL"}], False),
    ],
)
def test_all_gpus_need_tensor_cores(monkeypatch, gpus, expected):
    """Of TensorFlow, only what it says of a machine is replaced."""
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda x: x)
    assert has_tensor_cores() is expected
