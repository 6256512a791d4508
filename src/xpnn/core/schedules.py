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
>>> optimizer
<momentum, learning rate step_decay(0.1, 0.5, 10)>
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi
from typing import TypeAlias

from ..validation.numbers import positive_int

Schedule: TypeAlias = Callable[[int], float]


@dataclass(frozen=True, repr=False)
class Decay:
    """A formula of the epoch with its numbers; unlike a closure it can be pickled and compared.

    Attributes
    ----------
    name : str
        The function of this module that makes it.
    numbers : tuple of float
        What that function takes, in its order.
    formula : callable (epoch, α₀, …) -> float
    """

    name: str
    numbers: tuple[float, ...]
    formula: Callable[..., float]

    def __call__(self, epoch: int) -> float:
        """α of an epoch, counted from 0."""
        return self.formula(epoch, *self.numbers)

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.numbers))})"


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
    return Decay("inverse_time_decay", (alpha_0, decay), _inverse_time_decay)


def _inverse_time_decay(epoch: int, alpha_0: float, decay: float) -> float:
    return alpha_0 / (1.0 + decay * epoch)


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
    return Decay("exponential_decay", (alpha_0, factor), _exponential_decay)


def _exponential_decay(epoch: int, alpha_0: float, factor: float) -> float:
    return alpha_0 * factor**epoch


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
    return Decay("step_decay", (alpha_0, factor, positive_int("every", every)), _step_decay)


def _step_decay(epoch: int, alpha_0: float, factor: float, every: int) -> float:
    return alpha_0 * factor ** (epoch // every)


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
    return Decay(
        "cosine_decay", (alpha_0, positive_int("epochs", epochs), alpha_min), _cosine_decay
    )


def _cosine_decay(epoch: int, alpha_0: float, epochs: int, alpha_min: float) -> float:
    return alpha_min + 0.5 * (alpha_0 - alpha_min) * (1.0 + cos(pi * min(epoch / epochs, 1.0)))
