"""What a machine and a process say of themselves."""

from corallite.convert.evaluate.machine import describe_machine
from corallite.convert.evaluate.peak_memory import measure_peak_memory


def test_a_file_is_run_in_a_process_without_tensorflow(tiny_models):
    peak_bytes = measure_peak_memory(tiny_models["uint8"])
    # NumPy, OpenCV and a TFLite runtime: 50 to 60 MB; TensorFlow alone takes 400.
    assert 20e6 < (peak_bytes or 0) < 300e6


def test_a_file_that_cannot_be_run_has_no_peak(tmp_path):
    path = tmp_path / "photo.tflite"
    path.write_bytes(b"\xff\xd8\xff\xe0" * 100)
    assert measure_peak_memory(path) is None


def test_a_board_and_a_processor_are_named(tmp_path):
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: Fast 9\n")
    assert describe_machine(tmp_path).startswith("Fast 9, ")
    (tmp_path / "proc/device-tree/model").write_text("Raspberry Pi 5\0")
    assert describe_machine(tmp_path).startswith("Raspberry Pi 5, ")
