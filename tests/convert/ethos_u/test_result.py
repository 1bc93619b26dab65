"""The result of a compilation, as text and as JSON."""

import dataclasses
import json

import pytest

from corallite.convert.ethos_u.result import ON_NPU, Compilation, format_compilation
from corallite.convert.tflite.reader import decode
from corallite.device.benchmark.ethosu.vela import Estimate, Layer

LAYERS = (Layer("a", "Conv2D", True, 1000), Layer("b", "Floor", False, 0))
ESTIMATE = Estimate(
    *(250_000, 5e8, 2048, 0, 512, 99, "Ethos_U55_High_End_Embedded", "Shared_Sram"),
    LAYERS,
)


@pytest.fixture
def made(partly_mapped, write_file):
    path = write_file(partly_mapped.content())
    status = {0: ON_NPU, 1: "Unsupported opType", 2: ON_NPU, 3: "Its type", 4: "It"}
    return Compilation(
        path,
        decode(path.read_bytes()),
        accelerator="ethos-u55-128",
        version="5.2.0",
        estimate=ESTIMATE,
        status=status,
        subgraphs=2,
        duration_s=1.2345,
        compiled=(path,),
    )


def test_text_has_the_mapping_and_the_cost(made):
    lines = format_compilation(made).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[lines.index("took          1.2 s") + 1 :] == [
        "Ethos-U       result of Vela 5.2.0 for ethos-u55-128:",
        "                1 CUSTOM: It",
        "                1 FLOOR: Unsupported opType",
        "                1 L2_NORMALIZATION: Its type",
        "                2 CONV_2D: Mapped to the NPU",
        "mapped        2 of 5 operators",
        "subgraphs     2",
        "estimated     250,000 cycles, 0.5 ms at 500 MHz (Ethos_U55_High_End_Embedded,",
        "              Shared_Sram); without the operators on the CPU",
        "memory        2.0 KiB SRAM, 0.5 KiB flash",
    ]


def test_details_list_every_operator(made):
    lines = format_compilation(made, details=True).splitlines()
    assert lines[-4] == "              1 FLOOR (tensor_4): Unsupported opType"
    assert lines[-5].startswith("operators     0 CONV_2D")


def test_json_has_the_keys_of_the_edge_tpu(made):
    content = json.loads(json.dumps(made.to_json()))
    assert content["operators"] == 5
    assert content["compiled"] == [str(made.path)]
    assert content["ethos_u"]["mapped"] == [0, 2]
    assert content["ethos_u"]["status"]["1"] == "Unsupported opType"
    assert content["ethos_u"]["milliseconds"] == 0.5
    assert content["ethos_u"]["sram_bytes"] == 2048
    assert "layers" not in content["ethos_u"]


def test_a_network_on_the_npu_alone_has_all_its_time(made):
    estimate = dataclasses.replace(ESTIMATE, layers=LAYERS[:1])
    text = format_compilation(dataclasses.replace(made, estimate=estimate))
    assert "without the operators" not in text
