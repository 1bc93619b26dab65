import os
from pathlib import Path

import pytest

from corallite.device.system.errors import RequestError
from corallite.train.data.images import list_images


def listed(data_dir):
    """The listed images, as (split, class, path)."""
    files = list_images(data_dir).files
    return [(file.given_split, file.class_name, file.path) for file in files]


def test_class_folders_are_listed_in_order(make_classes):
    data_dir = make_classes({"dog": 1, "cat": 2})
    assert list_images(data_dir).class_names == ("cat", "dog")
    assert listed(data_dir) == [
        (None, "cat", "cat/000.png"),
        (None, "cat", "cat/001.png"),
        (None, "dog", "dog/000.png"),
    ]


def test_given_splits_are_kept(make_classes):
    data_dir = make_classes({"train/cat": 1, "train/dog": 1, "test/cat": 1, "x/y": 1})
    assert listed(data_dir) == [
        ("test", "cat", "test/cat/000.png"),
        ("train", "cat", "train/cat/000.png"),
        ("train", "dog", "train/dog/000.png"),
    ]


def test_images_may_lie_deeper_and_be_named_in_any_script(make_classes, write_image):
    data_dir = make_classes({"犬 と 猫": 1, "Vögel": 1})
    write_image(data_dir / "Vögel" / "am see" / "Größe 1 (2).JPG")
    assert ("Vögel", "Vögel/am see/Größe 1 (2).JPG") in [
        entry[1:] for entry in listed(data_dir)
    ]


def test_hidden_files_and_other_suffixes_are_left_out(make_classes, caplog):
    data_dir = make_classes({"cat": 1, "dog": 1, ".git": 1, "cat/.thumbs": 1})
    (data_dir / "cat" / "._000.png").write_bytes(b"resource fork")
    (data_dir / "cat" / "Thumbs.db").write_bytes(b"")
    (data_dir / "dog" / "notes.txt").write_text("")
    (data_dir / "LICENSE").write_text("")
    assert len(listed(data_dir)) == 2
    assert "2 files are ignored, as their suffix is not" in caplog.text


def test_a_class_folder_may_be_a_link(make_classes):
    data_dir = make_classes({"cat": 1, "dog": 1})
    elsewhere = make_classes({"bird": 2}, "elsewhere")
    (data_dir / "bird").symlink_to(elsewhere / "bird")
    assert ("bird", "bird/001.png") in [entry[1:] for entry in listed(data_dir)]


def test_links_in_a_circle_end(make_classes):
    data_dir = make_classes({"cat": 1, "dog": 1})
    (data_dir / "cat" / "self").symlink_to(data_dir / "cat")
    (data_dir / "cat" / "up").symlink_to(data_dir)
    (data_dir / "cat" / "root").symlink_to("/")
    assert len(listed(data_dir)) == 2


@pytest.mark.parametrize("suffix", [".jfif", ".JFIF", ".pjpeg"])
def test_a_jpeg_that_a_browser_saved_is_an_image(make_classes, suffix):
    data_dir = make_classes({"cat": 1, "dog": 1})
    (data_dir / "cat" / "000.png").rename(data_dir / "cat" / f"photo{suffix}")
    assert (None, "cat", f"cat/photo{suffix}") in listed(data_dir)


def test_a_dangling_class_link_is_named(make_classes):
    data_dir = make_classes({"cat": 1, "dog": 1})
    (data_dir / "bird").symlink_to(data_dir / "gone")
    with pytest.raises(FileNotFoundError, match="photos/bird"):
        list_images(data_dir)


def test_a_folder_named_as_an_image_is_listed_to_be_reported(make_classes):
    data_dir = make_classes({"cat": 1, "dog": 1})
    (data_dir / "cat" / "x.jpg").mkdir()
    (data_dir / "cat" / "y.jpg").symlink_to("gone")
    assert len(listed(data_dir)) == 4


def make_nothing(folder: Path) -> None:
    pass


def make_only_images(folder: Path) -> None:
    (folder / "1.jpg").write_bytes(b"")


def make_folders_without_images(folder: Path) -> None:
    (folder / "cat").mkdir()
    (folder / "dog").mkdir()
    (folder / "dog" / "notes.txt").write_text("")


def make_one_class(folder: Path) -> None:
    (folder / "cat").mkdir()
    (folder / "cat" / "1.jpg").write_bytes(b"")


def make_empty_class(folder: Path) -> None:
    make_one_class(folder)
    (folder / "dog").mkdir()


def make_classes_that_differ_by_case(folder: Path) -> None:
    make_one_class(folder)
    (folder / "Cat").mkdir()


def make_classes_that_look_the_same(folder: Path) -> None:
    (folder / "caf\u00e9").mkdir()
    (folder / "cafe\u0301").mkdir()
    (folder / "cafe\u0301" / "1.jpg").write_bytes(b"")


def make_name_of_two_lines(folder: Path) -> None:
    make_one_class(folder)
    (folder / "dog\nhouse").mkdir()


def make_name_that_is_not_text(folder: Path) -> None:
    make_one_class(folder)
    os.mkdir(os.fsencode(folder) + b"/caf\xe9")


def make_classes_that_differ_by_blanks(folder: Path) -> None:
    make_one_class(folder)
    (folder / "cat ").mkdir()


def make_name_of_blanks(folder: Path) -> None:
    make_one_class(folder)
    (folder / "\u3000 ").mkdir()


def make_class_of_the_test_split_only(folder: Path) -> None:
    for name in ("train/cat", "train/dog", "test/bird"):
        (folder / name).mkdir(parents=True)
        (folder / name / "1.jpg").write_bytes(b"")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_nothing, "no images; expected one sub-folder per class"),
        (make_only_images, "images but no folders; expected one sub-folder per class"),
        (make_folders_without_images, "no images in its folders"),
        (make_one_class, "only one class, 'cat'; add"),
        (make_empty_class, "data/dog: a class without images; add some or remove"),
        (make_classes_that_differ_by_case, "'Cat' and 'cat' differ only by case"),
        (make_classes_that_look_the_same, "differ only by"),
        (
            make_classes_that_differ_by_blanks,
            "'cat' and 'cat ' differ only by case or b",
        ),
        (make_name_of_blanks, "consists of blanks; rename it"),
        (
            make_name_of_two_lines,
            "characters that a line of text cannot contain; r",
        ),
        (make_name_that_is_not_text, "characters that a line of text cannot contain"),
        (make_class_of_the_test_split_only, "test/bird: no such class in train"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_with_a_remedy(tmp_path, make, message):
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    make(data_dir)
    with pytest.raises(RequestError, match=message):
        list_images(data_dir)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(RequestError, match="nowhere: no such folder; expected"):
        list_images(tmp_path / "nowhere")


def test_a_class_missing_in_a_given_test_part_is_only_a_warning(make_classes, caplog):
    data_dir = make_classes({"train/cat": 1, "train/dog": 1, "test/cat": 1})
    (data_dir / "test" / "dog").mkdir()
    list_images(data_dir)
    assert "no images of class 'dog'" in caplog.text
