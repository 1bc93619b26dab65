import hashlib
from collections import Counter
from dataclasses import replace

import pytest

from corallite.device.system.errors import RequestError
from corallite.train.data import split
from corallite.train.data.images import ImageFile

TENTHS = (0.8, 0.1, 0.1)


def make_images(
    counts, given=None, contents=None
) -> tuple[list[ImageFile], dict[str, str]]:
    """Images of made-up content, and their hashes."""
    images = [
        ImageFile(f"{name}/{number}.png", name, given)
        for name, count in counts.items()
        for number in range(count)
    ]
    contents = contents or {}
    hashes = {
        image.path: sha256(contents.get(image.path, image.path)) for image in images
    }
    return images, hashes


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def count_classes(members):
    return Counter(file.class_name for file in members)


def split_by_path(splits):
    return {file.path: name for name, members in splits.items() for file in members}


def test_every_class_is_split_by_the_fractions():
    splits = split.assign_splits(*make_images({"cat": 200, "dog": 20}), TENTHS)
    assert count_classes(splits["train"]) == {"cat": 160, "dog": 16}
    assert count_classes(splits["val"]) == {"cat": 20, "dog": 2}
    assert count_classes(splits["test"]) == {"cat": 20, "dog": 2}


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, (1, 0, 0)), (2, (2, 0, 0)), (3, (1, 1, 1)), (4, (2, 1, 1))],
)
def test_a_class_of_three_images_is_in_every_split(count, expected):
    splits = split.assign_splits(*make_images({"cat": count}), TENTHS)
    assert tuple(len(splits[name]) for name in ("train", "val", "test")) == expected


def test_large_fractions_leave_something_to_train_on():
    splits = split.assign_splits(*make_images({"cat": 4}), (0.02, 0.49, 0.49))
    assert [len(splits[name]) for name in ("train", "val", "test")] == [1, 1, 2]


def test_names_do_not_matter_and_content_does():
    images, hashes = make_images({"cat": 50})
    before = split.assign_splits(images, hashes, TENTHS)
    renamed = [ImageFile(f"cat/{99 - n}.jpg", "cat", None) for n in range(50)]
    new_hashes = {
        new.path: hashes[old.path] for old, new in zip(images, renamed, strict=True)
    }
    after = split.assign_splits(renamed, new_hashes, TENTHS)
    for name in before:
        assert {f.sha256 for f in before[name]} == {f.sha256 for f in after[name]}
    assert split.fingerprint_files(images, hashes) == split.fingerprint_files(
        renamed, new_hashes
    )


def test_one_more_image_moves_at_most_one_other_across_each_border():
    images, hashes = make_images({"cat": 100})
    for count in range(100, 120):
        before = split_by_path(split.assign_splits(images, hashes, TENTHS))
        images, hashes = make_images({"cat": count + 1})
        after = split_by_path(split.assign_splits(images, hashes, TENTHS))
        assert sum(before[path] != after[path] for path in before) <= 2


def test_duplicates_are_never_in_two_splits():
    contents = {f"cat/{n}.png": f"photo {n % 20}" for n in range(100)}
    splits = split.assign_splits(*make_images({"cat": 100}, contents=contents), TENTHS)
    hashes = [{file.sha256 for file in splits[name]} for name in splits]
    assert sum(map(len, hashes)) == 20
    assert [len(splits[name]) for name in ("train", "val", "test")] == [80, 10, 10]


def test_an_image_of_two_classes_is_in_one_part_and_named(caplog):
    contents = {f"dog/{n}.png": f"cat/{n}.png" for n in range(30)}
    images = make_images({"cat": 60, "dog": 60}, contents=contents)
    splits = split.assign_splits(*images, TENTHS)
    counts = split.log_shared_content(splits)
    assert counts == {"in_two_classes": 30, "in_two_splits": 0}
    assert "30 images are in two classes" in caplog.text
    assert "cat/1.png = dog/1.png" in caplog.text


def test_missing_splits_are_taken_out_of_train():
    images, hashes = make_images({"cat": 100}, "train")
    splits = split.assign_splits(images, hashes, TENTHS)
    assert [len(splits[name]) for name in ("train", "val", "test")] == [80, 10, 10]
    tests = [ImageFile(f"test/{n}.png", "cat", "test") for n in range(5)]
    hashes.update({image.path: sha256(image.path) for image in tests})
    splits = split.assign_splits(images + tests, hashes, TENTHS)
    assert [len(splits[name]) for name in ("train", "val", "test")] == [90, 10, 5]


def test_given_splits_that_share_an_image_are_reported(caplog):
    images, hashes = make_images({"cat": 10}, "train")
    images.append(ImageFile("test/1.png", "cat", "test"))
    hashes["test/1.png"] = hashes["cat/1.png"]
    splits = split.assign_splits(images, hashes, TENTHS)
    assert split.log_shared_content(splits)["in_two_splits"] == 1
    assert "cat/1.png = test/1.png" in caplog.text


def test_unreadable_images_are_in_no_split():
    images, hashes = make_images({"cat": 10})
    del hashes["cat/3.png"]
    assert "cat/3.png" not in split_by_path(split.assign_splits(images, hashes, TENTHS))


def test_the_fingerprint_follows_class_and_content():
    images, hashes = make_images({"cat": 3, "dog": 3})
    other = dict(hashes, **{"cat/1.png": sha256("else")})
    moved = [ImageFile(i.path, "dog", None) for i in images]
    prints = {
        split.fingerprint_files(images, hashes),
        split.fingerprint_files(images, other),
        split.fingerprint_files(moved, hashes),
    }
    assert len(prints) == 3


def make_split():
    images, hashes = make_images({"größe 1": 4, "dog": 4})
    return split.SplitAssignment(
        data_dir="/data",
        stamp="s",
        fingerprint="f",
        class_names=("dog", "größe 1"),
        splits=split.assign_splits(images, hashes, TENTHS),
        unreadable=("dog/bytes\udce9.png",),
    )


def test_a_split_is_read_as_it_was_written(tmp_path):
    split.write_split(tmp_path / "split.json", make_split())
    assert split.read_split(tmp_path / "split.json") == make_split()


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"format": 9}', '{"format": 1, "parts": {}}', "[" * 100_000],
)
def test_a_damaged_split_is_named(tmp_path, content):
    (tmp_path / "split.json").write_text(content)
    with pytest.raises(RequestError, match="damaged or from another version"):
        split.read_split(tmp_path / "split.json")


def test_a_split_without_the_class_of_an_image_is_named(tmp_path):
    made = make_split()
    names = made.class_names[1:]
    split.write_split(tmp_path / "split.json", replace(made, class_names=names))
    sentence = (
        f"split.json: has .* in the class '{made.class_names[0]}', which is not in"
    )
    with pytest.raises(RequestError, match=sentence):
        split.read_split(tmp_path / "split.json")
