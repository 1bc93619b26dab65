"""Valid files that show nothing, or whose 16 bits are mostly unused."""

import cv2
import numpy as np
import pytest

from corallite.device.image.preprocess import Preprocessing, decode_image
from corallite.device.system.errors import RequestError
from corallite.train.data.content import Fault, check_content, find_fault
from corallite.train.data.load import load_data, prepare_data
from corallite.train.runs.run import Run

SMALL = Preprocessing((8, 8))


def noise(top, dtype=np.uint8, size_hw=(40, 50), channels=3):
    rng = np.random.default_rng(0)
    image = rng.integers(0, top + 1, (*size_hw, channels), dtype)
    image[0, 0] = top
    return image


def fault_of(image, suffix=".png"):
    data = cv2.imencode(suffix, image)[1].tobytes()
    return find_fault(decode_image(data, "x"), data)


def flat(level, noise_std=0.0):
    rng = np.random.default_rng(0)
    image = rng.normal(level, noise_std, (40, 50, 3))
    return np.clip(image.round(), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("bits", [1, 8, 10, 12, 14])
def test_unused_bits_of_a_16_bit_file_are_counted(bits, channels):
    image = noise((1 << bits) - 1, np.uint16, channels=channels)
    if channels == 4:
        image[..., 3] = 0xFFFF
    assert fault_of(image) == Fault("nearly black", bits, 16)
    assert fault_of(image[..., :3] << (16 - bits)) is None


@pytest.mark.parametrize(
    ("suffix", "channels"), [(".tiff", 1), (".tiff", 3), (".pgm", 1)]
)
def test_bits_are_counted_in_other_16_bit_formats(suffix, channels):
    image = noise(1023, np.uint16, channels=channels)
    assert fault_of(image, suffix) == Fault("nearly black", 10, 16)


@pytest.mark.parametrize("suffix", [".tiff", ".png"])
def test_bits_are_counted_in_reduced_16_bit_files(suffix):
    image = noise(1023, np.uint16, size_hw=(3600, 3600), channels=1)
    image[:2, :2] = 1023
    assert fault_of(image, suffix) == Fault("nearly black", 10, 16)


@pytest.mark.skipif(
    not cv2.haveImageWriter("x.avif"), reason="OpenCV was built without AVIF"
)
def test_a_dark_photo_of_10_bits_in_its_format_is_no_16_bit_file():
    image = noise(200, np.uint16)
    options = [cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_QUALITY, 100]
    data = cv2.imencode(".avif", image, options)[1].tobytes()
    fault = find_fault(decode_image(data, "x"), data)
    assert fault is None or fault.depth == 8


@pytest.mark.parametrize(
    ("image", "fault"),
    [
        (flat(0), Fault("black")),
        (flat(6, 1.5), Fault("black")),
        (flat(0).astype(np.uint16), Fault("black")),
        (flat(255), Fault("white")),
        (flat(128, 1.0), Fault("one colour")),
        (np.full((40, 50, 3), (255, 0, 0), np.uint8), Fault("one colour")),
        (noise(31), Fault("nearly black", 5, 8)),
        (noise(1) * 31, Fault("nearly black", 5, 8)),
        (noise(255, size_hw=(7, 9)), Fault("tiny")),
        (noise(255, size_hw=(1, 1)), Fault("tiny")),
    ],
)
def test_images_that_show_nothing_are_found(image, fault):
    assert fault_of(image) == fault


def thin_line():
    page = flat(255)
    page[20, 5:45] = 0
    return page


@pytest.mark.parametrize(
    "image",
    [
        noise(255),
        noise(63),
        noise(0xFFFF, np.uint16),
        noise(255, size_hw=(8, 8)),
        noise(255, size_hw=(6, 90)),
        noise(0x7FFF, np.uint16),
        flat(128, 4.0),
        thin_line(),
    ],
)
def test_dark_and_plain_photos_are_accepted(image):
    assert fault_of(image) is None


def test_a_large_flat_photo_with_one_object_between_samples_is_accepted():
    image = np.full((1500, 1500, 3), 255, np.uint8)
    image[1::5, 1:700:5] = 0
    assert fault_of(image) is None


def make_data(make_classes, tmp_path, dark, *, bits=12, of=30):
    """Two classes of 30 images; `dark` of the first are nearly black, of 16 bits."""
    data_dir = make_classes({"cat": of, "dog": of})
    for number in range(dark):
        image = noise((1 << bits) - 1, np.uint16)
        image[0, 1] = number
        cv2.imwrite(str(data_dir / "cat" / f"{number:03d}.png"), image)
    return data_dir, Run.open(tmp_path / "run")


def test_few_faults_are_one_warning_with_numbers_and_names(
    make_classes, tmp_path, caplog
):
    data_dir, run = make_data(make_classes, tmp_path, dark=4)
    cv2.imwrite(str(data_dir / "dog" / "003.png"), flat(0))
    data = prepare_data(data_dir, run, SMALL)
    # Others say that the photos are few and alike.
    found = [x.getMessage() for x in caplog.records if x.levelname == "WARNING"]
    (warning,) = [text for text in found if "show little" in text]
    assert warning == (
        "5 images show little or nothing: 4 nearly black, 12 of 16 bits used "
        "(cat/000.png, cat/001.png, cat/002.png, ...), 1 black (dog/003.png); multiply "
        "the values of the 16-bit files by 16, here and on the device, as with "
        "ImageMagick: mogrify -evaluate multiply 16 FILES."
    )
    # The cached images keep what was found.
    for again in (data, load_data(run)):
        faults = {k: v for x in again.splits.values() for k, v in x.faults.items()}
        assert faults["dog/003.png"] == Fault("black") and len(faults) == 5
    caplog.clear()
    prepare_data(data_dir, run, SMALL)
    assert warning in caplog.text


def test_a_class_that_is_mostly_black_is_refused_and_can_be_repaired(
    make_classes, tmp_path
):
    data_dir, run = make_data(make_classes, tmp_path, dark=30)
    message = (
        r"24 of 24 images of class 'cat' in the train split show .* nearly black, 12 "
        r"of 16 bits used .* by 16, .*mogrify -evaluate multiply 16 FILES\.$"
    )
    for _ in range(2):  # Also where the images are cached already.
        with pytest.raises(RequestError, match=message):
            prepare_data(data_dir, run, SMALL)
    for path in (data_dir / "cat").iterdir():
        image = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        cv2.imwrite(str(path), image * 16)
    data = prepare_data(data_dir, run, SMALL)
    assert not any(split.faults for split in data.splits.values())


def test_a_split_whose_class_is_black_is_refused(make_classes, tmp_path, caplog):
    data_dir = make_classes({"train/cat": 9, "train/dog": 9, "test/cat": 4})
    for path in (data_dir / "test" / "cat").iterdir():
        cv2.imwrite(str(path), flat(int(path.stem)))
    (data_dir / "test" / "dog").mkdir()
    message = "4 of 4 images of class 'cat' in the test split .* replace or remove them"
    with pytest.raises(RequestError, match=message):
        prepare_data(data_dir, Run.open(tmp_path / "run"), SMALL)


def test_a_run_of_an_earlier_version_is_still_read(make_classes, tmp_path, decoded_dir):
    data_dir, run = make_data(make_classes, tmp_path, dark=0)
    prepare_data(data_dir, run, SMALL)
    indexes = list(decoded_dir.glob("*/*-*.json"))
    assert len(indexes) == 3
    for path in indexes:
        path.write_text("{}")
    data = load_data(run)
    check_content(data.splits, data.class_names)
    assert not any(split.faults for split in data.splits.values())
