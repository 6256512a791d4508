"""Fitted estimators to and from scikit-learn's of the same name, weights exact."""

from copy import copy
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from .._backends.host import to_host
from ..estimators.registry import ESTIMATORS, ITS_NAMES
from ..exceptions import ArgumentError, ArgumentTypeError

ITS_ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
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
"""Fitted attributes that a model has besides its classes and weights, if it has them."""


def from_sklearn(model: Any) -> Any:
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
    found = [ours for ours in ESTIMATORS.values() if isinstance(model, ours._counterpart)]
    if not found:
        raise ArgumentTypeError(
            "expected a fitted MLPClassifier, MLPRegressor or LogisticRegression of scikit-learn, "
            f"found {type(model).__name__}; a Pipeline has its own as pipeline[-1]."
        )
    check_is_fitted(model)
    ours = found[0]()
    ours.set_params(**_shared_params(model, ours))
    ours._start_counting()
    linear = isinstance(model, LogisticRegression)
    _copy_fitted(model, ours, linear=linear)
    if linear:
        ours.n_iter_ = int(np.max(model.n_iter_))
        ours._set_classes(model.classes_, multilabel=False)
    elif is_classifier(model):
        known = model._label_binarizer
        multilabel = known.y_type_.startswith("multilabel")
        ours._set_classes(model.classes_, multilabel=multilabel, sparse=known.sparse_input_)
    _check_alike(model, ours)
    return ours


def to_sklearn(model: Any) -> Any:
    """Return one of our fitted estimators as scikit-learn's of the same name."""
    theirs = model._counterpart()
    params = _shared_params(model, theirs)
    if "activation" in params:
        activation = params["activation"] = ITS_NAMES.get(
            params["activation"], params["activation"]
        )
        if activation not in ITS_ACTIVATIONS:
            raise ArgumentError(
                f"scikit-learn has no activation {activation!r}: expected identity, logistic, "
                "tanh or relu."
            )
        if params["solver"] not in ITS_SOLVERS:
            del params["solver"]  # it has trained; predictions do not need it
    theirs.set_params(**params)
    linear = isinstance(theirs, LogisticRegression)
    _copy_fitted(model, theirs, linear=linear)
    if linear:
        theirs.n_iter_ = np.asarray([model.n_iter_], dtype=np.int32)  # one a problem
    if is_classifier(model):
        theirs.classes_ = model.classes_
        theirs._label_binarizer = model._label_binarizer
    return theirs


def _shared_params(source: Any, target: Any) -> dict[str, Any]:
    """Return the parameters of the first that both estimators have."""
    params, known = source.get_params(deep=False), target.get_params(deep=False)
    return {name: value for name, value in params.items() if name in known}


def _copy_fitted(source: Any, target: Any, *, linear: bool) -> None:
    """Copy the weights, and the other fitted attributes but the classes."""
    for name in FITTED:
        if hasattr(source, name):
            setattr(target, name, copy(getattr(source, name)))
    for name in ("coef_", "intercept_") if linear else ("coefs_", "intercepts_"):
        weights = getattr(source, name)
        copied = [_dense(a) for a in weights] if isinstance(weights, list) else _dense(weights)
        setattr(target, name, copied)


def _dense(a: Any) -> Any:
    """Return an array as a dense NumPy array of its own in C order."""
    return np.array(a.toarray() if hasattr(a, "toarray") else to_host(a), order="C")


# ---- does it answer as its weights say? -----------------------------------------


def _check_alike(model: Any, ours: Any) -> None:
    """Raise unless two models answer alike on random rows: the first may do more than its weights.

    A label counts unless it is a draw, which rounding decides.
    """
    W, b = ours.coefs_[0], ours.intercepts_[0]
    X, tolerance = _random_rows(W, b), np.finfo(W.dtype).eps ** 0.5
    classifies = is_classifier(ours)
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
