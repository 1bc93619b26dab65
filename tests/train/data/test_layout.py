"""Which folders are classes, which are splits, and which layouts are refused."""

import tarfile
import zipfile

import pytest

from corallite.device.system.errors import RequestError
from corallite.train.data.images import list_images


def splits_and_classes(data_dir):
    """The splits that have images, and the class names."""
    listing = list_images(data_dir)
    return {file.given_split for file in listing.files}, listing.class_names


def in_splits(*splits, classes=("cat", "dog")):
    return {f"{split}/{name}": 1 for split in splits for name in classes}


@pytest.mark.parametrize(
    "names",
    [
        ("train", "valid", "test"),
        ("Training", "Validation", "Testing"),
        ("TRAIN", "VAL", "TEST"),
        ("train", "dev", "testing"),
    ],
)
def test_synonyms_of_splits_in_any_case_are_splits(make_classes, names):
    data_dir = make_classes(in_splits(*names))
    assert splits_and_classes(data_dir) == ({"train", "val", "test"}, ("cat", "dog"))


@pytest.mark.parametrize("name", ["training", "Train"])
def test_a_split_for_training_alone_is_enough(make_classes, name):
    data_dir = make_classes(in_splits(name))
    assert splits_and_classes(data_dir) == ({"train"}, ("cat", "dog"))


@pytest.mark.parametrize(
    "counts",
    [
        {"valid": 1, "invalid": 1},
        {"dev": 1, "prod": 1},
        {"train": 1, "bus": 1},
        {"train/red": 1, "bus": 1},
        {"cat/images": 1, "dog/images": 1},
        {"cat": 1, "cat/indoors": 1, "dog": 1, "dog/indoors": 1},
    ],
)
def test_classes_may_have_such_names_and_sub_folders(make_classes, counts, caplog):
    data_dir = make_classes(counts)
    names = sorted({name.partition("/")[0] for name in counts})
    assert splits_and_classes(data_dir) == ({None}, tuple(names))
    assert not caplog.records


@pytest.mark.parametrize(
    ("counts", "unused"),
    [
        ({"test": 3}, "photos/test: has no class folders and is not used; the test"),
        ({"Valid": 3}, "photos/Valid: has no class folders and is not used; the val"),
        ({"unlabelled": 3}, "photos: ignored, not named train, val or test: unlabel"),
        ({"test/cat": 1, "docs/a": 1}, "ignored, not named train, val or test: docs"),
        ({"train": 1}, "photos/train: images outside its folders are ignored"),
    ],
)
def test_folders_beside_a_training_split_are_named(
    make_classes, caplog, counts, unused
):
    data_dir = make_classes({**in_splits("train"), **counts})
    assert splits_and_classes(data_dir)[1] == ("cat", "dog")
    assert unused in caplog.text


def test_a_flat_folder_beside_a_training_split_alone_is_no_class(make_classes, caplog):
    data_dir = make_classes({**in_splits("train"), "unlabelled": 3})
    assert splits_and_classes(data_dir) == ({"train"}, ("cat", "dog"))
    assert "not named train, val or test: unlabelled" in caplog.text


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (
            in_splits("train", "val", "valid"),
            "photos: val, valid are all named as the val split; merge them or rename",
        ),
        (
            in_splits("train", "Training"),
            "Training, train are all named as the train split",
        ),
        (
            {"train": 2, "test": 2},
            "photos/train: is named as a split and has no class folders; make one",
        ),
        (
            in_splits("valid", "test"),
            "photos: test, valid are named as splits and train is missing; add it",
        ),
        (
            in_splits("a", "b", "c"),
            "photos: its folders a, b, c all have the folders cat, dog. If the latter "
            "are the classes, give --data_dir=.*/photos/a, or name the former train",
        ),
        (
            in_splits("photos", "test"),
            "its folders photos, test all have the folders cat, dog",
        ),
        (
            in_splits("cat", "dog", classes=("train", "val")),
            "photos/cat: would be a class, and has the splits train, val; give",
        ),
        (
            {"set/Training/cat": 1, "set/Training/dog": 1, "set/test/cat": 1, "x": 1},
            "photos/set: would be a class, and has the splits Training, test; give --d",
        ),
        (
            in_splits("train", classes=("colour/cat", "colour/dog", "g/cat", "g/dog")),
            "photos/train: its folders colour, g all have the folders cat, dog",
        ),
        (
            in_splits("photos"),
            "photos: has only the folder 'photos', so only one class; if the classes "
            "are cat, dog, give --data_dir=.*/photos/photos",
        ),
        (in_splits("a/b/c"), "are cat, dog, give --data_dir=.*/photos/a/b/c"),
        (in_splits("train/train"), "are cat, dog, give --data_dir=.*/train/train"),
    ],
)
def test_other_levels_are_refused_with_what_was_seen(make_classes, counts, message):
    with pytest.raises(RequestError, match=message):
        list_images(make_classes(counts))


def test_a_split_may_have_one_class_with_sub_folders(make_classes, caplog):
    nested = {"train/cat/a": 1, "train/cat/b": 1, "train/dog": 1, "test/cat/a": 1}
    data_dir = make_classes({**nested, "test/cat/b": 1})
    (data_dir / "test" / "dog").mkdir()
    assert splits_and_classes(data_dir) == ({"train", "test"}, ("cat", "dog"))
    assert caplog.text.count("all become the class 'cat'") == 1


def test_a_class_of_images_in_sub_folders_alone_is_named(make_classes, caplog):
    data_dir = make_classes({"photos/cat": 1, "photos/dog": 1, "docs": 1})
    assert splits_and_classes(data_dir) == ({None}, ("docs", "photos"))
    assert "photos (cat, dog) all become the class 'photos'" in caplog.text
    assert "give --data_dir=" in caplog.text


def test_links_in_a_circle_end_in_nested_folders(make_classes):
    data_dir = make_classes(in_splits("a", "b"))
    (data_dir / "a" / "up").symlink_to(data_dir)
    (data_dir / "b" / "root").symlink_to("/")
    with pytest.raises(RequestError, match="all have the folders cat, dog"):
        list_images(data_dir)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("my photos.zip", r"\(unzip '.*/my photos.zip' -d 'my photos'\) and give that"),
        ("photos.tar.gz", r"\(mkdir photos && tar -xf .*/photos.tar.gz -C photos\)"),
        ("photos.tar", r"tar -xf .*/photos.tar -C photos\) and give that folder\."),
        ("labels.csv", "is a file, not a folder; give the folder of the photos"),
    ],
)
def test_a_file_in_place_of_a_folder_is_refused(tmp_path, name, remedy):
    path = tmp_path / name
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("cat/1.jpg", b"")
    elif ".tar" in path.suffixes:
        with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
            tar.addfile(tarfile.TarInfo("cat/1.jpg"))
    else:
        path.write_text("cat/1.jpg,cat\n")
    with pytest.raises(RequestError, match=remedy):
        list_images(path)
