"""How the multi-layer perceptrons are trained: scikit-learn's forms of everything.

The steps, epochs and checkpoints are those of `xpnn.fit`. What differs is written here: the
optimisers with their learning rates, the loss values that scikit-learn reports, and what it
makes of a cost that is not finite (it goes on). ``lbfgs`` is SciPy's, over the core's gradients.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._backends.base import Backend
from .._backends.host import to_host
from .._typing import Array, Namespace
from ..core import propagation
from ..core.losses import (
    Loss,
    poisson,
    poisson_derivative,
    poisson_from_logits,
    squared_error_derivative,
)
from ..core.optimizers import OPTIMIZERS, Optimizer, sklearn_adam, sklearn_sgd
from ..core.parameters import ravel, unravel
from ..core.schedules import Decay
from ..network import Network
from ..training.history import Callback, Report
from ..training.stopping import AdaptiveRate
from ..training.trainer import Trainer, largest_product
from ..validation.weights import share_and_decay

# ---- losses -----------------------------------------------------------------


def _mean_squared_error(A: Array, Y: Array, xp: Namespace) -> Array:
    """½ (a − y)² / n_y: the mean over the outputs, though descent follows a − y."""
    E = A - Y
    return (E * E) * (0.5 / Y.shape[0])


def _half_deviance(A: Array, Y: Array, xp: Namespace) -> Array:
    return poisson(A, Y, xp) + _saturated(Y, xp)


def _half_deviance_from_logits(Z: Array, Y: Array, xp: Namespace) -> Array:
    return poisson_from_logits(Z, Y, xp) + _saturated(Y, xp)


def _saturated(Y: Array, xp: Namespace) -> Array:
    """y log y − y, which no parameter changes; 0 at y = 0."""
    return xp.log(xp.where(Y > 0.0, Y, 1.0)) * Y - Y


def _clipped(A: Array, xp: Namespace) -> Array:
    """A moved into [ε, 1 − ε], ε the distance of 1 to the next number of its dtype."""
    epsilon = _epsilon(A.dtype, xp)
    return xp.maximum(xp.minimum(A, 1.0 - epsilon), epsilon)


@lru_cache(maxsize=8)
def _epsilon(dtype: Any, xp: Namespace) -> float:
    return float(xp.finfo(dtype).eps)


def _log_loss(A: Array, Y: Array, xp: Namespace) -> Array:
    """−log a_k of the class k of each example, shape (1, m): Y is one-hot."""
    return -xp.log(_clipped(xp.sum(A * Y, axis=0, keepdims=True), xp))


def _binary_log_loss(A: Array, Y: Array, xp: Namespace) -> Array:
    A = _clipped(A, xp)
    return -(xp.log(A) * Y + xp.log(1.0 - A) * (1.0 - Y))


REPORTED = {
    "categorical_cross_entropy": Loss(_log_loss, canonical="softmax"),
    "binary_cross_entropy": Loss(_binary_log_loss, canonical="sigmoid"),
    "squared_error": Loss(
        _mean_squared_error,
        squared_error_derivative,
        _mean_squared_error,
        canonical="identity",
    ),
    "poisson": Loss(
        _half_deviance,
        poisson_derivative,
        _half_deviance_from_logits,
        canonical="exp",
    ),
}
"""The losses whose value scikit-learn reports otherwise; the gradients are the core's."""


def reported(net: Network) -> Network:
    """Return the network with its loss as scikit-learn reports it."""
    loss = REPORTED.get(net.loss.name, net.loss)
    return Network(net.sizes, net.activations[:-1], net.activations[-1], loss)


# ---- optimisers -------------------------------------------------------------


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


class MLPTrainer(Trainer):
    """A trainer that counts a mini-batch by its examples, and goes on when a cost is not finite."""

    def mean(self, J: Any, totals: Any) -> Any:
        """Return the mean over the steps, each counted by its examples, not by their weights."""
        sizes = np.full(self.plan.steps, self.plan.size)
        sizes[-1] = self.plan.m - self.plan.size * (self.plan.steps - 1)
        return (J * sizes).sum(axis=1) / self.plan.m

    def diverged(self, *where: Any) -> None:
        """Go on: `fit` looks at the parameters in the end."""


# ---- L-BFGS -----------------------------------------------------------------


@lru_cache(maxsize=64)
def _evaluation(net: Network, backend: Backend, l2: bool) -> Callable[..., tuple[Array, Array]]:
    """Return the function (θ, X, Y, share, decay) -> J, dJ/dθ, compiled once where that is done."""
    xp = backend.xp
    activations, loss = backend.fuse_layers(net.activations, net.loss)

    def cost_and_gradient(
        theta: Array, X: Array, Y: Array, share: Any, decay: Any
    ) -> tuple[Array, Array]:
        layers = unravel(theta, net.sizes, xp)
        common = (share, decay if l2 else None, activations, loss, xp)
        _, caches = propagation.forward(layers, X.T, activations, xp)
        J = propagation.cost(layers, caches, Y.T, *common)
        return J, ravel(propagation.backward(layers, caches, Y.T, *common), xp)

    return backend.compile_like_steps(cost_and_gradient)


def lbfgs(
    net: Network,
    backend: Backend,
    theta: Array,
    X: Array,
    Y: Array,
    s: Any,
    l2: float,
    *,
    max_iter: int,
    max_fun: int,
    tol: float,
    callbacks: Sequence[Callback],
) -> tuple[Array, float, int]:
    """Minimise the cost over all examples with SciPy's L-BFGS-B.

    X and Y have rows, s is on the host. Returns θ, its cost, and the number of iterations.
    """
    from scipy.optimize import OptimizeResult, minimize

    share, decay = share_and_decay(X.shape[0], s, l2, backend)
    evaluate = _evaluation(net, backend, bool(l2))

    def objective(theta: Any) -> tuple[float, Any]:
        with backend.threads_for(largest_product(net, X.shape[0])):
            J, g = evaluate(backend.asarray(theta, backend.dtype), X, Y, share, decay)
        return backend.number(J), backend.to_numpy(g).astype(np.float64)

    epoch = 0
    last = None

    def tell(intermediate_result: OptimizeResult) -> None:
        nonlocal epoch, last
        epoch += 1
        last = intermediate_result
        if not callbacks:
            return
        theta = backend.asarray(intermediate_result.x, backend.dtype)
        cost = float(intermediate_result.fun)
        report = Report(epoch, cost, None, float("nan"), float("nan"), theta, net.sizes, backend)
        answers = [callback(report) for callback in callbacks]
        if any(answer is True for answer in answers):
            raise StopIteration

    try:
        result = minimize(
            objective,
            backend.to_numpy(theta).astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            callback=tell,
            options={"maxfun": max_fun, "maxiter": max_iter, "gtol": tol},
        )
    except KeyboardInterrupt:
        if last is None:
            raise
        warnings.warn("Training interrupted by user.", stacklevel=6)
        return backend.asarray(last.x, backend.dtype), float(last.fun), epoch
    stopped = result.status == 99  # by a callback
    if result.status != 0 and not stopped:
        warnings.warn(
            f"lbfgs failed to converge after {result.nit} iterations (status {result.status}: "
            f"{result.message}). Increase max_iter or max_fun, or scale the data.",
            ConvergenceWarning,
            stacklevel=6,
        )
    theta = backend.asarray(result.x, backend.dtype)
    return theta, float(result.fun), min(int(result.nit), max_iter)
