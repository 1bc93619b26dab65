import numpy as np
import pytest

from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Preprocessing
from corallite.device.system.errors import RequestError
from corallite.train.data import load
from corallite.train.data.inspect.grouping import group_by_name
from corallite.train.runs.run import Run

SMALL = Preprocessing((32, 32))
CLASSES, RECORDINGS, FRAMES = ("cat", "dog", "fox"), 3, 20


@pytest.fixture
def recordings_dir(draw_clouds, tmp_path):
    """Three recordings of each class: scenes that move, with noise and other light."""
    rng = np.random.default_rng(0)
    scenes = iter(draw_clouds(9, 24, 32) * 200)
    for name in CLASSES:
        (tmp_path / "photos" / name).mkdir(parents=True)
        for recording in range(RECORDINGS):
            scene = cv2.resize(next(scenes), (240, 180))
            for frame in range(FRAMES):
                moved = scene[frame // 2 :, frame:][:150, :200]
                lit = moved * (0.9 + 0.2 * rng.random()) + rng.normal(0, 3, moved.shape)
                path = tmp_path / "photos" / name / f"r{recording}_{frame:02d}.png"
                cv2.imwrite(str(path), np.clip(lit, 0, 255).astype(np.uint8))
    return tmp_path / "photos"


def splits_by_recording(data):
    """The splits that each recording is in."""
    found: dict[str, set[str]] = {}
    for name, split in data.splits.items():
        for path in split.paths:
            found.setdefault(path.partition("_")[0], set()).add(name)
    return found


@pytest.mark.parametrize("group_by", [None, r"^(.*/r\d)_"])
def test_frames_of_a_recording_are_in_one_split(recordings_dir, tmp_path, group_by):
    run = Run.open(tmp_path / "run")
    data = load.prepare_data(recordings_dir, run, SMALL, group_by)
    found = splits_by_recording(data)
    assert len(found) == RECORDINGS * len(CLASSES)
    assert all(len(splits) == 1 for splits in found.values())
    for split in data.splits.values():
        assert sorted(set(split.labels.tolist())) == [0, 1, 2]
        assert len(set(split.groups.values())) == len(split.labels) / FRAMES
    assert load.load_data(run).splits["train"].groups == data.splits["train"].groups


def test_a_class_of_one_recording_is_divided_and_named(
    recordings_dir, tmp_path, caplog
):
    for path in recordings_dir.glob("dog/r[12]_*"):
        path.unlink()
    data = load.prepare_data(recordings_dir, Run.open(tmp_path / "run"), SMALL)
    assert "Class 'dog': most of its photos are near-duplicates" in caplog.text
    assert "give --group_by" in caplog.text
    assert splits_by_recording(data)["dog/r0"] == {"train", "val", "test"}


def test_two_recordings_by_name_leave_nothing_to_test(recordings_dir, tmp_path):
    for path in recordings_dir.glob("*/r2_*"):
        path.unlink()
    with pytest.raises(RequestError, match=r"different ones groups \(see --group_by\)"):
        load.prepare_data(
            recordings_dir, Run.open(tmp_path / "run"), SMALL, r"^(.*/r\d)_"
        )


def test_a_run_keeps_its_groups(recordings_dir, tmp_path):
    run = Run.open(tmp_path / "run")
    pattern = r"^(.*/r\d)_"
    first = load.prepare_data(recordings_dir, run, SMALL, pattern)
    for group_by in (pattern, None):
        again = load.prepare_data(recordings_dir, run, SMALL, group_by)
        assert again.splits["test"].paths == first.splits["test"].paths
    with pytest.raises(RequestError, match="was split with other groups than"):
        load.prepare_data(recordings_dir, run, SMALL, "r(.)")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"_(\d+)_", {"cat/a_1_x.png": "1", "dog/b_1_y.png": "1", "dog/c_2.png": None}),
        (r"^dog/.", {"cat/a_1_x.png": None, "dog/b_1_y.png": "dog/b"}),
        (r"(x)?.png", {"cat/a_1_x.png": "x", "dog/b_1_y.png": None}),
        (r"(?P<first>.)/(.)", {"cat/a_1_x.png": "t", "dog/c_2.png": "g"}),
    ],
)
def test_the_first_parenthesis_or_the_whole_match_is_the_group(pattern, expected):
    paths = ["cat/a_1_x.png", "dog/b_1_y.png", "dog/c_2.png"]
    groups = group_by_name(paths, pattern)
    assert {path: groups.get(path) for path in expected} == expected


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("(", r"--group_by=\(: is not a regular expression \(.*\); correct it\."),
        ("nothing", "--group_by=nothing: matches no photo, such as cat/1.png; correct"),
        ("(x?)", "matches no photo"),
        ("", "matches no photo"),
    ],
)
def test_a_pattern_that_gives_no_groups_is_refused(pattern, sentence):
    with pytest.raises(RequestError, match=sentence):
        group_by_name(["cat/1.png"], pattern)
