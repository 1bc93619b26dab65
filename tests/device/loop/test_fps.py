"""Frames per second, with a fake clock."""

from corallite.device.loop.fps import Rate


def test_rate_is_intervals_per_second():
    times = iter([10.0, 10.5, 11.0])
    rate = Rate(lambda: next(times))
    for _ in range(3):
        rate.tick()
    assert (rate.frames, rate.seconds, rate.fps) == (3, 1.0, 2.0)


def test_one_frame_has_no_rate():
    rate = Rate(lambda: 5.0)
    assert (rate.frames, rate.fps) == (0, 0.0)
    rate.tick()
    assert (rate.frames, rate.fps) == (1, 0.0)
