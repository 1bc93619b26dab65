"""Which frames of a camera are decoded, given their times and the requests."""

import pytest

from corallite.device.camera.decode_policy import DecodePolicy

SECOND_MS = 1000


def decode(frame_ms, take_ms, seconds=10, decode_ms=0):
    """Simulates a camera and a loop.

    The loop requests a frame every `take_ms`, and waits if there is none. The camera
    sends a frame every `frame_ms`, except while the last one is being decoded.

    Returns:
        How many frames arrived, were decoded, were taken, and were late: the loop
        waited longer than the decoding of a frame that has just arrived.
    """
    policy, newest_ms, request_ms = DecodePolicy(), None, 0
    arrived = decoded = taken = late = 0
    busy_ms = 0
    for now_ms in range(seconds * SECOND_MS):
        if now_ms >= request_ms:
            policy.note_request()
            if newest_ms is not None and newest_ms <= now_ms:
                policy.note_taken(now_ms / 1000)
                taken += 1
                late += now_ms > request_ms + decode_ms and taken > 20
                newest_ms, request_ms = None, now_ms + take_ms
        if now_ms % frame_ms == 0 and now_ms >= busy_ms:
            arrived += 1
            if policy.should_decode(now_ms / 1000):
                decoded += 1
                busy_ms = newest_ms = now_ms + decode_ms
    return arrived, decoded, taken, late


def test_without_history_every_frame_is_decoded():
    policy = DecodePolicy()
    assert all(policy.should_decode(number / 30) for number in range(100))


@pytest.mark.parametrize("take_ms", [1, 20, 33])
def test_fast_loop_gets_every_frame(take_ms):
    arrived, decoded, taken, _ = decode(33, take_ms)
    assert decoded == arrived and taken >= arrived - 1


@pytest.mark.parametrize("take_ms", [200, 500, 1000])
def test_slow_loop_causes_few_decodings_and_never_waits(take_ms):
    arrived, decoded, taken, late = decode(33, take_ms, seconds=30)
    # The policy learns from eight requests; then each costs one or two decodings.
    learning = 9 * take_ms / 33
    assert decoded <= learning + 2 * taken < arrived / 2
    assert late == 0


@pytest.mark.parametrize("decode_ms", [10, 60])
def test_slow_decoder_starts_early_enough(decode_ms):
    arrived, decoded, _, late = decode(33, 300, seconds=30, decode_ms=decode_ms)
    assert late == 0 and decoded < arrived


def test_few_frames_of_a_very_fast_camera_are_decoded():
    arrived, decoded, taken, late = decode(1, 50)
    assert arrived == 10_000 and late == 0
    assert decoded < 9 * 50 + 4 * taken


def test_waiting_consumer_gets_the_next_frame():
    policy = DecodePolicy()
    for number in range(950):
        policy.should_decode(number / 10)
        if number % 100 == 0:
            policy.note_taken(number / 10)
    assert not policy.should_decode(95)
    policy.note_request()
    assert policy.should_decode(95.1)
    policy.note_taken(95.1)
    assert not policy.should_decode(95.2)
