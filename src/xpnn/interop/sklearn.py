"""To and from others: fitted models of scikit-learn and modules of PyTorch, weights exact."""

from collections.abc import Sequence
from copy import copy
from typing import Any, cast

import numpy as np
from sklearn import linear_model, neural_network
from sklearn.utils.validation import check_is_fitted

from .._backends.host import to_host
from ..estimators.base import NetworkEstimator
from ..estimators.classifier import NetworkClassifier, binarizer
from ..estimators.logistic import LogisticRegression
from ..estimators.mlp import BaseMLP, MLPClassifier, MLPRegressor
from ..estimators.parameters import ITS_NAMES
from ..exceptions import ArgumentError, ArgumentTypeError

PAIRS: dict[type[NetworkEstimator], Any] = {
    MLPClassifier: neural_network.MLPClassifier,
    MLPRegressor: neural_network.MLPRegressor,
    LogisticRegression: linear_model.LogisticRegression,
}
ITS_SOLVERS = ("lbfgs", "sgd", "adam")
FITTED = (
    "n_features_in_",
    "feature_names_in_",
    "n_outputs_",
    "n_layers_",
    "out_activation_",
    "n_iter_",
    "t_",
    "loss_",
    "best_loss_",
    "best_validation_score_",
    "loss_curve_",
    "validation_scores_",
    "_no_improvement_count",
)
"""Fitted attributes that a model has besides its classes and parameters, if it has them."""


def from_sklearn(model: Any) -> NetworkEstimator:
    """Return a fitted estimator of scikit-learn as ours of the same name.

    Parameters
    ----------
    model : MLPClassifier, MLPRegressor or LogisticRegression of scikit-learn
        Fitted. Its parameters and weights are copied.

    Returns
    -------
    MLPClassifier, MLPRegressor or LogisticRegression

    Raises
    ------
    ArgumentTypeError
        If it is something else.
    ArgumentError
        If it does not answer as its weights say, on some random rows: one-vs-rest of three classes
        and more, two classes by ``multi_class="multinomial"``, a class with its own predictions.

    Examples
    --------
    >>> import xpnn
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> theirs = LogisticRegression(max_iter=1000).fit(X, y)
    >>> ours = xpnn.from_sklearn(theirs)
    >>> bool((ours.predict(X) == theirs.predict(X)).all())
    True
    """
    found = [ours for ours, theirs in PAIRS.items() if isinstance(model, theirs)]
    if not found:
        raise ArgumentTypeError(
            "expected a fitted MLPClassifier, MLPRegressor or LogisticRegression of scikit-learn, "
            f"found {type(model).__name__}; a Pipeline has its own as pipeline[-1]."
        )
    check_is_fitted(model)
    ours: Any = found[0]()
    _copy_params(model, ours)
    if isinstance(ours, BaseMLP):
        ours._start_counting()
    copy_fitted(model, ours)
    if isinstance(ours, LogisticRegression):
        ours.n_iter_ = int(np.max(model.n_iter_))
        ours.coef_, ours.intercept_ = _dense(model.coef_), model.intercept_.copy()
    else:
        ours.coefs_ = [a.copy() for a in model.coefs_]
        ours.intercepts_ = [a.copy() for a in model.intercepts_]
    if isinstance(ours, NetworkClassifier):
        if isinstance(ours, MLPClassifier):
            known = model._label_binarizer
            multilabel = known.y_type_.startswith("multilabel")
            set_classes(ours, model.classes_, multilabel=multilabel, sparse=known.sparse_input_)
        else:
            set_classes(ours, model.classes_, multilabel=False)
    _check_alike(model, ours)
    return cast(NetworkEstimator, ours)


def _check_alike(model: Any, ours: Any) -> None:
    """Raise unless two models answer alike on random rows: the first may do more than its weights.

    A label counts unless it is a draw, which rounding decides.
    """
    W, b = ours.coefs_[0], ours.intercepts_[0]
    X, tolerance = _random_rows(W, b), np.finfo(W.dtype).eps ** 0.5
    classifies = isinstance(ours, NetworkClassifier)
    methods = ["predict_proba", "predict"] if classifies else ["predict"]
    (P, *labels), (A, *expected) = (_answers(each, methods, X) for each in (model, ours))
    scale = max(1.0, np.abs(A[np.isfinite(A)]).max(initial=0.0))
    alike = P.shape == A.shape and np.allclose(P, A, tolerance, tolerance * scale, equal_nan=True)
    if alike and classifies:
        same = (labels[0] == expected[0]).reshape(len(X), -1).all(axis=1)
        alike = bool((same | _is_draw(A, tolerance, multilabel=ours._multilabel)).all())
    if not alike:
        raise ArgumentError(
            f"expected a model whose predictions follow from its weights (sigmoid for two classes, "
            f"softmax for more), found {model!r} of {type(model).__module__}, which answers "
            "otherwise. One-vs-rest and a multinomial model of two classes have no counterpart: "
            "fit it again with another solver than liblinear and without multi_class, or train "
            f"xpnn.{type(ours).__name__}."
        )


def _answers(model: Any, methods: list[str], X: Any) -> list[Any]:
    """Return what methods of a model make of X, of features without names."""
    nameless = object.__new__(type(model))
    nameless.__dict__.update(vars(model))
    nameless.__dict__.pop("feature_names_in_", None)
    try:
        with np.errstate(all="ignore"):
            return [_dense(getattr(nameless, method)(X)) for method in methods]
    except Exception as error:
        raise ArgumentError(
            f"expected a model that predicts from an array of {X.shape[1]} features, found "
            f"{model!r}, which raises {type(error).__name__}: {error}."
        ) from error


def _is_draw(P: Any, tolerance: float, *, multilabel: bool) -> Any:
    """Return which rows have two classes, or a label and its absence, equally probable."""
    if multilabel:
        return np.abs(P - 0.5).min(axis=1) <= tolerance
    second, first = np.sort(P, axis=1)[:, -2:].T
    return first - second <= tolerance


def _dense(a: Any) -> Any:
    return a.toarray() if hasattr(a, "toarray") else np.array(a)


def _random_rows(W: Any, b: Any) -> Any:
    """Return rows of features of size 1, of such that suit W, and where two outputs draw."""
    rng = np.random.default_rng(0)
    n, k = W.shape
    normal = rng.standard_normal((6, n))
    i = rng.integers(k, size=6)
    j = (i + rng.integers(1, max(k, 2), size=6)) % k
    D, c = (W[:, i], b[i]) if k == 1 else (W[:, i] - W[:, j], b[i] - b[j])
    with np.errstate(all="ignore"):
        suited = normal / np.sqrt(np.mean(np.sum(W * W, axis=0)))
        border = (D * ((2.0 * rng.standard_normal(6) - c) / np.sum(D * D, axis=0))).T
    X = np.nan_to_num(np.concatenate([normal, suited, border]))
    largest = np.finfo(W.dtype).max ** 0.25
    return np.clip(X, -largest, largest).astype(W.dtype)


def to_sklearn(model: NetworkEstimator) -> Any:
    """Return one of our fitted estimators as scikit-learn's of the same name."""
    (theirs,) = (theirs() for ours, theirs in PAIRS.items() if isinstance(model, ours))
    _copy_params(model, theirs)
    copy_fitted(model, theirs)
    coefs = [np.array(to_host(a), order="C") for a in model.coefs_]
    intercepts = [np.array(to_host(a)) for a in model.intercepts_]
    if isinstance(model, LogisticRegression):
        theirs.coef_, theirs.intercept_ = np.ascontiguousarray(coefs[0].T), intercepts[0]
        theirs.n_iter_ = np.asarray([model.n_iter_], dtype=np.int32)  # one a problem
    else:
        theirs.coefs_, theirs.intercepts_ = coefs, intercepts
    if isinstance(model, NetworkClassifier):
        theirs.classes_ = model.classes_
        theirs._label_binarizer = model._label_binarizer
    return theirs


def from_torch(
    sequential: Any, classes: Sequence[Any] | None = None
) -> MLPClassifier | MLPRegressor:
    """Return a PyTorch network as a fitted estimator.

    Parameters
    ----------
    sequential : torch.nn.Sequential
        Linear modules, each with an activation after it or without: ReLU, Tanh, Sigmoid,
        LeakyReLU(0.01); the same one after every hidden Linear. Dropout is left out.
    classes : sequence, optional
        The labels of the outputs, for a classifier: two for a single output. A network that ends
        in a Linear, as one does that was trained on logits, gets the sigmoid or softmax then.
        Without them, one that ends in Sigmoid or Softmax is a classifier of 0, 1, …, any other a
        regressor.

    Returns
    -------
    MLPClassifier or MLPRegressor
        On the host, in the dtype of the modules, with the same weights.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For modules that have no counterpart, or that forward hooks change (pruning and norms
        until they are made permanent); names them, and the cure.
    """
    from .torch import from_sequential

    sizes, names, params = from_sequential(sequential)
    *hidden, output = names
    if len(set(hidden)) > 1:
        raise ArgumentError(
            f"sequential: expected one activation after all hidden Linears, found {hidden}; "
            "an xpnn.Network can have one a layer."
        )
    classifies = classes is not None or output in {"sigmoid", "softmax"}
    model: Any = MLPClassifier() if classifies else MLPRegressor()
    model.hidden_layer_sizes = tuple(sizes[1:-1])
    if hidden:
        model.activation = ITS_NAMES.get(hidden[0], hidden[0])
    model.coefs_ = [np.ascontiguousarray(W.T) for W, _ in params]
    model.intercepts_ = [b[:, 0] for _, b in params]
    model.n_features_in_, model.n_outputs_, model.n_layers_ = sizes[0], sizes[-1], len(sizes)
    model._start_counting()
    if classifies:
        output = _classifying(output, sizes[-1], classes, model)
    if output not in {"identity", "exp", "sigmoid", "softmax"}:
        raise ArgumentError(
            "sequential: expected no activation after the last Linear of a regressor, "
            f"found {output!r}."
        )
    model.out_activation_ = ITS_NAMES.get(output, output)
    return cast(MLPClassifier | MLPRegressor, model)


def _classifying(output: str, n: int, classes: Sequence[Any] | None, model: Any) -> str:
    """Give a classifier its classes; return its output activation."""
    expected = max(n, 2)
    labels = np.asarray(range(expected) if classes is None else classes)
    multilabel = output == "sigmoid" and n > 1
    if len(labels) != expected or len(set(labels.tolist())) != expected:
        raise ArgumentError(
            f"classes: expected {expected} different labels for {n} outputs, found {classes!r}."
        )
    if output == "identity":
        output = "sigmoid" if n == 1 else "softmax"
    if not multilabel:
        labels = _sorted(labels, model)
    set_classes(model, labels, multilabel=multilabel)
    return output


def _sorted(labels: Any, model: Any) -> Any:
    """Return the labels sorted, as scikit-learn holds them, and the outputs with them."""
    order = np.argsort(labels)
    W, b = model.coefs_[-1], model.intercepts_[-1]
    if len(b) > 1:
        model.coefs_[-1], model.intercepts_[-1] = np.ascontiguousarray(W[:, order]), b[order]
    elif order[0] == 1:  # σ(−z) = 1 − σ(z)
        model.coefs_[-1], model.intercepts_[-1] = -W, -b
    return labels[order]


# ---- what the models have in common -----------------------------------------


def _copy_params(source: Any, target: Any) -> None:
    """Set the parameters that both estimators have."""
    params = source.get_params(deep=False)
    shared = {key: value for key, value in params.items() if key in target.get_params()}
    if isinstance(source, NetworkEstimator) and "activation" in shared:
        shared["activation"] = ITS_NAMES.get(shared["activation"], shared["activation"])
        if shared["activation"] not in {"identity", "logistic", "tanh", "relu"}:
            raise ArgumentError(
                f"scikit-learn has no activation {shared['activation']!r}: expected identity, "
                "logistic, tanh or relu."
            )
        if shared["solver"] not in ITS_SOLVERS:
            del shared["solver"]  # it has trained; predictions do not need it
    target.set_params(**shared)


def copy_fitted(source: Any, target: Any) -> None:
    """Copy the fitted attributes that a model has besides its classes and parameters."""
    for name in FITTED:
        if hasattr(source, name):
            setattr(target, name, copy(getattr(source, name)))


def set_classes(
    model: NetworkClassifier, classes: Any, *, multilabel: bool, sparse: bool = False
) -> None:
    """Give a classifier its classes, in the order of its outputs."""
    model.classes_ = classes
    model._label_binarizer = binarizer(classes, multilabel=multilabel)
    model._label_binarizer.sparse_input_ = sparse  # whether it predicts sparse matrices
