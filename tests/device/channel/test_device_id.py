"""What tells devices apart."""

from corallite.device.channel import device_id


def test_serial_number_goes_before_the_machine_id(tmp_path, monkeypatch):
    serial, machine = tmp_path / "serial-number", tmp_path / "machine-id"
    monkeypatch.setattr(device_id, "_FILES", (str(serial), str(machine)))
    from_hardware = device_id.read_device_id()
    assert from_hardware and from_hardware == device_id.read_device_id()
    machine.write_text("0123abcd\n")
    assert device_id.read_device_id() == "0123abcd"
    # As the kernel ends it.
    serial.write_bytes(b"10000000feed\0")
    assert device_id.read_device_id() == "10000000feed"
    serial.write_bytes(b"\0")
    assert device_id.read_device_id() == "0123abcd"
