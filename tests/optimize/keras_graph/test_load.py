"""A damaged model file is named, with what to do about it."""

import subprocess
import sys

import pytest

from corallite.device.system.errors import RequestError
from corallite.optimize.keras_graph.load import load_model
from corallite.train.models import registry
from corallite.train.models.networks.shufflenet_v2 import TORCHVISION
from corallite.train.training.model_file import save_model


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_truncated_model_is_refused_in_one_sentence(kept, few_units, tmp_path):
    path = tmp_path / "model.h5"
    with few_units(shufflenet=(1, 1, 1)):
        model = registry.build("shufflenet_v2", (32, 32, 3), 3, width=0.25)
    save_model(model, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    message = r"model\.h5 is not a complete Keras model \(.*\); remove it and run the"
    with pytest.raises(RequestError, match=message) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shufflenet_v2", "mobilenet_v3_small"])
def test_it_knows_the_layers_of_a_quantized_model(
    name, draw_clouds, few_units, tmp_path
):
    from corallite.optimize.quantize.add_quantizers import quantize

    path = tmp_path / "model.h5"
    with few_units(shufflenet=(1, 1, 1)):
        model = registry.build(
            name, (32, 32, 3), 3, width=0.25, conventions=TORCHVISION
        )
    save_model(quantize(model, draw_clouds(4, 32, 32)), path)
    code = (
        "import pathlib, sys\n"
        "from corallite.optimize.keras_graph.load import load_model\n"
        "load_model(pathlib.Path(sys.argv[1]))\n"
        "assert 'corallite.optimize.quantize' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
