"""Files of --flagfile, as editors and users write them."""

import pytest

from corallite.device.cli.flags.flag_file import expand_flag_files
from corallite.device.system.errors import RequestError


@pytest.fixture
def expand(tmp_path):
    """A function that expands a file with this content, between two other flags."""

    def expand(content):
        path = tmp_path / "flags"
        path.write_bytes(content.encode())
        words = expand_flag_files(["program", "--a=1", f"--flagfile={path}", "--z"])
        assert words[:2] == ["program", "--a=1"] and words[-1] == "--z"
        return words[2:-1]

    return expand


@pytest.mark.parametrize(
    ("line", "flag"),
    [
        *((line, "--model=a b.tflite") for line in ("--model=a b.tflite",)),
        ("--model a b.tflite", "--model=a b.tflite"),
        ("-model=a b.tflite", "--model=a b.tflite"),
        ("  --model = a b.tflite\t", "--model=a b.tflite"),
        ('--model="a b.tflite"', "--model=a b.tflite"),
        ("--model 'a b.tflite'", "--model=a b.tflite"),
        ("--json", "--json"),
        ("--labels=", "--labels="),
        ('--labels=""', "--labels="),
        ("--run='/bin/open flap' 5", "--run='/bin/open flap' 5"),
        ("--run='a b' 'c d'", "--run='a b' 'c d'"),
        ('--run=echo "it\'s"', '--run=echo "it\'s"'),
        ("--source=http://cam/x?a=b", "--source=http://cam/x?a=b"),
        ("--source http://cam/x?a=b", "--source=http://cam/x?a=b"),
    ],
)
def test_line_is_a_flag(expand, line, flag):
    assert expand(line) == [flag]


def test_signature_comments_and_empty_lines_are_left_out(expand):
    content = "\ufeff--b=1\r\n\r\n# --c=2\r\n// --d\r\n   \r\n--e=3"
    assert expand(content) == ["--b=1", "--e=3"]


def test_file_may_name_another_one(expand, tmp_path, monkeypatch):
    (tmp_path / "more").write_text("\ufeff--c=2\n", encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    content = f"--b=1\n--flagfile={tmp_path}/more\n--flagfile ~/more\n--d"
    assert expand(content) == ["--b=1", "--c=2", "--c=2", "--d"]


def test_path_may_be_the_next_word(tmp_path):
    (tmp_path / "flags").write_text("--b=1")
    words = ["program", "--flagfile", str(tmp_path / "flags"), "x"]
    assert expand_flag_files(words) == ["program", "--b=1", "x"]


def test_words_after_two_dashes_are_kept():
    words = ["program", "--", "--flagfile=/no/where"]
    assert expand_flag_files(words) == words


@pytest.mark.parametrize("line", ["model=secret", "secret", "--", "--=secret"])
def test_other_line_is_refused_by_its_number(expand, line):
    with pytest.raises(RequestError, match="line 2: is not a flag; write") as refused:
        expand(f"--b=1\n{line}\n")
    assert "secret" not in str(refused.value)


def test_zero_bytes_are_refused_by_the_line(expand):
    # As after a power failure; with one, the value of a flag ended in a traceback.
    for line in ("--a=x\0\0", "--flagfile=x\0", "\0\0"):
        with pytest.raises(RequestError, match="line 2: has a zero byte; write"):
            expand(f"--b=1\n{line}\n")


def test_endless_file_is_refused():
    with pytest.raises(RequestError, match="/dev/zero: cannot be read .is larger than"):
        expand_flag_files(["program", "--flagfile=/dev/zero"])


def test_file_that_names_itself_is_refused(expand, tmp_path):
    with pytest.raises(RequestError, match="names itself; remove that line"):
        expand(f"--flagfile={tmp_path}/flags")


@pytest.mark.parametrize("words", [["--flagfile="], ["--flagfile"]])
def test_missing_path_is_refused(words):
    with pytest.raises(RequestError, match="--flagfile: has no value; write"):
        expand_flag_files(["program", *words])


def test_unreadable_file_is_refused(tmp_path):
    for path, sentence in ((tmp_path, "Is a directory"), ("/no/where", "No such file")):
        with pytest.raises(RequestError, match=f"cannot be read .{sentence}.*; check"):
            expand_flag_files(["program", f"--flagfile={path}"])
