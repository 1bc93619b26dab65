import json
import os

import pytest

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.data.shards import pack as pack_module
from corallite.train.data.shards import write_shard
from corallite.train.data.shards.pack import pack
from corallite.train.framework.keras import tf


@pytest.fixture
def data_dir(make_classes, decoded_dir):
    return make_classes({"cat": 20, "dog": 20})


@pytest.fixture
def out(tmp_path):
    return tmp_path / "shards"


def read_examples(place):
    paths = sorted(tf.io.gfile.glob(f"{place}/*.tfrecord"))
    records = tf.data.TFRecordDataset(paths)
    return [tf.train.Example.FromString(x.numpy()).features.feature for x in records]


def text(feature):
    (value,) = feature.bytes_list.value
    return value


def contents(folder):
    return {x.name: x.read_bytes() for x in folder.iterdir()}


def test_any_reader_of_tfrecords_finds_images_and_labels(data_dir, out):
    result = pack(data_dir, str(out), group_by=r"(\d).png")
    examples = read_examples(out)
    assert len(examples) == result.images == 40
    for found in examples:
        name, label = text(found["image/filename"]), found["image/class/label"]
        assert (
            text(found["image/encoded"]) == (data_dir / os.fsdecode(name)).read_bytes()
        )
        class_name = name.split(b"/")[0]
        assert text(found["image/class/text"]) == class_name
        assert label.int64_list.value == [[b"cat", b"dog"].index(class_name)]
        assert text(found["image/group"]) == name[-5:-4]
        assert text(found["image/split"]) in (b"train", b"val", b"test")
    assert (out / "classes.txt").read_text() == "cat\ndog\n"


def test_shards_are_of_about_the_same_size(data_dir, out):
    pack(data_dir, str(out), most_bytes=2000)
    sizes = [path.stat().st_size for path in out.glob("train-*-of-0000?.tfrecord")]
    assert len(sizes) > 3
    # An image and its labels are 500 bytes.
    assert max(sizes) - min(sizes) < 1100


def test_unreadable_images_are_left_out_and_named(data_dir, out, caplog):
    (data_dir / "cat" / "003.png").write_text("no image")
    (data_dir / "dog" / "gone.png").symlink_to("nowhere")
    with pytest.raises(RequestError, match="2 of 41 images cannot be read"):
        pack(data_dir, str(out))
    (data_dir / "dog" / "gone.png").unlink()
    result = pack(data_dir, str(out))
    assert (result.images, result.unreadable) == (39, 1)
    assert len(read_examples(out)) == 39
    assert "Skipped cat/003.png: is not an image" in caplog.text


def test_what_is_complete_is_kept(data_dir, out, monkeypatch):
    pack(data_dir, str(out), most_bytes=2000)
    before = contents(out)
    lost = next(out.glob("train-00001-*.tfrecord"))
    lost.write_bytes(lost.read_bytes()[:-1])
    written = []

    def note(folder, shard, *arguments):
        written.append(shard.name)
        return write_shard.write_shard(folder, shard, *arguments)

    monkeypatch.setattr(pack_module, "write_shard", note)
    pack(data_dir, str(out), most_bytes=2000)
    assert written == [lost.name]
    assert contents(out) == before


def test_changed_images_are_packed_anew(data_dir, out):
    pack(data_dir, str(out), most_bytes=2000)
    for path in (data_dir / "cat").glob("00?.png"):
        path.unlink()
    pack(data_dir, str(out))
    assert len(read_examples(out)) == 30
    assert len(list(out.iterdir())) == 3 + 2 * 3


def test_an_image_that_changes_meanwhile_stops_it(data_dir, out, monkeypatch):
    def change_then_write(folder, shard, *arguments):
        (data_dir / shard.files[0].path).write_bytes(b"other")
        return write_shard.write_shard(folder, shard, *arguments)

    monkeypatch.setattr(pack_module, "write_shard", change_then_write)
    with pytest.raises(RequestError, match="has changed .*run the same command again"):
        pack(data_dir, str(out))
    assert not (out / "shards.json").exists()


def test_what_a_disk_does_not_keep_is_noticed(data_dir, out, monkeypatch):
    class LossyWriter:
        kind = tf.io.TFRecordWriter

        def __init__(self, path):
            self.writer = self.kind(path)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.writer.close()

        def write(self, record):
            self.writer.write(record.replace(b"IHDR", b"ihdr"))

    monkeypatch.setattr(tf.io, "TFRecordWriter", LossyWriter)
    with pytest.raises(RequestError, match="what was read back is not what was writ"):
        pack(data_dir, str(out))
    assert not list(out.glob("*.tfrecord*"))


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("photos/cat/shards", "would become a class; give an --out outside"),
        ("full", "full: holds other files, such as notes.txt; give --out another"),
        ("notes.txt", "notes.txt: is not a folder"),
        ("s4://bucket/name", "addresses of this kind cannot be written"),
    ],
)
def test_a_place_that_cannot_be_used_is_refused(
    data_dir, tmp_path, monkeypatch, place, sentence
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").touch()
    files.write_text(tmp_path / "full" / "notes.txt", "mine")
    with pytest.raises(RequestError, match=sentence):
        pack(data_dir, place)


def test_an_address_receives_the_same_shards(data_dir, out, tmp_path):
    """`ram` is TensorFlow's file system in memory, which tests can write."""
    pack(data_dir, str(out), most_bytes=2000)
    address = "ram://bucket/shards"
    first = pack(data_dir, f"{address}/", most_bytes=2000)
    names = sorted(tf.io.gfile.listdir(address))
    assert names == sorted(path.name for path in out.iterdir())
    for name in names:
        with tf.io.gfile.GFile(f"{address}/{name}", "rb") as file:
            content = file.read()
        if name != "split.json":
            assert content == (out / name).read_bytes()
    here = list((tmp_path / "cache").glob("corallite/packing/*/*.tfrecord"))
    assert here == []
    tf.io.gfile.remove(f"{address}/{names[-1]}")
    assert pack(data_dir, address, most_bytes=2000) == first
    assert sorted(tf.io.gfile.listdir(address)) == names


def test_the_shards_are_listed_last(data_dir, out):
    pack(data_dir, str(out))
    record = json.loads((out / "shards.json").read_text())
    assert [x["split"] for x in record["shards"]] == ["train", "val", "test"]
    assert sum(x["images"] for x in record["shards"]) == 40
