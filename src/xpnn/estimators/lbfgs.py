"""How the perceptrons are trained: the trainer that counts as scikit-learn does, and L-BFGS.

The steps, epochs and checkpoints are those of `xpnn.fit`. A cost that is not finite ends no
training here. ``lbfgs`` is SciPy's, over the core's gradients.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .. import _signals
from .._backends.base import Backend
from .._typing import Array
from ..network import Network
from ..training.history import Callback, Report
from ..training.objective import of_theta
from ..training.trainer import Trainer, largest_product
from ..validation.weights import share_and_decay


class MLPTrainer(Trainer):
    """A trainer that counts a mini-batch by its examples, and goes on when a cost is not finite."""

    def mean(self, J: Any, totals: Any) -> Any:
        """Return the mean over the steps, each counted by its examples, not by their weights."""
        sizes = np.full(self.plan.steps, self.plan.size)
        sizes[-1] = self.plan.m - self.plan.size * (self.plan.steps - 1)
        return (J * sizes).sum(axis=1) / self.plan.m

    def diverged(self, *where: Any) -> None:
        """Go on: `fit` looks at the parameters in the end."""


class _Progress:
    """What SciPy calls after each iteration: it tells the callbacks, and keeps the last result."""

    def __init__(self, net: Network, backend: Backend, callbacks: Sequence[Callback]) -> None:
        self.net, self.backend, self.callbacks = net, backend, callbacks
        self.epoch = 0
        self.last: Any = None

    def tell(self, intermediate_result: Any) -> None:
        """Count an iteration; stop if a callback says so."""
        self.epoch += 1
        self.last = intermediate_result
        _signals.raise_if_arrived()
        if not self.callbacks:
            return
        theta = self.backend.asarray(intermediate_result.x, self.backend.dtype)
        cost, nan = float(intermediate_result.fun), float("nan")
        report = Report(self.epoch, cost, None, nan, nan, theta, self.net.sizes, self.backend)
        answers = [callback(report) for callback in self.callbacks]
        if any(answer is True for answer in answers):
            raise StopIteration


def lbfgs(
    model: Any,
    net: Network,
    backend: Backend,
    X: Array,
    Y: Array,
    s: Any,
    callbacks: Sequence[Callback],
) -> tuple[Array, float, int]:
    """Minimise the cost over all examples with SciPy's L-BFGS-B, from a model's parameters.

    X and Y have rows, s is on the host. Returns θ, its cost, and the number of iterations.
    """
    from scipy.optimize import minimize

    l2 = float(model.alpha)
    share, decay = share_and_decay(X.shape[0], s, l2, backend)
    evaluate = of_theta(net, backend, rows=True)
    progress = _Progress(net, backend, callbacks)

    def objective(theta: Any) -> tuple[float, Any]:
        with backend.threads_for(largest_product(net, X.shape[0])):
            J, g = evaluate(backend.asarray(theta, backend.dtype), X, Y, share, decay)
        return backend.number(J), backend.to_numpy(g).astype(np.float64)

    try:
        with _signals.keeping_dropped():
            result = minimize(
                objective,
                backend.to_numpy(model._theta(backend)).astype(np.float64),
                method="L-BFGS-B",
                jac=True,
                callback=progress.tell,
                options={"maxfun": model.max_fun, "maxiter": model.max_iter, "gtol": model.tol},
            )
    except KeyboardInterrupt:
        if progress.last is None:
            raise
        warnings.warn("Training interrupted by user.", stacklevel=6)
        theta = backend.asarray(progress.last.x, backend.dtype)
        return theta, float(progress.last.fun), progress.epoch
    stopped = result.status == 99  # by a callback
    if result.status != 0 and not stopped:
        warnings.warn(
            f"lbfgs failed to converge after {result.nit} iterations (status {result.status}: "
            f"{result.message}). Increase max_iter or max_fun, or scale the data.",
            ConvergenceWarning,
            stacklevel=6,
        )
    theta = backend.asarray(result.x, backend.dtype)
    return theta, float(result.fun), min(int(result.nit), model.max_iter)
