import hashlib
from collections import Counter
from dataclasses import replace

import pytest

from corallite.device.system.errors import RequestError
from corallite.train.data import split
from corallite.train.data.listing.images import ImageFile

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


def test_an_image_of_two_classes_is_in_one_split():
    contents = {f"dog/{n}.png": f"cat/{n}.png" for n in range(30)}
    images = make_images({"cat": 60, "dog": 60}, contents=contents)
    split_of = split_by_path(split.assign_splits(*images, TENTHS))
    for number in range(30):
        assert split_of[f"cat/{number}.png"] == split_of[f"dog/{number}.png"]


def test_missing_splits_are_taken_out_of_train():
    images, hashes = make_images({"cat": 100}, "train")
    splits = split.assign_splits(images, hashes, TENTHS)
    assert [len(splits[name]) for name in ("train", "val", "test")] == [80, 10, 10]
    tests = [ImageFile(f"test/{n}.png", "cat", "test") for n in range(5)]
    hashes.update({image.path: sha256(image.path) for image in tests})
    splits = split.assign_splits(images + tests, hashes, TENTHS)
    assert [len(splits[name]) for name in ("train", "val", "test")] == [90, 10, 5]


def test_a_shared_val_stays_in_train_and_a_given_one_does_not():
    images, hashes = make_images({"cat": 20}, "train")
    apart = split.assign_splits(images, hashes, TENTHS)
    shared = split.assign_splits(images, hashes, TENTHS, is_val_shared=True)
    assert (shared["val"], shared["test"]) == (apart["val"], apart["test"])
    assert set(shared["train"]) == set(apart["train"]) | set(apart["val"])
    given = [ImageFile(f"val/{n}.png", "cat", "val") for n in range(5)]
    hashes.update({image.path: sha256(image.path) for image in given})
    splits = split.assign_splits(images + given, hashes, TENTHS, is_val_shared=True)
    assert {file.path for file in splits["val"]} == {image.path for image in given}
    assert not set(splits["train"]) & set(splits["val"])


def test_a_group_is_in_one_split_also_if_it_has_two_classes():
    images, hashes = make_images({"cat": 60, "dog": 60})
    groups = {
        f"{name}.png": f"g{number}"
        for number in range(9)
        for name in (f"cat/{number}", f"dog/{number}", f"dog/{number + 30}")
    }
    splits = split.assign_splits(images, hashes, TENTHS, groups)
    split_of = split_by_path(splits)
    for name in set(groups.values()):
        assert len({split_of[path] for path in groups if groups[path] == name}) == 1
    # The class that is divided first gets its fractions; the other some more.
    assert count_classes(splits["test"])["cat"] == 6
    assert count_classes(splits["val"])["cat"] == 6
    by_path = {file.path: file.group for x in splits.values() for file in x}
    assert by_path == {image.path: groups.get(image.path, "") for image in images}


def test_groups_that_share_a_content_are_in_one_split():
    contents = {"cat/1.png": "same", "cat/2.png": "same"}
    images, hashes = make_images({"cat": 30}, contents=contents)
    groups = {f"cat/{n}.png": "aabb"[n] for n in range(4)}
    split_of = split_by_path(split.assign_splits(images, hashes, TENTHS, groups))
    assert len({split_of[f"cat/{n}.png"] for n in range(4)}) == 1


@pytest.mark.parametrize(
    "sizes",
    [(20, 20, 20), (50, 5, 5), (40, 1, 1), (30, 20, 10, 1), (1, 1, 1), (2, 1, 1)],
)
def test_three_groups_are_enough_for_every_split(sizes):
    images, hashes = make_images({"cat": sum(sizes)})
    names = [f"g{n}" for n, size in enumerate(sizes) for _ in range(size)]
    groups = {image.path: name for image, name in zip(images, names, strict=True)}
    splits = split.assign_splits(images, hashes, TENTHS, groups)
    members = {name: {file.group for file in x} for name, x in splits.items()}
    assert all(members.values()) and sum(map(len, members.values())) == len(sizes)
    assert "g0" in members["train"] or len(set(sizes)) == 1


def test_two_groups_are_all_in_train():
    images, hashes = make_images({"cat": 40})
    groups = {image.path: f"g{n % 2}" for n, image in enumerate(images)}
    splits = split.assign_splits(images, hashes, TENTHS, groups)
    assert [len(splits[name]) for name in ("train", "val", "test")] == [40, 0, 0]


def test_images_without_groups_are_split_as_before():
    """Hashes of the test and val splits of an earlier version."""
    images, hashes = make_images({"cat": 37, "dog": 12, "bird": 4})
    splits = split.assign_splits(images, hashes, TENTHS, {})
    for class_name, test_end, val_end in (("cat", 4, 7), ("dog", 1, 2), ("bird", 1, 2)):
        ordered = sorted(hashes[x.path] for x in images if x.class_name == class_name)
        for name, expected in (
            ("test", ordered[:test_end]),
            ("val", ordered[test_end:val_end]),
            ("train", ordered[val_end:]),
        ):
            files = [x for x in splits[name] if x.class_name == class_name]
            assert sorted(file.sha256 for file in files) == expected


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
    path = tmp_path / "split.json"
    split.write_split(path, make_split())
    assert split.read_split(path) == make_split()
    assert "group" not in path.read_text()
    images, hashes = make_images({"dog": 4})
    groups = {"dog/1.png": "dög", "dog/2.png": "dög"}
    splits = split.assign_splits(images, hashes, TENTHS, groups)
    grouped = replace(make_split(), splits=splits, group_by="(d.g)")
    split.write_split(path, grouped)
    assert split.read_split(path) == grouped


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
