"""Edge TPUs in copies of /dev and /sys."""

from corallite.device.board.edgetpu import is_edgetpu_here


def test_edgetpu_on_usb_is_found(tmp_path):
    assert not is_edgetpu_here(tmp_path)
    for name in ("usb1", "1-1", "1-1:1.0"):
        (tmp_path / "sys/bus/usb/devices" / name).mkdir(parents=True)
    (tmp_path / "sys/bus/usb/devices/usb1/idVendor").write_text("1d6b\n")
    (tmp_path / "sys/bus/usb/devices/usb1/idProduct").write_text("0002\n")
    assert not is_edgetpu_here(tmp_path)
    (tmp_path / "sys/bus/usb/devices/1-1/idVendor").write_text("1a6e\n")
    (tmp_path / "sys/bus/usb/devices/1-1/idProduct").write_text("089a\n")
    assert is_edgetpu_here(tmp_path)


def test_edgetpu_on_pcie_is_found(tmp_path):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/apex_0").touch()
    assert is_edgetpu_here(tmp_path)
