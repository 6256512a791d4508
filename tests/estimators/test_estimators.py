"""The estimators against scikit-learn's: same data, same random state, same everything.

The oracle is the installed scikit-learn: its `MLPClassifier`, `MLPRegressor` and
`LogisticRegression`, and its own test module of the first two.
"""

import inspect
import os
import signal
import subprocess
import sys
import warnings
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import sklearn.linear_model
import sklearn.neural_network
from sklearn.datasets import (
    load_diabetes,
    load_digits,
    load_iris,
    make_multilabel_classification,
    make_regression,
)
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import scale
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from tests.helpers import OTHER_STRICT, read_only, unusable, usable
from tests.programs import sklearn_mlp
from xpnn import ArgumentError, LogisticRegression, MLPClassifier, MLPRegressor
from xpnn._backends.host import to_host

SKLEARN = tuple(map(int, version("scikit-learn").split(".")[:2]))
EXTRA = {"backend", "dtype", "callbacks", "checkpoint", "communicator"}
ADDED_LATER = {"loss"} if SKLEARN < (1, 7) else set()  # to MLPRegressor
MLPS = (MLPClassifier, MLPRegressor)

since_1_7 = pytest.mark.skipif(
    SKLEARN < (1, 7), reason="scikit-learn's sample_weight and loss='poisson' came in 1.7"
)
# an old scikit-learn on a new SciPy
pytestmark = pytest.mark.filterwarnings(
    "ignore:scipy.optimize. The .disp. and .iprint. options:DeprecationWarning"
)
unconverged = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Several threads take longer over arrays this small, ten times where cores are busy."""
    unusable("torch")  # imports it, so that its threads are among those limited
    with threadpool_limits(1):
        yield


@pytest.fixture(params=[spec for spec in usable("float64") if spec not in OTHER_STRICT])
def spec(request):
    """Name each usable backend that has float64."""
    return request.param


# ---- data ------------------------------------------------------------------------------------


@cache
def problem(name):
    """Return an estimator of ours and the data it is fitted on, which cannot be written to."""
    if name == "diabetes":
        X, y = load_diabetes(return_X_y=True)
        return MLPRegressor, read_only(scale(X)), read_only(scale(y))
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        return MLPClassifier, read_only(X[:203] / 16.0), read_only(y[:203])
    X, y = load_iris(return_X_y=True)
    if name == "iris, 2 classes":
        X, y = X[y < 2], y[y < 2]
    return MLPClassifier, read_only(X), read_only(y)


@cache
def multilabel():
    X, Y = make_multilabel_classification(n_samples=60, n_features=6, n_classes=3, random_state=0)
    return MLPClassifier, read_only(X / 10.0), read_only(Y)


@cache
def multioutput():
    X, Y = make_regression(n_samples=60, n_features=6, n_targets=3, random_state=0)
    return MLPRegressor, read_only(X), read_only(scale(Y))


@cache
def counts():
    X, _ = make_regression(n_samples=60, n_features=4, random_state=0)
    y = np.random.default_rng(0).poisson(np.exp(0.5 * X[:, 0] + 1.0))
    return MLPRegressor, read_only(X), read_only(y)


# ---- comparing -------------------------------------------------------------------------------


def both(ours, spec="numpy", **params):
    """Return one estimator of ours and the same one of scikit-learn's."""
    theirs = getattr(sklearn.neural_network, ours.__name__)
    return ours(**params, backend=spec), theirs(**params)


def warnings_of(call, *args, **kwargs):
    """Call, and return the category and the text of what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(*args, **kwargs)
    passing = (DeprecationWarning, FutureWarning)
    return [(w.category, str(w.message)) for w in caught if not issubclass(w.category, passing)]


def assert_call_alike(pair, method, *args, **kwargs):
    """Call a method of both; they warn alike."""
    ours, theirs = (warnings_of(getattr(model, method), *args, **kwargs) for model in pair)
    assert ours == theirs


def assert_close(ours, theirs, tol, name):
    if theirs is None:
        assert ours is None, name
    else:
        np.testing.assert_allclose(ours, theirs, rtol=tol, atol=tol, err_msg=name)


def assert_alike(pair, X, tol):
    """The fitted attributes and the predictions of both are the same."""
    ours, theirs = pair
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("loss_curve_", "validation_scores_", "loss_", "best_loss_"):
        assert_close(getattr(ours, name), getattr(theirs, name), tol, name)
    assert_close(ours.best_validation_score_, theirs.best_validation_score_, tol, "best score")
    for name in ("coefs_", "intercepts_"):
        for i, (a, b) in enumerate(zip(getattr(ours, name), getattr(theirs, name), strict=True)):
            assert a.shape == b.shape, name
            assert to_host(a).dtype == b.dtype, name
            assert_close(to_host(a), b, tol, f"{name}[{i}]")
    assert_predict_alike(pair, X, tol)


def assert_predict_alike(pair, X, tol):
    ours, theirs = pair
    found, expected = ours.predict(X), theirs.predict(X)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    if isinstance(ours, MLPRegressor):
        assert_close(found, expected, tol, "predict")
        return
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    assert ours.classes_.dtype == theirs.classes_.dtype
    np.testing.assert_array_equal(found, expected)
    for method in ("predict_proba", "predict_log_proba"):
        found, expected = getattr(ours, method)(X), getattr(theirs, method)(X)
        assert found.dtype == expected.dtype
        assert_close(found, expected, tol, method)


def tolerance(spec):
    return 1e-10 if spec == "numpy" else 1e-8


def assert_fit_alike(spec, estimator, X, y, params, tol=None, **fit_params):
    pair = both(estimator, spec, **{"random_state": 3, **params})
    assert_call_alike(pair, "fit", X, y, **fit_params)
    assert_alike(pair, X, tol or tolerance(spec))
    return pair


# ---- the parameters --------------------------------------------------------------------------


@pytest.mark.parametrize("ours", MLPS)
def test_parameters_and_defaults_are_scikit_learns(ours):
    """In its order, by position or by name as there; ours come last."""
    theirs = getattr(sklearn.neural_network, ours.__name__)
    expected = inspect.signature(theirs).parameters
    found = inspect.signature(ours).parameters
    shared = [name for name in found if name not in EXTRA | ADDED_LATER]
    assert shared == list(expected)
    assert set(found) - set(expected) == EXTRA | (ADDED_LATER & set(found))
    for name, parameter in expected.items():
        if not ADDED_LATER or ours is MLPClassifier:
            assert found[name].kind == parameter.kind, name
        assert found[name].default == parameter.default, name


@pytest.mark.parametrize("ours", MLPS)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@unconverged
def test_fitted_attributes_are_scikit_learns(ours, solver):
    _, X, y = problem("iris")

    def fitted(model):
        return {a for a in dir(model) if a.endswith("_") and a[0] != "_" and hasattr(model, a)}

    pair = both(ours, solver=solver, max_iter=2, hidden_layer_sizes=3)
    found, expected = (fitted(model.fit(X, y)) for model in pair)
    assert expected <= found
    curves = {"loss_curve_", "best_loss_", "validation_scores_", "best_validation_score_"}
    assert found & curves == expected & curves  # lbfgs has none


# ---- training, epoch by epoch ----------------------------------------------------------------

SOLVERS = {
    "sgd": {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.1},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False, "learning_rate_init": 0.02},
    "nesterov": {"solver": "sgd", "learning_rate_init": 0.02},
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
}
PROBLEMS = ("digits", "iris", "iris, 2 classes", "diabetes")
TWENTY = {"max_iter": 20, "batch_size": 40, "hidden_layer_sizes": (16, 8), "alpha": 0.01}


@pytest.mark.slow("jax", "array_api_strict", "torch")
@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_twenty_epochs(spec, solver, name):
    """Weights, losses, counts and predictions; the last mini-batch is smaller; the same warning."""
    pair = assert_fit_alike(spec, *problem(name), TWENTY | SOLVERS[solver])
    losses = pair[0].loss_curve_
    assert len(losses) == 20
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.slow("jax")
@pytest.mark.parametrize("name", PROBLEMS)
def test_lbfgs_reaches_the_same_loss(spec, name):
    estimator, X, y = problem(name)
    params = {"solver": "lbfgs", "hidden_layer_sizes": 8, "activation": "tanh", "max_iter": 25}
    assert_lbfgs_alike(both(estimator, spec, alpha=0.1, random_state=3, **params), X, y)


def assert_lbfgs_alike(pair, X, y, **kwargs):
    """Fit; the final losses are the same, and so are the warnings but for their text."""
    warned, expected = (warnings_of(model.fit, X, y, **kwargs) for model in pair)
    assert [category for category, _ in warned] == [category for category, _ in expected]
    ours, theirs = pair
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6)
    assert (ours.n_iter_, ours.t_) == (theirs.n_iter_, theirs.t_)


OPTIONS = {
    "identity": {"activation": "identity"},
    "logistic": {"activation": "logistic"},
    "tanh": {"activation": "tanh"},
    "one example a step": {"batch_size": 1, "max_iter": 3},
    "last batch of 3": {"batch_size": 7, "max_iter": 5},
    "batch_size=auto": {"batch_size": "auto"},
    "batch_size of numpy": {"batch_size": np.int64(50)},
    "not shuffled": {"shuffle": False},
    "alpha=0": {"alpha": 0},
    "alpha=10": {"alpha": 10.0},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "a list of 3 hidden layers": {"hidden_layer_sizes": [4, 3, 5]},
    "an array of hidden layers": {"hidden_layer_sizes": np.array([4, 3])},
    "adam's constants": {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3},
    "adaptive": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.02,
        "tol": 0.05,
        "n_iter_no_change": 2,
        "max_iter": 60,
    },
    "tol": {"tol": 0.05, "n_iter_no_change": 3, "max_iter": 100},
    "n_iter_no_change=inf": {"tol": 100.0, "n_iter_no_change": np.inf},
    "early_stopping, adam": {"early_stopping": True, "n_iter_no_change": 3, "max_iter": 60},
    "early_stopping, sgd": {
        "solver": "sgd",
        "early_stopping": True,
        "validation_fraction": 0.3,
        "n_iter_no_change": 4,
        "max_iter": 60,
    },
}


@pytest.mark.slow("jax", "array_api_strict")
@pytest.mark.parametrize("option", OPTIONS)
def test_options_of_the_classifier(spec, option):
    assert_options_alike(spec, option, "iris")


@pytest.mark.parametrize("option", OPTIONS)
def test_options_of_the_regressor(option):
    assert_options_alike("numpy", option, "diabetes")


def assert_options_alike(spec, option, name):
    estimator, X, y = problem(name)
    defaults = {"hidden_layer_sizes": 6, "learning_rate_init": 0.01, "max_iter": 12}
    pair = assert_fit_alike(spec, estimator, X[:150], y[:150], defaults | OPTIONS[option])
    if option in {"adaptive", "tol"}:  # they did stop early
        assert pair[0].n_iter_ < pair[0].max_iter


@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_early_stopping_keeps_the_best_weights(name):
    """The last epochs score worse, so that the weights are not the last ones."""
    estimator, X, y = problem(name)
    params = {"early_stopping": True, "validation_fraction": 0.3, "learning_rate_init": 0.05}
    ours, _ = assert_fit_alike("numpy", estimator, X, y, params)
    assert ours.validation_scores_[-1] < ours.best_validation_score_
    assert ours.best_validation_score_ == max(ours.validation_scores_)


@pytest.mark.slow("jax", "array_api_strict")
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_warm_start(spec, name, solver, early_stopping):
    estimator, X, y = problem(name)
    pair = both(
        estimator,
        spec,
        solver=solver,
        warm_start=True,
        early_stopping=early_stopping,
        random_state=3,
        max_iter=4,
    )
    for max_iter in (4, 7, 3):
        for model in pair:
            model.set_params(max_iter=max_iter)
        assert_call_alike(pair, "fit", X, y)
        assert_alike(pair, X, tolerance(spec))
        # scikit-learn goes on with the very arrays that it remembers as the best ones, so that
        # they are no longer the best when no epoch improves on them; xpnn keeps them apart
        theirs = pair[1]
        theirs._best_coefs = [a.copy() for a in theirs.coefs_]
        theirs._best_intercepts = [a.copy() for a in theirs.intercepts_]


@pytest.mark.slow("jax")
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("name", ["iris, 2 classes", "diabetes"])
def test_partial_fit(spec, name, solver):
    """Pieces of several sizes; then from anew with `fit`, and on from there."""
    estimator, X, y = problem(name)
    pair = both(estimator, spec, solver=solver, random_state=3, max_iter=3)
    first = {} if estimator is MLPRegressor else {"classes": [0, 1]}
    for i, piece in enumerate((slice(0, 60), slice(60, 61), slice(50, 100), slice(0, 60))):
        assert_call_alike(pair, "partial_fit", X[piece], y[piece], **({} if i else first))
        assert_alike(pair, X, tolerance(spec))
    for method in ("fit", "partial_fit", "partial_fit"):
        assert_call_alike(pair, method, X, y)
        assert_alike(pair, X, tolerance(spec))


@pytest.mark.slow("jax", "array_api_strict")
@pytest.mark.parametrize("learning_rate", ["constant", "invscaling", "adaptive"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_what_is_counted_between_calls(spec, capsys, method, learning_rate):
    """Epochs without improvement count over warm starts and partial fits; so do the rates."""
    estimator, X, y = problem("iris")
    params = {"tol": 0.1, "n_iter_no_change": 3, "max_iter": 3, "hidden_layer_sizes": 4}
    params |= {"solver": "sgd", "learning_rate": learning_rate, "learning_rate_init": 0.05}
    pair = both(estimator, spec, warm_start=True, verbose=True, random_state=3, **params)
    for i in range(9):
        first = {"classes": [0, 1, 2]} if method == "partial_fit" and i == 0 else {}
        said = []
        for model in pair:
            warnings_of(getattr(model, method), X, y, **first)
            said.append(capsys.readouterr().out.splitlines())
        assert said[0] == said[1], i
        assert_alike(pair, X, tolerance(spec))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_partial_fit_keeps_its_first_dtype(solver):
    estimator, X, y = problem("iris")
    pair = both(estimator, solver=solver, random_state=3)
    for dtype in ("float32", "float64"):
        for model in pair:
            model.partial_fit(X.astype(dtype), y, classes=[0, 1, 2])
            assert {a.dtype for a in model.coefs_ + model.intercepts_} == {np.dtype("float32")}
    for a, b in zip(*(model.coefs_ for model in pair), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_rate_set_between_partial_fits_is_of_no_account():
    """As in scikit-learn, where the first call makes the optimiser, with its rate and schedule."""
    estimator, X, y = problem("iris")
    params = {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.05}
    pair = both(estimator, random_state=3, **params)
    for rate in (0.05, 0.5, 5.0):
        for model in pair:
            model.set_params(learning_rate_init=rate)
            model.partial_fit(X, y, classes=[0, 1, 2])
        assert_alike(pair, X, 1e-10)


def test_partial_fit_to_another_number_of_outputs():
    estimator, X, Y = multioutput()
    model = estimator(random_state=3).partial_fit(X, Y)
    before = [a.copy() for a in model.coefs_]
    for other in (Y[:, :2], Y[:, 0]):
        with pytest.raises(ArgumentError, match=r"y: expected 3 outputs.*found [12]; make a new"):
            model.partial_fit(X, other)
    for a, b in zip(model.partial_fit(X, Y).coefs_, before, strict=True):
        assert a.shape == b.shape


# ---- the data --------------------------------------------------------------------------------

SMALL = {"hidden_layer_sizes": 6, "learning_rate_init": 0.01, "max_iter": 8, "batch_size": 25}


@pytest.mark.slow("jax", "array_api_strict")
@since_1_7
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("name", ["iris", "iris, 2 classes", "diabetes"])
def test_sample_weight(spec, name, early_stopping):
    estimator, X, y = problem(name)
    weight = read_only(np.random.default_rng(1).uniform(0.0, 2.0, len(y)))
    params = SMALL | {"early_stopping": early_stopping}
    pair = assert_fit_alike(spec, estimator, X, y, params, sample_weight=weight)
    scores = [model.score(X, y, sample_weight=weight) for model in pair]
    assert scores[0] == pytest.approx(scores[1], rel=tolerance(spec))


@since_1_7
def test_sample_weight_in_partial_fit_and_lbfgs():
    estimator, X, y = problem("iris")
    weight = np.random.default_rng(1).uniform(0.0, 2.0, len(y))
    pair = both(estimator, random_state=3)
    for classes in ([0, 1, 2], None):
        assert_call_alike(pair, "partial_fit", X, y, sample_weight=weight, classes=classes)
        assert_alike(pair, X, 1e-10)
    pair = both(estimator, solver="lbfgs", max_iter=20, random_state=3)
    assert_lbfgs_alike(pair, X, y, sample_weight=weight)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("data", [multilabel, multioutput])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_several_outputs(spec, data, early_stopping):
    estimator, X, Y = data()
    pair = assert_fit_alike(spec, estimator, X, Y, SMALL | {"early_stopping": early_stopping})
    assert pair[0].score(X, Y) == pytest.approx(pair[1].score(X, Y), rel=1e-8)


@pytest.mark.slow("jax")
@since_1_7
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_poisson_loss(spec, solver):
    estimator, X, y = counts()
    pair = assert_fit_alike(spec, estimator, X, y, SMALL | {"loss": "poisson", "solver": solver})
    assert pair[0].out_activation_ == "exp"
    assert pair[0].loss_curve_[-1] < pair[0].loss_curve_[0]


@pytest.mark.slow("jax")
@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_float32_data(spec, name):
    """Every number is float32, 20 epochs of whose rounding, eps 1.2e-7, differ."""
    estimator, X, y = problem(name)
    pair = both(estimator, spec, random_state=3, **TWENTY)
    assert_call_alike(pair, "fit", X.astype("float32"), y)
    assert_alike(pair, X.astype("float32"), 2e-3)
    assert all(to_host(a).dtype == np.float32 for a in pair[0].coefs_ + pair[0].intercepts_)


@pytest.mark.slow("jax", "array_api_strict")
@pytest.mark.parametrize("dtype", ["int64", "uint8", "float16", "bool"])
def test_other_dtypes_become_float64(spec, dtype):
    estimator, X, y = problem("digits")
    X = (X * 16.0).astype(dtype)
    pair = assert_fit_alike(spec, estimator, X, y, SMALL)
    assert to_host(pair[0].coefs_[0]).dtype == np.float64


class OwnMatrix(scipy.sparse.csr_matrix):
    """A matrix of SciPy's kind that another library has made."""


@pytest.mark.slow("jax")
@pytest.mark.parametrize(
    "container", ["csr_array", "csc_array", "csr_matrix", "csc_matrix", "coo_array", "a subclass"]
)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_sparse_data(spec, solver, container):
    estimator, X, y = problem("digits")
    X = getattr(scipy.sparse, container, OwnMatrix)(X)
    params = {"solver": solver, "max_iter": 4, "hidden_layer_sizes": 6, "random_state": 3}
    pair = both(estimator, spec, **params)
    if solver == "adam":
        assert_call_alike(pair, "fit", X, y)
        assert_alike(pair, X, tolerance(spec))
    else:
        assert_lbfgs_alike(pair, X, y)
        assert_predict_alike(pair, X, 1e-5)


LABELS = {
    "strings": lambda y: np.array(["setosa", "versicolor", "virginica"])[y],
    "objects": lambda y: np.array(["a", "b", "c"], dtype=object)[y],
    "a list of strings": lambda y: [["no", "yes", "maybe"][i] for i in y],
    "floats": lambda y: y * 2.0 - 1.0,
    "negative integers": lambda y: y - 5,
    "int8": lambda y: y.astype("int8"),
    "booleans": lambda y: y == 1,
    "one class only": np.zeros_like,
    "a column": lambda y: y.reshape(-1, 1),  # warns as scikit-learn does
}


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("kind", LABELS)
def test_labels(kind, early_stopping):
    if early_stopping and kind in {"strings", "objects", "a list of strings"} and SKLEARN < (1, 9):
        pytest.skip("scikit-learn's own early stopping mixed up some string labels before 1.9")
    estimator, X, y = problem("iris")
    params = SMALL | {"early_stopping": early_stopping}
    assert_fit_alike("numpy", estimator, X, LABELS[kind](y), params)


@pytest.mark.parametrize("shape", [(-1, 1), (-1,)])
def test_a_column_of_targets(shape):
    estimator, X, y = problem("diabetes")
    pair = assert_fit_alike("numpy", estimator, X, y.reshape(shape), SMALL)
    assert pair[0].predict(X).shape == y.shape


# ---- randomness ------------------------------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [False, True])
@unconverged
def test_random_state_is_drawn_from_as_scikit_learn_does(early_stopping):
    """The same numbers are drawn from a given generator, and no more of them."""
    estimator, X, y = problem("iris")
    generators = check_random_state(11), check_random_state(11)
    pair = both(estimator, early_stopping=early_stopping, max_iter=4)
    for _ in range(2):
        for model, generator in zip(pair, generators, strict=True):
            model.set_params(random_state=generator).fit(X, y)
        assert_alike(pair, X, 1e-10)
        assert generators[0].randint(1 << 30) == generators[1].randint(1 << 30)


@unconverged
def test_without_random_state_numpys_global_one_decides():
    estimator, X, y = problem("iris")
    pair = both(estimator, max_iter=3)
    for model in pair:
        np.random.seed(8)  # noqa: NPY002
        model.fit(X, y)
    assert_alike(pair, X, 1e-10)


# ---- what it says ----------------------------------------------------------------------------

TALKING = {
    "to the end": {},
    "tol": {"tol": 0.05, "n_iter_no_change": 2, "max_iter": 100},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 100},
    "adaptive": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.02,
        "tol": 0.05,
        "n_iter_no_change": 2,
        "max_iter": 60,
    },
}


@pytest.mark.slow("jax", "array_api_strict")
@pytest.mark.parametrize("name", ["iris", "diabetes"])
@pytest.mark.parametrize("case", TALKING)
@unconverged
def test_verbose_output(spec, capsys, case, name):
    estimator, X, y = problem(name)
    params = {"verbose": True, "random_state": 3, "max_iter": 5, "learning_rate_init": 0.01}
    said = []
    for model in both(estimator, spec, **params | TALKING[case]):
        model.fit(X, y)
        said.append(capsys.readouterr().out.splitlines())
    assert said[0] == said[1]
    assert len(said[0]) >= 5


@unconverged
def test_silent_by_default(capsys):
    estimator, X, y = problem("iris")
    estimator(max_iter=3).fit(X, y)
    assert capsys.readouterr() == ("", "")


def test_warns_of_a_batch_larger_than_the_data():
    estimator, X, y = problem("iris")
    pair = both(estimator, batch_size=1000, max_iter=3, random_state=3)
    assert_call_alike(pair, "fit", X, y)
    assert_alike(pair, X, 1e-10)
    with pytest.warns(UserWarning, match="It is going to be clipped"):
        pair[0].set_params(tol=100.0, n_iter_no_change=1, max_iter=20).fit(X, y)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("how", ["raised", "Ctrl-C"])
def test_an_interrupted_training_warns_and_keeps_what_it_has(spec, how):
    def interrupt(report):
        if report.epoch == 3:
            if how == "raised":
                raise KeyboardInterrupt
            signal.raise_signal(signal.SIGINT)

    estimator, X, y = problem("iris")
    model = estimator(random_state=3, max_iter=20, backend=spec, callbacks=(interrupt,))
    with pytest.warns(UserWarning, match=r"^Training interrupted by user\.$"):
        model.fit(X, y)
    assert 3 <= model.n_iter_ <= 4
    assert len(model.loss_curve_) == model.n_iter_
    _, theirs = both(estimator, max_iter=model.n_iter_, random_state=3)
    warnings_of(theirs.fit, X, y)
    np.testing.assert_allclose(model.predict_proba(X), theirs.predict_proba(X), rtol=1e-8)


def raise_interrupt(report):
    raise KeyboardInterrupt


WARNED = {
    "not converged": (MLPClassifier, {"max_iter": 2}, "fit"),
    "lbfgs has not converged": (MLPClassifier, {"max_iter": 2, "solver": "lbfgs"}, "fit"),
    "gradient descent has not converged": (LogisticRegression, {"max_iter": 2}, "fit"),
    "batch clipped": (MLPClassifier, {"batch_size": 1000, "tol": 1e9, "max_iter": 30}, "fit"),
    "batch clipped in partial_fit": (MLPClassifier, {"batch_size": 1000}, "partial_fit"),
    "interrupted": (MLPClassifier, {"callbacks": [raise_interrupt]}, "fit"),
    "descent interrupted": (LogisticRegression, {"callbacks": [raise_interrupt]}, "fit"),
    "interrupted in partial_fit": (MLPClassifier, {"callbacks": [raise_interrupt]}, "partial_fit"),
}


@pytest.mark.parametrize("case", WARNED)
def test_warnings_point_at_the_line_that_calls(case):
    _, X, y = problem("iris")
    estimator, params, method = WARNED[case]
    first = {"classes": [0, 1, 2]} if method == "partial_fit" else {}
    call = getattr(estimator(**params), method)
    with pytest.warns(UserWarning) as caught:  # noqa: PT030
        call(X, y, **first)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    assert lines[caught[0].lineno - 1].strip() == "call(X, y, **first)"


# ---- errors ----------------------------------------------------------------------------------

WRONG = {
    "hidden_layer_sizes": -1,
    "alpha": -0.1,
    "batch_size": "all",
    "learning_rate": "fast",
    "learning_rate_init": 0.0,
    "power_t": -1.0,
    "max_iter": 0,
    "shuffle": "yes",
    "random_state": "seed",
    "tol": -1e-3,
    "verbose": "loud",
    "warm_start": "warm",
    "momentum": 1.5,
    "nesterovs_momentum": "no",
    "early_stopping": "soon",
    "validation_fraction": 1.0,
    "beta_1": 1.0,
    "beta_2": -0.1,
    "epsilon": 0.0,
    "n_iter_no_change": 0,
    "max_fun": 0,
}
WIDER = {"activation": "selu", "solver": "newton"}  # xpnn knows more of these than scikit-learn


@contextmanager
def raises_like(theirs):
    """Expect the text of the error that a call of scikit-learn's raises, and its type.

    Where xpnn raises an error of its own, it is one of scikit-learn's type, too.
    """
    try:
        theirs()
    except Exception as error:  # noqa: BLE001
        expected = error
    else:
        expected = None
    if expected is None or isinstance(expected, Warning):
        assert SKLEARN < (1, 9), "scikit-learn raises nothing"
        pytest.skip("scikit-learn refuses this in later versions only")
    with pytest.raises(type(expected)) as found:
        yield
    assert words(found.value) == words(expected)


def words(error):
    """Return the words of a message in alphabetical order: sets are printed in any."""
    return sorted(word.strip("{},.") for word in str(error).split())


@pytest.mark.parametrize("ours", MLPS)
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_parameter(ours, name):
    _, X, y = problem("iris")
    mine, theirs = both(ours, **{name: WRONG[name]})
    with raises_like(lambda: theirs.fit(X, y)):
        mine.fit(X, y)
    if name != "early_stopping":
        with raises_like(lambda: theirs.partial_fit(X, y)):
            mine.partial_fit(X, y)


def test_every_parameter_has_a_wrong_value():
    """Guard the test above against a parameter that was added."""
    assert set(WRONG) | set(WIDER) == set(inspect.signature(MLPClassifier).parameters) - EXTRA


@pytest.mark.parametrize("ours", MLPS)
@pytest.mark.parametrize("name", WIDER)
def test_an_unknown_name(ours, name):
    """scikit-learn's exception; its text names the parameter, what is known, and what was found."""
    _, X, y = problem("iris")
    mine, theirs = both(ours, **{name: WIDER[name]})
    with pytest.raises(ValueError, match=f"The '{name}' parameter") as expected:
        theirs.fit(X, y)
    with pytest.raises(ValueError, match=f"The '{name}' parameter of {ours.__name__}") as found:
        mine.fit(X, y)
    assert found.type is expected.type
    known = {word for word in words(expected.value) if word.startswith("'")}
    assert known <= set(words(found.value))


@since_1_7
def test_an_unknown_loss():
    _, X, y = counts()
    mine, theirs = both(MLPRegressor, loss="absolute_error")
    with raises_like(lambda: theirs.fit(X, y)):
        mine.fit(X, y)


def _then(*calls):
    """Return a function that makes calls (method, arguments, keywords) on a model, in turn."""

    def run(model):
        for method, *rest in calls:
            args, kwargs = (*rest, {})[:2]
            getattr(model, method)(*args, **kwargs)

    return run


_, X_IRIS, Y_IRIS = problem("iris")
HOLES = np.where(X_IRIS > 5.0, np.nan, X_IRIS)
WRONG_CALLS = {
    "not fitted": ({}, _then(("predict", (X_IRIS,)))),
    "NaN in X": ({}, _then(("fit", (HOLES, Y_IRIS)))),
    "infinity in X": ({}, _then(("fit", (X_IRIS + np.inf, Y_IRIS)))),
    "X is a vector": ({}, _then(("fit", (X_IRIS[:, 0], Y_IRIS)))),
    "X has three dimensions": ({}, _then(("fit", (X_IRIS[:, None], Y_IRIS)))),
    "X is complex": ({}, _then(("fit", (X_IRIS * 1j, Y_IRIS)))),
    "X is strings": ({}, _then(("fit", (np.full((150, 2), "a"), Y_IRIS)))),
    "no examples": ({}, _then(("fit", (X_IRIS[:0], Y_IRIS[:0])))),
    "no features": ({}, _then(("fit", (X_IRIS[:, :0], Y_IRIS)))),
    "y is None": ({}, _then(("fit", (X_IRIS, None)))),
    "y is shorter": ({}, _then(("fit", (X_IRIS, Y_IRIS[:100])))),
    "NaN in y": ({}, _then(("fit", (X_IRIS, np.where(Y_IRIS > 1, np.nan, Y_IRIS))))),
    "y has three dimensions": ({}, _then(("fit", (X_IRIS, Y_IRIS[:, None, None])))),
    "a hidden layer of size 0": (
        {"hidden_layer_sizes": (3, 0)},
        _then(("fit", (X_IRIS, Y_IRIS))),
    ),
    "sparse of another format": (
        {},
        _then(("fit", (X_IRIS, Y_IRIS)), ("predict", (scipy.sparse.dok_array(HOLES),))),
    ),
    "fewer features later": ({}, _then(("fit", (X_IRIS, Y_IRIS)), ("predict", (X_IRIS[:, :3],)))),
    "NaN later": ({}, _then(("fit", (X_IRIS, Y_IRIS)), ("predict", (HOLES,)))),
    "partial_fit with fewer features": (
        {},
        _then(("partial_fit", (X_IRIS, Y_IRIS)), ("partial_fit", (X_IRIS[:, :3], Y_IRIS))),
    ),
    "partial_fit with early stopping": (
        {"early_stopping": True},
        _then(("partial_fit", (X_IRIS, Y_IRIS))),
    ),
    "validation set too small": (
        {"early_stopping": True, "validation_fraction": 0.01},
        _then(("fit", (X_IRIS[:20], Y_IRIS[:20] * 1.0))),
    ),
}
WRONG_CALLS_OF_CLASSIFIERS = {
    "continuous y": _then(("fit", (X_IRIS, X_IRIS[:, 0]))),
    "several classes in several columns": _then(("fit", (X_IRIS, np.c_[Y_IRIS, Y_IRIS]))),
    "no classes": _then(("partial_fit", (X_IRIS, Y_IRIS))),
    "lbfgs has no partial_fit": _then(
        ("set_params", (), {"solver": "lbfgs"}),
        ("partial_fit", (X_IRIS, Y_IRIS)),
    ),
    "classes changed": _then(
        ("partial_fit", (X_IRIS, Y_IRIS), {"classes": [0, 1, 2]}),
        ("partial_fit", (X_IRIS, Y_IRIS), {"classes": [0, 1, 2, 3]}),
    ),
    "a class that was not told of": _then(
        ("partial_fit", (X_IRIS, Y_IRIS), {"classes": [0, 1, 2]}),
        ("partial_fit", (X_IRIS, Y_IRIS + 1)),
    ),
    "other classes on a warm start": _then(
        ("set_params", (), {"warm_start": True}),
        ("fit", (X_IRIS, Y_IRIS)),
        ("fit", (X_IRIS, Y_IRIS + 1)),
    ),
    "a class of one example": _then(
        ("set_params", (), {"early_stopping": True}),
        ("fit", (X_IRIS[:51], Y_IRIS[:51])),
    ),
}


@pytest.mark.parametrize("ours", MLPS)
@pytest.mark.parametrize("case", WRONG_CALLS)
@unconverged
def test_a_wrong_call(ours, case):
    params, call = WRONG_CALLS[case]
    if ours is MLPClassifier and case == "partial_fit with fewer features":
        call = _then(
            ("partial_fit", (X_IRIS, Y_IRIS), {"classes": [0, 1, 2]}),
            ("partial_fit", (X_IRIS[:, :3], Y_IRIS)),
        )
    if ours is MLPClassifier and case == "partial_fit with early stopping":
        call = _then(("partial_fit", (X_IRIS, Y_IRIS), {"classes": [0, 1, 2]}))
    mine, theirs = both(ours, **{"max_iter": 2, **params})
    with raises_like(lambda: call(theirs)):
        call(mine)


@pytest.mark.parametrize("case", WRONG_CALLS_OF_CLASSIFIERS)
@unconverged
def test_a_wrong_call_of_a_classifier(case):
    call = WRONG_CALLS_OF_CLASSIFIERS[case]
    mine, theirs = both(MLPClassifier, max_iter=2)
    with raises_like(lambda: call(theirs)):
        call(mine)


@since_1_7
@pytest.mark.parametrize("ours", MLPS)
@pytest.mark.parametrize(
    "weight", [np.ones(149), np.ones((150, 2)), np.full(150, np.nan)], ids=lambda w: str(w.shape)
)
def test_a_wrong_weight(ours, weight):
    mine, theirs = both(ours, max_iter=2)
    with raises_like(lambda: theirs.fit(X_IRIS, Y_IRIS, sample_weight=weight)):
        mine.fit(X_IRIS, Y_IRIS, sample_weight=weight)


@since_1_7
def test_negative_counts():
    mine, theirs = both(MLPRegressor, loss="poisson", max_iter=2, random_state=0)
    warned = [warnings_of(model.fit, X_IRIS, Y_IRIS - 1.0) for model in (mine, theirs)]
    assert warned[0] == warned[1]


def test_divergence(spec):
    """scikit-learn's error, and its cure after it."""
    _, X, y = problem("diabetes")
    params = {"solver": "sgd", "learning_rate_init": 1e10, "max_iter": 10, "random_state": 0}
    mine, theirs = both(MLPRegressor, spec, activation="identity", **params)
    with pytest.raises(ValueError, match="non-finite") as expected:
        warnings_of(theirs.fit, X, y)
    with pytest.raises(ValueError, match="learning_rate_init") as found:
        warnings_of(mine.fit, X, y)
    assert str(found.value).startswith(str(expected.value))


def test_a_divergence_that_stops_early():
    """Its outputs are NaN, of which class 0 is the likeliest: scored, and no better."""
    estimator, X, y = problem("iris")
    params = {"solver": "sgd", "learning_rate_init": 1e150, "n_iter_no_change": 3, "max_iter": 30}
    pair = both(estimator, early_stopping=True, random_state=0, **params)
    for model in pair:
        warnings_of(model.fit, X, y)
    ours, theirs = pair
    assert np.isnan(theirs.loss_)
    assert ours.n_iter_ == theirs.n_iter_ < 30
    assert ours.validation_scores_ == theirs.validation_scores_
    assert ours.best_validation_score_ == theirs.best_validation_score_
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-10)


@pytest.mark.parametrize("estimator", [*MLPS, LogisticRegression])
def test_not_fitted(estimator):
    with pytest.raises(NotFittedError):
        estimator().predict(X_IRIS)


# ---- logistic regression ---------------------------------------------------------------------


def objective(model, X, y, C):
    """Evaluate C Σ −log p(y_i | x_i) + ½‖w‖², what scikit-learn's LogisticRegression minimises."""
    p = model.predict_proba(X)[np.arange(len(y)), np.searchsorted(model.classes_, y)]
    return float(-C * np.log(p).sum() + 0.5 * (to_host(model.coef_) ** 2).sum())


@pytest.mark.slow("jax", "array_api_strict")
@pytest.mark.parametrize("C", [0.01, 1.0, 10.0])
@pytest.mark.parametrize("name", ["iris, 2 classes", "iris"])
def test_logistic_regression_minimises_scikit_learns_objective(spec, name, C):
    _, X, y = problem(name)
    X = scale(X)
    theirs = sklearn.linear_model.LogisticRegression(C=C, tol=1e-10, max_iter=10_000).fit(X, y)
    ours = LogisticRegression(C=C, tol=1e-8, max_iter=100_000, backend=spec).fit(X, y)

    minimum = objective(theirs, X, y, C)
    assert objective(ours, X, y, C) == pytest.approx(minimum, rel=1e-8)
    assert ours.coef_.shape == theirs.coef_.shape
    assert ours.intercept_.shape == theirs.intercept_.shape
    np.testing.assert_allclose(to_host(ours.coef_), theirs.coef_, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(to_host(ours.intercept_), theirs.intercept_, rtol=1e-3, atol=1e-4)
    for method in ("decision_function", "predict_proba", "predict_log_proba"):
        found, expected = getattr(ours, method)(X), getattr(theirs, method)(X)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3, err_msg=method)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    assert np.all(np.asarray(ours.n_iter_) >= 1)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("name", ["iris, 2 classes", "iris"])
def test_logistic_regression_with_weights_and_strings(spec, name):
    _, X, y = problem(name)
    X, y = scale(X), np.array(["a", "b", "c"])[y]
    weight = np.random.default_rng(1).uniform(0.0, 2.0, len(y))
    theirs = sklearn.linear_model.LogisticRegression(tol=1e-10, max_iter=10_000)
    theirs.fit(X, y, sample_weight=weight)
    ours = LogisticRegression(tol=1e-8, max_iter=100_000, backend=spec)
    ours.fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.score(X, y) == theirs.score(X, y)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("name", ["iris, 2 classes", "iris", "digits"])
def test_logistic_regression_as_it_comes(spec, name):
    """On standardised data the defaults converge, to what scikit-learn finds."""
    _, X, y = problem(name)
    X = scale(X)
    ours = LogisticRegression(backend=spec).fit(X, y)
    theirs = sklearn.linear_model.LogisticRegression(tol=1e-10, max_iter=10_000).fit(X, y)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=5e-3)


def test_logistic_regression_says_when_it_did_not_converge():
    with pytest.warns(sklearn.exceptions.ConvergenceWarning):
        LogisticRegression(max_iter=2).fit(X_IRIS, Y_IRIS)


# ---- scikit-learn's own tests ----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(SKLEARN < (1, 9), reason="the expectations are those of scikit-learn 1.9")
def test_scikit_learns_own_tests_of_its_mlp():
    """All pass but those that call private methods, which are listed with the reason."""
    script = Path(sklearn_mlp.__file__)
    done = subprocess.run(
        [sys.executable, script, "--report"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    outcomes = {}
    for line in done.stdout.splitlines():
        outcome, _, rest = line.partition("  ")
        if outcome in {"passed", "failed", "skipped"}:
            outcomes[rest.partition("  ")[0]] = outcome
    print(done.stdout.splitlines()[-1:])
    # what scikit-learn itself skips without pandas counts as skipped, not as failed
    failed = {name for name, outcome in outcomes.items() if outcome == "failed"}
    assert failed == set(sklearn_mlp.EXPECTED), done.stdout
    skipped = {name for name, outcome in outcomes.items() if outcome == "skipped"}
    assert not skipped or find_spec("pandas") is None
    assert done.returncode == 0
    assert len(outcomes) >= 50  # 59 in scikit-learn 1.9
