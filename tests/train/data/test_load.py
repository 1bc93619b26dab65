import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Preprocessing, fit_image, read_image
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.data import load
from corallite.train.data.decoded import cache, reader
from corallite.train.data.load import Split, class_weights
from corallite.train.runs.run import Run

SMALL = Preprocessing((8, 8))
GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture
def run_dir(tmp_path):
    return tmp_path / "run"


@pytest.fixture(autouse=True)
def shared(decoded_dir):
    return decoded_dir


def prepare_data(data_dir, run_dir, *arguments, **options):
    return load.prepare_data(data_dir, Run.open(run_dir), *arguments, **options)


def load_data(run_dir):
    return load.load_data(Run.open(run_dir))


def test_images_are_split_decoded_and_labelled(make_classes, run_dir):
    data_dir = make_classes({"dog": 20, "cat": 20})
    data = prepare_data(data_dir, run_dir, Preprocessing((6, 5), "pad"))
    assert data.class_names == ("cat", "dog")
    assert [len(data.splits[split].labels) for split in ("train", "val", "test")] == [
        32,
        4,
        4,
    ]
    for split in data.splits.values():
        assert isinstance(split.images_rgb_u8, np.memmap)
        assert split.images_rgb_u8.dtype == np.uint8
        assert split.images_rgb_u8.shape == (len(split.labels), 6, 5, 3)
        for image, label, path in zip(
            split.images_rgb_u8, split.labels, split.paths, strict=True
        ):
            expected = fit_image(read_image(data_dir / path), data.preprocessing)
            np.testing.assert_array_equal(image, expected)
            assert path.startswith(data.class_names[label])
    assert (run_dir / "classes.txt").read_text() == "cat\ndog\n"


# A tenth of each is to test.
@pytest.mark.parametrize(("cats", "is_shared"), [(121, True), (124, False)])
def test_pretrained_networks_train_on_the_validation_of_few_photos(
    make_classes, run_dir, cats, is_shared
):
    data_dir = make_classes({"dog": 100, "cat": cats})
    preprocessing = Preprocessing((6, 5), "pad")
    data = prepare_data(data_dir, run_dir, preprocessing, shares_val=lambda n: n == 2)
    paths = {name: set(split.paths) for name, split in data.splits.items()}
    assert data.is_val_shared == is_shared == (paths["val"] <= paths["train"])
    assert data.is_few == is_shared
    assert not paths["test"] & (paths["train"] | paths["val"])
    assert load_data(run_dir).is_val_shared == is_shared
    other = prepare_data(data_dir, run_dir.with_name("other"), preprocessing)
    assert not other.is_val_shared


def test_a_damaged_photo_of_a_shared_validation_is_one(make_classes, run_dir, caplog):
    """In 80 photos, one may be damaged; it is in two splits here."""
    data_dir = make_classes({"dog": 40, "cat": 40})
    shares_val = {"shares_val": lambda num_classes: True}
    first = prepare_data(data_dir, run_dir, SMALL, **shares_val)
    path = data_dir / first.splits["val"].paths[0]
    path.write_bytes(path.read_bytes()[:60])
    again = prepare_data(data_dir, run_dir.with_name("other"), SMALL, **shares_val)
    assert again.unreadable == 1


@pytest.mark.parametrize(("count", "are_apart"), [(1999, False), (2000, True)])
def test_many_validation_images_choose_or_judge(count, are_apart):
    images = np.arange(count, dtype=np.uint16).view(np.uint8).reshape(count, 1, 1, 2)
    paths = tuple(map(str, range(count)))
    val = Split(images, np.arange(count) * 3 // count, paths)
    data = load.ImageData(("a", "b", "c"), SMALL, "", {"val": val})
    halves = data.choosing, data.judging
    if not are_apart:
        assert all(half.paths == val.paths for half in halves)
        return
    assert not set(halves[0].paths) & set(halves[1].paths)
    for half in halves:
        # Each has a third of each class, and its own images.
        assert np.bincount(half.labels).tolist() == pytest.approx(
            [333, 333, 333], abs=1
        )
        numbers = half.images_rgb_u8[:].copy().view(np.uint16).ravel()
        assert tuple(map(str, numbers)) == half.paths


def test_later_steps_read_the_same_without_the_images(make_classes, run_dir):
    data_dir = make_classes({"cat": 10, "dog": 10})
    prepared = prepare_data(data_dir, run_dir, SMALL)
    data_dir.rename(data_dir.with_name("moved"))
    loaded = load_data(run_dir)
    assert loaded.class_names == prepared.class_names
    assert loaded.preprocessing == SMALL
    assert loaded.fingerprint == prepared.fingerprint
    for name, split in loaded.splits.items():
        assert split.paths == prepared.splits[name].paths
        np.testing.assert_array_equal(split.labels, prepared.splits[name].labels)
        np.testing.assert_array_equal(
            split.images_rgb_u8, prepared.splits[name].images_rgb_u8
        )


def test_unchanged_data_are_not_read_again(make_classes, run_dir, monkeypatch):
    data_dir = make_classes({"cat": 10, "dog": 10})
    prepare_data(data_dir, run_dir, SMALL)
    monkeypatch.setattr(reader, "hash_files", None)
    monkeypatch.setattr(cache, "write_split", None)
    prepare_data(data_dir, run_dir, SMALL)


def test_data_that_moved_are_recognised(make_classes, run_dir):
    data_dir = make_classes({"cat": 10, "dog": 10})
    before = prepare_data(data_dir, run_dir, SMALL)
    moved = data_dir.rename(data_dir.with_name("moved"))
    after = prepare_data(moved, run_dir, SMALL)
    assert after.splits["train"].paths == before.splits["train"].paths


def test_another_size_keeps_the_split(make_classes, run_dir):
    data_dir = make_classes({"cat": 10, "dog": 10})
    before = prepare_data(data_dir, run_dir, SMALL)
    after = prepare_data(data_dir, run_dir, Preprocessing((4, 4)))
    assert after.splits["test"].paths == before.splits["test"].paths
    assert after.splits["test"].images_rgb_u8.shape[1:] == (4, 4, 3)


def test_a_run_of_other_images_is_refused(make_classes, run_dir):
    prepare_data(make_classes({"cat": 10, "dog": 10}), run_dir, SMALL)
    split_before = (run_dir / "split.json").read_bytes()
    for folder, counts in (
        ("others", {"bird": 10, "fish": 10}),
        ("more", {"cat": 11, "dog": 10}),
        ("fewer", {"cat": 10, "dog": 9}),
    ):
        other_dir = make_classes(counts, folder)
        for source in other_dir.glob("[cd]*/0*.png"):
            original = other_dir.with_name("photos") / source.relative_to(other_dir)
            if original.exists():
                source.write_bytes(original.read_bytes())
        with pytest.raises(RequestError, match="was made with .* new --run_dir"):
            prepare_data(other_dir, run_dir, SMALL)
    assert (run_dir / "split.json").read_bytes() == split_before


def test_a_run_that_took_the_same_files_as_other_classes_is_refused(
    make_classes, run_dir
):
    data_dir = make_classes({"cat": 10, "dog": 10})
    prepare_data(data_dir, run_dir, SMALL)
    path = run_dir / "split.json"
    path.write_text(path.read_text().replace('"dog"', '"valid"'))
    with pytest.raises(
        RequestError, match="the classes cat, valid, and .*has cat, dog"
    ):
        prepare_data(data_dir, run_dir, SMALL)


def test_a_changed_image_is_named(make_classes, run_dir, write_image):
    data_dir = make_classes({"cat": 10, "dog": 10})
    prepare_data(data_dir, run_dir, SMALL)
    (data_dir / "cat" / "003.png").write_bytes(
        (data_dir / "cat" / "004.png").read_bytes()
    )
    with pytest.raises(RequestError, match="cat/003.png differs"):
        prepare_data(data_dir, run_dir, SMALL)


def test_images_added_later_wait_for_another_run(
    make_classes, run_dir, write_image, caplog
):
    data_dir = make_classes({"cat": 10, "dog": 10})
    before = prepare_data(data_dir, run_dir, SMALL)
    write_image(data_dir / "cat" / "new.png")
    after = prepare_data(data_dir, run_dir, SMALL)
    assert after.splits["train"].paths == before.splits["train"].paths
    assert "1 new images are not used" in caplog.text


def test_duplicates_across_given_splits_are_counted(make_classes, run_dir, caplog):
    data_dir = make_classes({"train/cat": 20, "train/dog": 20, "test/cat": 5})
    (data_dir / "test" / "dog").mkdir()
    (data_dir / "test" / "dog" / "1.png").write_bytes(
        (data_dir / "train" / "dog" / "001.png").read_bytes()
    )
    data = prepare_data(data_dir, run_dir, SMALL)
    assert len(data.splits["test"].labels) == 6
    assert len(data.splits["val"].labels) == 4
    assert "1 scenes are in two splits" in caplog.text


def list_rows(data_dir):
    paths = sorted(data_dir.glob("*/*"))
    return [(f"{path.parent.name}/{path.name}", path.parent.name) for path in paths]


def write_rows(data_dir, rows):
    lines = [",".join(row) for row in (("path", "label"), *rows)]
    (data_dir / "labels.csv").write_text("\n".join(lines))
    return data_dir / "labels.csv"


def test_a_csv_is_split_as_class_folders_are(make_classes, run_dir, tmp_path):
    data_dir = make_classes({"cat": 20, "dog": 20})
    rows = sorted(
        (f"{x.parent.name}/{x.name}", x.parent.name) for x in data_dir.glob("*/*")
    )
    from_rows = prepare_data(write_rows(data_dir, rows), run_dir, SMALL)
    from_folders = prepare_data(data_dir, tmp_path / "other", SMALL)
    assert from_rows.fingerprint == from_folders.fingerprint
    for name, split in from_rows.splits.items():
        assert split.paths == from_folders.splits[name].paths
        np.testing.assert_array_equal(
            split.images_rgb_u8, from_folders.splits[name].images_rgb_u8
        )
    # A run beside the photos does not become a class.
    prepare_data(data_dir / "labels.csv", data_dir / "run", SMALL)


def test_another_label_in_a_csv_is_named(make_classes, run_dir, monkeypatch):
    data_dir = make_classes({"cat": 20, "dog": 20})
    rows = sorted(
        (f"{x.parent.name}/{x.name}", x.parent.name) for x in data_dir.glob("*/*")
    )
    before = prepare_data(write_rows(data_dir, rows), run_dir, SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(reader, "hash_files", None)
        after = prepare_data(write_rows(data_dir, rows[::-1]), run_dir, SMALL)
    assert after.splits["test"].paths == before.splits["test"].paths
    other = [*rows[:3], (rows[3][0], "dog"), *rows[4:]]
    with pytest.raises(RequestError, match=f"others .{rows[3][0]} differs"):
        prepare_data(write_rows(data_dir, other), run_dir, SMALL)
    with pytest.raises(RequestError, match=f"others .{rows[5][0]} differs"):
        prepare_data(write_rows(data_dir, rows[:5] + rows[6:]), run_dir, SMALL)


def test_what_is_wrong_with_the_photos_is_logged_once(make_classes, run_dir, caplog):
    data_dir = make_classes({"cat": 70, "dog": 10})
    damage_by_text(data_dir / "cat" / "003.png")
    prepare_data(data_dir, run_dir, SMALL)
    prepare_data(data_dir, run_dir, SMALL)
    assert caplog.text.count("photos: the largest class has 7.0 times") == 1
    assert caplog.text.count("photos: 1 of 2 classes have fewer than 20 photos") == 1
    assert caplog.text.count("cat/003.png: is not an image") == 1


def damage_by_cutting(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def damage_by_emptying(path: Path) -> None:
    path.write_bytes(b"")


def damage_by_text(path: Path) -> None:
    path.write_text("this is no image")


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("gone.png")


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "damage",
    [
        replace_by_pipe,
        damage_by_cutting,
        damage_by_emptying,
        damage_by_text,
        replace_by_folder,
        replace_by_dangling_link,
    ],
)
@pytest.mark.parametrize("path", ["cat/003.png", "dog/009.png"])
def test_one_unreadable_image_is_named_and_skipped(
    make_classes, run_dir, damage, path, caplog
):
    data_dir = make_classes({"cat": 10, "dog": 10})
    damage(data_dir / path)
    data = prepare_data(data_dir, run_dir, SMALL)
    rows = {
        p: (split, i)
        for split in data.splits
        for i, p in enumerate(data.splits[split].paths)
    }
    assert len(rows) == 19 and path not in rows
    assert data.unreadable == load_data(run_dir).unreadable == 1
    assert path in caplog.text and "1 of 20 images were skipped" in caplog.text
    for good, (split, row) in rows.items():
        image = data.splits[split].images_rgb_u8[row]
        np.testing.assert_array_equal(image, read_image(data_dir / good))
        assert data.class_names[data.splits[split].labels[row]] == good.split("/")[0]


def test_a_file_that_we_may_not_read_is_named_and_skipped(
    make_classes, run_dir, monkeypatch, caplog
):
    data_dir = make_classes({"cat": 10, "dog": 10})
    read_limited = files.read_limited

    def read(path, most_bytes):
        # Rights do not keep root, who runs this in containers, from reading.
        if path.name == "004.png" and path.parent.name == "cat":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read_limited(path, most_bytes)

    monkeypatch.setattr(files, "read_limited", read)
    data = prepare_data(data_dir, run_dir, SMALL)
    assert sum(len(split.labels) for split in data.splits.values()) == 19
    assert data.unreadable == 1
    assert "cat/004.png" in caplog.text and "Permission denied" in caplog.text


def test_names_that_are_no_text_are_accepted(make_classes, run_dir, caplog):
    data_dir = make_classes({"cat": 10, "dog": 10})
    folder = os.fsencode(data_dir / "cat")
    os.rename(folder + b"/003.png", folder + b"/caf\xe9 1.png")
    os.rename(folder + b"/004.png", folder + b"/caf\xe9 2.png")
    with open(folder + b"/caf\xe9 2.png", "wb") as file:
        file.write(b"no image")
    prepare_data(data_dir, run_dir, SMALL)
    data = load_data(run_dir)
    paths = [path for split in data.splits.values() for path in split.paths]
    assert "cat/caf\udce9 1.png" in paths
    assert len(paths) == 19
    # A log file in UTF-8 takes the message.
    assert r"cat/caf\udce9 2.png" in caplog.text.encode().decode()


def test_more_than_one_percent_unreadable_stops_and_can_be_repaired(
    make_classes, run_dir, write_image
):
    data_dir = make_classes({"cat": 60, "dog": 60})
    for number in (3, 7):
        damage_by_cutting(data_dir / "cat" / f"{number:03d}.png")
    with pytest.raises(
        RequestError, match=r"2 of 120 .* 1 %; repair .*cat/003.png, cat/007.png"
    ):
        prepare_data(data_dir, run_dir, SMALL)
    for number in (3, 7):
        (data_dir / "cat" / f"{number:03d}.png").unlink()
        write_image(data_dir / "cat" / f"repaired{number}.png")
    data = prepare_data(data_dir, run_dir, SMALL)
    assert sum(len(split.labels) for split in data.splits.values()) == 120


def test_in_a_small_set_no_image_may_be_unreadable(make_classes, run_dir):
    data_dir = make_classes({"cat": 9, "dog": 10})
    damage_by_text(data_dir / "cat" / "000.png")
    with pytest.raises(RequestError, match="1 of 19 images cannot be read"):
        prepare_data(data_dir, run_dir, SMALL)


def test_a_class_left_without_training_images_is_named(make_classes, run_dir):
    data_dir = make_classes({"cat": 300, "dog": 2})
    for number in range(2):
        damage_by_text(data_dir / "dog" / f"{number:03d}.png")
    with pytest.raises(RequestError, match="no readable image of dog"):
        prepare_data(data_dir, run_dir, SMALL)


@pytest.mark.parametrize("name", ["val", "test"])
def test_a_given_split_without_readable_images_is_named(make_classes, run_dir, name):
    counts = {"train/cat": 60, "train/dog": 60, "val/cat": 1, "test/cat": 1}
    data_dir = make_classes(counts)
    for name in ("val", "test"):
        (data_dir / name / "dog").mkdir()
    damage_by_text(data_dir / name / "cat" / "000.png")
    with pytest.raises(RequestError, match=f"no image of the {name} split can be read"):
        prepare_data(data_dir, run_dir, SMALL)


def test_too_few_images_for_three_splits_is_refused(make_classes, run_dir):
    with pytest.raises(RequestError, match="too few images for a val split"):
        prepare_data(make_classes({"cat": 2, "dog": 2}), run_dir, SMALL)


def write_odd_images(folder: Path) -> None:
    """One image of each odd kind, and those that every program prepares alike."""
    for path in GOLDEN.iterdir():
        if path.suffix != ".npz":
            shutil.copy(path, folder)
    rng = np.random.default_rng(0)
    rgba = rng.integers(0, 256, (8, 8, 4), np.uint8)
    cv2.imwrite(str(folder / "grey.png"), rgba[..., 0])
    cv2.imwrite(str(folder / "alpha.png"), rgba)
    cv2.imwrite(str(folder / "deep.png"), rgba[..., :3].astype(np.uint16) * 257)
    cv2.imwrite(str(folder / "deep.tiff"), rgba[..., 1].astype(np.uint16) * 257)
    cv2.imwrite(str(folder / "map.pgm"), rgba[..., 2])
    cv2.imwrite(str(folder / "photo.WEBP"), rgba[..., 2::-1])


def test_odd_kinds_of_images_are_accepted(make_classes, run_dir):
    data_dir = make_classes({"cat": 10, "dog": 10})
    write_odd_images(data_dir / "cat")
    count = len(list(data_dir.glob("*/*")))
    assert count > 35
    data = prepare_data(data_dir, run_dir, SMALL)
    assert sum(len(split.labels) for split in data.splits.values()) == count


def test_a_run_without_data_names_the_remedy(tmp_path, make_classes, run_dir, shared):
    with pytest.raises(RequestError, match="corallite train --data_dir"):
        load_data(tmp_path / "nothing")
    data_dir = make_classes({"cat": 10, "dog": 10})
    before = prepare_data(data_dir, run_dir, SMALL).splits["val"]
    expected = before.images_rgb_u8.copy()
    (array,) = shared.glob("*/val*.npy")
    array.unlink()
    after = load_data(run_dir).splits["val"]
    np.testing.assert_array_equal(after.images_rgb_u8, expected)
    array.unlink()
    data_dir.rename(data_dir.with_name("moved"))
    with pytest.raises(RequestError, match="no longer there.* new --data_dir"):
        load_data(run_dir)


def test_a_truncated_array_is_made_again(make_classes, run_dir, shared):
    data_dir = make_classes({"cat": 10, "dog": 10})
    before = prepare_data(data_dir, run_dir, SMALL)
    expected = before.splits["train"].images_rgb_u8.copy()
    path = next(shared.glob("*/train*.npy"))
    path.write_bytes(path.read_bytes()[:500])
    after = prepare_data(data_dir, run_dir, SMALL)
    np.testing.assert_array_equal(after.splits["train"].images_rgb_u8, expected)


def replace_a_pixel(content):
    content[-1] ^= 255


def claim_other_rows(content):
    content[:128] = bytes(content[:128]).replace(b"(16, 8, 8", b"(8, 16, 8")


def claim_signed_pixels(content):
    content[:128] = bytes(content[:128]).replace(b"|u1", b"|i1")


@pytest.mark.parametrize(
    "damage", [replace_a_pixel, claim_other_rows, claim_signed_pixels]
)
def test_a_changed_array_is_made_again(make_classes, run_dir, shared, damage):
    data_dir = make_classes({"cat": 10, "dog": 10})
    before = prepare_data(data_dir, run_dir, SMALL).splits["train"]
    expected, shape = before.images_rgb_u8.copy(), before.images_rgb_u8.shape
    path = next(shared.glob("*/train*.npy"))
    content = bytearray(path.read_bytes())
    damage(content)
    assert content != path.read_bytes()
    path.write_bytes(content)
    after = load_data(run_dir).splits["train"].images_rgb_u8
    assert after.shape == shape
    np.testing.assert_array_equal(after, expected)


def test_a_run_of_an_earlier_version_has_its_own_arrays_without_a_checksum(
    make_classes, run_dir, shared
):
    data_dir = make_classes({"cat": 10, "dog": 10})
    prepare_data(data_dir, run_dir, SMALL)
    for path in shared.glob("*/*-*.*"):
        path.rename(run_dir / "cache" / path.name)
    for path in (run_dir / "cache").glob("*-*.json"):
        index = json.loads(path.read_text())
        del index["crc32"]
        path.write_text(json.dumps(index))
    (run_dir / "cache" / "preprocessing.json").write_text(json.dumps(SMALL.to_json()))
    data_dir.rename(data_dir.with_name("moved"))
    assert len(load_data(run_dir).splits["train"].labels)


@pytest.mark.parametrize(
    "content",
    [
        "null",
        '{"cat/000.png": "truncated"}',
        "[" * 100_000,
        '{"unreadable": {}}',
        '{"unreadable": 0, "faults": {}}',
        '{"unreadable": {}, "faults": {"cat/000.png": {}}}',
    ],
)
def test_a_list_of_unreadable_images_that_does_not_fit_is_made_again(
    make_classes, run_dir, shared, content
):
    data_dir = make_classes({"cat": 10, "dog": 10})
    before = prepare_data(data_dir, run_dir, SMALL)
    next(shared.glob("*/train*.json")).write_text(content)
    after = prepare_data(data_dir, run_dir, SMALL)
    assert after.splits["train"].paths == before.splits["train"].paths


def test_a_full_disk_is_an_error_with_a_file_name(
    make_classes, run_dir, shared, monkeypatch
):
    class FullFile:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    data_dir = make_classes({"cat": 10, "dog": 10})
    real_open = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda path, mode="r", **more: (
            FullFile(real_open(path, mode, **more))
            if mode == "wb" and path.suffix == ".npy"
            else real_open(path, mode, **more)
        ),
    )
    with pytest.raises(OSError, match="No space left") as raised:
        prepare_data(data_dir, run_dir, SMALL)
    assert Path(raised.value.filename).name.startswith("val-")
    monkeypatch.setattr(Path, "open", real_open)
    prepare_data(data_dir, run_dir, SMALL)
    assert len(list(shared.glob("*/[!.]*"))) == 6


def test_class_weights_balance_ten_to_one():
    labels = np.array([0] * 100 + [1] * 10)
    weights = class_weights(Split(np.zeros((110, 1, 1, 3)), labels, ()))
    assert weights == {0: 0.55, 1: 5.5}


PREPARE = """
import sys
from pathlib import Path
from corallite.device.image.preprocess import Preprocessing
from corallite.train.data.load import prepare_data
from corallite.train.runs.run import Run
prepare_data(Path(sys.argv[1]), Run.open(Path(sys.argv[2])), Preprocessing((64, 64)))
"""


def test_killed_in_the_middle_the_rest_is_done(
    make_classes, run_dir, shared, write_image
):
    data_dir = make_classes({"cat": 3, "dog": 3})
    for number in range(1500):
        write_image(data_dir / "cat" / f"{number:04d}.png", (64, 64))
    process = subprocess.Popen([sys.executable, "-c", PREPARE, data_dir, run_dir])
    deadline_s = time.monotonic() + 60
    while not list(shared.glob("*/.train*.part.npy")):
        assert process.poll() is None and time.monotonic() < deadline_s
        time.sleep(0.001)
    process.kill()
    process.wait()
    data = prepare_data(data_dir, run_dir, Preprocessing((64, 64)))
    split = data.splits["train"]
    for row in (0, len(split.paths) // 2, -1):
        image = read_image(data_dir / split.paths[row])
        expected = fit_image(image, data.preprocessing)
        np.testing.assert_array_equal(split.images_rgb_u8[row], expected)
    assert not list(shared.glob("*/.*.part.npy"))


@pytest.mark.parametrize("name", ["notes.txt", "notes.txt/run", "dangling"])
def test_a_run_folder_that_is_none_is_refused_before_the_images_are_read(
    name, tmp_path
):
    (tmp_path / "notes.txt").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    taken = tmp_path / name.partition("/")[0]
    sentence = (
        f"{taken}: is not a folder, so nothing can be written to {tmp_path / name}"
    )
    with pytest.raises(RequestError, match=sentence):
        prepare_data(tmp_path / "photos", tmp_path / name, SMALL)
    with pytest.raises(RequestError, match=sentence):
        load_data(tmp_path / name)


def test_a_run_folder_among_the_classes_is_refused(make_classes):
    data_dir = make_classes({"cat": 10, "dog": 10})
    with pytest.raises(RequestError, match="would become a class"):
        prepare_data(data_dir, data_dir / "run", Preprocessing((8, 8)))
    assert not (data_dir / "run").exists()
