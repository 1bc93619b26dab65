"""Which frames of a camera are decoded, by when they come and are taken."""

import pytest

from corallite.device.camera.decode_policy import Demand

# Milliseconds after the first.
SECOND_MS = 1000


def decode(frame_ms, take_ms, seconds=10, decode_ms=0):
    """Plays a camera and a loop against each other.

    The loop asks for a frame each `take_ms`, and waits if there is none; the camera
    sends one each `frame_ms`, but while the last one is being decoded.

    Returns:
        How many frames came, were decoded, were taken, and waited for longer than it
        took to decode one that had just come.
    """
    demand, newest_ms, asks_ms = Demand(), None, 0
    came = decoded = taken = late = 0
    busy_ms = 0
    for now_ms in range(seconds * SECOND_MS):
        if now_ms >= asks_ms:
            demand.note_asked()
            if newest_ms is not None and newest_ms <= now_ms:
                demand.note_taken(now_ms / 1000)
                taken += 1
                late += now_ms > asks_ms + decode_ms and taken > 20
                newest_ms, asks_ms = None, now_ms + take_ms
        if now_ms % frame_ms == 0 and now_ms >= busy_ms:
            came += 1
            if demand.wants(now_ms / 1000):
                decoded += 1
                busy_ms = newest_ms = now_ms + decode_ms
    return came, decoded, taken, late


def test_until_it_knows_better_every_frame_is_wanted():
    demand = Demand()
    assert all(demand.wants(number / 30) for number in range(100))


@pytest.mark.parametrize("take_ms", [1, 20, 33])
def test_loop_that_keeps_up_gets_every_frame(take_ms):
    came, decoded, taken, _ = decode(33, take_ms)
    assert decoded == came and taken >= came - 1


@pytest.mark.parametrize("take_ms", [200, 500, 1000])
def test_slow_loop_has_few_decoded_and_never_waits(take_ms):
    came, decoded, taken, late = decode(33, take_ms, seconds=30)
    # Eight takes it learns from, then one or two frames each.
    learning = 9 * take_ms / 33
    assert decoded <= learning + 2 * taken < came / 2
    assert late == 0


@pytest.mark.parametrize("decode_ms", [10, 60])
def test_slow_decoder_begins_in_time(decode_ms):
    came, decoded, _, late = decode(33, 300, seconds=30, decode_ms=decode_ms)
    assert late == 0 and decoded < came


def test_flood_is_not_decoded():
    came, decoded, taken, late = decode(1, 50)
    assert came == 10_000 and late == 0
    assert decoded < 9 * 50 + 4 * taken


def test_whoever_waits_gets_the_next_frame():
    demand = Demand()
    for number in range(950):
        demand.wants(number / 10)
        if number % 100 == 0:
            demand.note_taken(number / 10)
    assert not demand.wants(95)
    demand.note_asked()
    assert demand.wants(95.1)
    demand.note_taken(95.1)
    assert not demand.wants(95.2)
