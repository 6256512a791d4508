"""`MLPClassifier` and `MLPRegressor`: multi-layer perceptrons with scikit-learn's face.

Same parameters, defaults, attributes and random draws as scikit-learn's: in float64 a fit gives
its coefficients. Beyond it they take arrays of any library and train on any backend.
"""

import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import check_is_fitted

from .._backends.base import Backend
from .._backends.selection import resolve
from .._typing import Array
from ..core.activations import Activation
from ..core.optimizers import Optimizer
from ..core.parameters import Layer, Params
from ..distributed.mpi import Communicator, active_comm, is_root, raised_on_all, training
from ..exceptions import ArgumentError, DivergenceError
from ..files.lock import Lock
from ..network import Network
from ..training.batches import Shuffle
from ..training.checkpoint import Checkpoint
from ..training.fit import check_callbacks
from ..training.loop import Loop, interruptible
from ..training.step import cutting
from ..training.stopping import AdaptiveRate, Stopping
from ..validation.arrays import check_range, on_host
from ..validation.memory import check_layers_fit
from ..validation.rows import check_fit, move_rows, send, spec_of
from ..validation.weights import score_weights
from . import lbfgs as solvers
from .base import NetworkEstimator, moments, outputs
from .classifier import NetworkClassifier
from .many import compare_estimators, of_all_ranks
from .parameters import ATTRIBUTES, CONSTRAINTS, NOTES, OUR_NAMES, PARAMETERS
from .verbose import Verbose


class BaseMLP(NetworkEstimator):
    """What classifier and regressor share: the parameters and the training."""

    loss: str
    n_outputs_: int
    _y_checks: ClassVar[dict[str, Any]]
    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str | Activation = "relu",
        *,
        solver: str | Optimizer = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        backend: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        callbacks: Any = (),
        checkpoint: Checkpoint | None = None,
        communicator: Communicator | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.backend = backend
        self.device = device
        self.dtype = dtype
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.communicator = communicator

    # ---- a subclass says ----------------------------------------------------

    def _check_y(self, y: Any, *, incremental: bool) -> Any:
        """Return checked targets as numbers, shape (m, n_outputs)."""
        raise NotImplementedError

    def _output(self) -> str:
        """Return scikit-learn's name of the output activation."""
        raise NotImplementedError

    def _validation_score(self, A: Array, backend: Backend, Y: Any, s: Any) -> float:
        """Return the score of outputs A against targets Y, both as rows, Y and s on the host."""
        raise NotImplementedError

    # ---- fitting ------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on examples in rows.

        Parameters
        ----------
        X : array of any library, sparse matrix or frame, shape (m, n_features)
        y : array, shape (m,) or (m, n_outputs)
        sample_weight : array, shape (m,), optional

        Returns
        -------
        self

        Raises
        ------
        DivergenceError
            If the parameters are not finite in the end; it is a ValueError too.
        """
        return self._fit(X, y, sample_weight, incremental=False)

    def _is_stochastic(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers; lbfgs is not one."
            )
        return True

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, incremental: bool) -> Self:
        comm = active_comm(self.communicator)
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        with raised_on_all(comm):
            check_callbacks(self.callbacks)
            self._check_checkpoint(incremental=incremental)
            hidden_sizes = self._hidden_sizes()
            dtype = None if first else self._place().dtype_name
            X, y, s, backend, home = check_fit(
                self, X, y, sample_weight, dtype, reset=first, **self._y_checks
            )
        Y = self._check_y(y, incremental=incremental)
        self._check_ranks(comm, X, Y, sample_weight, backend)
        with raised_on_all(comm):
            check_range("y", Y, backend.dtype_name)
            if not first and Y.shape[1] != self.n_outputs_:
                raise ArgumentError(
                    f"y: expected {self.n_outputs_} outputs, as in the first call to fit, found "
                    f"{Y.shape[1]}; make a new model with sklearn.base.clone."
                )
        self.n_outputs_ = Y.shape[1]
        self._random_state = check_random_state(self.random_state)
        if comm is not None and self.random_state is None:
            self._random_state = np.random.RandomState()  # its state becomes that of rank 0
        with backend.restoring_settings(), backend.current(), backend.no_grad(), training(comm):
            if first:
                self._initialize([X.shape[1], *hidden_sizes, self.n_outputs_], backend)
            self._fitted_on = spec_of(home)
            X = move_rows(X, backend)
            if self.solver == "lbfgs":
                theta = self._fit_lbfgs(X, Y, s, backend)
            else:
                theta = self._fit_stochastic(X, Y, s, backend, incremental=incremental)
            self._keep(cutting(self._network().sizes, backend)(theta), backend)
            if not backend.all_finite(theta):
                raise DivergenceError(
                    "Solver produced non-finite parameter weights. The input data may contain "
                    "large values and need to be preprocessed. Expected finite numbers: lower "
                    "learning_rate_init, or standardise X with StandardScaler."
                )
        return self

    def _check_checkpoint(self, *, incremental: bool) -> None:
        """Raise where a training could not go on from a checkpoint as if never stopped."""
        if self.checkpoint is None:
            return
        redrawn = self.early_stopping and self.random_state is None
        reasons = {
            "solver='lbfgs', whose state is inside SciPy": self.solver == "lbfgs",
            "partial_fit": incremental,
            "warm_start=True": self.warm_start,
            "early_stopping=True with random_state=None: another validation set": redrawn,
        }
        for reason, holds in reasons.items():
            if holds:
                raise ArgumentError(
                    f"checkpoint: expected one training from its beginning, found {reason}; "
                    "pass checkpoint=None."
                )

    def _check_ranks(
        self,
        comm: Communicator | None,
        X: Array,
        Y: Array,
        sample_weight: Any,
        backend: Backend,
    ) -> None:
        """Raise on every rank unless all are about the same training, and one for many."""
        compare_estimators(comm, self, X, Y, sample_weight, backend)
        for name, value in (("solver", "lbfgs"), ("early_stopping", True)):
            if comm is not None and getattr(self, name) == value:
                raise ArgumentError(
                    f"communicator: expected another {name} than {value!r}, which is for a single "
                    "process."
                )

    def _hidden_sizes(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if np.any(np.asarray(sizes) <= 0):
            raise ArgumentError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return sizes

    def _initialize(self, sizes: list[int], backend: Backend) -> None:
        """Draw the parameters on the host, U(−r, r), r² = 6/(n_prev + n), 2/… for sigmoid."""
        check_layers_fit("hidden_layer_sizes", sizes)
        self._start_counting()
        self.n_layers_ = len(sizes)
        self.out_activation_ = self._output()
        factor = 2.0 if self.activation in {"logistic", "sigmoid"} else 6.0
        drawn = []
        for n_prev, n in pairwise(sizes):
            r = np.sqrt(factor / (n_prev + n))
            coef = self._random_state.uniform(-r, r, (n_prev, n))
            drawn.append((coef, self._random_state.uniform(-r, r, n)))
        self.coefs_, self.intercepts_ = (
            [a.astype(backend.dtype_name) for a in series] for series in zip(*drawn, strict=True)
        )

    def _start_counting(self) -> None:
        """Set the attributes that tell of a training to those of one that has not begun."""
        self.n_iter_ = self.t_ = self._no_improvement_count = 0
        if self.solver != "lbfgs":
            self.loss_curve_: list[float] = []
            self.best_loss_: Any = None if self.early_stopping else np.inf
            self.validation_scores_: Any = [] if self.early_stopping else None
            self.best_validation_score_: Any = -np.inf if self.early_stopping else None

    def _network(self) -> Network:
        sizes = [coef.shape[0] for coef in self.coefs_] + [self.n_outputs_]
        hidden = self.activation
        if isinstance(hidden, str):
            hidden = OUR_NAMES.get(hidden, hidden)
        output = OUR_NAMES.get(self.out_activation_, self.out_activation_)
        return Network(sizes, hidden, output)

    def _fit_lbfgs(self, X: Array, Y: Any, s: Any, backend: Backend) -> Array:
        net = self._network()
        theta, self.loss_, self.n_iter_ = solvers.lbfgs(
            net if net.output == "identity" else solvers.reported(net),
            backend,
            self._theta(backend),
            X,
            backend.asarray(Y, backend.dtype),
            s,
            float(self.alpha),
            max_iter=self.max_iter,
            max_fun=self.max_fun,
            tol=self.tol,
            callbacks=[*([verbose] if (verbose := self._verbose()) else []), *self.callbacks],
        )
        return theta

    def _fit_stochastic(
        self, X: Array, Y: Any, s: Any, backend: Backend, *, incremental: bool
    ) -> Array:
        if self.early_stopping and incremental:
            raise ArgumentError("partial_fit does not support early_stopping=True")
        if not hasattr(self, "loss_curve_"):  # fitted by lbfgs, or by others
            self._start_counting()
        if not (incremental and hasattr(self, "_optimizer")):
            self._optimizer = solvers.Solver(self)
        score = None
        if self.early_stopping:
            X, Y, s, score = self._split(X, Y, s, backend)
        verbose = self._verbose()
        trainer = self._trainer(X, Y, s, backend, verbose)
        comm = trainer.communicator
        with (
            interruptible(comm, self.checkpoint) as lock,
            self._loop(trainer, lock, score, verbose) as loop,
        ):
            try:
                loop.run(1 if incremental else self.max_iter)
                loop.finish()
            except KeyboardInterrupt:
                loop.interrupt()
        if loop.history.stopped == "interrupted" and is_root(comm):
            warnings.warn("Training interrupted by user.", stacklevel=5)
        self._note(loop)
        if verbose:
            verbose.stopped(loop)
        at_last = loop.done.epochs == self.max_iter and loop.history.stopped == "epochs"
        if at_last and not incremental and is_root(comm):
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=5,
            )
        return (loop.best if self.early_stopping else loop.done).carry[0]

    def _trainer(
        self, X: Array, Y: Any, s: Any, backend: Backend, verbose: Verbose | None
    ) -> solvers.MLPTrainer:
        comm = active_comm(self.communicator)
        m = X.shape[0] if comm is None else sum(comm.gather(X.shape[0]))
        return solvers.MLPTrainer(
            solvers.reported(self._network()),
            backend,
            self._optimizer.scheduled(self, m, verbose.lowered if verbose else None),
            float(self.alpha),
            X,
            backend.asarray(Y, backend.dtype),
            s,
            self._batch_size(m),
            steps_before=self._optimizer.steps,
            communicator=comm,
        )

    def _loop(
        self,
        trainer: solvers.MLPTrainer,
        lock: Lock,
        score: Callable[[Params], float] | None,
        verbose: Verbose | None,
    ) -> Loop:
        backend, rate = trainer.backend, trainer.optimizer.learning_rate
        start = trainer.start(self._theta(backend))
        if self._optimizer.state is not None:
            moved = (backend.asarray(a, backend.dtype) for a in self._optimizer.state)
            start = (start[0], *moved)
        rng = self._random_state if self.shuffle else None
        return Loop(
            trainer,
            start,
            Shuffle(trainer.plan.m, rng, cumulative=True, seed=self.random_state),
            self._stopping(),
            lock,
            score=score,
            callbacks=[*([verbose] if verbose else []), *self.callbacks],
            adaptive=rate if isinstance(rate, AdaptiveRate) else None,
            checkpoint=self.checkpoint,
        )

    def _verbose(self) -> Verbose | None:
        if not (self.verbose and is_root(self.communicator)):
            return None
        return Verbose(
            early_stopping=self.early_stopping,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
        )

    def _batch_size(self, m: int) -> int:
        if isinstance(self.batch_size, str):  # "auto"
            return min(200, m)
        if self.batch_size > m and is_root(self.communicator):
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. "
                "It is going to be clipped",
                stacklevel=7,
            )
        return int(min(self.batch_size, m))

    def _split(self, X: Array, Y: Any, s: Any, backend: Backend) -> tuple[Any, ...]:
        """Set a part aside: return X, Y and s without it, and the function that scores on it."""
        one_column = isinstance(self, NetworkClassifier) and self.n_outputs_ == 1
        train, held_out = train_test_split(
            np.arange(X.shape[0]),
            random_state=self._random_state,
            test_size=self.validation_fraction,
            stratify=Y if one_column else None,
        )
        if len(held_out) < 2:
            raise ArgumentError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )

        def rows(indices: Any) -> Array:
            return backend.take_rows(X, backend.asarray(indices, backend.index_dtype))

        activations = self._network().activations
        X_held_out, Y_held_out = rows(held_out), Y[held_out]
        s_held_out = None if s is None else score_weights(s[0, held_out])

        def score(params: Params) -> float:
            A = outputs(X_held_out, params, activations, backend)
            return self._validation_score(A, backend, Y_held_out, s_held_out)

        return rows(train), Y[train], None if s is None else s[:, train], score

    def _stopping(self) -> Stopping:
        """Return the rule, going on where the last training with it has stopped."""
        stopping = Stopping(
            float(self.tol), self.n_iter_no_change, higher_is_better=self.early_stopping
        )
        stopping.best = self.best_validation_score_ if self.early_stopping else -self.best_loss_
        stopping.without_improvement = self._no_improvement_count
        return stopping

    def _note(self, loop: Loop) -> None:
        """Set the attributes that tell of the training."""
        history, epochs = loop.history, loop.done.epochs
        solver = self._optimizer
        solver.state = loop.done.carry[1:]
        solver.steps += epochs * loop.trainer.plan.steps
        solver.epochs += epochs
        solver.learning_rate = loop.trainer.optimizer.rate(epochs)
        self.n_iter_ = epochs
        self.t_ += epochs * loop.trainer.plan.m
        self.loss_curve_ += history.cost
        if history.cost:
            self.loss_ = history.cost[-1]
        self._no_improvement_count = loop.stopping.without_improvement
        if self.early_stopping:
            self.validation_scores_ += history.validation
            self.best_validation_score_ = loop.stopping.best
        else:
            self.best_loss_ = -loop.stopping.best


class MLPClassifier(NetworkClassifier, BaseMLP):  # noqa: D101
    __doc__ = f"""Multi-layer perceptron for classes, with the face of scikit-learn's.

    The last layer is a sigmoid unit for two classes, softmax for more, and a sigmoid unit a label
    for multi-label targets, with their cross-entropies.

    Parameters
    ----------
{PARAMETERS}
    Attributes
    ----------
    classes_ : array, shape (n_classes,)
{ATTRIBUTES}
    Notes
    -----
{NOTES}
    Examples
    --------
    >>> import xpnn
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> model = xpnn.MLPClassifier(random_state=0, max_iter=20, tol=0.1).fit(X, y)
    >>> model.predict(X[:3])
    array([0, 1, 2])
    """

    loss = "log_loss"
    _y_checks: ClassVar[dict[str, Any]] = {"multi_output": True}

    def _check_y(self, y: Any, *, incremental: bool) -> Any:
        comm = active_comm(self.communicator)
        with raised_on_all(comm):
            if y.ndim == 2 and y.shape[1] == 1:
                y = column_or_1d(y, warn=True)
        labels = of_all_ranks(comm, y)
        with raised_on_all(comm):
            if not hasattr(self, "classes_") or not (self.warm_start or incremental):
                self._label_binarizer = LabelBinarizer().fit(labels)
                self.classes_ = self._label_binarizer.classes_
            else:
                self._check_classes(unique_labels(labels))
            Y = self._one_hot(y)
        return Y

    def _check_classes(self, classes: Any) -> None:
        """Raise unless the classes of this call suit those of the first."""
        if self.warm_start and set(classes) != set(self.classes_):
            raise ArgumentError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {classes}"
            )
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ArgumentError(
                "`y` has classes not in `self.classes_`. "
                f"`self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _output(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _validation_score(self, A: Array, backend: Backend, Y: Any, s: Any) -> float:
        predicted = backend.to_numpy(self._class_indices(A, backend))
        if self.n_outputs_ == 1:
            Y = Y[:, 0]
        elif not self._multilabel:
            Y = Y.argmax(axis=1)
        return float(accuracy_score(Y, predicted, sample_weight=s))

    @available_if(lambda self: self._is_stochastic())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one more epoch.

        Parameters
        ----------
        X : array of any library, sparse matrix or frame, shape (m, n_features)
        y : array, shape (m,) or (m, n_classes)
        sample_weight : array, shape (m,), optional
        classes : array, shape (n_classes,)
            All classes of all calls; needed in the first.

        Returns
        -------
        self
        """
        with raised_on_all(active_comm(self.communicator)):
            if _check_partial_fit_first_call(self, on_host(classes)):
                multilabel = type_of_target(on_host(y)).startswith("multilabel")
                self._label_binarizer = LabelBinarizer().fit(on_host(y if multilabel else classes))
        return self._fit(X, y, sample_weight, incremental=True)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPRegressor(RegressorMixin, BaseMLP):  # noqa: D101
    __doc__ = f"""Multi-layer perceptron for numbers, with the face of scikit-learn's.

    Parameters
    ----------
    loss : {{"squared_error", "poisson"}}
        ½ (a − y)² with an identity output, or half the Poisson deviance with exp.
{PARAMETERS}
    Attributes
    ----------
{ATTRIBUTES}
    Notes
    -----
{NOTES}
    With several outputs ``lbfgs`` minimises, and reports, the sum of the squared errors over the
    outputs, whose gradient all solvers follow; ``sgd`` and ``adam`` report its mean, as
    scikit-learn does.

    Examples
    --------
    >>> import xpnn
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = xpnn.MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", tol=1.0)
    >>> round(model.fit(X, y).score(X, y), 2)  # without a hidden layer: linear regression
    0.51
    """

    _y_checks: ClassVar[dict[str, Any]] = {"multi_output": True, "y_numeric": True}
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CONSTRAINTS,
        "loss": [StrOptions({"squared_error", "poisson"})],
    }

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: str | Activation = "relu",
        *,
        solver: str | Optimizer = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        backend: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        callbacks: Any = (),
        checkpoint: Checkpoint | None = None,
        communicator: Communicator | None = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes,
            activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
            backend=backend,
            device=device,
            dtype=dtype,
            callbacks=callbacks,
            checkpoint=checkpoint,
            communicator=communicator,
        )
        self.loss = loss

    def _check_y(self, y: Any, *, incremental: bool) -> Any:
        with raised_on_all(active_comm(self.communicator)):
            if y.ndim == 2 and y.shape[1] == 1:
                y = column_or_1d(y, warn=True)
        return y.reshape(-1, 1) if y.ndim == 1 else y

    def _output(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def _validation_score(self, A: Array, backend: Backend, Y: Any, s: Any) -> float:
        A = backend.to_numpy(A)
        return float(r2_score(Y, A, sample_weight=s)) if np.isfinite(A).all() else float("nan")

    def predict(self, X: Any) -> Any:
        """Predict the targets of each row.

        Parameters
        ----------
        X : array, sparse matrix or frame, shape (m, n_features)

        Returns
        -------
        array, shape (m,) or (m, n_outputs)
            In the library X came from.
        """
        A, backend, home = self._forward(X, "predict")
        with backend.current():
            return send(A[:, 0] if A.shape[1] == 1 else A, backend, home)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R² = 1 − Σ(y − a)²/Σ(y − ȳ)², averaged over the outputs.

        Parameters
        ----------
        X : array, sparse matrix or frame, shape (m, n_features)
        y : array, shape (m,) or (m, n_outputs)
        sample_weight : array, shape (m,), optional
        """
        predicted = on_host(self.predict(X))
        return float(r2_score(on_host(y), predicted, sample_weight=score_weights(sample_weight)))

    def fold_target_scaler(self, scaler: Any) -> Self:
        """Return a model of raw targets: what undoes the scaler's work moves into the last layer.

        W′ = σ W and b′ = σ b + μ, exact but for rounding. `loss_` and ``loss_curve_`` stay those
        of the scaled targets.

        Parameters
        ----------
        scaler : sklearn.preprocessing.StandardScaler
            Fitted on the targets, shape (m, n_outputs); this model was fitted on what it returned.

        Returns
        -------
        a fitted estimator

        Raises
        ------
        ArgumentTypeError, ArgumentError
            If it is no StandardScaler, or one of other targets, or the output is not linear.

        Examples
        --------
        >>> import xpnn
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.preprocessing import StandardScaler
        >>> X, y = load_diabetes(return_X_y=True)
        >>> scaler = StandardScaler().fit(y[:, None])
        >>> model = xpnn.MLPRegressor(hidden_layer_sizes=(), solver="lbfgs")
        >>> model = model.fit(X, scaler.transform(y[:, None])[:, 0]).fold_target_scaler(scaler)
        >>> round(model.score(X, y), 2)
        0.52
        """
        check_is_fitted(self)
        if self.out_activation_ != "identity":
            raise ArgumentError(
                f"fold_target_scaler: expected a linear output, found {self.out_activation_}; "
                "loss='poisson' wants the targets as they are."
            )
        mu, sigma = moments(scaler, self.n_outputs_)
        *hidden, (W, b) = self._params(resolve("numpy", "float64"))
        return self._with((*hidden, Layer(sigma * W, sigma * b + mu)))

    @available_if(lambda self: self._is_stochastic())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one more epoch.

        Parameters
        ----------
        X : array of any library, sparse matrix or frame, shape (m, n_features)
        y : array, shape (m,) or (m, n_outputs)
        sample_weight : array, shape (m,), optional

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, incremental=True)
