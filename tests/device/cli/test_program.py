"""Programs: flags, errors, signals and a closed pipe."""

import importlib.metadata
import os
import signal
import subprocess
import sys

import pytest

PROGRAM = '''"""Adds numbers.

adder --number=3
"""
import sys, time
from absl import flags, logging
from corallite.device.cli import program
from corallite.device.system.errors import RequestError

_NUMBER = flags.DEFINE_integer("number", None, "A number.", required=True)
_FILE = flags.DEFINE_string("file", None, "A file.")
_SHARE = flags.DEFINE_float("share", 0.5, "A share.", lower_bound=0.0)


def main(argv):
    program.reject_arguments(argv)
    {body}


if __name__ == "__main__":
    program.run(main)
'''


@pytest.fixture
def start(tmp_path):
    def start(body, *arguments, **options):
        path = tmp_path / "adder.py"
        path.write_text(PROGRAM.format(body=body))
        return subprocess.Popen(
            [sys.executable, str(path), *(arguments or ["--number=3"])],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    return start


@pytest.fixture
def run(start):
    def run(body, *arguments, **options):
        process = start(body, *arguments, **options)
        stdout, stderr = process.communicate(timeout=60)
        return process.returncode, stdout, stderr

    return run


@pytest.mark.parametrize(
    ("body", "status"), [("pass", 0), ("return 0", 0), ("return 1", 1)]
)
def test_status_is_what_main_returns(run, body, status):
    assert run(body) == (status, "", "")


def test_request_error_is_one_line_and_status_2(run):
    status, _, stderr = run("raise RequestError('photos: is empty; add some.')")
    assert (status, stderr) == (2, "corallite: photos: is empty; add some.\n")


def test_result_is_written_before_the_error(run):
    status, stdout, _ = run("print('half'); raise RequestError('then this.')")
    assert (status, stdout) == (2, "half\n")


def test_os_error_names_the_file_and_status_is_2(run):
    status, _, stderr = run("open('/nowhere/file')")
    assert status == 2
    assert stderr == (
        "corallite: /nowhere/file: No such file or directory; "
        "check path and permissions.\n"
    )


def test_full_disk_is_reported_with_the_remedy(run):
    status, _, stderr = run(
        "from corallite.device.system import files; from pathlib import Path; "
        "import errno, os; "
        "os.fsync = lambda fd: (_ for _ in ()).throw("
        "OSError(errno.ENOSPC, 'No space left on device')); "
        "files.write_text(Path('model.txt'), 'x')"
    )
    assert status == 2
    assert stderr == (
        "corallite: model.txt: No space left on device; "
        "free some space and run the same command again.\n"
    )


def test_other_errors_keep_their_traceback(run):
    status, _, stderr = run("raise ValueError('a bug')")
    assert status == 1 and "Traceback" in stderr


@pytest.mark.parametrize("flag", ["--help", "--helpshort", "--helpfull"])
def test_help_is_printed_with_status_0(run, flag):
    status, stdout, stderr = run("pass", flag)
    assert (status, stderr) == (0, "")
    assert "Adds numbers." in stdout and "--number" in stdout


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("--nmber=3", "Unknown command line flag 'nmber'. Did you mean: number ?"),
        ("--number=many", "flag --number=many: "),
        ("--verbosity=1", "--number is missing."),
        ("--number", "Missing value for flag --number"),
    ],
)
def test_invalid_flags_are_one_line_and_status_2(run, argument, sentence):
    status, stdout, stderr = run("pass", argument)
    assert (status, stdout) == (2, "")
    assert stderr.startswith(f"corallite: {sentence}")
    assert stderr.count("\n") == 1


def test_flag_file_that_is_not_text_is_refused(run, tmp_path):
    path = tmp_path / "flags"
    path.write_bytes(b"--number=\xff\xfe3\n")
    status, stdout, stderr = run("pass", f"--flagfile={path}")
    assert (status, stdout) == (2, "") and f"{path}: is not UTF-8 text" in stderr
    assert stderr.count("\n") == 1


def test_flag_file_with_a_signature_quotes_and_blanks_is_read(run, tmp_path):
    path = tmp_path / "flags"
    path.write_bytes(b'\xef\xbb\xbf--number 7\r\n--share = "0.25"\r\n')
    done = run("print(_NUMBER.value, _SHARE.value)", f"--flagfile={path}")
    assert done == (0, "7 0.25\n", "")


@pytest.mark.parametrize("flags", [["--version"], ["--number=3", "--version"]])
def test_version_is_printed(run, flags):
    version = importlib.metadata.version("corallite")
    assert run("raise ValueError", *flags) == (0, f"corallite {version}\n", "")


SECRET_URL = "rtsp://me:p#secret@cam/x"


@pytest.mark.parametrize(
    "flags",
    [
        ["--number=3", SECRET_URL],
        [f"--number={SECRET_URL}"],
        [f"--number={SECRET_URL} with 'quotes'"],
        [f"--nmber {SECRET_URL}"],
        [f"--nmber:{SECRET_URL}"],
        ["--number", "3", "me:secret@cam/live"],
        ["--number=3", "--file=http://me:secret@cam/x?token=secret"],
    ],
)
def test_password_is_in_no_error(run, flags):
    """Wherever the user writes the URL, and whatever quotes it."""
    status, stdout, stderr = run("raise RequestError(f'{_FILE.value}: gone.')", *flags)
    assert (status, stdout, stderr.count("\n")) == (2, "", 1)
    assert "secret" not in stderr


def test_stray_arguments_are_refused(run):
    status, _, stderr = run("pass", "--number=3", "photos")
    assert status == 2
    assert (
        stderr == "corallite: Expected only flags, got 'photos'; write --name=value.\n"
    )


@pytest.mark.usefixtures("default_signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_status_after_a_signal_is_128_plus_its_number(start, number):
    process = start("print('up', flush=True); time.sleep(60)")
    assert process.stdout.readline() == "up\n"
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (128 + number, "", "")


def test_ignored_hangup_stays_ignored(start):
    process = start(
        "import os, signal; os.kill(os.getpid(), signal.SIGHUP); print('on')",
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert process.communicate(timeout=60) == ("on\n", "")
    assert process.returncode == 0


def test_main_can_handle_a_signal(start):
    process = start(
        "try: print('up', flush=True); time.sleep(60)\n"
        "    except KeyboardInterrupt: print('saved'); return 0"
    )
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60) == ("saved\n", "")
    assert process.returncode == 0


@pytest.mark.parametrize("flush", [True, False])
def test_closed_pipe_is_not_an_error(start, flush):
    process = start(f"[print(i, flush={flush}) for i in range(100_000)]")
    assert process.stdout.readline() == "0\n"
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 0


def test_characters_outside_the_encoding_are_escaped(run):
    environment = {"PYTHONIOENCODING": "ascii"}
    status, stdout, _ = run("print('K\\u00e4se')", env=environment)
    assert (status, stdout) == (0, "K\\xe4se\n")


@pytest.fixture
def run_quick(tmp_path):
    """A function that runs a program with `logs_later`."""
    program = PROGRAM.replace(
        "from absl import flags, logging",
        "from absl import flags\nfrom corallite.device.system import log",
    )
    program = program.replace("run(main)", "run(main, logs_later=True)")

    def run_quick(body, *arguments):
        path = tmp_path / "quick.py"
        path.write_text(program.format(body=body))
        command = [sys.executable, str(path), "--number=3", *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    return run_quick


LOADED = "print([n for n in ('absl.app', 'absl.logging', 'pdb') if n in sys.modules])"


def test_absl_log_is_loaded_with_the_first_log_line(run_quick):
    status, stdout, stderr = run_quick(f"{LOADED}; log.info('%d up', 1); {LOADED}")
    assert (status, stdout) == (0, "[]\n['absl.logging']\n")
    assert "quick.py:" in stderr and stderr.endswith("] 1 up\n")


@pytest.mark.parametrize("flag", ["--verbosity=-1", "-v=-1"])
def test_absl_flags_work_although_its_log_is_loaded_later(run_quick, flag):
    status, stdout, stderr = run_quick("log.info('up'); print(_NUMBER.value)", flag)
    assert (status, stdout, stderr) == (0, "3\n", "")


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_nan_and_inf_are_refused(run, value):
    status, _, stderr = run("print(1)", "--number=3", f"--share={value}")
    assert status == 2
    assert stderr.startswith(
        f"corallite: flag --share={value}: must be a finite number"
    )


def test_logs_go_to_stderr(run):
    status, stdout, stderr = run("logging.info('working'); print('result')")
    assert (status, stdout) == (0, "result\n")
    assert "working" in stderr


@pytest.mark.parametrize(
    ("closed", "out", "err"),
    [([1], "", "corallite: No.\n"), ([2], "one\n", ""), ([1, 2], "", "")],
)
def test_closed_streams_are_harmless(run, closed, out, err):
    body = "print('one'); raise RequestError('No.')"

    def close():
        for number in closed:
            os.close(number)

    done = run(body, preexec_fn=close)
    assert done == (2, out, err)
