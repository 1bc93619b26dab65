import json

import pytest

from corallite.device.system.errors import RequestError
from corallite.train.data.inspect.examine import inspect_photos, to_json, to_text


def test_the_text_has_the_classes_and_one_paragraph_for_each_finding(make_classes):
    data_dir = make_classes({"cat": 70, "dog": 19})
    (data_dir / "cat" / "000.png").write_text("no image")
    lines = to_text(inspect_photos(data_dir, 8)).splitlines()
    assert lines[0] == "89 photos, 2 classes: cat 70, dog 19"
    assert [line[:21] for line in lines[1:] if not line.startswith(" ")] == [
        "the largest class has",
        "1 of 2 classes have f",
        "1 files cannot be rea",
    ]
    assert max(map(len, lines)) <= 80


def test_good_photos_are_said_to_be_good(make_classes):
    text = to_text(inspect_photos(make_classes({"cat": 20, "dog": 20}), 8))
    assert text.endswith("nothing found that needs attention.")


def test_json_names_all_photos_of_a_finding(make_classes):
    data_dir = make_classes({"cat": 20, "dog": 25})
    content = json.loads(json.dumps(to_json(inspect_photos(data_dir, 224))))
    (finding,) = content.pop("findings")
    assert content == {
        "data_dir": str(data_dir),
        "photos": 45,
        "classes": {"cat": 20, "dog": 25},
        "image_size": 224,
    }
    assert finding["kind"] == "small" and len(finding["names"]) == 45
    assert finding["remedy"].startswith("replace them by larger ones")


def test_a_csv_is_inspected(make_classes):
    data_dir = make_classes({"cat": 20, "dog": 20})
    rows = [f"{path.relative_to(data_dir)},a" for path in data_dir.glob("cat/*")]
    rows += [f"{path.relative_to(data_dir)},b" for path in data_dir.glob("dog/*")]
    path = data_dir / "labels.csv"
    path.write_text("path,label\n" + "\n".join(rows))
    assert "40 photos, 2 classes: a 20, b 20" in to_text(inspect_photos(path, 8))


def test_a_folder_that_cannot_be_used_is_refused(tmp_path):
    with pytest.raises(RequestError, match="no images; expected one sub-folder"):
        inspect_photos(tmp_path, 224)
