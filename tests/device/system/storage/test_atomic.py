"""A path has the old or the new content, and what a killed writer left goes."""

import errno
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from corallite.device.system import files
from corallite.device.system.storage import atomic

_WRITER = """
import sys
from pathlib import Path
from corallite.device.system.storage import atomic

with getattr(atomic, sys.argv[1])(Path(sys.argv[2])) as partial:
    place = partial / "half" if partial.is_dir() else partial
    place.write_text("half")
    print(partial, flush=True)
    sys.stdin.readline()
"""
WRITERS = ["replacing", "replacing_folder", "scratch_folder"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "there" / "model.h5"


@pytest.fixture
def start(path):
    """Starts a process that writes until it reads a line; returns it and its file."""
    started = []

    def start(writer):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, writer, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout
        return process, Path(process.stdout.readline().strip())

    yield start
    for process in started:
        process.kill()
        process.communicate()


def write(writer, path):
    """Writes with a writer; returns the temporary path."""
    with getattr(atomic, writer)(path) as partial:
        if writer == "replacing":
            partial.write_text("whole")
    return partial


def names(path):
    return sorted(entry.name for entry in path.parent.iterdir())


def test_a_file_and_a_folder_replace_the_former(path):
    files.write_text(path, "old")
    files.write_text(path, "new")
    assert path.read_text() == "new"
    assert names(path) == ["model.h5"]
    folder = path.with_name("set")
    for content in ("old", "new"):
        with atomic.replacing_folder(folder) as partial:
            (partial / content).touch()
    assert [entry.name for entry in folder.iterdir()] == ["new"]
    assert names(path) == ["model.h5", "set"]


@pytest.mark.parametrize("writer", WRITERS)
def test_a_failure_leaves_the_former_and_names_the_path(path, writer):
    files.write_text(path, "old")
    for name in (None, "partial"):
        with pytest.raises(OSError) as caught:
            with getattr(atomic, writer)(path) as partial:
                name = name and str(partial)
                raise OSError(errno.ENOSPC, "No space left on device", name)
        assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert names(path) == ["model.h5"]


def test_an_error_of_another_file_keeps_its_name(path):
    with pytest.raises(FileNotFoundError) as caught:
        with atomic.replacing(path):
            open("/no/such/file")
    assert caught.value.filename == "/no/such/file"


def test_a_folder_that_cannot_be_written_is_named(path, monkeypatch):
    def refuse(name, *arguments):
        raise PermissionError(errno.EACCES, "Permission denied", str(name))

    path.parent.mkdir()
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError) as caught:
        files.write_text(path, "new")
    assert caught.value.filename == str(path)


@pytest.mark.parametrize("writer", WRITERS)
def test_what_a_killed_writer_left_is_removed_by_the_next(path, start, writer):
    process, left = start(writer)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert left.exists()
    other = left.with_name(left.name.replace("model", "other"))
    other.touch()
    write(writer, path)
    assert not left.exists()
    assert other.exists()


@pytest.mark.parametrize("writer", WRITERS)
def test_a_live_writer_is_not_disturbed(path, start, writer):
    process, partial = start(writer)
    write(writer, path)
    assert partial.exists()
    process.communicate("\n")
    assert process.returncode == 0
    assert not partial.exists()
    if writer == "replacing":
        assert path.read_text() == "half"


@pytest.mark.parametrize(
    "name", [".model.12345.part.h5", ".model.part.h5", ".model.0af3.part.h5"]
)
def test_leftovers_of_earlier_versions_are_removed(path, name):
    path.parent.mkdir()
    path.with_name(name).touch()
    files.write_text(path, "new")
    assert names(path) == ["model.h5"]


def test_files_of_the_user_and_links_stay(path, tmp_path):
    path.parent.mkdir()
    kept = [".model.old.part.h5", ".model2.12.part.h5", "model.12.part.h5"]
    for name in kept:
        path.with_name(name).touch()
    link = path.with_name(".model.12.part.h5")
    link.symlink_to(tmp_path / "thesis")
    files.write_text(path, "new")
    assert names(path) == sorted([*kept, link.name, "model.h5"])


def test_a_link_under_the_temporary_name_is_not_followed(path, tmp_path, monkeypatch):
    path.parent.mkdir()
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("years of work")
    monkeypatch.setattr("os.urandom", bytes)
    for name in (".model.000000000000.part.h5", ".set.000000000000.part"):
        path.with_name(name).symlink_to(thesis)
    with pytest.raises(FileExistsError):
        files.write_text(path, "new")
    with pytest.raises(FileExistsError):
        write("replacing_folder", path.with_name("set"))
    assert thesis.read_text() == "years of work"


def test_the_name_cannot_be_guessed_and_the_rights_are_the_usual(path):
    former = os.umask(0o027)
    try:
        partials = {write("replacing", path).name for _ in range(3)}
    finally:
        os.umask(former)
    assert len(partials) == 3
    assert all(re.fullmatch(r"\.model\.[0-9a-f]{12}\.part\.h5", x) for x in partials)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
