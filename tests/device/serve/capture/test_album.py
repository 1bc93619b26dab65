"""Classes of an album: hostile names, links, several users at once."""

import os
import threading

import pytest

from corallite.device.serve.capture.album import Album
from corallite.device.serve.capture.photo_folder import PhotoFolder
from corallite.device.system.errors import RequestError


def test_classes_are_the_folders_without_hidden_ones_and_links(album, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (album.path / "link").symlink_to(outside)
    (album.path / ".cache").mkdir()
    (album.path / "a\nb").mkdir()
    (album.path / "file").write_text("x")
    assert album.labels() == ["cup", "pen"]
    for label in ("link", ".cache", "..", "../outside", "", "file", str(outside)):
        with pytest.raises(RequestError, match="class is not there"):
            album.find(label)
        with pytest.raises(RequestError, match="class is not there"):
            album.remove_class(label)


@pytest.mark.parametrize("name", ["../x", "..", ".x", "a/b", "train", "x" * 300])
def test_hostile_class_makes_no_folder(album, tmp_path, name):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RequestError):
        album.add_class(name)
    assert sorted(tmp_path.rglob("*")) == before


def test_class_is_made_once_whatever_its_normal_form(album):
    # As a folder that was copied from macOS.
    (album.path / "cafe\u0301").mkdir()
    for name in ("cup", "caf\u00e9"):
        with pytest.raises(RequestError, match="There is a class .* already"):
            album.add_class(name)


def test_only_a_class_without_photos_is_removed(album):
    album.find("cup").add("1.jpg", b"x")
    with pytest.raises(RequestError, match="cup has photos"):
        album.remove_class("cup")
    album.find("cup").delete("1.jpg")
    (album.path / "cup" / "notes.txt").write_text("kept")
    with pytest.raises(RequestError, match="cannot be removed .Directory not empty"):
        album.remove_class("cup")
    album.remove_class("pen")
    assert album.labels() == ["cup"]


def test_leftovers_of_killed_writers_are_removed(album):
    left = album.path / "cup" / ".20261130-031502-a1b2_0001.0123456789ab.part.jpg"
    left.write_bytes(b"half a photo")
    (album.path / "cup" / ".keep").write_text("x")
    Album(album.path)
    assert os.listdir(album.path / "cup") == [".keep"]


def test_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RequestError, match="cannot be used as a folder of photos"):
        Album(tmp_path / "file" / "photos")


def test_two_users_move_the_same_photos_and_none_is_lost(album, tmp_path):
    """Each photo ends in one of the two classes."""
    waiting = PhotoFolder(tmp_path / "waiting")
    waiting.path.mkdir()
    for number in range(40):
        waiting.add(f"{number}.jpg", str(number).encode())

    def move_all(label):
        for number in range(40):
            try:
                album.move(waiting, f"{number}.jpg", label)
            except RequestError as error:
                assert "not there any more" in str(error)

    users = [threading.Thread(target=move_all, args=(x,)) for x in ("cup", "pen")]
    for user in users:
        user.start()
    for user in users:
        user.join()
    found = [album.find(label).names() for label in ("cup", "pen")]
    assert sorted(sum(found, [])) == sorted(f"{number}.jpg" for number in range(40))


def test_folders_of_all_classes_need_one_listing(tmp_path, monkeypatch):
    for number in range(20):
        (tmp_path / f"c{number:02}").mkdir()
        (tmp_path / f"c{number:02}" / "1.jpg").write_bytes(b"x")
    album = Album(tmp_path)
    labels = album.labels()
    listed = iter([labels])
    monkeypatch.setattr(album, "labels", lambda: next(listed))
    folders = album.folders()
    assert list(folders) == labels
    assert all(folder.names() == ["1.jpg"] for folder in folders.values())
