"""Walking through folders, and where a user's cache is."""

import os
import tracemalloc
from pathlib import Path

import pytest

from corallite.device.system import files


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def walk(folder, **options):
    found = files.walk(folder, set(), **options)
    return [path.relative_to(folder).as_posix() for path in found]


def test_files_come_in_order_without_hidden_ones(tmp_path):
    make(tmp_path, "b.jpg", "a/2.txt", "a/1.jpg", ".c/3.jpg", ".d.jpg")
    assert walk(tmp_path) == ["a/1.jpg", "a/2.txt", "b.jpg"]


def test_a_link_that_leads_back_is_not_followed(tmp_path):
    make(tmp_path, "a/1.jpg")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert walk(tmp_path) == ["a/1.jpg"]


def test_a_folder_may_count_as_a_file(tmp_path):
    make(tmp_path, "a.jpg/1.jpg")
    assert walk(tmp_path) == ["a.jpg/1.jpg"]
    assert walk(tmp_path, is_file=lambda path: path.suffix == ".jpg") == ["a.jpg"]


def test_a_folder_that_cannot_be_read_is_reported(tmp_path, monkeypatch):
    make(tmp_path, "a/1.jpg", "b/2.jpg")
    listdir = os.listdir

    def refuse(path):
        if os.fspath(path).endswith("a"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    monkeypatch.setattr(os, "scandir", refuse)
    errors: list[OSError] = []
    assert walk(tmp_path, on_error=errors.append) == ["b/2.jpg"]
    assert [error.filename for error in errors] == [str(tmp_path / "a")]
    with pytest.raises(PermissionError):
        walk(tmp_path)


def test_the_cache_folder_follows_the_environment(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert files.cache_folder() == Path("/somewhere/corallite")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert files.cache_folder() == Path.home() / ".cache" / "corallite"


def test_a_small_file_takes_little_memory_whatever_the_limit(tmp_path):
    # Threads that read photos reserved 170 MB each, which a 32-bit board lacks.
    path = tmp_path / "photo.jpg"
    path.write_bytes(bytes(1000))
    tracemalloc.start()
    try:
        assert files.read_limited(path, 10**9) == bytes(1000)
        assert tracemalloc.get_traced_memory()[1] < 10**6
    finally:
        tracemalloc.stop()
