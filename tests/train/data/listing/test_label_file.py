import pytest

from corallite.device.system.errors import RequestError
from corallite.train.data.listing.images import list_images
from corallite.train.data.listing.label_file import read_label_file

TWO_CLASSES = "path,label\ncat/000.png,cat\ndog/000.png,dog\n"


@pytest.fixture
def write_csv(make_classes):
    """A function that writes a CSV beside the folders cat and dog, of 3 images each."""
    folder = make_classes({"cat": 3, "dog": 3})

    def write(content: str | bytes):
        path = folder / "labels.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def listed(path):
    return [(x.path, x.class_name, x.given_split) for x in list_images(path).files]


def test_rows_are_listed_by_path_with_their_labels(write_csv):
    path = write_csv(TWO_CLASSES + "cat/001.png,dog\n")
    listing = list_images(path)
    assert listing.class_names == ("cat", "dog")
    assert listing.source == path and listing.data_dir == path.parent
    assert listed(path) == [
        ("cat/000.png", "cat", None),
        ("cat/001.png", "dog", None),
        ("dog/000.png", "dog", None),
    ]


def test_splits_have_the_names_that_folders_may_have(write_csv):
    path = write_csv(
        "split,label,path\ntrain,cat,cat/000.png\nTraining,dog,dog/000.png\n"
        "valid,dog,dog/001.png\ntest,cat,cat/001.png\n"
    )
    assert [row[2] for row in listed(path)] == ["train", "test", "train", "val"]


@pytest.mark.parametrize(
    "content",
    [
        TWO_CLASSES.replace("\n", "\r\n"),
        TWO_CLASSES.replace("\n", "\r"),
        "\ufeff" + TWO_CLASSES,
        TWO_CLASSES.rstrip("\n"),
        TWO_CLASSES.replace(",", " , "),
        TWO_CLASSES.replace("path,label", " Path,LABEL"),
        TWO_CLASSES.replace("\ncat", "\n\n./cat/../cat").replace("dog/", "dog//"),
        TWO_CLASSES.replace("cat/000.png,cat", '"cat/000.png","cat"'),
        "note,path,label,split\n,cat/000.png,cat,\n,dog/000.png,dog,\n",
    ],
    ids=["windows", "mac", "bom", "end", "blanks", "case", "dots", "quotes", "columns"],
)
def test_the_ways_to_write_a_csv_give_the_same(write_csv, content):
    assert listed(write_csv(content)) == [
        ("cat/000.png", "cat", None),
        ("dog/000.png", "dog", None),
    ]


def test_a_label_may_have_a_comma_and_any_letter(write_csv):
    path = write_csv('path,label\ncat/000.png,"Größe, 1"\ndog/000.png,犬\n')
    assert list_images(path).class_names == ("Größe, 1", "犬")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "line 1: has no column 'path'"),
        ("cat/000.png,cat\n", "line 1: has no column 'path' .*begin with the line"),
        ("path,class\n", "line 1: has no column 'label'"),
        ("path;label\n", r"line 1: .*path,label,split \(separated by commas\)"),
        ("path,label,path\n", "line 1: has two columns 'path'; remove one"),
        ("path,label\n", "lists no images; add lines as path,label"),
        ("path,label\n/x/1.png,cat\n", "line 2: /x/1.png is absolute; give paths"),
        ("path,label\n../1.png,cat\n", r"line 2: ../1.png is outside that folder"),
        ("path,label\na/../../1.png,cat\n", "line 2: a/../../1.png is outside"),
        ("path,label\ncat/9.png,cat\n", "line 2: cat/9.png: no such file in .*correct"),
        ("path,label\ncat\\000.png,cat\n", r"line 2: .* write / in place of \\"),
        ("path,label\ncat/000.txt,cat\n", "line 2: cat/000.txt has no suffix of an"),
        ("path,label\n,cat\n", "line 2: has no path; add it or remove the line"),
        ("path,label\ncat/000.png, \n", "line 2: cat/000.png has no label; add it"),
        (TWO_CLASSES + "cat/000.png,cat\n", "line 4: cat/000.png is in line 2, too"),
        (TWO_CLASSES + "./cat/000.png,dog\n", "line 4: cat/000.png is in line 2, too"),
        (TWO_CLASSES + "cat/001.png,a,b\n", "line 4: has 3 values for 2 columns"),
        (TWO_CLASSES + "cat/001.png\n", "line 4: has 1 values for 2 columns"),
        (TWO_CLASSES + '"cat/001.png,cat\n', "line 4: is not valid CSV"),
        (TWO_CLASSES.encode() + b"cat/\xe9.png,cat\n", "line 4: is not UTF-8; save"),
        (TWO_CLASSES.encode("utf-16"), "line 1: is not UTF-8; save the file as UTF-8"),
        ("path,label,split\ncat/000.png,cat,eval\n", "line 2: split 'eval' is unknown"),
        (
            "path,label,split\ncat/000.png,cat,train\ndog/000.png,dog,\n",
            "line 3: has no split, and other lines have one; add it",
        ),
        (
            "path,label,split\ncat/000.png,cat,val\ndog/000.png,dog,test\n",
            "no line has the split train; add it",
        ),
        ("path,label\ncat/000.png,cat\n", "only one class, 'cat'; add lines of"),
        (
            TWO_CLASSES + "cat/001.png,Cat\n",
            "classes 'Cat' and 'cat' differ only by case",
        ),
        (
            "path,label,split\ncat/000.png,cat,train\ndog/000.png,dog,train\n"
            "dog/001.png,wolf,test\n",
            "the test split has the class 'wolf', and train has not",
        ),
    ],
)
def test_a_line_that_cannot_be_used_is_named(write_csv, content, sentence):
    with pytest.raises(RequestError, match=f"labels.csv: {sentence}") as raised:
        list_images(write_csv(content))
    assert str(raised.value).endswith(".")


def test_a_class_without_images_of_a_split_is_named(write_csv, caplog):
    list_images(
        write_csv(
            "path,label,split\ncat/000.png,cat,train\ndog/000.png,dog,train\n"
            "dog/001.png,dog,test\n"
        )
    )
    assert "labels.csv: no test images of class 'cat'" in caplog.text


def test_a_missing_csv_is_named(tmp_path):
    with pytest.raises(RequestError, match="labels.csv: cannot be read .No such file"):
        read_label_file(tmp_path / "labels.csv")


def test_a_folder_may_be_called_csv(make_classes):
    data_dir = make_classes({"cat": 1, "dog": 1}, "photos.csv")
    assert len(list_images(data_dir).files) == 2
