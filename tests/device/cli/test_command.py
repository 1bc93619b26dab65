import importlib.metadata
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from corallite.device.cli.command import VERBS, WITHOUT_TENSORFLOW, module_of

ROOT = Path(__file__).parents[3]
RUN = "import sys; from corallite.device.cli.command import main; sys.exit(main())"
# Runs a module of the current folder in place of each verb's program.
REPLACED = (
    "from corallite.device.cli import command; command.module_of = lambda _: {!r}"
)
# Hides TensorFlow, as if it were not installed.
HIDE_TENSORFLOW = """
import sys
from importlib.machinery import PathFinder

class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] == "tensorflow"
        return None if hidden else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
"""


def corallite(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    code = f"{before}\n{RUN}"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_without_a_verb_usage_is_printed_with_status_2() -> None:
    done = corallite()
    assert done.returncode == 2
    for verb, (_, does) in VERBS.items():
        assert f"  {verb} " in done.stdout
        assert does in done.stdout


@pytest.mark.parametrize("word", ["help", "--help", "-h"])
def test_help_prints_the_usage_with_status_0(word: str) -> None:
    done = corallite(word)
    assert done.returncode == 0
    assert done.stdout.startswith("corallite VERB --flags\n")
    assert done.stderr == ""


@pytest.mark.parametrize(
    "words", [["--version"], *([verb, "--version"] for verb in VERBS)]
)
def test_version_is_printed_without_importing_a_program(words: list[str]) -> None:
    done = corallite(*words, before=HIDE_TENSORFLOW)
    version = importlib.metadata.version("corallite")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"corallite {version}\n"


def test_unknown_verb_is_refused_in_one_line_with_the_verbs() -> None:
    done = corallite("trian", "--data_dir=photos")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("corallite: no verb 'trian'; the verbs are inspect, ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("verb", sorted(VERBS.keys() - {*WITHOUT_TENSORFLOW}))
def test_training_verb_without_tensorflow_names_the_extra(verb: str) -> None:
    done = corallite(verb, "--help", before=HIDE_TENSORFLOW)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"corallite: {verb} needs TensorFlow; install it with: pip install '.[train]'\n"
    )


@pytest.mark.parametrize(
    ("verb", "flag"),
    [
        ("audit", "--compiler"),
        ("classify", "--source"),
        ("compile", "--min_mapped"),
        ("doctor", "--model"),
    ],
)
def test_verb_of_the_device_runs_without_tensorflow(verb: str, flag: str) -> None:
    done = corallite(verb, "--help", before=HIDE_TENSORFLOW)
    assert flag in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_program(verb: str) -> None:
    module = module_of(verb).removeprefix("corallite.")
    path = ROOT / f"{module.replace('.', '/')}.py"
    assert path.is_file()


def test_garbage_collection_is_enabled_again_after_the_imports(tmp_path) -> None:
    (tmp_path / "sum_main.py").write_text(
        "import gc\nfrom corallite.device.cli import program\nprint(gc.isenabled())\n"
        "program.run(lambda _: print(gc.isenabled(), gc.get_freeze_count() > 1000))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{REPLACED.format('sum_main')}\n{RUN}", "audit"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("False\nTrue True\n", "")


@pytest.mark.usefixtures("default_signals")
def test_ctrl_c_during_the_imports_prints_no_traceback(tmp_path) -> None:
    (tmp_path / "slow_main.py").write_text(
        "import time\nprint('importing', flush=True)\ntime.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", f"{REPLACED.format('slow_main')}\n{RUN}", "audit"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (-signal.SIGINT, "")
