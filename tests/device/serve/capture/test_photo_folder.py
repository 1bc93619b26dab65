"""A folder of photos: no name leads out of it, and nothing is overwritten."""

import errno
import os

import pytest

from corallite.device.serve.capture.photo_folder import PhotoFolder
from corallite.device.system.errors import RequestError

OURS = "20261130-031502-a1b2_0001.jpg"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cup").mkdir()
    return PhotoFolder(tmp_path / "cup")


def test_photos_are_listed_the_newest_recorded_one_first(folder):
    newer = "20261130-031502-a1b2_0002.jpg"
    for name in ("IMG_7.JPG", OURS, newer, ".hidden.jpg", "notes.txt", "a\nb.jpg"):
        (folder.path / name).write_bytes(b"x")
    (folder.path / "folder.jpg").mkdir()
    assert folder.names() == [newer, OURS, "IMG_7.JPG"]


@pytest.mark.parametrize(
    "name", ["../secret.jpg", "/etc/passwd", "link.jpg", ".hidden.jpg", "", ".", "a\0"]
)
def test_photo_that_is_not_listed_is_not_found(folder, name):
    secret = folder.path.parent / "secret.jpg"
    secret.write_bytes(b"secret")
    (folder.path / "link.jpg").symlink_to(secret)
    (folder.path / ".hidden.jpg").write_bytes(b"x")
    other = PhotoFolder(folder.path)
    for use in (folder.read, folder.delete, lambda x: folder.move(x, other)):
        with pytest.raises(RequestError, match="is not there any more"):
            use(name)
    assert secret.read_bytes() == b"secret"


def test_photo_is_added_read_and_deleted(folder):
    folder.add(OURS, b"jpeg")
    assert folder.read(OURS) == b"jpeg"
    assert os.listdir(folder.path) == [OURS]
    folder.delete(OURS)
    assert folder.names() == []


def test_photo_of_a_removed_class_is_not_written(folder):
    folder.path.rmdir()
    with pytest.raises(RequestError, match="cannot be written"):
        folder.add(OURS, b"jpeg")
    assert not folder.path.exists()


@pytest.mark.parametrize("is_other_disk", [False, True])
def test_moved_photo_replaces_none_of_the_same_name(
    folder, tmp_path, monkeypatch, is_other_disk
):
    target = PhotoFolder(tmp_path / "pen")
    target.path.mkdir()
    target.add("1.jpg", b"pen")
    target.add("1-2.jpg", b"second pen")
    folder.add("1.jpg", b"cup")
    if is_other_disk:

        def refuse(source, goal):
            raise OSError(errno.EXDEV, "Invalid cross-device link")

        monkeypatch.setattr(os, "rename", refuse)
    folder.move("1.jpg", target)
    assert folder.names() == []
    assert target.read("1.jpg") == b"pen"
    assert target.read("1-3.jpg") == b"cup"


def test_folder_that_cannot_be_read_is_one_sentence(folder):
    folder.path.rmdir()
    with pytest.raises(RequestError, match="cup: cannot be read .No such file"):
        folder.names()
