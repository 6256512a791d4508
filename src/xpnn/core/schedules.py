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

from ..errors import positive_int

Schedule: TypeAlias = Callable[[int], float]


def inverse_time_decay(alpha_0: float, decay: float) -> Schedule:
    """α = α₀ / (1 + decay · epoch).

    Parameters
    ----------
    alpha_0 : float
        α₀, the rate of epoch 0.
    decay : float

    Examples
    --------
    >>> from xpnn import schedules
    >>> schedules.inverse_time_decay(0.2, decay=1.0)(1)
    0.1
    """
    return lambda epoch: alpha_0 / (1.0 + decay * epoch)


def exponential_decay(alpha_0: float, factor: float) -> Schedule:
    """α = α₀ · factor^epoch.

    Parameters
    ----------
    alpha_0 : float
        α₀, the rate of epoch 0.
    factor : float

    Examples
    --------
    >>> from xpnn import schedules
    >>> schedules.exponential_decay(1.0, factor=0.5)(3)
    0.125
    """
    return lambda epoch: alpha_0 * factor**epoch


def step_decay(alpha_0: float, factor: float, every: int) -> Schedule:
    """α = α₀ · factor^⌊epoch / every⌋.

    Parameters
    ----------
    alpha_0 : float
        α₀, the rate of epoch 0.
    factor : float
    every : int
        Epochs from one change to the next.

    Examples
    --------
    >>> from xpnn import schedules
    >>> schedules.step_decay(0.1, factor=0.5, every=10)(19)
    0.05
    """
    every = positive_int("every", every)
    return lambda epoch: alpha_0 * factor ** (epoch // every)


def cosine_decay(alpha_0: float, epochs: int, alpha_min: float = 0.0) -> Schedule:
    """α = α_min + ½ (α₀ − α_min)(1 + cos(π epoch / epochs)), α_min from ``epochs`` on.

    Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983, without restarts.

    Parameters
    ----------
    alpha_0 : float
        α₀, the rate of epoch 0.
    epochs : int
        Length of the descent.
    alpha_min : float

    Examples
    --------
    >>> from xpnn import schedules
    >>> schedules.cosine_decay(0.1, epochs=10)(5)
    0.05
    """
    epochs = positive_int("epochs", epochs)

    def rate(epoch: int) -> float:
        return alpha_min + 0.5 * (alpha_0 - alpha_min) * (1.0 + cos(pi * min(epoch / epochs, 1.0)))

    return rate
