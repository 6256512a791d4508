"""`MLPClassifier` and `MLPRegressor`: multi-layer perceptrons with scikit-learn's face.

Same parameters, defaults, attributes and random draws as scikit-learn's: in float64 a fit gives
its coefficients. Beyond it they take arrays of any library and train on any backend.
"""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn import neural_network
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import accuracy_score, r2_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
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
from ..core.parameters import Layer
from ..distributed.processes import Communicator, active_comm
from ..exceptions import ArgumentError
from ..network import Network
from ..training.checkpoint import Checkpoint
from ..validation.arrays import on_host
from ..validation.rows import send
from ..validation.weights import score_weights
from .base import moments
from .classifier import NetworkClassifier
from .many import of_all_ranks
from .mlp_training import MLPTraining
from .parameters import CONSTRAINTS, documented, set_parameters
from .registry import ITS_NAMES, OUR_NAMES


class BaseMLP(MLPTraining):
    """What classifier and regressor share: the parameters."""

    loss: str
    _counted: ClassVar[set[str]] = {"n_iter_", "t_", "_no_improvement_count"}
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
        dtype: str | None = None,
        callbacks: Any = (),
        checkpoint: Checkpoint | None = None,
        communicator: Communicator | None = None,
    ) -> None:
        set_parameters(self, locals())

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

    def _network(self) -> Network:
        sizes = [coef.shape[0] for coef in self.coefs_] + [self.n_outputs_]
        hidden = self.activation
        if isinstance(hidden, str):
            hidden = OUR_NAMES.get(hidden, hidden)
        output = OUR_NAMES.get(self.out_activation_, self.out_activation_)
        return Network(sizes, hidden, output)

    def _set_network(self, net: Network) -> None:
        super()._set_network(net)
        self.n_outputs_, self.n_layers_ = net.sizes[-1], len(net.sizes)
        self.out_activation_ = ITS_NAMES.get(net.output, net.output)


@documented
class MLPClassifier(NetworkClassifier, BaseMLP, counterpart=neural_network.MLPClassifier):
    """Multi-layer perceptron for classes, with the face of scikit-learn's.

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
        with comm.on_all():
            if y.ndim == 2 and y.shape[1] == 1:
                y = column_or_1d(y, warn=True)
        labels = of_all_ranks(comm, y)
        with comm.on_all():
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
        with active_comm(self.communicator).on_all():
            if _check_partial_fit_first_call(self, on_host(classes)):
                multilabel = type_of_target(on_host(y)).startswith("multilabel")
                self._label_binarizer = LabelBinarizer().fit(on_host(y if multilabel else classes))
        return self._fit(X, y, sample_weight, incremental=True)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


@documented
class MLPRegressor(RegressorMixin, BaseMLP, counterpart=neural_network.MLPRegressor):
    """Multi-layer perceptron for numbers, with the face of scikit-learn's.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}
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
        dtype: str | None = None,
        callbacks: Any = (),
        checkpoint: Checkpoint | None = None,
        communicator: Communicator | None = None,
    ) -> None:
        set_parameters(self, locals())

    def _check_y(self, y: Any, *, incremental: bool) -> Any:
        with active_comm(self.communicator).on_all():
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
