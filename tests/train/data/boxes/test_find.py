"""Boxes are read from three formats, and what is wrong with them is said."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Preprocessing
from corallite.device.system.errors import RequestError
from corallite.train.data.boxes.annotations import Annotations
from corallite.train.data.boxes.find import read_annotations
from corallite.train.data.boxes.listing import BOTH, DETECT, list_marked
from corallite.train.data.boxes.run_boxes import (
    PlacedImage,
    RunBoxes,
    read_run_boxes,
    settle_boxes,
)

# Width and height, and two boxes: left, top, right, bottom.
_SIZE_WH = 40, 20
_BOXES = {"cat": (4.0, 2.0, 12.0, 10.0), "dog": (20.0, 5.0, 40.0, 20.0)}


def _write_images(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.full((_SIZE_WH[1], _SIZE_WH[0], 3), 10 * number, np.uint8)
        cv2.imwrite(str(path), image)


def _coco(**changes: Any) -> dict[str, Any]:
    boxes = [
        {"id": n, "image_id": 1, "category_id": n, "bbox": [x, y, right - x, low - y]}
        for n, (x, y, right, low) in enumerate(_BOXES.values(), 1)
    ]
    images = [
        {"id": n, "file_name": f"{n}.png", "width": _SIZE_WH[0], "height": _SIZE_WH[1]}
        for n in (1, 2)
    ]
    labels = [{"id": n, "name": label} for n, label in enumerate(_BOXES, 1)]
    return {"images": images, "annotations": boxes, "categories": labels, **changes}


def _write_coco(folder: Path, **changes: Any) -> Path:
    _write_images(folder, "1.png", "2.png")
    path = folder / "boxes.json"
    path.write_text(json.dumps(_coco(**changes)))
    return path


def _write_voc(folder: Path) -> None:
    _write_images(folder / "JPEGImages", "1.png")
    objects = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{left + 1}</xmin>"
        f"<ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox>"
        "</object>"
        for label, (left, top, right, bottom) in _BOXES.items()
    )
    (folder / "Annotations").mkdir()
    (folder / "Annotations/1.xml").write_text(
        "<annotation><filename>1.png</filename><size><width>40</width>"
        f"<height>20</height></size>{objects}</annotation>"
    )


def _write_yolo(folder: Path, text: str | None = None) -> None:
    _write_images(folder / "images/train", "1.png")
    (folder / "labels/train").mkdir(parents=True)
    lines = [
        f"{n} {(x + right) / 80} {(y + low) / 40} {(right - x) / 40} {(low - y) / 20}"
        for n, (x, y, right, low) in enumerate(_BOXES.values())
    ]
    content = "\n".join(lines) if text is None else text
    (folder / "labels/train/1.txt").write_text(content)
    (folder / "data.yaml").write_text("path: .\nnames:\n  0: cat\n  1: 'dog'\nnc: 2\n")


def _settle(folder: Path, run_dir: Path, annotations: Annotations) -> RunBoxes:
    run_dir.mkdir(exist_ok=True)
    listing = list_marked(folder, annotations, DETECT)
    settle_boxes(run_dir, listing, annotations, DETECT, is_cached=False)
    made = read_run_boxes(run_dir)
    assert made is not None
    return made


@pytest.mark.parametrize("write", [_write_coco, _write_voc, _write_yolo])
def test_each_format_gives_the_same_boxes(write: Any, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    write(folder)

    made = _settle(folder, tmp_path / "run", read_annotations(folder))

    assert made.labels == ("cat", "dog")
    (boxes,) = (x.boxes for path, x in made.images.items() if path.endswith("1.png"))
    expected = [(n, *sides) for n, sides in enumerate(_BOXES.values())]
    # They are rounded to a hundredth of a pixel.
    np.testing.assert_allclose(boxes, expected, atol=0.01)


def test_boxes_move_with_the_preprocessing() -> None:
    image = PlacedImage((20, 40), ((0, 4, 2, 12, 10), (1, 20, 5, 40, 20)))
    boxes = RunBoxes(DETECT, ("cat", "dog"), {"a.png": image})

    # The middle 20 of 40 columns, from 10 on; the centre of cat is at 8.
    crop = boxes.to_array(["a.png", "b.png"], Preprocessing((10, 10), "crop"))
    pad = boxes.to_array(["a.png"], Preprocessing((40, 40), "pad"))
    stretch = boxes.to_array(["a.png"], Preprocessing((10, 10), "stretch"))

    assert list(crop[:, 0, 0]) == [-1, -1]
    np.testing.assert_allclose(pad[0, 0], [0, 0.1, 0.3, 0.3, 0.5], atol=1e-6)
    np.testing.assert_allclose(stretch[0, 1], [1, 0.5, 0.25, 1, 1], atol=1e-6)


def test_a_box_ends_where_the_crop_ends() -> None:
    image = PlacedImage((20, 40), ((0, 12, 2, 40, 10),))
    boxes = RunBoxes(DETECT, ("cat",), {"a.png": image})

    crop = boxes.to_array(["a.png"], Preprocessing((20, 20), "crop"))

    np.testing.assert_allclose(crop[0, 0], [0, 0.1, 0.1, 1.0, 0.5], atol=1e-6)


def _change_box(box: list[float]) -> dict[str, Any]:
    boxes = _coco()["annotations"]
    boxes[0]["bbox"] = box
    return {"annotations": boxes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (_change_box([30, 2, 20, 5]), "'cat' in 1.png is from 30 to 50, outside"),
        (_change_box([4, 2, -3, 5]), "has the width -3 and the height 5"),
        ({"annotations": []}, "no boxes at all"),
        (
            {"annotations": _coco()["annotations"][:1]},
            "the class 'dog' has no boxes",
        ),
        ({"categories": 3}, "is not in COCO's format"),
    ],
)
def test_a_bad_box_is_one_sentence(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = _write_coco(tmp_path, **changes)

    with pytest.raises(RequestError, match=message) as raised:
        read_annotations(tmp_path, path)

    assert "\n" not in str(raised.value)


def test_a_box_may_be_rounded_beyond_the_border(tmp_path: Path) -> None:
    path = _write_coco(tmp_path, **_change_box([-0.6, 2, 41, 5]))

    annotations = read_annotations(tmp_path, path)

    assert annotations.images["1.png"].boxes[0].left == -0.6


def test_boxes_of_an_unknown_image_are_refused(tmp_path: Path) -> None:
    path = _write_coco(tmp_path)
    (tmp_path / "2.png").unlink()

    with pytest.raises(RequestError, match=r"has boxes of 2\.png, and .* has no such"):
        read_annotations(tmp_path, path)


@pytest.mark.parametrize("folder", ["/home/me/photos", r"C:\photos", "C:/photos"])
@pytest.mark.parametrize("write", [_write_coco, _write_voc])
def test_an_absolute_path_is_found_by_its_name(
    write: Any, folder: str, tmp_path: Path
) -> None:
    """Labelling tools write the paths of the computer that they run on."""
    write(tmp_path)
    for path in (*tmp_path.rglob("*.json"), *tmp_path.rglob("*.xml")):
        absolute = json.dumps(f"{folder}/1.png")[1:-1]
        if path.suffix == ".xml":
            absolute = f"{folder}/1.png"
        path.write_text(path.read_text().replace("1.png", absolute))

    annotations = read_annotations(tmp_path)

    (found,) = (x for x in annotations.images if x.endswith("1.png"))
    assert len(annotations.images[found].boxes) == 2


def test_an_absolute_path_must_name_one_image(tmp_path: Path) -> None:
    path = _write_coco(tmp_path)
    _write_images(tmp_path / "other", "1.png")
    path.write_text(path.read_text().replace("1.png", "/home/me/1.png"))

    with pytest.raises(RequestError, match=r"1\.png may be 1\.png or other/1\.png"):
        read_annotations(tmp_path)


def test_annotations_of_another_size_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    _write_coco(folder)
    cv2.imwrite(str(folder / "1.png"), np.zeros((30, 30, 3), np.uint8))

    with pytest.raises(RequestError, match="40 x 20 pixels, and the image in .* 30 x"):
        _settle(folder, tmp_path / "run", read_annotations(folder))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("7 0.5 0.5 0.1 0.1", "line 1 has the class 7, and there are names of 2"),
        ("cat 0.5 0.5 0.1 0.1", "line 1 is not in YOLO's format"),
        ("0 0.9 0.5 0.4 0.1\n1 0.5 0.5 0.1 0.1", "outside the image of 1"),
    ],
)
def test_a_bad_line_of_yolo_is_named(text: str, message: str, tmp_path: Path) -> None:
    _write_yolo(tmp_path, text)

    with pytest.raises(RequestError, match=message):
        read_annotations(tmp_path)


def test_yolo_without_names_is_refused(tmp_path: Path) -> None:
    _write_yolo(tmp_path)
    (tmp_path / "data.yaml").unlink()

    with pytest.raises(RequestError, match="no names of classes; add a classes.txt"):
        read_annotations(tmp_path)


def test_an_xml_of_something_else_is_refused(tmp_path: Path) -> None:
    _write_voc(tmp_path)
    (tmp_path / "Annotations/1.xml").write_text("<html></html>")

    with pytest.raises(RequestError, match="1.xml: is not in the format of Pascal VOC"):
        read_annotations(tmp_path)


def test_a_folder_without_boxes_says_what_is_expected(tmp_path: Path) -> None:
    _write_images(tmp_path, "1.png")

    with pytest.raises(
        RequestError, match="has no boxes; train with --boxes of a COCO"
    ):
        read_annotations(tmp_path)
    with pytest.raises(RequestError, match="is not a .json file"):
        read_annotations(tmp_path, tmp_path / "1.png")


def test_a_damaged_file_beside_others_is_refused(tmp_path: Path) -> None:
    whole = _write_coco(tmp_path).read_text()
    (tmp_path / "more.json").write_text(whole[:-20])

    with pytest.raises(RequestError, match=r"more\.json: is not valid JSON, so its"):
        read_annotations(tmp_path)


def test_a_damaged_file_alone_is_named(tmp_path: Path) -> None:
    path = _write_coco(tmp_path)
    path.write_text(path.read_text()[:-20])

    with pytest.raises(RequestError, match=r"boxes\.json: is not valid JSON"):
        read_annotations(tmp_path)


def test_a_damaged_json_beside_boxes_of_another_format_is_none_of_them(
    tmp_path: Path,
) -> None:
    _write_voc(tmp_path)
    (tmp_path / "notes.json").write_text("{")

    assert read_annotations(tmp_path).images


def test_shards_are_refused_before_annotations_are_sought(tmp_path: Path) -> None:
    (tmp_path / "split.json").write_text("{}")
    (tmp_path / "shards.json").write_text("{}")

    with pytest.raises(RequestError, match="shards have no boxes; give the folder"):
        read_annotations(tmp_path)


def test_an_image_in_two_files_is_refused(tmp_path: Path) -> None:
    path = _write_coco(tmp_path)
    (tmp_path / "other.json").write_text(path.read_text())

    with pytest.raises(RequestError, match=r"1\.png is in .*boxes\.json, too"):
        read_annotations(tmp_path)


def test_other_boxes_do_not_replace_those_of_a_run(tmp_path: Path) -> None:
    folder, run_dir = tmp_path / "photos", tmp_path / "run"
    folder.mkdir()
    _write_coco(folder)
    made = _settle(folder, run_dir, read_annotations(folder))
    (folder / "boxes.json").write_text(json.dumps(_coco(**_change_box([4, 2, 9, 9]))))
    changed = read_annotations(folder)
    listing = list_marked(folder, changed, DETECT)

    with pytest.raises(RequestError, match="was made with other boxes"):
        settle_boxes(run_dir, listing, changed, DETECT, is_cached=True)

    assert read_run_boxes(run_dir) == made


def test_classes_and_boxes_need_common_images(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    _write_images(folder, "inside/a.png", "outside/b.png")
    (tmp_path / "marked").mkdir()
    path = _write_coco(tmp_path / "marked")
    annotations = read_annotations(tmp_path / "marked", path)

    with pytest.raises(RequestError, match="no image of its class folders has boxes"):
        list_marked(folder, annotations, BOTH)


def test_given_splits_are_kept(tmp_path: Path) -> None:
    names = ["train/a.png", "train/b.png", "valid/c.png", "test/d.png"]
    _write_images(tmp_path, *names)
    images = [
        {"id": n, "file_name": name, "width": 40, "height": 20}
        for n, name in enumerate(names, 1)
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(_coco(images=images)))

    listing = list_marked(tmp_path, read_annotations(tmp_path), DETECT)

    assert [x.given_split for x in listing.files] == ["test", "train", "train", "val"]
    assert {x.class_name for x in listing.files} == {"cat", "no boxes"}
