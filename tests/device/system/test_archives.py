import tarfile
import zipfile

import pytest

from corallite.device.system.archives import how_to_unpack


def test_a_zip_of_any_name_is_unpacked_by_unzip(tmp_path):
    path = tmp_path / "a b.photos"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.jpg", b"")
    assert how_to_unpack(path) == (
        f"it is a zip archive: unpack it (unzip '{path}' -d 'a b')"
    )


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_is_unpacked_by_tar(tmp_path, mode):
    path = tmp_path / "set.tar"
    with tarfile.open(path, mode) as tar:
        tar.addfile(tarfile.TarInfo("1.jpg"))
    assert how_to_unpack(path) == (
        f"it is a tar archive: unpack it (mkdir set && tar -xf {path} -C set)"
    )


def test_other_archives_are_named(tmp_path):
    path = tmp_path / "set.rar"
    path.write_bytes(b"Rar!\x1a\x07\x01\x00")
    assert how_to_unpack(path) == "it is an archive: unpack it"


def test_other_files_and_folders_are_no_archives(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").touch()
    for path in (tmp_path / "notes.txt", tmp_path / "empty", tmp_path, tmp_path / "x"):
        assert how_to_unpack(path) is None
