"""`Solver`: the optimizer that the parameters of a perceptron describe, and how far it has come."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .._backends.host import to_host
from .._typing import Array
from ..core.optimizers import OPTIMIZERS, Optimizer, sklearn_adam, sklearn_sgd
from ..core.schedules import Decay
from ..training.stopping import AdaptiveRate


class Solver:
    """An optimiser between two calls of ``partial_fit``.

    Attributes
    ----------
    optimizer : Optimizer
    learning_rate : float
        α of the next epoch.
    steps, epochs : int
        Steps and epochs behind it.
    state : tuple of array
        Its velocities or moments.
    """

    def __init__(self, estimator: Any) -> None:
        self.optimizer = _optimizer(estimator)
        self.alpha_0, self.power_t = float(estimator.learning_rate_init), float(estimator.power_t)
        self.learning_rate = self.optimizer.rate(0)
        self.steps = self.epochs = 0
        self.state: tuple[Array, ...] | None = None

    def scheduled(
        self, estimator: Any, m: int, tell: Callable[[float], object] | None
    ) -> Optimizer:
        """Return the optimiser for some more epochs of m examples, with their learning rates.

        ``tell`` is called when an adaptive rate is lowered.
        """
        own = self.optimizer.learning_rate
        first, before = self.learning_rate, self.epochs
        if isinstance(estimator.solver, Optimizer):
            if not callable(own) or before == 0:
                return self.optimizer
            schedule: Any = lambda epoch: own(before + epoch)  # noqa: E731
        elif estimator.solver != "sgd" or estimator.learning_rate == "constant":
            schedule = first
        elif estimator.learning_rate == "adaptive":
            schedule = AdaptiveRate(first, tell)
        else:
            numbers = (first, self.alpha_0, self.power_t, estimator.t_, m)
            schedule = Decay("invscaling", numbers, _inverse_scaling)
        return replace(self.optimizer, learning_rate=schedule)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the device behind."""
        state = self.state and tuple(map(to_host, self.state))
        return {**vars(self), "state": state}


def _optimizer(estimator: Any) -> Optimizer:
    """Return the optimiser that ``solver=`` names."""
    e, alpha = estimator, estimator.learning_rate_init
    if isinstance(e.solver, Optimizer):
        return e.solver
    if e.solver == "sgd":
        return sklearn_sgd(alpha, e.momentum, e.nesterovs_momentum)
    if e.solver == "adam":
        return sklearn_adam(alpha, e.beta_1, e.beta_2, e.epsilon)
    return OPTIMIZERS[e.solver](alpha)


def _inverse_scaling(
    epoch: int, first: float, alpha_0: float, power: float, seen: int, m: int
) -> float:
    """α = α₀ / (t + 1)^p after t examples, ``first`` in the first epoch."""
    return first if epoch == 0 else alpha_0 / (seen + epoch * m + 1) ** power
