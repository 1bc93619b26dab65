import pytest

from corallite.device.learn.photos import list_photos
from corallite.device.system.errors import RequestError


@pytest.fixture
def add(tmp_path):
    """A function that adds files below a folder, without content."""

    def add(*paths):
        for path in paths:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).touch()
        return tmp_path

    return add


def test_photos_are_listed_by_class(add):
    folder = add(
        "dog/2.JPG", "dog/1.png", "cat/deeper/3.jpg", "cat/.4.jpg", "cat/x.txt"
    )
    (folder / ".hidden").mkdir()
    photos = list_photos(folder)
    assert photos.class_names == ("cat", "dog")
    names = [path.relative_to(folder).as_posix() for path in photos.paths]
    assert names == ["cat/deeper/3.jpg", "dog/1.png", "dog/2.JPG"]
    assert photos.labels == (0, 1, 1)


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([], "has no folders; make one folder for each class"),
        (["cat/1.jpg"], "has only one folder, 'cat'"),
        (["cat/1.jpg", "dog/1.txt"], "dog: has no photos; add some"),
        (["train/a/1.jpg", "test/a/1.jpg"], "give --photos=.*/train"),
        (["cat/1.jpg", "a\nb/1.jpg"], "characters in its name that a label cannot"),
        (["cat/1.jpg", " /1.jpg"], "characters in its name that a label cannot"),
    ],
)
def test_folders_that_cannot_be_used_are_refused(add, paths, expected):
    with pytest.raises(RequestError, match=expected) as raised:
        list_photos(add(*paths))
    assert "\n" not in str(raised.value)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(RequestError, match="missing: cannot be read .*; make one"):
        list_photos(tmp_path / "missing")
