import numpy as np
import pytest

from corallite.device.image.opencv import cv2
from corallite.train.data.inspect.examine import inspect_photos
from corallite.train.data.inspect.findings import find_all


@pytest.fixture
def photos(draw_clouds, tmp_path):
    """Class folders of 20 different photos each, 60 x 60 pixels."""
    for number, coarse in enumerate(draw_clouds(40, 24, 24)):
        image = cv2.resize(coarse * 200 + 20, (60, 60)).astype(np.uint8)
        folder = tmp_path / "photos" / ("cat", "dog")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{number // 2:02d}.png"), image)
    return tmp_path / "photos"


def found(data_dir, side=32):
    return {x.kind: x for x in find_all(inspect_photos(data_dir, side))}


def copy(photos, source, target):
    (photos / target).parent.mkdir(parents=True, exist_ok=True)
    (photos / target).write_bytes((photos / source).read_bytes())


def read(path):
    return cv2.imread(str(path))


def test_good_photos_have_no_findings(photos):
    assert found(photos) == {}


def test_unequal_and_small_classes_are_named(photos):
    for number in range(6, 20):
        (photos / "dog" / f"{number:02d}.png").unlink()
    findings = found(photos)
    assert findings.keys() == {"unequal_classes", "few_photos"}
    assert findings["unequal_classes"].to_line() == (
        "the largest class has 3.3 times the photos of the smallest, more than 3 "
        "times: cat 20, dog 6; add photos of dog."
    )
    assert findings["few_photos"].to_line() == (
        "1 of 2 classes have fewer than 20 photos: dog 6; add photos to them."
    )


def test_a_ratio_of_three_is_no_finding(photos):
    for number in range(20, 60):
        image = np.random.default_rng(number).integers(0, 256, (60, 60, 3), np.uint8)
        cv2.imwrite(str(photos / "dog" / f"{number}.png"), image)
    assert "unequal_classes" not in found(photos)


def test_copies_are_near_duplicates(photos):
    copy(photos, "cat/03.png", "cat/90.png")
    for quality in range(30, 90, 20):
        path = str(photos / "dog" / f"q{quality}.jpg")
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        cv2.imwrite(path, read(photos / "dog/04.png"), options)
    findings = found(photos)
    assert findings.keys() == {"near_duplicates"}
    line = findings["near_duplicates"].to_line()
    assert line.startswith("6 photos are near-duplicates, of 2 scenes: ")
    assert "cat/03.png = cat/90.png" in line
    assert "dog/04.png = dog/q30.jpg = dog/q50.jpg = ..." in line


def test_of_small_images_only_equal_files_are_recognized(photos):
    small = cv2.resize(read(photos / "cat/00.png"), (31, 40))
    cv2.imwrite(str(photos / "cat" / "90.png"), small)
    cv2.imwrite(str(photos / "dog" / "90.png"), small)
    cv2.imwrite(str(photos / "dog" / "91.bmp"), small)
    findings = found(photos, side=16)
    assert findings.keys() == {"two_classes"}
    assert findings["two_classes"].names == ("cat/90.png = dog/90.png",)


@pytest.mark.parametrize("quality", [None, 95])
def test_a_photo_of_two_classes_is_named_also_as_another_file(photos, quality):
    if quality is None:
        copy(photos, "cat/03.png", "dog/90.png")
    else:
        image = read(photos / "cat/03.png")
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        cv2.imwrite(str(photos / "dog" / "90.jpg"), image, options)
    findings = found(photos)
    assert findings.keys() == {"near_duplicates", "two_classes"}
    (names,) = findings["two_classes"].names
    assert names.startswith("cat/03.png = dog/90.")


def test_scenes_of_two_given_splits_are_named(photos, tmp_path):
    photos.rename(tmp_path / "train")
    (tmp_path / "photos").mkdir()
    (tmp_path / "train").rename(photos / "train")
    for number in (1, 2):
        image = (read(photos / f"train/dog/0{number}.png") * 0.9).astype(np.uint8)
        (photos / "test" / "dog").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(photos / "test" / "dog" / f"{number}.png"), image)
    findings = found(photos)
    assert findings.keys() == {"near_duplicates", "two_splits"}
    assert findings["two_splits"].names == (
        "test/dog/1.png = train/dog/01.png",
        "test/dog/2.png = train/dog/02.png",
    )


def test_files_that_show_nothing_or_are_none_are_named(photos):
    (photos / "cat" / "text.jpg").write_text("no image")
    (photos / "cat" / "gone.jpg").symlink_to("nowhere")
    for name, value in (("black", 0), ("white", 255), ("again", 0)):
        image = np.full((60, 60, 3), value, np.uint8)
        cv2.imwrite(str(photos / "dog" / f"{name}.png"), image)
    findings = found(photos)
    assert findings.keys() == {"unreadable", "no_content"}
    assert findings["unreadable"].names == ("cat/gone.jpg", "cat/text.jpg")
    assert findings["no_content"].names == (
        "dog/again.png (black)",
        "dog/black.png (black)",
        "dog/white.png (white)",
    )


def test_photos_smaller_than_the_input_are_named(photos):
    image = read(photos / "cat/00.png")
    cv2.imwrite(str(photos / "cat" / "90.png"), image[:31, :])
    findings = found(photos)
    assert findings["small"].names == ("cat/90.png",)
    assert "below the input's 32 pixels, the smallest 31" in findings["small"].text
    assert len(found(photos, side=64)["small"].names) == 41


def test_blurred_photos_are_named_worst_first(photos):
    noise = np.random.default_rng(0).random((250, 250)).astype(np.float32)
    for number, sigma in ((90, 2), (91, 5), (92, 8)):
        blurred = cv2.GaussianBlur(noise, (0, 0), sigma)
        stretched = np.interp(blurred, (blurred.min(), blurred.max()), (0, 255))
        cv2.imwrite(str(photos / "cat" / f"{number}.png"), stretched)
    names = found(photos)["blurred"].names
    assert names == ("cat/92.png", "cat/91.png")


def test_a_line_has_three_names_and_any_log_can_write_it(photos):
    for number in range(4):
        path = photos / "cat" / f"caf\udce9 {number}.jpg"
        path.write_text("no image")
    line = found(photos)["unreadable"].to_line()
    assert line.encode().decode().count("caf") == 3
    assert line.endswith(", ...; repair or remove them.")
