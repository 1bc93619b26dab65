"""When a changed file is worth a try."""

import os
import shutil

import pytest

from corallite.device.engine.reload.model_watch import ModelWatch, read_stamp


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old")
    return path


@pytest.fixture
def look(path):
    """A function that looks at the file: True if it is to be tried."""
    watch = ModelWatch(read_stamp([str(path)]))

    def look(is_asked=False):
        stamp = read_stamp([str(path)])
        should = watch.look(stamp, is_asked)
        if should:
            watch.note_tried(stamp)
        return should

    return look


def test_file_that_stays_is_left_alone(look):
    assert [look() for _ in range(3)] == [False] * 3


def test_changed_file_is_tried_once_when_it_has_stopped_changing(look, path):
    for part in (b"n", b"ew", b" and whole"):
        with path.open("ab") as file:
            file.write(part)
        assert not look()
    assert [look() for _ in range(3)] == [True, False, False]


def test_replaced_file_is_tried(look, path):
    other = path.with_name("other")
    other.write_bytes(b"new")
    other.rename(path)
    assert [look(), look(), look()] == [False, True, False]


def test_copy_of_the_same_size_with_the_former_date_is_tried(look, path):
    date = os.stat(path)
    path.write_bytes(b"new")
    os.utime(path, ns=(date.st_atime_ns, date.st_mtime_ns))
    assert [look(), look(), look()] == [False, True, False]


def test_missing_file_is_waited_for(look, path):
    kept = path.with_name("kept")
    shutil.move(path, kept)
    assert [look(), look(), look()] == [False] * 3
    shutil.copy(kept, path)
    assert [look(), look(), look()] == [False, True, False]


def test_asked_for_it_is_tried_unchanged(look, path):
    assert look(is_asked=True)
    path.write_bytes(b"new, and still being written")
    assert not look(is_asked=True)
    assert look(is_asked=True)
    assert not look()
