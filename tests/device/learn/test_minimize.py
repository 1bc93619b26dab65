"""The minimum of a convex function."""

import numpy as np

from corallite.device.learn.minimize import minimize


def test_minimum_of_a_narrow_valley_is_found():
    scales = np.logspace(0, 3, 30)
    target = np.linspace(-1, 1, 30)

    def valley(x):
        return float(scales @ (x - target) ** 2), 2 * scales * (x - target)

    assert np.allclose(minimize(valley, np.zeros(30)), target, atol=1e-4)
