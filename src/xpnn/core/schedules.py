"""Learning-rate schedules: functions of the epoch, counted from 0.

Any optimiser takes one in place of a number, and so does any function of your
own that takes the epoch and returns the rate.

Examples
--------
>>> from xpnn import optimizers, schedules
>>> halving = schedules.step_decay(0.1, factor=0.5, every=10)
>>> [halving(epoch) for epoch in (0, 9, 10, 20)]
[0.1, 0.1, 0.05, 0.025]
>>> optimizer = optimizers.momentum(halving)
"""

from collections.abc import Callable
from math import cos, pi
from typing import TypeAlias

Schedule: TypeAlias = Callable[[int], float]


def inverse_time_decay(alpha_0: float, decay: float) -> Schedule:
    """α = α₀ / (1 + decay · epoch)."""
    return lambda epoch: alpha_0 / (1.0 + decay * epoch)


def exponential_decay(alpha_0: float, factor: float) -> Schedule:
    """α = α₀ · factor^epoch."""
    return lambda epoch: alpha_0 * factor**epoch


def step_decay(alpha_0: float, factor: float, every: int) -> Schedule:
    """α = α₀ · factor^⌊epoch / every⌋."""
    return lambda epoch: alpha_0 * factor ** (epoch // every)


def cosine_decay(alpha_0: float, epochs: int, alpha_min: float = 0.0) -> Schedule:
    """α = α_min + ½ (α₀ − α_min)(1 + cos(π epoch / epochs)), α_min from ``epochs`` on.

    Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983, without restarts.
    """

    def rate(epoch: int) -> float:
        return alpha_min + 0.5 * (alpha_0 - alpha_min) * (1.0 + cos(pi * min(epoch / epochs, 1.0)))

    return rate
