"""Which release is for which device."""

import pytest

from corallite.device.channel.release import (
    Release,
    choose,
    is_in_rollout,
    is_version,
    read_releases,
)

DEVICES = [f"device {number}" for number in range(10_000)]


def release(number, **fields):
    return Release(number, f"model-{number}.tflite", f"{number:064x}", **fields)


def as_targets(*releases):
    return {
        name: {
            "length": 1,
            "hashes": {"sha256": release.digest},
            **({"custom": release.to_custom()} if name == release.target else {}),
        }
        for release in releases
        for name in release.targets
    }


def test_releases_are_read_as_they_were_written():
    written = [release(1), release(2, rollout=25, min_version="1.2")]
    assert read_releases(as_targets(*reversed(written))) == written


@pytest.mark.parametrize("percent", [0, 1, 25, 50, 100])
def test_rollout_reaches_its_share_of_the_devices(percent):
    reached = sum(
        is_in_rollout(device, "model-1.tflite", percent) for device in DEVICES
    )
    # Four standard deviations of a binomial distribution; 0 and 100 are exact.
    spread = 4 * (len(DEVICES) * percent * (100 - percent)) ** 0.5 / 100
    assert abs(reached - len(DEVICES) * percent / 100) <= spread


def test_device_stays_in_a_rollout_that_grows():
    for device in DEVICES[:500]:
        inside = [is_in_rollout(device, "model-1.tflite", x) for x in range(101)]
        assert inside == sorted(inside)


def test_first_devices_are_others_for_each_release():
    first = [
        {x for x in DEVICES if is_in_rollout(x, f"model-{n}.tflite", 10)}
        for n in (1, 2)
    ]
    # A tenth of a tenth of all is expected in both.
    assert len(first[0] & first[1]) < len(first[0]) / 5


def test_device_waits_when_nothing_is_published():
    choice = choose([], "one", "1.0")
    assert (choice.release, choice.state) == (None, "waiting")


@pytest.mark.parametrize(
    ("version", "minimum", "is_enough"),
    [
        ("1.10.0", "1.9", True),
        ("1.9", "1.10", False),
        ("1.2", "1.2.0", True),
        ("1.2.dev3", "1.2", True),
        ("0.1.0", "", True),
    ],
)
def test_versions_are_compared_as_numbers(version, minimum, is_enough):
    choice = choose([release(1, min_version=minimum)], "one", version)
    assert (choice.release is not None) == is_enough


def test_versions_have_numbers_and_dots_only():
    good, bad = ("1", "0.1.0"), ("", "v1", "1.", "1.0rc1", "1 0")
    assert all(map(is_version, good)) and not any(map(is_version, bad))
