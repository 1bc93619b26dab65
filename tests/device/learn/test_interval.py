import pytest

from corallite.device.learn.interval import sign_test


@pytest.mark.parametrize(
    ("gained", "lost", "expected"),
    [(0, 0, 1.0), (0, 5, 1 / 32), (5, 0, 1.0), (1, 1, 0.75), (2, 10, 79 / 4096)],
)
def test_sign_test_is_exact(gained, lost, expected):
    assert sign_test(gained, lost) == pytest.approx(expected)
