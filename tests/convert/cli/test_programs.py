"""The programs of optimize and convert: their lines, statuses and sentences."""

import json
import re
import shutil
import zipfile

import pytest

from corallite.convert.export.targets.int8 import INT8_FILE
from corallite.device.system import files
from corallite.train.data.decoded.open_splits import Wanted
from corallite.train.data.decoded.settings import read_settings
from corallite.train.data.split import read_split

pytestmark = pytest.mark.slow


@pytest.fixture
def run(programs):
    """Runs a verb with these flags: (verb, *flags)."""
    return programs.run


def assert_refused(done, *words):
    """One sentence on stderr, and status 2."""
    assert done.returncode == 2
    assert done.stdout == ""
    lines = [x for x in done.stderr.splitlines() if x.startswith("corallite: ")]
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in lines[0]


# As `small_run` was made.
RECIPE = [
    "--batch_size=16",
    "--augment=none",
    "--epochs=2",
    "--learning_rate=0.002",
]


@pytest.mark.parametrize(
    ("verb", "flags", "words"),
    [
        ("prune", [*RECIPE, "--sparsity=0.1"], "pruned/model.h5: sparsity 0.10"),
        ("quantize", RECIPE, "qat/model.h5: validation"),
        ("convert", ["--source=qat"], "model_int8.tflite: "),
    ],
)
def test_what_is_done_is_said_again(run, small_run, verb, flags, words):
    done = run(verb, f"--run_dir={small_run}", *flags)
    assert done.returncode == 0, done.stderr
    first, *others = done.stdout.splitlines()
    assert words in first
    # convert says again how near the file is to the float model.
    assert bool(others) == (verb == "convert")
    assert "done already" in done.stderr


def test_evaluate_prints_json_that_programs_can_read(run, small_run):
    done = run("evaluate", f"--run_dir={small_run}", "--json")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert [x["stage"] for x in results] == ["float", "pruned", "qat", "int8"]
    assert results[3]["file"] == f"int8/{INT8_FILE}"
    assert len(results[0]["evaluation"]["confusion"]) == 3


def test_evaluate_measures_one_file(run, small_run):
    path = small_run / "int8" / INT8_FILE
    done = run("evaluate", f"--run_dir={small_run}", f"--model={path}")
    assert done.returncode == 0, done.stderr
    header, _, row = done.stdout.splitlines()
    cells = [cell.strip() for cell in header.strip("|").split("|")]
    assert cells[:3] == ["stage", "top-1", "95 %"]
    assert row.startswith("| file ")


def test_convert_compacts_a_file_without_a_run(run, tiny_models, tmp_path):
    path = tmp_path / "tiny.tflite"
    shutil.copy(tiny_models["uint8"], path)
    done = run("convert", f"--compact={path}")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "tiny_compact.tflite"
    assert done.stdout.startswith(f"{out}: {out.stat().st_size:,} bytes, ")
    assert_refused(run("convert", f"--compact={path}"), f"{out}: exists already")
    assert_refused(run("convert", f"--run_dir={tmp_path}", f"--out={out}"), "--out")
    refused = run("convert", f"--compact={path}", "--to=onnx")
    assert_refused(refused, "--compact does not use --to; omit that")
    for flags in ((), (f"--compact={path}", f"--run_dir={tmp_path}")):
        assert_refused(
            run("convert", *flags), "Exactly one of (run_dir, compact, list)"
        )


def give_arrays(run_dir):
    """Copies the decoded images of a run into it; returns the index of "test"."""
    settings, made = read_settings(run_dir), read_split(run_dir / "split.json")
    assert settings is not None
    key = Wanted(made, settings, run_dir).key
    for path in (files.cache_folder() / "decoded" / key).glob(f"*-{key}.*"):
        shutil.copy(path, run_dir / "cache")
    return run_dir / "cache" / f"test-{key}.json"


@pytest.mark.parametrize(("count", "status"), [(2, 0), (None, 2)])
def test_evaluate_names_images_that_show_nothing(
    run, small_copy, tmp_path, count, status
):
    path = give_arrays(small_copy)
    assignment = json.loads((small_copy / "split.json").read_text())
    name = assignment["class_names"][0]
    files = assignment["parts"]["test"]
    paths = [x["path"] for x in files if x["class_name"] == name][:count]
    fault = {"kind": "black", "bits": 0, "depth": 0}
    faults = dict.fromkeys(paths, fault)
    path.write_text(json.dumps({"unreadable": {}, "faults": faults}))
    alone = f"import os; os.environ['XDG_CACHE_HOME'] = {str(tmp_path / 'cache')!r}"
    done = run("evaluate", f"--run_dir={small_copy}", before=alone)
    assert done.returncode == status, done.stderr
    assert f"{len(paths)} black ({paths[0]}" in done.stderr
    if status:
        assert_refused(done, f"of class '{name}' in the test split show little or")


def test_cascade_of_wrong_files_or_flags_is_refused(run, small_run):
    file = small_run / "int8" / "model_int8.tflite"
    requests = [
        ((f"--cascade={file}",), "takes two files"),
        ((f"--cascade={file},{file}", "--sensitivity"), "does not use --sensitivity"),
        (("--sensitivity", "--output=logits"), "--sensitivity does not use --output"),
        ((f"--cascade=none.tflite,{file}",), "none.tflite: cannot be read"),
    ]
    for flags, words in requests:
        assert_refused(run("evaluate", f"--run_dir={small_run}", *flags), words)


def test_wrong_flags_and_folders_are_refused(run, tmp_path):
    missing = f"--run_dir={tmp_path / 'none'}"
    (tmp_path / "run.txt").touch()
    file = f"--run_dir={tmp_path / 'run.txt'}"
    requests = [
        (("prune", missing, "--sparsity=1.5"), ("sparsity", "1.5")),
        (("quantize", missing, "--epochs=0"), ("epochs", "0")),
        (("convert", missing, "--source=best"), ("source", "best")),
        (("evaluate", missing, "--part=all"), ("part", "all")),
        (("pipeline", missing, "--image_size=16"), ("image_size", "16")),
        (("prune", missing), ("none", "corallite train")),
        (("quantize", missing), ("none", "corallite train")),
        (("convert", missing), ("none", "corallite train")),
        (("evaluate", missing), ("none", "corallite train")),
        (("train", file, "--dataset=fashion_mnist"), ("run.txt: is not a folder",)),
        (("report", file), ("run.txt: is not a folder",)),
        (("compile", file), ("run.txt: is not a folder",)),
    ]
    for arguments, words in requests:
        assert_refused(run(*arguments), *words)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.json", {"network": ["shufflenet_v2"]}),
        ("cache/preprocessing.json", {"size_hw": 32}),
        ("float/metrics.json", {"finished": "today"}),
        ("float/metrics.json", {"inputs": "none"}),
    ],
)
def test_a_record_of_another_shape_is_named(run, small_copy, name, content):
    (small_copy / name).write_text(json.dumps(content))
    # A file that is converted already is not told by what network.
    for verb in ("report",) if name == "run.json" else ("convert", "report"):
        assert_refused(run(verb, f"--run_dir={small_copy}"), f"{name} is damaged")


def test_a_truncated_model_is_named(run, small_copy):
    path = small_copy / "float" / "model.h5"
    path.write_bytes(path.read_bytes()[:-1000])
    flags = [*RECIPE, "--sparsity=0.1", "--overwrite"]
    done = run("prune", f"--run_dir={small_copy}", *flags)
    assert_refused(done, "float/model.h5")
    assert (small_copy / "pruned" / "metrics.json").exists()


def test_channels_are_removed_by_a_command_that_the_stage_remembers(run, small_copy):
    for name in ("pruned", "qat", "int8"):
        shutil.rmtree(small_copy / name)
    flags = [*RECIPE, "--method=channels", "--max_macs=110e3"]
    done = run("prune", f"--run_dir={small_copy}", *flags)
    assert done.returncode == 0, done.stderr
    assert re.search(r"slim/model.h5: [0-9,]+ multiply-accumulates -> ", done.stdout)
    again = run("prune", f"--run_dir={small_copy}", *flags)
    assert (again.returncode, again.stdout) == (0, done.stdout)
    other = run("prune", f"--run_dir={small_copy}", *flags, "--max_macs=100e3")
    assert_refused(other, "max_macs 110000.0, now 100000.0")
    for more in (["--sparsity=0.5"], ["--board=ethos-u55-129", "--overwrite"]):
        assert_refused(
            run("prune", f"--run_dir={small_copy}", *flags, *more),
            more[0].split("=")[0],
        )


def test_truncated_weights_are_named(run, tmp_path):
    path = tmp_path / "weights.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + bytes(1000))
    path.write_bytes(path.read_bytes()[:-100])
    flags = [f"--run_dir={tmp_path / 'run'}", "--data_dir=none", f"--weights={path}"]
    assert_refused(run("train", *flags), "weights.pth")
    assert not (tmp_path / "run").exists()


def test_other_images_are_refused_by_a_finished_run(
    run, small_copy, squares_dir, tmp_path
):
    shutil.copytree(squares_dir / "red", tmp_path / "other" / "cat")
    shutil.copytree(squares_dir / "blue", tmp_path / "other" / "dog")
    before = (small_copy / "split.json").read_bytes()
    flags = [f"--data_dir={tmp_path / 'other'}", "--overwrite", "--image_size=32"]
    done = run("train", f"--run_dir={small_copy}", *flags)
    assert_refused(done, "was made with the images of", "choose a new --run_dir")
    assert (small_copy / "split.json").read_bytes() == before
    assert (small_copy / "float" / "metrics.json").exists()


def test_a_file_that_is_no_model_is_refused(run, small_run, tmp_path):
    path = tmp_path / "photo.tflite"
    path.write_bytes(b"\xff\xd8\xff\xe0" * 100)
    done = run("evaluate", f"--run_dir={small_run}", f"--model={path}")
    assert_refused(done, "photo.tflite", "not a TFLite model")


def test_the_one_file_names_the_training_images(run, small_run, squares_dir):
    path = small_run / "int8" / INT8_FILE
    done = run("classify", f"--model={path}", f"--source={squares_dir}", "--json")
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == 180
    right = [x["top"][0]["label"] in x["source"].split("/") for x in answers]
    assert sum(right) > 0.9 * len(right)
