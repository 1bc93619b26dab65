"""What limits a simulated board, by the code that limits the loop."""

from typing import Protocol

from simulator import LIMIT_C, BoardSimulator, list_choices

from corallite.device.board.sensors import Board
from corallite.device.loop.policy import Choice, Policy, PolicyThrottle
from corallite.device.loop.thermal import ThermalThrottle


class Throttle(Protocol):
    """Decides what runs, such as a `PolicyThrottle`."""

    @property
    def choice(self) -> Choice:
        """What runs in the next period."""

    def update(self, board: Board, fps: float) -> None:
        """Decides after each period, see `rate_limit.Throttle`."""


def apply_policy(policy: Policy, simulator: BoardSimulator) -> PolicyThrottle:
    """Returns what applies a policy in the loop, with --motion."""
    choices, read_load = list_choices(), lambda: simulator.observe()[1]
    return PolicyThrottle(choices, policy, LIMIT_C, read_load)


class RateAlone:
    """The loop without --policy: both models, and a rate that heat may lower."""

    def __init__(self) -> None:
        """Starts without a limit, at the rate of the camera."""
        self._throttle = ThermalThrottle(LIMIT_C)
        self.choice = list_choices()[-1]

    def update(self, board: Board, fps: float) -> None:
        """Limits the rate for the next period."""
        self._throttle.update(board, fps)
        last, limit_fps = list_choices()[-1], self._throttle.limit_fps
        self.choice = last._replace(fps=min(last.fps, limit_fps or last.fps))


class PolicyAlone:
    """A policy that nothing overrules: not the loop, but a bound for it."""

    def __init__(self, policy: Policy, simulator: BoardSimulator) -> None:
        """Chooses by the first observation."""
        self._policy = policy
        self._simulator = simulator
        self.update(Board(), 0.0)

    def update(self, board: Board, fps: float) -> None:
        """Lets the policy choose."""
        index = self._policy.choose(*self._simulator.observe())
        self.choice = list_choices()[index]
