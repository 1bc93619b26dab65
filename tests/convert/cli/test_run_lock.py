"""No verb writes into a run that another process is writing into."""

import os

import pytest

from corallite.device.cli.command import VERBS
from corallite.train.runs.run import Run

pytestmark = pytest.mark.slow
# They take no run, or only read a model file.
WRITE_NO_RUN = {
    *("inspect", "pack", "audit", "teach", "classify", "serve", "benchmark", "doctor"),
    "fleet",
    "publish",  # Its folder is a channel.
    "search",  # Its folder is no run; those of the best networks are.
}
NETWORK = ("--width=0.25", "--image_size=32", "--overwrite")
# Flags with which each verb has something to write into a finished run.
WRITERS = {
    "train": ("--data_dir={data_dir}", *NETWORK),
    "pipeline": ("--data_dir={data_dir}", *NETWORK),
    "adopt": ("--data_dir={data_dir}", "--model={model}", "--overwrite"),
    "prune": ("--overwrite",),
    "quantize": ("--overwrite",),
    "convert": ("--source=float", "--overwrite"),
    "compile": ("--overwrite",),
    "evaluate": ("--part=train",),
    "report": (),
}


def contents(folder):
    return {x: x.read_bytes() for x in folder.rglob("*") if x.is_file()}


def test_every_verb_is_known_to_write_into_a_run_or_not():
    assert WRITERS.keys() | WRITE_NO_RUN == VERBS.keys()


def test_each_verb_that_writes_is_refused_and_changes_nothing(
    programs, small_copy, squares_dir
):
    run = Run.open(small_copy)
    holder = f"is in use by corallite serve (process {os.getpid()}); wait until"
    with run.lock("serve"):
        before = contents(small_copy)
        for verb, flags in WRITERS.items():
            model = small_copy / "float" / "model.h5"
            given = [flag.format(data_dir=squares_dir, model=model) for flag in flags]
            done = programs.run(verb, f"--run_dir={small_copy}", *given)
            assert done.returncode == 2, (verb, done.stderr)
            assert holder in done.stderr.splitlines()[-1], verb
            assert contents(small_copy) == before, verb


def test_what_was_measured_is_shown_while_another_process_writes(programs, small_copy):
    command = ("evaluate", f"--run_dir={small_copy}")
    measured = programs.run(*command)
    assert measured.returncode == 0, measured.stderr
    with Run.open(small_copy).lock("train"):
        assert programs.run(*command).stdout == measured.stdout
