"""Checkpoints are read as tensors or refused; nothing in them is ever called."""

import collections
import importlib.util
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from fixtures.torch_checkpoints import (
    Call,
    Global,
    dumps,
    tensor,
    write_checkpoint,
    write_rows,
    write_zip,
)

from corallite.device.system.errors import RequestError
from corallite.train.weights.torch_checkpoint import read_checkpoint


def tensors():
    rng = np.random.default_rng(0)
    return {
        "conv.weight": rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "norm.num_batches_tracked": np.array(7, np.int64),
        "half": np.arange(5, dtype=np.float16),
        "nothing": np.zeros((0, 3), np.float32),
        "Ünïcode name": np.ones(2, np.float64),
    }


def assert_equal(read, expected):
    assert list(read) == list(expected)
    for name, array in expected.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def test_every_type_of_tensor_is_read(tmp_path):
    write_checkpoint(tmp_path / "a.pth", tensors())
    assert_equal(read_checkpoint(tmp_path / "a.pth"), tensors())


@pytest.mark.parametrize("write", [write_zip, write_rows])
def test_both_formats_are_read(tmp_path, write):
    numbers = np.arange(12, dtype=np.float32)
    state = collections.OrderedDict(
        whole=tensor(12, (3, 4), (4, 1)),
        transposed=tensor(12, (4, 3), (1, 4)),
        part=tensor(12, (2,), (1,), offset=5),
    )
    write(tmp_path / "a.pth", state, numbers)
    read = read_checkpoint(tmp_path / "a.pth")
    whole = numbers.reshape(3, 4)
    assert_equal(read, {"whole": whole, "transposed": whole.T, "part": numbers[5:7]})


@pytest.mark.parametrize("name", ["state_dict", "model"])
def test_a_state_dict_within_a_dictionary_is_found(tmp_path, name):
    content = {"epoch": 3, name: {"x": tensor(2, (2,), (1,))}}
    write_zip(tmp_path / "a.pth", content, np.ones(2, np.float32))
    assert list(read_checkpoint(tmp_path / "a.pth")) == ["x"]


@pytest.mark.parametrize("write", [write_zip, write_rows])
@pytest.mark.parametrize(
    "function",
    [
        Global("os", "mkdir"),
        Global("posix", "mkdir"),
        Global("builtins", "eval"),
        Global("torch.storage", "_load_from_bytes"),
        Global("corallite.train.weights.torch_checkpoint", "read_checkpoint"),
    ],
)
def test_a_hostile_pickle_is_refused_and_calls_nothing(tmp_path, write, function):
    target = tmp_path / "made"
    write(tmp_path / "a.pth", {"x": Call(function, os.fspath(target))})
    with pytest.raises(RequestError, match="asks for .*, which no tensor needs"):
        read_checkpoint(tmp_path / "a.pth")
    assert not target.exists()


@pytest.mark.parametrize(
    "view",
    [
        tensor(4, (5,), (1,)),
        tensor(4, (2,), (1,), offset=3),
        tensor(4, (2,), (-1,), offset=3),
        tensor(4, (2, 2), (1 << 40, 1)),
        tensor(4, (1 << 33,), (0,)),
        tensor(4, (0,), (1 << 70,)),
        tensor(5, (4,), (1,)),
        tensor(4, (4,), (1,), key="9"),
    ],
)
def test_a_tensor_beyond_its_numbers_is_refused(tmp_path, view):
    write_zip(tmp_path / "a.pth", {"x": view}, np.ones(4, np.float32))
    with pytest.raises(RequestError, match=r"a\.pth"):
        read_checkpoint(tmp_path / "a.pth")


def test_a_tensor_without_numbers_is_refused(tmp_path):
    function = Global("torch._utils", "_rebuild_tensor_v2")
    write_zip(tmp_path / "a.pth", {"x": Call(function, 5, 0, (1,), (1,))})
    with pytest.raises(RequestError, match="a tensor refers to no storage"):
        read_checkpoint(tmp_path / "a.pth")


def test_a_compressed_archive_is_refused_before_it_is_unpacked(tmp_path):
    # A thousandth of what it would unpack to.
    numbers = np.zeros(1_000_000, np.float32)
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        state = {"x": tensor(numbers.size, numbers.shape, (1,))}
        archive.writestr("weights/data.pkl", dumps(state))
        archive.writestr("weights/data/0", numbers.tobytes())
    with pytest.raises(RequestError, match="the archive is compressed"):
        read_checkpoint(tmp_path / "a.pth")


@pytest.mark.parametrize(
    "content", [[1, 2], {"lr": 0.1}, {}, {3: tensor(1, (1,), (1,))}]
)
def test_anything_but_a_dictionary_of_tensors_is_refused(tmp_path, content):
    write_zip(tmp_path / "a.pth", content, np.ones(1, np.float32))
    with pytest.raises(RequestError, match="give a state dict"):
        read_checkpoint(tmp_path / "a.pth")


@pytest.mark.parametrize("write", [write_zip, write_rows])
def test_every_truncation_is_refused_in_one_sentence(tmp_path, write):
    path = tmp_path / "a.pth"
    write(path, {"x": tensor(64, (64,), (1,))}, np.ones(64, np.float32))
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(RequestError, match=r"a\.pth is not a complete PyT") as it:
            read_checkpoint(path)
        assert "\n" not in str(it.value)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x80\x02", b"\0" * 1000])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(RequestError, match="not a complete PyTorch checkpoint"):
        read_checkpoint(tmp_path / "a.pth")


def test_another_archive_is_refused_in_words(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(RequestError, match="holds 0 files data.pkl, not 1"):
        read_checkpoint(tmp_path / "a.pth")


def test_big_endian_numbers_are_refused(tmp_path):
    write_zip(tmp_path / "a.pth", {"x": tensor(1, (1,), (1,))}, np.ones(1, ">f4"))
    with zipfile.ZipFile(tmp_path / "a.pth", "a") as archive:
        archive.writestr("weights/byteorder", "big")
    with pytest.raises(RequestError, match="it is big-endian"):
        read_checkpoint(tmp_path / "a.pth")


# A program of its own, as PyTorch crashes beside a TensorFlow that was imported first.
SAVE = """
import sys
import torch

folder = sys.argv[1]
loaded = torch.load(f"{folder}/ours.pth")
for is_zip in (True, False):
    path = f"{folder}/theirs_{is_zip}.pth"
    torch.save(loaded, path, _use_new_zipfile_serialization=is_zip)
"""


@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="no PyTorch is here")
def test_both_formats_of_pytorch_itself_are_read(tmp_path):
    write_checkpoint(tmp_path / "ours.pth", tensors())
    command = [sys.executable, "-c", SAVE, str(tmp_path)]
    subprocess.run(command, check=True)
    for is_zip in (True, False):
        assert_equal(read_checkpoint(tmp_path / f"theirs_{is_zip}.pth"), tensors())
