"""The processor's name, read from a copy of the system's files."""

from corallite.device.board.processor import describe_processor


def test_processor_is_named_by_board_or_model(tmp_path):
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/cpuinfo").write_text("flags : a\nmodel name\t: Fast 9 \n")
    assert describe_processor(tmp_path).startswith("Fast 9, ")
    (tmp_path / "proc/device-tree/model").write_bytes(b"Raspberry Pi 5\0")
    assert describe_processor(tmp_path).startswith("Raspberry Pi 5, ")
    assert "core" in describe_processor(tmp_path).rpartition(", ")[2]
