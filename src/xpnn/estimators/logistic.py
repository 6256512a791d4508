"""`LogisticRegression`: a network without a hidden layer, by gradient descent over all examples.

The cost is convex, so it starts from zeros, and the step may be as long as the curvature allows.
"""

import warnings
from collections.abc import Callable
from math import isfinite
from numbers import Integral, Real
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from sklearn import linear_model
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets

from .._backends.base import Backend
from .._typing import Array
from ..core.activations import ACTIVATIONS
from ..core.optimizers import sklearn_sgd
from ..core.parameters import Params, count, fold_standardization
from ..distributed.agreement import make_sum
from ..distributed.processes import Communicator, active_comm
from ..exceptions import ArgumentError
from ..network import Network
from ..training.batches import Shuffle
from ..training.checkpoint import Checkpoint
from ..training.fit import check_callbacks
from ..training.loop import Loop, Watch, interruptible, train
from ..training.stopping import Stopping
from ..training.trainer import Trainer, TrainingData
from ..validation.rows import check_fit, move_rows, send, spec_of
from ..validation.weights import scaled
from .classifier import NetworkClassifier
from .many import compare_estimators, of_all_ranks
from .parameters import WHERE_AND_HOW, documented, set_parameters

Sum: TypeAlias = Callable[[Array], Array]
EVERY = 20  # iterations from one look at the gradient to the next


@documented
class LogisticRegression(NetworkClassifier, counterpart=linear_model.LogisticRegression):
    """Logistic regression, softmax regression for more than two classes, by gradient descent.

    It has scikit-learn's cost and attributes, and parameters of its own.

    Minimises per example J = 1/m Σ_i ℓ_i + 1/(2 C m) ‖W‖², from W = 0, with
    Nesterov's momentum v ← μ v − α g; θ ← θ + μ v − α g over all examples, the features of X
    (unless it is sparse) taken from their means meanwhile.

    Parameters
    ----------
    C : float
        1/λ: the smaller, the stronger the L2 penalty. Infinity for none. The intercept is not
        penalised.
    learning_rate : float or "auto"
        α. ``"auto"`` is 1/L, where L bounds the curvature of J: σ²/4m for two classes and σ²/2m
        for more, σ the largest singular value of X with a column of ones, plus λ/m.
    momentum : float
        μ in [0, 1]; 0 for the plain descent of the notes.
    max_iter : int
    tol : float
        Stop when no entry of the gradient is larger; looked at every 20 iterations.
    {OUR_PARAMETERS}

    Attributes
    ----------
    classes_ : array, shape (n_classes,)
    coef_ : array, shape (1 or n_classes, n_features)
    intercept_ : array, shape (1 or n_classes,)
    network_, params_ : Network, tuple of Layer
        The model as the core has it: its network, and the parameters as columns on the backend.
    n_iter_ : int
    loss_curve_ : list of float
        J before each iteration.
    n_features_in_ : int
    feature_names_in_ : array, shape (n_features,)
        If X has names.

    See Also
    --------
    MLPClassifier : with hidden layers.

    Examples
    --------
    >>> import xpnn
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.preprocessing import scale
    >>> X, y = load_wine(return_X_y=True)
    >>> xpnn.LogisticRegression().fit(scale(X), y).score(scale(X), y)
    1.0
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "C": [Interval(Real, 0, None, closed="right")],
        "learning_rate": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        **WHERE_AND_HOW,
    }

    def __init__(
        self,
        *,
        C: float = 1.0,
        learning_rate: float | str = "auto",
        momentum: float = 0.95,
        max_iter: int = 1000,
        tol: float = 1e-4,
        backend: str | None = None,
        dtype: str | None = None,
        callbacks: Any = (),
        checkpoint: Checkpoint | None = None,
        communicator: Communicator | None = None,
    ) -> None:
        set_parameters(self, locals())

    @property
    def coef_(self) -> Array:
        """W, shape (1 or n_classes, n_features)."""
        return self.coefs_[0].T

    @coef_.setter
    def coef_(self, W: Array) -> None:
        self.coefs_ = [W.T]

    @property
    def intercept_(self) -> Array:
        """b, shape (1 or n_classes,)."""
        return self.intercepts_[0]

    @intercept_.setter
    def intercept_(self, b: Array) -> None:
        self.intercepts_ = [b]

    def _network(self) -> Network:
        if len(self.classes_) == 2:
            return Network([self.n_features_in_, 1], output="sigmoid")
        return Network([self.n_features_in_, len(self.classes_)], output="softmax")

    def decision_function(self, X: Any) -> Any:
        """Return Z = W X + b: above 0 for the second of two classes, the largest for the likeliest.

        Parameters
        ----------
        X : array, sparse matrix or frame, shape (m, n_features)

        Returns
        -------
        array, shape (m,) or (m, n_classes)
            In the library X came from.
        """
        Z, backend, home = self._forward(X, "decision_function", (ACTIVATIONS["identity"],))
        with backend.current():
            return send(Z[:, 0] if Z.shape[1] == 1 else Z, backend, home)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on examples in rows.

        Parameters
        ----------
        X : array of any library, sparse matrix or frame, shape (m, n_features)
        y : array, shape (m,)
        sample_weight : array, shape (m,), optional

        Returns
        -------
        self

        Raises
        ------
        DivergenceError
            If a learning rate of your own is too large; it is a ValueError too.
        """
        comm = active_comm(self.communicator)
        with comm.on_all():
            check_callbacks(self.callbacks)
            X, y, s, backend, home = check_fit(
                self, X, y, sample_weight, reset=True, multi_output=False
            )
            y = column_or_1d(y, warn=True)
            check_classification_targets(y)
        self._label_binarizer = LabelBinarizer().fit(of_all_ranks(comm, y))
        self.classes_ = self._label_binarizer.classes_
        if len(self.classes_) < 2:
            raise ArgumentError(
                "y: expected at least 2 classes, found only one class: "
                f"{self.classes_.tolist()[0]!r}; there is nothing to tell apart."
            )
        Y = self._one_hot(y)
        compare_estimators(comm, self, X, Y, sample_weight, backend)
        with backend.restoring_settings(), backend.current(), backend.no_grad(), comm.training():
            self._fitted_on = spec_of(home)
            X = move_rows(X, backend)
            Y = backend.asarray(Y, backend.dtype)
            self._keep(self._descend(X, Y, s, backend), backend)
        return self

    def _descend(self, X: Array, Y: Array, s: Any, backend: Backend) -> Params:
        """Minimise the cost; return the parameters."""
        comm = active_comm(self.communicator)
        with interruptible(comm, self.checkpoint):  # for each sum over the ranks
            over_ranks = make_sum(comm, backend)
            mu = _means(X, _in_units(s, comm, backend)[0], backend, over_ranks)
            loop = self._loop(X if mu is None else X - mu.T, Y, s, backend, over_ranks)
            slope = train(loop, lambda: self._run(loop, over_ranks)) or 0.0
        if loop.history.stopped == "interrupted" and comm.is_root:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        self.n_iter_, self.loss_curve_ = loop.done.epochs, loop.history.cost
        if slope > self.tol and loop.history.stopped == "epochs" and comm.is_root:
            warnings.warn(
                f"gradient descent has not converged after {self.n_iter_} iterations: an entry of "
                f"the gradient is {slope:.1g}, tol is {self.tol:g}. Standardise X with "
                "StandardScaler, or increase max_iter or tol.",
                ConvergenceWarning,
                stacklevel=4,
            )
        loop.trainer.check_finite(loop.done.carry, self.n_iter_)
        params = loop.trainer.params(loop.done.carry)
        return params if mu is None else fold_standardization(params, mu, backend.xp.ones_like(mu))

    def _loop(self, X: Array, Y: Array, s: Any, backend: Backend, over_ranks: Sum) -> Loop:
        net, comm = self._network(), active_comm(self.communicator)
        weights, unit = _in_units(s, comm, backend)
        total = backend.number(_weight(X, weights, backend, over_ranks))
        rate: Any = self.learning_rate
        if rate == "auto":
            bound = 0.25 if Y.shape[1] == 1 else 0.5
            squared_norm = _squared_norm(X, weights, backend, over_ranks)
            if not isfinite(squared_norm):
                raise ArgumentError(
                    "X: expected features whose squares can be summed in "
                    f"{backend.dtype_name}, found larger ones; standardise X with StandardScaler."
                )
            rate = 1.0 / (bound * squared_norm / total + 1.0 / (self.C * total) / unit)
        optimizer = sklearn_sgd(rate, self.momentum, nesterov=True)
        trainer = Trainer(
            net, backend, optimizer, 1.0 / self.C, TrainingData(X, Y, s), None, comm=comm
        )
        zeros = backend.xp.zeros(count(net.sizes), dtype=backend.dtype, device=backend.device)
        return Loop(
            trainer,
            trainer.start(zeros),
            Shuffle(trainer.plan.m, None),
            Stopping(None, 1, higher_is_better=False),
            Watch(callbacks=self.callbacks),
            checkpoint=self.checkpoint,
        )

    def _run(self, loop: Loop, over_ranks: Sum) -> float:
        """Go on until the gradient is small; return its largest entry."""
        begun = loop.done.epochs  # above 0 if a checkpoint was there
        looked_at = begun > 0 and (begun % EVERY == 0 or begun == self.max_iter)
        slope = _steepest(loop.trainer, loop.theta, over_ranks) if looked_at else float("inf")
        if begun > self.max_iter:
            loop.run(self.max_iter)  # says what is wrong
        while slope > self.tol and loop.done.epochs < self.max_iter:
            loop.run(min((loop.done.epochs // EVERY + 1) * EVERY, self.max_iter))
            slope = _steepest(loop.trainer, loop.theta, over_ranks)
            if loop.history.stopped != "epochs":
                break
        return slope


def _in_units(s: Any, comm: Communicator, backend: Backend) -> tuple[Array | None, float]:
    """Return weights on the backend in a unit that suits those of all ranks, and that unit."""
    if s is None:
        return None, 1.0
    largest = max(comm.gather(s.max()))
    s, unit = scaled(s, largest)
    return backend.asarray(s, backend.dtype), unit


def _weight(X: Array, s: Array | None, backend: Backend, over_ranks: Sum) -> Array:
    """Return the number of examples, or the sum of their weights, a 0-d array."""
    xp = backend.xp
    here = xp.asarray(float(X.shape[0]), dtype=backend.dtype, device=backend.device)
    return over_ranks(here if s is None else xp.sum(s))


def _means(X: Array, s: Array | None, backend: Backend, over_ranks: Sum) -> Array | None:
    """Return the mean of each feature, shape (n, 1), or None if X is sparse and has to stay so.

    Descent is the faster the rounder the cost. Features taken from their means leave W and its
    penalty as they are and only move b.
    """
    if hasattr(X, "tocsr"):
        return None
    weighted = X if s is None else X * s.T
    sums = over_ranks(backend.xp.sum(weighted, axis=0, keepdims=True))
    return sums.T / _weight(X, s, backend, over_ranks)


def _squared_norm(X: Array, s: Array | None, backend: Backend, over_ranks: Sum) -> float:
    """Return the largest eigenvalue of Σ_i s_i x xᵀ, each x with a 1 appended, by power iteration.

    Not less than 0.8 of it, or hardly ever; descent with momentum bears that.
    """
    xp = backend.xp
    v = np.random.default_rng(0).standard_normal((X.shape[1] + 1, 1))
    v = backend.asarray(v, backend.dtype)
    norm = 0.0
    for _ in range(20):
        v = v / xp.sqrt(xp.sum(v * v))
        projected = X @ v[:-1, :] + v[-1, :]
        if s is not None:
            projected = projected * s.T
        v = over_ranks(xp.concat((X.T @ projected, xp.reshape(xp.sum(projected), (1, 1)))))
        norm = xp.sqrt(xp.sum(v * v))
    return backend.number(norm)


def _steepest(trainer: Trainer, theta: Array, over_ranks: Sum) -> float:
    """Return the largest absolute entry of the gradient."""
    g = over_ranks(trainer.gradient(theta))
    return trainer.backend.number(trainer.backend.xp.max(trainer.backend.xp.abs(g)))
