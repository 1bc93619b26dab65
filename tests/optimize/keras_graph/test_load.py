"""A damaged model file is named, with what to do about it."""

import pytest

from corallite.device.system.errors import RequestError
from corallite.optimize.keras_graph.load import load_model
from corallite.train.models import registry
from corallite.train.training.model_file import save_model


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_truncated_model_is_refused_in_one_sentence(kept, tmp_path):
    path = tmp_path / "model.h5"
    save_model(registry.build("shufflenet_v2", (32, 32, 3), 3, width=0.25), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    message = r"model\.h5 is not a whole Keras model \(.*\); remove it and run the"
    with pytest.raises(RequestError, match=message) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
