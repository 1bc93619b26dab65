import os
import subprocess
import sys

import pytest

from corallite.train.data.decoded import shared_folder

USE = """
import sys
from corallite.train.data.decoded import shared_folder
shared_folder.use(sys.argv[1])
print("in use", flush=True)
sys.stdin.read()
"""
MB = 1_000_000


@pytest.fixture
def make_set(decoded_dir):
    """A function that writes a set of 1 MB that was used `age_s` seconds ago."""

    def make(key, age_s=0):
        folder = decoded_dir / key
        folder.mkdir(parents=True)
        (folder / "train.npy").write_bytes(bytes(MB))
        (folder / ".used").touch()
        then_s = (folder / ".used").stat().st_mtime - age_s
        os.utime(folder / ".used", (then_s, then_s))
        return folder

    return make


def test_sets_that_were_used_longest_ago_make_room(make_set):
    old, older, new = make_set("old", 60), make_set("older", 90), make_set("new")
    assert shared_folder.make_room(MB, cache_gb=0.0041)
    assert old.exists() and older.exists() and new.exists()
    assert shared_folder.make_room(MB, cache_gb=0.0031)
    assert not older.exists() and old.exists() and new.exists()
    assert shared_folder.make_room(2 * MB, cache_gb=0.0031)
    assert not old.exists() and new.exists()


def test_nothing_is_removed_where_it_would_not_be_enough(make_set):
    folders = [make_set("old", 60), make_set("new")]
    assert not shared_folder.make_room(4 * MB, cache_gb=0.0031)
    assert not shared_folder.make_room(1 << 60, cache_gb=None)
    assert all((folder / "train.npy").exists() for folder in folders)


def test_a_set_that_a_process_uses_stays(make_set):
    old, new = make_set("old", 60), make_set("new")
    command = [sys.executable, "-c", USE, "old"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout and process.stdout.readline() == "in use\n"
        # Used now, it is also the younger one.
        os.utime(old / ".used", (1, 1))
        assert shared_folder.make_room(MB, cache_gb=0.0021)
        assert old.exists() and not new.exists()
        assert not shared_folder.make_room(2 * MB, cache_gb=0.0021)
        process.communicate()
    assert shared_folder.make_room(2 * MB, cache_gb=0.0021)
    assert not old.exists()


def test_a_set_of_this_process_stays(make_set):
    folder = make_set("mine", 60)
    assert shared_folder.use("mine") == folder
    assert not shared_folder.make_room(MB, cache_gb=0.0011)
    assert folder.exists()


def test_without_a_limit_half_of_the_free_disk_is_used(make_set, decoded_dir):
    make_set("one")
    assert shared_folder.make_room(MB, cache_gb=None)
