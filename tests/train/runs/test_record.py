"""What is recorded of the machine and of files."""

import hashlib

import numpy as np

from corallite.train.runs import record
from corallite.train.runs.record import hash_file, package_versions


def test_a_missing_package_has_no_version(monkeypatch):
    monkeypatch.setattr(record, "_PACKAGES", ("numpy", "no-such-package"))
    assert package_versions() == {"numpy": np.__version__}


def test_a_file_is_known_by_its_content(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content" * 1000)
    assert hash_file(path) == hashlib.sha256(b"content" * 1000).hexdigest()
