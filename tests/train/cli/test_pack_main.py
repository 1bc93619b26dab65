import signal

import pytest

# Python for `before`: an image takes so long that a signal arrives in the middle.
SLOW = """
import time
from corallite.train.data.decoded import reader
read_file = reader.read_file
reader.read_file = lambda path: (time.sleep(0.1), read_file(path))[1]
"""


@pytest.mark.slow
def test_an_interrupted_command_resumes(programs, make_classes, tmp_path):
    data_dir, out = make_classes({"cat": 30, "dog": 30}), tmp_path / "shards"
    command = ("pack", f"--data_dir={data_dir}", f"--out={out}")
    process = programs.start(*command, before=SLOW)
    stopped = process.signal_after(
        lambda: list(out.glob("*.tfrecord.json")), signal.SIGINT
    )
    assert stopped.returncode == 128 + signal.SIGINT
    assert stopped.stdout == "" and "Traceback" not in stopped.stderr
    assert "run the same command to resume" in stopped.stderr
    assert not (out / "shards.json").exists()
    assert not list(out.glob(".*"))
    done = programs.run(*command)
    assert done.returncode == 0, done.stderr
    assert "shards exist." in done.stderr
    size = sum(path.stat().st_size for path in out.glob("*.tfrecord"))
    assert done.stdout == f"{out}: 60 images in 3 shards, {size:,} bytes\n"


@pytest.mark.slow
def test_a_wrong_command_is_one_sentence(programs, make_classes, tmp_path):
    data_dir = make_classes({"cat": 3, "dog": 3})
    for flags, sentence in (
        ((f"--data_dir={data_dir}",), "--out is missing"),
        (("--data_dir=nowhere", f"--out={tmp_path}/a"), "nowhere: no such folder"),
        ((f"--data_dir={data_dir}", f"--out={data_dir}/a"), "would become a class"),
    ):
        done = programs.run("pack", *flags)
        assert done.returncode == 2 and done.stdout == ""
        assert sentence in done.stderr.splitlines()[-1], done.stderr
    assert not (tmp_path / "a").exists()
