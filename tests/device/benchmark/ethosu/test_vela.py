"""Vela's figures of files, and what is refused."""

import sys

import pytest
from fixtures.operators import SAMPLES

from corallite.device.benchmark.ethosu import vela
from corallite.device.benchmark.layers.operator import Operator
from corallite.device.benchmark.layers.operator_file import write_operators
from corallite.device.system.errors import RequestError

CONV = Operator("conv", 16, 16, (16,), 32, (3, 3))


def test_missing_vela_is_reported_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "ethosu.vela.vela", None)
    for call in (vela.version, lambda: vela.estimate(b"")):
        with pytest.raises(RequestError, match="not installed .*pip install ethos-u-v"):
            call()


def test_unknown_accelerator_is_refused():
    with pytest.raises(RequestError, match="ethos: is not an .* one of ethos-u55-32"):
        vela.estimate(b"", "ethos")


def test_figures_are_the_sum_of_the_layers():
    pytest.importorskip("ethosu.vela")
    found = vela.estimate(write_operators([CONV, CONV]))
    assert found.cycles == sum(layer.cycles for layer in found.layers) > 0
    assert found.macs == 2 * 16 * 16 * 9 * 16 * 32
    assert found.milliseconds == 1000 * found.cycles / 500e6
    assert 16 * 16 * (16 + 32) <= found.sram_bytes < 1 << 20
    assert found.cpu_operators == 0
    assert vela.estimate(write_operators([CONV, CONV])) == found
    assert vela.estimate(write_operators([CONV]), "ethos-u55-256").cycles < found.cycles


@pytest.mark.parametrize("accelerator", ["ethos-u55-32", "ethos-u65-256"])
def test_every_kind_is_compiled(accelerator):
    pytest.importorskip("ethosu.vela")
    found = vela.estimate(write_operators(SAMPLES), accelerator)
    assert found.cpu_operators == 0 and found.cycles > 0


def test_file_that_is_not_compiled_is_refused():
    pytest.importorskip("ethosu.vela")
    with pytest.raises(
        RequestError, match=r"Vela does not compile the file \(.*\); convert"
    ):
        vela.estimate(b"no model")


def test_file_that_vela_crashes_with_is_refused(tmp_path):
    pytest.importorskip("ethosu.vela")
    path = tmp_path / "model.tflite"
    path.write_bytes(write_operators([CONV]))
    vela.require_no_crash(path, "ethos-u55-128")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(RequestError, match=r"model.tflite: Vela .*SIG\w+.*; copy"):
        vela.require_no_crash(path, "ethos-u55-128")


def test_memories_and_modes_are_read():
    pytest.importorskip("ethosu.vela")
    found = vela.estimate(write_operators([CONV]))
    assert found.memory_mode == "Shared_Sram" and found.dram_bytes == 0
    assert found.system_config == "Ethos_U55_High_End_Embedded"
    assert found.flash_bytes >= 9 * 16 * 32 / 2
    found = vela.estimate(write_operators([CONV]), "ethos-u65-256")
    assert found.memory_mode == "Dedicated_Sram_384KB" and found.dram_bytes > 0


@pytest.mark.parametrize("text", ["cycles\n1\n", "cycles_total\nmany\n", ""])
def test_tables_of_another_version_are_refused(tmp_path, text):
    (tmp_path / "model_summary_x.csv").write_text(text)
    (tmp_path / "model_per-layer.csv").write_text("Name\n")
    pytest.importorskip("ethosu.vela")
    sentence = r"tables cannot be read .*pip install ethos-u-vela==5.2.0\."
    with pytest.raises(RequestError, match=sentence):
        vela.read_estimate(tmp_path, "")


def test_vela_without_tables_is_refused_with_its_last_line(tmp_path):
    with pytest.raises(RequestError, match=r"not compile the file \(Error: no\); conv"):
        vela.read_estimate(tmp_path, "Hello\nError: no.\n")
