"""A network in a file: its widths, and what is refused."""

import dataclasses
import json

import pytest

from corallite.device.system.errors import RequestError
from corallite.train.models.configuration import parse_configuration
from corallite.train.models.network import Network, read_network, write_network
from corallite.train.models.networks.resnet import Block, Config
from corallite.train.models.registry import NETWORKS

CONFIG = Config(8, ((), (Block(12, 4, 2, (1, 3)), Block(12, 12, 1))), True)
NETWORK = Network("resnet8", 1.0, (32, 32), config=CONFIG)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_configuration_of_every_network_can_be_written_as_json(name):
    config = NETWORKS[name].configure(0.5)
    content = json.loads(json.dumps(dataclasses.asdict(config)))
    assert parse_configuration(type(config), content) == config


def test_a_network_of_a_file_has_the_widths_of_the_file(tmp_path):
    write_network(NETWORK, tmp_path / "network.json")
    read = read_network(tmp_path / "network.json")
    assert read == NETWORK
    assert read.file == str(tmp_path / "network.json")
    model = read.build(3)
    kernels = [x.kernel.shape for x in model.layers if x.name[-1] in "12"]
    squeeze, dense = (1, 1, 8, 4), (3, 3, 4, 12)
    assert kernels == [squeeze, dense, (3, 3, 12, 12), (3, 3, 12, 12)]


def test_networks_that_differ_in_one_width_have_other_records():
    other = dataclasses.replace(NETWORK, config=dataclasses.replace(CONFIG, stem=12))
    assert NETWORK.to_json() != other.to_json()
    assert "config" not in dataclasses.replace(NETWORK, config=None).to_json()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": "vgg"}, "the name of a network"),
        ({"image_size": "32"}, "the size of an image"),
        ({"config": {"stem": 8}}, "missing 1 required positional argument: 'stages'"),
        ({"config": {"stem": 0, "stages": []}}, "`stem` to be above 0"),
        ({"config": {"stem": 8, "stages": 3}}, "`stages` to be a list, got 3"),
        ({"config": {"stem": 8, "stages": [], "depth": 3}}, "no field 'depth'"),
        ({"config": {"stem": 8, "stages": [[{"channels": True}]]}}, "of type int"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, change, reason):
    path = tmp_path / "network.json"
    write_network(NETWORK, path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(RequestError, match=f"does not describe a network .*{reason}"):
        read_network(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RequestError, match=r"none\.json: .*check its name"):
        read_network(tmp_path / "none.json")
