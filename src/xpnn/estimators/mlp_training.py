"""`MLPTraining`: how the perceptrons are trained, with scikit-learn's parameters and draws.

`fit` and `partial_fit` check what they are given, start from drawn or earlier parameters, and run
``lbfgs`` or the loop of `xpnn.fit`.
"""

import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from .._backends.base import Backend
from .._typing import Array
from ..core.parameters import Params
from ..distributed.processes import Communicator, active_comm
from ..exceptions import ArgumentError, DivergenceError
from ..training.batches import Shuffle
from ..training.fit import check_callbacks
from ..training.loop import Loop, Watch, interruptible, train
from ..training.step import cutting
from ..training.stopping import Stopping
from ..training.trainer import TrainingData
from ..validation.arrays import check_range
from ..validation.memory import check_layers_fit
from ..validation.rows import check_fit, move_rows, spec_of
from ..validation.weights import score_weights
from .base import NetworkEstimator, outputs
from .classifier import NetworkClassifier
from .lbfgs import MLPTrainer, lbfgs
from .losses import reported
from .many import compare_estimators
from .solver import Solver
from .verbose import Verbose


class MLPTraining(NetworkEstimator):
    """What the perceptrons do in `fit` and `partial_fit`."""

    n_outputs_: int
    _y_checks: ClassVar[dict[str, Any]]

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

    def _is_stochastic(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers; lbfgs is not one."
            )
        return True

    # ---- fitting ------------------------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, incremental: bool) -> Self:
        comm = active_comm(self.communicator)
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        with comm.on_all():
            check_callbacks(self.callbacks)
            self._check_checkpoint(incremental=incremental)
            hidden_sizes = self._hidden_sizes()
            dtype = None if first else self._params_backend().dtype_name
            X, y, s, backend, home = check_fit(
                self, X, y, sample_weight, dtype, reset=first, **self._y_checks
            )
        Y = self._check_y(y, incremental=incremental)
        self._check_ranks(comm, X, Y, sample_weight, backend)
        with comm.on_all():
            check_range("y", Y, backend.dtype_name)
            if not first and Y.shape[1] != self.n_outputs_:
                raise ArgumentError(
                    f"y: expected {self.n_outputs_} outputs, as in the first call to fit, found "
                    f"{Y.shape[1]}; make a new model with sklearn.base.clone."
                )
        self.n_outputs_ = Y.shape[1]
        self._random_state = check_random_state(self.random_state)
        if comm.size > 1 and self.random_state is None:
            self._random_state = np.random.RandomState()  # its state becomes that of rank 0
        with backend.restoring_settings(), backend.current(), backend.no_grad(), comm.training():
            if first:
                self._initialize([self.n_features_in_, *hidden_sizes, self.n_outputs_], backend)
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
        comm: Communicator,
        X: Array,
        Y: Array,
        sample_weight: Any,
        backend: Backend,
    ) -> None:
        """Raise on every rank unless all are about the same training, and one for many."""
        compare_estimators(comm, self, X, Y, sample_weight, backend)
        for name, value in (("solver", "lbfgs"), ("early_stopping", True)):
            if comm.size > 1 and getattr(self, name) == value:
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
        self.n_iter_ = self.t_ = self._no_improvement_count = 0
        if self.solver != "lbfgs":
            self.loss_curve_: list[float] = []
            self.best_loss_: Any = None if self.early_stopping else np.inf
            self.validation_scores_: Any = [] if self.early_stopping else None
            self.best_validation_score_: Any = -np.inf if self.early_stopping else None

    # ---- the solvers --------------------------------------------------------

    def _fit_lbfgs(self, X: Array, Y: Any, s: Any, backend: Backend) -> Array:
        net = self._network()
        theta, self.loss_, self.n_iter_ = lbfgs(
            self,
            net if net.output == "identity" else reported(net),
            backend,
            X,
            backend.asarray(Y, backend.dtype),
            s,
            [*([verbose] if (verbose := self._verbose()) else []), *self.callbacks],
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
            self._optimizer = Solver(self)
        score = None
        if self.early_stopping:
            X, Y, s, score = self._split(X, Y, s, backend)
        verbose = self._verbose()
        trainer = self._trainer(X, Y, s, backend, verbose)
        comm = trainer.comm
        loop = self._loop(trainer, score, verbose)
        with interruptible(comm, self.checkpoint):
            train(loop, lambda: loop.run(1 if incremental else self.max_iter))
        if loop.history.stopped == "interrupted" and comm.is_root:
            warnings.warn("Training interrupted by user.", stacklevel=5)
        self._note(loop)
        if verbose:
            verbose.stopped(loop)
        at_last = loop.done.epochs == self.max_iter and loop.history.stopped == "epochs"
        if at_last and not incremental and comm.is_root:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=5,
            )
        return (loop.best if self.early_stopping else loop.done).carry[0]

    def _trainer(
        self, X: Array, Y: Any, s: Any, backend: Backend, verbose: Verbose | None
    ) -> MLPTrainer:
        comm = active_comm(self.communicator)
        m = sum(comm.gather(X.shape[0]))
        return MLPTrainer(
            reported(self._network()),
            backend,
            self._optimizer.scheduled(self, m, verbose.lowered if verbose else None),
            float(self.alpha),
            TrainingData(X, backend.asarray(Y, backend.dtype), s),
            self._batch_size(m),
            steps_before=self._optimizer.steps,
            comm=comm,
        )

    def _loop(
        self,
        trainer: MLPTrainer,
        score: Callable[[Params], float] | None,
        verbose: Verbose | None,
    ) -> Loop:
        backend = trainer.backend
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
            Watch(score, [*([verbose] if verbose else []), *self.callbacks]),
            checkpoint=self.checkpoint,
        )

    def _verbose(self) -> Verbose | None:
        return Verbose(self) if self.verbose and active_comm(self.communicator).is_root else None

    def _batch_size(self, m: int) -> int:
        if isinstance(self.batch_size, str):  # "auto"
            return min(200, m)
        if self.batch_size > m and active_comm(self.communicator).is_root:
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
