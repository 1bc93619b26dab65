import json
import subprocess
import sys

import pytest

WITHOUT_TENSORFLOW = """
import runpy, sys
for name in ("tensorflow", "tf_keras", "keras"):
    sys.modules[name] = None
sys.argv[0] = "corallite inspect"
runpy.run_module("corallite.train.cli.inspect_main", run_name="__main__")
"""


def inspect(*arguments):
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_photos_are_inspected_without_tensorflow(make_classes):
    data_dir = make_classes({"cat": 20, "dog": 5})
    done = inspect(f"--data_dir={data_dir}", "--image_size=8")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("25 photos, 2 classes: cat 20, dog 5\n")
    assert "more than 3 times" in done.stdout
    done = inspect(f"--data_dir={data_dir}", "--image_size=8", "--json")
    kinds = [finding["kind"] for finding in json.loads(done.stdout)["findings"]]
    assert kinds == ["unequal_classes", "few_photos"]
    done = inspect(f"--data_dir={data_dir}", "--image_size=8", "--group_by=(.)/")
    assert "--group_by=(.)/: 2 groups of 25 photos; 0 photos do not" in done.stderr
    assert "near-duplicates" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "--data_dir is missing"),
        (("--data_dir=photos", "--group_by=("), "photos: no such folder"),
        (("--data_dir=nowhere",), "nowhere: no such folder"),
        (("--data_dir=nowhere.csv",), "nowhere.csv: cannot be read"),
        (("--data_dir=photos", "more"), "Expected only flags, got 'more'"),
    ],
)
def test_a_wrong_command_is_one_sentence(arguments, sentence):
    done = inspect(*arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert sentence in done.stderr and done.stderr.count("\n") == 1
