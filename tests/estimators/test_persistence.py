"""Estimators in files, and as models of other programs: what comes back is the same model.

The oracles are the model itself, scikit-learn's and PyTorch's predictions, and onnxruntime.
"""

import pickle
import threading
import tracemalloc
import warnings
from functools import cache
from importlib.metadata import version
from itertools import product

import numpy as np
import pytest
import sklearn.linear_model
import sklearn.neural_network
from scipy.sparse import csr_matrix
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from threadpoolctl import threadpool_limits

import xpnn
from tests.helpers import read_only
from xpnn import LogisticRegression, MLPClassifier, MLPRegressor
from xpnn._backends.host import to_host
from xpnn.files import container

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # an old scikit-learn on a new SciPy
    pytest.mark.filterwarnings(
        "ignore:scipy.optimize. The .disp. and .iprint. options:DeprecationWarning"
    ),
]

SMALL = {"hidden_layer_sizes": 5, "max_iter": 5, "random_state": 0, "learning_rate_init": 0.01}
ALL = (MLPClassifier, MLPRegressor, LogisticRegression)
ATTRIBUTES = (
    "n_features_in_",
    "n_outputs_",
    "n_layers_",
    "out_activation_",
    "n_iter_",
    "t_",
    "loss_",
    "best_loss_",
    "loss_curve_",
    "validation_scores_",
    "best_validation_score_",
    "feature_names_in_",
    "classes_",
)
NOTHING = object()


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def pandas():
    return pytest.importorskip("pandas")


@cache
def data(estimator=MLPClassifier):
    """Return iris, or diabetes for the regressor, standardised."""
    load = load_diabetes if estimator is MLPRegressor else load_iris
    X, y = load(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    return read_only(X), read_only((y - y.mean()) / y.std() if estimator is MLPRegressor else y)


def make(estimator, **params):
    return estimator(**({"max_iter": 60} if estimator is LogisticRegression else SMALL) | params)


def answers(model, X):
    """Return what a model says of rows, on the host."""
    methods = ("predict", "predict_proba", "decision_function")
    return {name: to_host(getattr(model, name)(X)) for name in methods if hasattr(model, name)}


def assert_answers_alike(found, expected, X, tol=0.0):
    found, expected = answers(found, X), answers(expected, X)
    assert found.keys() == expected.keys()
    for name, a in found.items():
        b = expected[name]
        assert a.dtype == b.dtype
        if a.dtype.kind == "f" and tol:
            np.testing.assert_allclose(a, b, tol, tol, err_msg=name)
        else:
            np.testing.assert_array_equal(a, b, err_msg=name)


def assert_attributes_equal(found, expected):
    for name in ATTRIBUTES:
        a, b = (getattr(model, name, NOTHING) for model in (found, expected))
        if isinstance(b, np.ndarray):
            assert a.dtype == b.dtype, name
            np.testing.assert_array_equal(a, b, err_msg=name)
        else:
            assert a == b, name


def there_and_back(model, path, **where):
    model.save(path)
    return xpnn.load(path, **where)


# ---- every backend, dtype and estimator ------------------------------------------------------


def check_there_and_back(estimator, backend, path):
    X, y = data(estimator)
    X = X.astype(backend.dtype_name)
    model = make(estimator).fit(X, y)
    loaded = there_and_back(model, path)
    assert type(loaded) is estimator
    assert loaded.get_params() == model.get_params()
    assert_attributes_equal(loaded, model)
    for a, b in zip(
        loaded.coefs_ + loaded.intercepts_, model.coefs_ + model.intercepts_, strict=True
    ):
        assert backend.owns(a)
        assert a.dtype == b.dtype == backend.dtype
        np.testing.assert_array_equal(to_host(a), to_host(b))
    assert_answers_alike(loaded, model, X)
    with xpnn.use_backend("numpy"):
        elsewhere = xpnn.load(path)
        assert all(type(a) is np.ndarray for a in elsewhere.coefs_ + elsewhere.intercepts_)
        tol = 1e-6 if backend.dtype_name == "float32" else 1e-12
        assert_answers_alike(elsewhere, model, X, tol)
        again = path.with_name("again")
        elsewhere.save(again)
    assert again.read_bytes() == path.read_bytes()


def argmax_is_int64_on_no_x64(request, backend):
    if backend.spec == "array_api_strict:no_x64":
        reason = "array-api-strict's argmax returns int64, which its device no_x64 refuses"
        request.applymarker(pytest.mark.xfail(reason=reason, raises=ValueError, strict=True))


@pytest.mark.slow("jax")
@pytest.mark.parametrize("estimator", ALL)
def test_a_model_comes_back(backend, estimator, path, request):
    if estimator is not MLPRegressor:
        argmax_is_int64_on_no_x64(request, backend)
    check_there_and_back(estimator, backend, path)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("estimator", ALL)
def test_a_model_in_float64_comes_back(backend64, estimator, path):
    check_there_and_back(estimator, backend64, path)


def test_the_backend_told_is_kept(backend, path):
    X, y = data(MLPRegressor)
    X = X.astype(np.float32)
    with xpnn.use_backend("numpy"):
        model = make(MLPRegressor).fit(X, y)
        loaded = there_and_back(model, path, backend=backend.spec)
        assert loaded.backend == backend.spec
        assert all(backend.owns(a) for a in loaded.coefs_ + loaded.intercepts_)
        assert_answers_alike(loaded, model, X, 0.0 if backend.name == "numpy" else 1e-5)


def test_an_unknown_backend_is_refused(path):
    make(MLPClassifier).fit(*data()).save(path)
    with pytest.raises(xpnn.ArgumentError, match="unknown backend 'tensorflow'"):
        xpnn.load(path, backend="tensorflow")


MODELS = {
    "early stopping": (MLPClassifier, {"early_stopping": True}),
    "sgd": (MLPClassifier, {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3}),
    "lbfgs": (MLPClassifier, {"solver": "lbfgs"}),
    "rmsprop": (MLPClassifier, {"solver": "rmsprop"}),
    "three layers": (MLPClassifier, {"hidden_layer_sizes": (5, 4)}),
    "a list of layers": (MLPClassifier, {"hidden_layer_sizes": [5, 4]}),
    "no hidden layer": (MLPClassifier, {"hidden_layer_sizes": ()}),
    "never stops": (MLPClassifier, {"n_iter_no_change": np.inf}),
    "numbers of NumPy": (MLPClassifier, {"alpha": np.float32(0.5), "max_iter": np.int64(3)}),
    "tanh": (MLPClassifier, {"activation": "tanh"}),
    "logistic": (MLPClassifier, {"activation": "logistic"}),
    "sigmoid": (MLPClassifier, {"activation": "sigmoid"}),
    "leaky_relu": (MLPClassifier, {"activation": "leaky_relu"}),
    "poisson": (MLPRegressor, {"loss": "poisson"}),
    "early stopping, numbers": (MLPRegressor, {"early_stopping": True}),
    "no penalty": (LogisticRegression, {"C": np.inf}),
    "weak penalty": (LogisticRegression, {"C": 100.0, "learning_rate": 0.1, "momentum": 0.5}),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_model(name, path):
    estimator, params = MODELS[name]
    X, y = data(estimator)
    model = make(estimator, **params).fit(X, np.exp(y) if name == "poisson" else y)
    loaded = there_and_back(model, path)
    expected = model.get_params()
    if isinstance(expected.get("hidden_layer_sizes"), list):
        expected["hidden_layer_sizes"] = tuple(expected["hidden_layer_sizes"])
    assert loaded.get_params() == expected
    assert_attributes_equal(loaded, model)
    assert_answers_alike(loaded, model, X)


def test_parameters_set_after_the_fit_come_back(path):
    """As in scikit-learn they are for the next fit; the network is that of the last."""
    X, y = data()
    model = make(MLPClassifier).fit(X, y).set_params(hidden_layer_sizes=(7, 6), alpha=0.5)
    loaded = there_and_back(model, path)
    assert loaded.get_params() == model.get_params()
    assert_answers_alike(loaded, model, X)
    assert [a.shape for a in loaded.fit(X, y).coefs_] == [(4, 7), (7, 6), (6, 3)]


def test_columns_of_targets(path):
    X, y = data(MLPRegressor)
    model = make(MLPRegressor).fit(X, np.stack([y, -y], axis=1))
    loaded = there_and_back(model, path)
    assert_answers_alike(loaded, model, X)
    assert loaded.predict(X).shape == (len(X), 2)


def test_what_belongs_to_this_machine_is_left_out(path, tmp_path):
    X, y = data()
    params = {
        "backend": "array_api_strict:device1",
        "callbacks": [lambda report: None],
        "checkpoint": xpnn.Checkpoint(tmp_path / "run"),
        "random_state": np.random.RandomState(0),
        "solver": xpnn.optimizers.adam(0.01),
    }
    model = make(MLPClassifier, **params).fit(X, y)
    loaded = there_and_back(model, path)
    fresh = MLPClassifier()
    for name in params:
        assert getattr(loaded, name) == getattr(fresh, name)
    assert all(type(a) is np.ndarray for a in loaded.coefs_)
    assert_answers_alike(loaded, model, X, 1e-12)
    assert tmp_path.name.encode() not in path.read_bytes()


# ---- classes and features --------------------------------------------------------------------

LABELS = {
    "int": [3, 5, 7],
    "negative": [-1, 0, 1],
    "int8": np.asarray([1, 2, 3], np.int8),
    "large": [0, 2**40, 2**62],
    "str": ["setosa", "versicolor", "virginica"],
    "objects": np.asarray(["setosa", "versicolor", "virginica"], object),
    "not ASCII": ["α", "日本", ""],
    "float": [1.0, 2.0, 3.0],
    "float32": np.asarray([1.0, 2.0, 3.0], np.float32),
    "bool": [False, True],
    "two ints": [10, 20],
    "two strings": ["no", "yes"],
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("estimator", [MLPClassifier, LogisticRegression])
def test_classes_come_back(estimator, kind, path):
    X, y = data()
    labels = np.asarray(LABELS[kind])
    model = make(estimator).fit(X, labels[y % len(labels)])
    loaded = there_and_back(model, path)
    assert_attributes_equal(loaded, model)
    assert_answers_alike(loaded, model, X)
    assert set(loaded.predict(X)) <= set(labels.tolist())


def test_many_labels_at_once(path):
    X, y = data()
    Y = np.stack([y == 0, y > 0, X[:, 0] > 0.0], axis=1).astype(int)
    model = make(MLPClassifier, max_iter=20).fit(X, Y)
    loaded = there_and_back(model, path)
    assert loaded.predict(X).any()
    assert_answers_alike(loaded, model, X)
    assert_attributes_equal(loaded, model)
    assert loaded.score(X, Y) == model.score(X, Y)


@pytest.mark.parametrize("way", ["file", "scikit-learn"])
def test_sparse_labels_stay_sparse(way, path):
    X, y = data()
    Y = csr_matrix(np.stack([y == 0, y > 0], axis=1).astype(int))
    model = make(MLPClassifier, max_iter=20).fit(X, Y)
    if way == "file":
        back = there_and_back(model, path)
    else:
        back = xpnn.from_sklearn(sklearn.neural_network.MLPClassifier(**SMALL).fit(X, Y))
        model = back.to_sklearn()
    assert isinstance(model.predict(X), csr_matrix)
    assert isinstance(back.predict(X), csr_matrix)
    assert (back.predict(X) != model.predict(X)).nnz == 0


@pytest.mark.parametrize("estimator", ALL)
def test_feature_names_come_back(estimator, path, pandas):
    X, y = data(estimator)
    names = [f"größe {i}" for i in range(X.shape[1])]
    frame = pandas.DataFrame(X, columns=names)
    model = make(estimator).fit(frame, y)
    loaded = there_and_back(model, path)
    assert loaded.feature_names_in_.tolist() == names
    assert_attributes_equal(loaded, model)
    assert_answers_alike(loaded, model, frame)
    with pytest.raises(ValueError, match="feature names should match"):
        loaded.predict(frame[names[::-1]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        loaded.predict(X)


def test_without_feature_names_there_are_none(path):
    loaded = there_and_back(make(MLPClassifier).fit(*data()), path)
    assert not hasattr(loaded, "feature_names_in_")


# ---- training after loading ------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ALL)
def test_a_loaded_model_is_fitted_anew(estimator, path):
    X, y = data(estimator)
    model = make(estimator).fit(X, y)
    loaded = there_and_back(model, path).fit(X, y)
    assert_attributes_equal(loaded, model)
    assert_answers_alike(loaded, model, X)


def test_a_loaded_model_is_fitted_to_other_data(path):
    X, y = data()
    loaded = there_and_back(make(MLPClassifier).fit(X, y), path)
    loaded.fit(X[:, :2], np.where(y > 0, "yes", "no"))
    assert loaded.classes_.tolist() == ["no", "yes"]
    assert loaded.n_features_in_ == 2


def through_file(model, path):
    return there_and_back(model, path)


def through_scikit_learn(model, path):
    return xpnn.from_sklearn(model.to_sklearn())


@pytest.mark.parametrize("through", [through_file, through_scikit_learn])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_training_goes_on_with_a_new_optimizer(estimator, solver, through, path):
    """As scikit-learn's own goes on whose optimiser has been taken away."""
    X, y = data(estimator)
    params = SMALL | {"solver": solver, "shuffle": False}
    model = estimator(**params).fit(X, y)
    theirs = getattr(sklearn.neural_network, estimator.__name__)(**params).fit(X, y)
    del theirs._optimizer
    back = through(model, path)
    for _ in range(2):
        back.partial_fit(X, y)
        theirs.partial_fit(X, y)
    assert back.t_ == theirs.t_
    for a, b in zip(back.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(a, b, 1e-9, 1e-12)
    np.testing.assert_allclose(back.loss_curve_, theirs.loss_curve_, 1e-9)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_warm_start_after_loading(early_stopping, path):
    X, y = data()
    model = make(MLPClassifier, warm_start=True, early_stopping=early_stopping).fit(X, y)
    loaded = there_and_back(model, path).fit(X, y)
    model.fit(X, y)
    assert len(loaded.loss_curve_) == 2 * SMALL["max_iter"]
    assert_attributes_equal(loaded, model)
    assert_answers_alike(loaded, model, X)


def test_unknown_classes_are_refused_after_loading(path):
    X, y = data()
    loaded = there_and_back(make(MLPClassifier).fit(X, y), path)
    with pytest.raises(ValueError, match="classes"):
        loaded.partial_fit(X, y + 1)


# ---- the file itself -------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ALL)
def test_the_same_model_gives_the_same_bytes(estimator, path, tmp_path):
    X, y = data(estimator)
    for name in ("a", "b"):
        make(estimator).fit(X, y).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("estimator", ALL)
def test_a_model_that_is_not_fitted_has_nothing_to_save(estimator, path):
    with pytest.raises(NotFittedError):
        estimator().save(path)
    assert not path.exists()


def test_an_activation_of_ones_own_is_refused(path):
    own = xpnn.Activation(lambda Z, xp: Z * xp.tanh(Z), name="tanh")
    model = make(MLPClassifier, activation=own).fit(*data())
    with pytest.raises(xpnn.ArgumentTypeError, match="function of your own"):
        model.save(path)
    assert not path.exists()


class Derived(MLPClassifier):
    """A user's own, which a file could not bring back."""


def test_a_class_of_ones_own_is_refused(path):
    X, y = data()
    model = make(Derived).fit(X, y)
    with pytest.raises(xpnn.ArgumentTypeError, match=r"Derived.*xpnn\.save.*joblib"):
        model.save(path)
    assert not path.exists()
    back = model.to_sklearn()
    assert type(back) is sklearn.neural_network.MLPClassifier
    assert_answers_alike(back, model, X, 1e-12)


def test_the_name_says_what_is_saved(path):
    make(MLPClassifier).fit(*data()).save(path)
    contents = container.read(path, ("estimator",))
    assert contents.content["class"] == "MLPClassifier"
    assert set(contents.tensors) == {"W1", "b1", "W2", "b2", "loss_curve_"}


# ---- damage ----------------------------------------------------------------------------------


def test_a_flipped_bit_in_a_label_is_refused(path):
    X, y = data()
    names = np.where(y == y[0], "benign", "malign")
    make(MLPClassifier).fit(X, names).save(path)
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"malign")] ^= 1
    path.write_bytes(raw)
    with pytest.raises(xpnn.FileFormatError, match="its header is not the one that was saved"):
        xpnn.load(path)


def change(*place, to=NOTHING):
    """Return an edit of the content: the value at ``place`` replaced, or taken out."""

    def edit(content, tensors):
        *parents, last = place
        for key in parents:
            content = content[key]
        if to is NOTHING:
            del content[last]
        else:
            content[last] = to

    return edit


def change_tensor(name, to=NOTHING):
    def edit(content, tensors):
        if to is NOTHING:
            del tensors[name]
        else:
            tensors[name] = to

    return edit


OTHER_TYPES = {"null": None, "number": 3, "text": "x", "list": [], "dict": {}}
PLACES = ("class", "network", "params", "numbers", "classes")
INTEGERS = ("n_iter_", "t_", "_no_improvement_count")
DAMAGE = {f"{place} missing": change(place) for place in (*PLACES, "features")}
DAMAGE |= {
    f"{place} is a {kind}": change(place, to=value)
    for place in PLACES
    for kind, value in OTHER_TYPES.items()
}
DAMAGE |= {f"{name} missing": change("numbers", name) for name in INTEGERS}
DAMAGE |= {
    f"{name} is a {kind}": change("numbers", name, to=value)
    for name in (*INTEGERS, "loss_")
    for kind, value in (OTHER_TYPES | {"bool": True}).items()
    if kind != "number"
}
DAMAGE |= {f"{name} missing": change("classes", name) for name in ("labels", "dtype", "multilabel")}
DAMAGE |= {
    f"{name} is a {kind}": change("classes", name, to=value)
    for name in ("labels", "dtype", "multilabel", "sparse")
    for kind, value in OTHER_TYPES.items()
}
DAMAGE |= {
    "another class": change("class", to="LogisticRegression"),
    "a regressor": change("class", to="MLPRegressor"),
    "a class of another package": change("class", to="sklearn.svm.SVC"),
    "a private class": change("class", to="BaseMLP"),
    "an entry too many": change("nonsense", to=1),
    "a number too many": change("numbers", "coefs_", to=1),
    "negative iterations": change("numbers", "n_iter_", to=-1),
    "another hidden activation": change("params", "activation", to="tanh"),
    "another network": change("network", "hidden", to=["tanh"]),
    "a network with a sigmoid output": change("network", "output", to="sigmoid"),
    "a network with another cost": change("network", "cost", to="squared_error"),
    "hidden layers of 0 units": change("params", "hidden_layer_sizes", to=[5, 0]),
    "hidden layers of text": change("params", "hidden_layer_sizes", to="5"),
    "hidden layers that are a dict": change("params", "hidden_layer_sizes", to={"a": 1}),
    "wrong alpha": change("params", "alpha", to=-1.0),
    "alpha of another type": change("params", "alpha", to="0.1"),
    "alpha missing": change("params", "alpha"),
    "unknown solver": change("params", "solver", to="newton"),
    "unknown parameter": change("params", "nonsense", to=1),
    "nested parameter": change("params", "solver__x", to=1),
    "a backend": change("params", "backend", to="cupy"),
    "callbacks": change("params", "callbacks", to=["print"]),
    "a checkpoint": change("params", "checkpoint", to="run"),
    "two classes": change("classes", "labels", to=[0, 1]),
    "four classes": change("classes", "labels", to=[0, 1, 2, 3]),
    "a class twice": change("classes", "labels", to=[0, 0, 2]),
    "nested classes": change("classes", "labels", to=[[0], [1], [2]]),
    "mixed classes": change("classes", "labels", to=[0, "a", None]),
    "strings as int": change("classes", "labels", to=["a", "b", "c"]),
    "classes too large for their dtype": change("classes", "labels", to=[0, 1, 2**70]),
    "classes cut by their dtype": change("classes", "dtype", to="bool"),
    "classes that are dates": change("classes", "dtype", to="M8[ns]"),
    "numbers as objects": change("classes", "dtype", to="object"),
    "classes that are complex": change("classes", "dtype", to="complex64"),
    "several labels of softmax": change("classes", "multilabel", to=True),
    "features that are a number": change("features", to=4),
    "too few feature names": change("features", to=["a", "b"]),
    "feature names of numbers": change("features", to=[1, 2, 3, 4]),
    "feature names in one": change("features", to="abcd"),
    "no weights": change_tensor("W1"),
    "weights of another shape": change_tensor("W1", np.zeros((4, 5))),
    "whole numbers as weights": change_tensor("W1", np.zeros((5, 4), np.int64)),
    "a curve that is a number": change_tensor("loss_curve_", np.asarray(1.0)),
    "a curve that is a table": change_tensor("loss_curve_", np.ones((5, 1))),
}


def of_network(**changes):
    """Return an edit that replaces entries of the network."""
    return lambda content, tensors: content["network"].update(changes)


DAMAGE |= {
    "a network that does not classify": of_network(output="identity", cost="squared_error"),
    "a network that counts": of_network(output="exp", cost="poisson"),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make(MLPClassifier).fit(*data())
    path = tmp_path_factory.mktemp("saved") / "model.safetensors"
    model.save(path)
    return path.read_bytes()


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_refused(name, saved, path):
    path.write_bytes(saved)
    contents = container.read(path, ("estimator",))
    before = pickle.dumps(contents)
    DAMAGE[name](contents.content, contents.tensors)
    assert pickle.dumps(contents) != before, "nothing was damaged"
    container.write(path, *contents)
    with pytest.raises(xpnn.FileFormatError, match=r"model\.safetensors: "):
        xpnn.load(path)


def test_labels_of_a_giant_dtype_take_no_memory(path):
    """Three strings of 10⁸ characters would be 1.2 GB."""
    X, y = data()
    make(MLPClassifier).fit(X, WORDS[y]).save(path)
    contents = container.read(path, ("estimator",))
    contents.content["classes"]["dtype"] = "<U100000000"
    container.write(path, *contents)
    tracemalloc.start()
    try:
        with pytest.raises(xpnn.FileFormatError, match="dtype"):
            xpnn.load(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000


def test_what_is_not_damaged_loads(saved, path):
    path.write_bytes(saved)
    container.write(path, *container.read(path, ("estimator",)))
    assert path.read_bytes() == saved
    assert_answers_alike(xpnn.load(path), make(MLPClassifier).fit(*data()), data()[0])


def test_a_checkpoint_is_no_model(path):
    X, y = data()
    make(MLPClassifier, checkpoint=xpnn.Checkpoint(path)).fit(X, y)
    with pytest.raises(xpnn.FileFormatError, match="found kind 'checkpoint'"):
        xpnn.load(path)


# ---- a scaler folded in ----------------------------------------------------------------------


def raw(estimator, dtype):
    """Return features of very different sizes."""
    X, y = data(estimator)
    sizes, means = np.geomspace(1e-3, 1e4, X.shape[1]), np.linspace(-5.0, 50.0, X.shape[1])
    return (X * sizes + means * sizes).astype(dtype), y


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("with_std", [False, True], ids=["", "with std"])
@pytest.mark.parametrize("with_mean", [False, True], ids=["", "with mean"])
@pytest.mark.parametrize("estimator", ALL)
def test_a_scaler_is_folded_in(estimator, with_mean, with_std, dtype, path):
    X, y = raw(estimator, dtype)
    if not with_std:
        X = X / X.std(axis=0)  # else nothing is learnt
    scaler = StandardScaler(with_mean=with_mean, with_std=with_std).fit(X)
    model = make(estimator).fit(scaler.transform(X), y)
    weights = [a.copy() for a in model.coefs_ + model.intercepts_]
    loaded = there_and_back(model.fold_scaler(scaler), path)
    tol = 1e-12 if dtype == "float64" else 2e-4
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    expected = getattr(model, method)(scaler.transform(X))
    found = getattr(loaded, method)(X)
    assert found.dtype == expected.dtype == dtype
    np.testing.assert_allclose(found, expected, tol, tol)
    for a, b in zip(weights, model.coefs_ + model.intercepts_, strict=True):
        np.testing.assert_array_equal(a, b)  # the model itself is left alone


def test_a_scaler_is_folded_in_on_every_backend(backend64):
    X, y = raw(MLPRegressor, "float64")
    scaler = StandardScaler().fit(X)
    model = make(MLPRegressor).fit(scaler.transform(X), y)
    folded = model.fold_scaler(scaler)
    assert all(backend64.owns(a) for a in folded.coefs_ + folded.intercepts_)
    np.testing.assert_allclose(folded.predict(X), model.predict(scaler.transform(X)), 1e-12, 1e-12)


def test_a_scaler_of_a_frame_brings_its_names(pandas):
    X, y = raw(MLPClassifier, "float64")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    scaler = StandardScaler().fit(frame)
    folded = make(LogisticRegression).fit(scaler.transform(frame), y).fold_scaler(scaler)
    assert folded.feature_names_in_.tolist() == list("abcd")
    assert folded.predict(frame).shape == y.shape


def test_what_cannot_be_copied_may_be_a_callback():
    X, y = raw(MLPClassifier, "float64")
    scaler = StandardScaler().fit(X)

    class Log:
        def __init__(self):
            self.lock = threading.Lock()

        def __call__(self, report):
            return False

    log = Log()
    model = make(MLPClassifier, callbacks=[log]).fit(scaler.transform(X), y)
    assert model.fold_scaler(scaler).callbacks[0] is log


def test_training_what_was_folded_leaves_the_model_alone():
    X, y = raw(MLPClassifier, "float64")
    scaler = StandardScaler().fit(X)
    model = make(MLPClassifier).fit(scaler.transform(X), y)
    before = pickle.dumps(model)
    folded = model.fold_scaler(scaler).partial_fit(X, y)
    assert len(folded.loss_curve_) == len(model.loss_curve_) + 1
    assert pickle.dumps(model) == before  # coefficients, curves and optimiser
    twin = make(MLPClassifier).fit(scaler.transform(X), y)
    for trained in (model, twin):
        trained.partial_fit(scaler.transform(X), y)
    assert_attributes_equal(model, twin)
    assert_answers_alike(model, twin, scaler.transform(X))


def test_only_a_standard_scaler_of_the_features_is_folded_in():
    X, y = data()
    model = make(MLPClassifier).fit(X, y)
    with pytest.raises(xpnn.ArgumentTypeError, match=r"StandardScaler, found MinMaxScaler"):
        model.fold_scaler(MinMaxScaler().fit(X))
    with pytest.raises(xpnn.ArgumentTypeError, match="StandardScaler, found ndarray"):
        model.fold_scaler(X.std(axis=0))
    with pytest.raises(xpnn.ArgumentError, match="one of 4 columns, as the model has, found 3"):
        model.fold_scaler(StandardScaler().fit(X[:, :3]))
    with pytest.raises(NotFittedError):
        model.fold_scaler(StandardScaler())
    with pytest.raises(NotFittedError):
        MLPClassifier().fold_scaler(StandardScaler().fit(X))


# ---- ONNX ------------------------------------------------------------------------------------

WORDS = np.asarray(["setosa", "versicolor", "virginica"])
ONNX = {
    "three classes": (MLPClassifier, lambda X, y: y, {}),
    "two classes": (MLPClassifier, lambda X, y: y > 0, {}),
    "two ints": (MLPClassifier, lambda X, y: np.where(y > 0, 7, -7), {}),
    "strings": (MLPClassifier, lambda X, y: WORDS[y], {}),
    "two strings": (MLPClassifier, lambda X, y: WORDS[y // 2], {}),
    "floats": (MLPClassifier, lambda X, y: y + 0.0, {}),
    "several labels": (
        MLPClassifier,
        lambda X, y: np.stack([y == 0, y > 0, X[:, 0] > 0], axis=1).astype(int),
        {},
    ),
    "sigmoid": (MLPClassifier, lambda X, y: y, {"activation": "logistic"}),
    "leaky_relu": (MLPClassifier, lambda X, y: y, {"activation": "leaky_relu"}),
    "numbers": (MLPRegressor, lambda X, y: y, {}),
    "several numbers": (MLPRegressor, lambda X, y: np.stack([y, X[:, 0], y], axis=1), {}),
    "poisson": (MLPRegressor, lambda X, y: np.exp(y), {"loss": "poisson"}),
    "logistic regression": (LogisticRegression, lambda X, y: WORDS[y], {}),
    "logistic regression, two": (LogisticRegression, lambda X, y: WORDS[y // 2], {}),
}


@pytest.fixture
def runtime():
    pytest.importorskip("onnx")  # writes
    return pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ONNX)
def test_onnxruntime_says_the_same(name, dtype, tmp_path, runtime):
    estimator, targets, params = ONNX[name]
    X, y = data(estimator)
    X = X.astype(np.float32)
    model = make(estimator, max_iter=20, **params).fit(X.astype(dtype), targets(X, y))
    path = tmp_path / "model.onnx"
    model.to_onnx(path)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = dict(
        zip([o.name for o in session.get_outputs()], session.run(None, {"X": X}), strict=True)
    )
    if estimator is MLPRegressor:
        expected = model.predict(X)
        expected = expected[:, None] if expected.ndim == 1 else expected
        assert found.keys() == {"Y"}
        np.testing.assert_allclose(found["Y"], expected, 1e-5, 1e-5)
        return
    assert found.keys() == {"probabilities", "label"}
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(X), 1e-5, 1e-5)
    expected = model.predict(X)
    assert len(np.unique(expected)) > 1
    np.testing.assert_array_equal(found["label"], expected)


def test_onnx_of_every_backend(backend, tmp_path, runtime):
    X, y = data(MLPRegressor)
    X = X.astype(np.float32)
    model = make(MLPRegressor).fit(X, y)
    model.to_onnx(tmp_path / "model.onnx")
    session = runtime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"X": X})[0][:, 0], model.predict(X), 1e-5, 1e-5)


# ---- scikit-learn ----------------------------------------------------------------------------


def several_labels(X, y):
    return np.stack([y == 0, y > 0], axis=1).astype(int)


SKLEARN = {
    "three classes": (MLPClassifier, lambda X, y: y, {}),
    "two classes": (MLPClassifier, lambda X, y: y > 0, {}),
    "strings": (MLPClassifier, lambda X, y: WORDS[y], {}),
    "several labels": (MLPClassifier, several_labels, {}),
    "sparse rows": (MLPClassifier, lambda X, y: y, {}),
    "early stopping": (MLPClassifier, lambda X, y: y, {"early_stopping": True}),
    "lbfgs": (MLPClassifier, lambda X, y: y, {"solver": "lbfgs"}),
    "logistic units": (MLPClassifier, lambda X, y: y, {"activation": "logistic"}),
    "two hidden layers": (MLPClassifier, lambda X, y: y, {"hidden_layer_sizes": (5, 4)}),
    "numbers": (MLPRegressor, lambda X, y: y, {}),
    "several numbers": (MLPRegressor, lambda X, y: np.stack([y, -y], axis=1), {}),
    "poisson": (MLPRegressor, lambda X, y: np.exp(y), {"loss": "poisson"}),
    "logistic regression": (LogisticRegression, lambda X, y: y, {}),
    "logistic regression, two": (LogisticRegression, lambda X, y: WORDS[y // 2], {}),
}
THEIRS = {
    MLPClassifier: sklearn.neural_network.MLPClassifier,
    MLPRegressor: sklearn.neural_network.MLPRegressor,
    LogisticRegression: sklearn.linear_model.LogisticRegression,
}


def weights_of(model):
    """Return the weights of either library's model as W1, b1, …"""
    if isinstance(model, LogisticRegression | sklearn.linear_model.LogisticRegression):
        return [model.coef_, model.intercept_]
    return [*model.coefs_, *model.intercepts_]


@pytest.mark.parametrize("direction", ["to", "from"])
@pytest.mark.parametrize("name", SKLEARN)
def test_scikit_learns_model_is_the_same(name, direction):
    estimator, targets, params = SKLEARN[name]
    if "loss" in params and "loss" not in sklearn.neural_network.MLPRegressor().get_params():
        pytest.skip("scikit-learn's loss='poisson' came in 1.7")
    X, y = data(estimator)
    y = targets(X, y)
    X = csr_matrix(np.where(X > 0.5, X, 0.0)) if name == "sparse rows" else X
    fitted = (estimator if direction == "to" else THEIRS[estimator])(
        **({"max_iter": 60} if estimator is LogisticRegression else SMALL) | params
    ).fit(X, y)
    other = fitted.to_sklearn() if direction == "to" else xpnn.from_sklearn(fitted)
    assert type(other) is (THEIRS[estimator] if direction == "to" else estimator)
    for a, b in zip(weights_of(other), weights_of(fitted), strict=True):
        assert a.dtype == b.dtype
        assert not np.shares_memory(a, b)
        np.testing.assert_array_equal(a, b)
    assert_answers_alike(other, fitted, X, 1e-12)
    assert other.score(X, y) == pytest.approx(fitted.score(X, y), rel=1e-12)
    shared = set(other.get_params()) & set(fitted.get_params())
    assert {key: other.get_params()[key] for key in shared} == {
        key: fitted.get_params()[key] for key in shared
    }
    if estimator is not LogisticRegression:
        for attribute in ATTRIBUTES[:-2]:
            a, b = (getattr(model, attribute, NOTHING) for model in (other, fitted))
            assert a == b, attribute


@pytest.mark.parametrize("estimator", ALL)
def test_there_and_back_through_scikit_learn(backend64, estimator):
    X, y = data(estimator)
    model = make(estimator).fit(X, y)
    back = xpnn.from_sklearn(model.to_sklearn())
    for a, b in zip(weights_of(back), weights_of(model), strict=True):
        assert type(a) is np.ndarray
        np.testing.assert_array_equal(a, to_host(b))
    model.to("numpy")
    assert_answers_alike(back, model, X)


TRAINED = {
    f"{estimator.__name__}, {name}": (estimator, SMALL | params, lambda y: y)
    for estimator in (MLPClassifier, MLPRegressor)
    for name, params in {
        "adam": {},
        "sgd": {"solver": "sgd"},
        "lbfgs": {"solver": "lbfgs"},
        "early stopping": {"early_stopping": True},
    }.items()
} | {
    "LogisticRegression, two classes": (LogisticRegression, {}, lambda y: y > 0),
    "LogisticRegression, three classes": (LogisticRegression, {}, lambda y: y),
}


@pytest.mark.parametrize("name", TRAINED)
def test_what_came_from_scikit_learn_is_saved(name, path):
    estimator, params, targets = TRAINED[name]
    X, y = data(estimator)
    theirs = THEIRS[estimator](**params).fit(X, targets(y))
    model = xpnn.from_sklearn(theirs)
    loaded = there_and_back(model, path)
    assert_attributes_equal(loaded, model)
    assert_answers_alike(loaded, model, X)
    assert_answers_alike(loaded, theirs, X, 1e-12)


def test_what_lbfgs_has_fitted_is_trained_on():
    """With an optimiser that begins, as if the weights had just been drawn."""
    X, y = data()
    theirs = THEIRS[MLPClassifier](**SMALL, solver="lbfgs").fit(X, y)
    model = xpnn.from_sklearn(theirs).set_params(solver="adam", learning_rate_init=1e-3)
    model.partial_fit(X, y).partial_fit(X, y)
    assert len(model.loss_curve_) == 2
    assert model.loss_curve_[0] == pytest.approx(theirs.loss_, rel=1e-6)
    assert model.loss_curve_[1] < model.loss_curve_[0]


def test_scikit_learn_has_no_such_activation():
    model = make(MLPClassifier, activation="leaky_relu").fit(*data())
    with pytest.raises(xpnn.ArgumentError, match="no activation 'leaky_relu'"):
        model.to_sklearn()


@pytest.mark.parametrize(
    ("model", "error"),
    [
        (sklearn.linear_model.Ridge(), xpnn.ArgumentTypeError),
        (MLPClassifier(), xpnn.ArgumentTypeError),
        (7, xpnn.ArgumentTypeError),
        (sklearn.neural_network.MLPClassifier(), NotFittedError),
    ],
    ids=["another estimator", "one of ours", "a number", "not fitted"],
)
def test_what_is_not_taken_from_scikit_learn(model, error):
    with pytest.raises(error):
        xpnn.from_sklearn(model)


class Squared(sklearn.linear_model.LogisticRegression):
    def predict_proba(self, X):
        return super().predict_proba(X) ** 2


class Reversed(sklearn.linear_model.LogisticRegression):
    def predict(self, X):
        return super().predict(X)[::-1]


class Exponential(sklearn.neural_network.MLPRegressor):
    def predict(self, X):
        return np.exp(super().predict(X))


class OfFrames(sklearn.linear_model.LogisticRegression):
    def predict_proba(self, X):
        return super().predict_proba(X.to_numpy())


class Renamed(sklearn.linear_model.LogisticRegression):
    pass


def patched(X, y):
    model = sklearn.linear_model.LogisticRegression().fit(X, y)
    model.predict_proba = lambda X: 1.0 - type(model).predict_proba(model, X)
    return model


ANSWERS_OTHERWISE = {
    "probabilities": lambda X, y: Squared().fit(X, y),
    "labels": lambda X, y: Reversed().fit(X, y),
    "values": lambda X, y: Exponential(max_iter=20).fit(X, y),
    "patched": patched,
}


@pytest.mark.parametrize("make_model", ANSWERS_OTHERWISE.values(), ids=ANSWERS_OTHERWISE)
def test_a_model_with_predictions_of_its_own_is_refused(make_model):
    X, y = data()
    with pytest.raises(xpnn.ArgumentError, match=r"follow from its weights.*answers otherwise"):
        xpnn.from_sklearn(make_model(X, y))


def test_a_model_that_cannot_be_asked_is_refused():
    X, y = data()
    with pytest.raises(xpnn.ArgumentError, match=r"array of 4 features.*raises AttributeError"):
        xpnn.from_sklearn(OfFrames().fit(X, y))


VERSION = tuple(map(int, version("scikit-learn").split(".")[:2]))
THREE_WAYS = {  # before scikit-learn 1.8
    "liblinear": ({"solver": "liblinear"}, 3),
    "one versus rest": ({"multi_class": "ovr"}, 3),
    "multinomial of two": ({"multi_class": "multinomial"}, 2),
}


@pytest.mark.filterwarnings("ignore:.*(multi_class|liblinear).*:FutureWarning")
@pytest.mark.parametrize(
    ("name", "scale"), [*product(THREE_WAYS if VERSION < (1, 8) else (), [1.0, 1e4])]
)
def test_a_logistic_regression_of_another_form_is_refused(name, scale):
    params, classes = THREE_WAYS[name]
    X, y = data()
    model = THEIRS[LogisticRegression](**params).fit(scale * (X + 10.0), y % classes)
    with pytest.raises(xpnn.ArgumentError, match="One-vs-rest and a multinomial model of two"):
        xpnn.from_sklearn(model)


TAKEN = {
    "liblinear of two": lambda X, y: THEIRS[LogisticRegression](solver="liblinear").fit(X, y > 0),
    "a class without changes": lambda X, y: Renamed().fit(X, y),
    "features far from 0": lambda X, y: THEIRS[LogisticRegression]().fit(1e4 * (X + 10.0), y),
    "weights of 0": lambda X, y: THEIRS[LogisticRegression](C=1e-30).fit(X, y),
    "sparse weights": lambda X, y: THEIRS[LogisticRegression]().fit(X, y).sparsify(),
    "float32, deep": lambda X, y: THEIRS[MLPRegressor](
        hidden_layer_sizes=(20,) * 20, max_iter=3
    ).fit(X.astype("float32"), 1e8 * y),
}


@pytest.mark.parametrize("name", TAKEN)
def test_rounding_and_draws_are_not_taken_for_other_answers(name):
    X, y = data()
    theirs = TAKEN[name](X, y)
    ours = xpnn.from_sklearn(theirs)
    X = X.astype(weights_of(theirs)[0].dtype)
    assert_answers_alike(ours, theirs, X, 1e-4 if X.dtype == "float32" else 1e-9)


def test_weights_that_are_not_numbers_are_taken_as_they_are():
    theirs = THEIRS[LogisticRegression]().fit(*data())
    theirs.coef_[0, 0] = np.nan
    np.testing.assert_array_equal(xpnn.from_sklearn(theirs).coef_, theirs.coef_)


def test_names_of_features_do_not_disturb():
    pandas = pytest.importorskip("pandas")
    X, y = data()
    frame = pandas.DataFrame(X, columns=list("abcd"))
    ours = xpnn.from_sklearn(THEIRS[LogisticRegression]().fit(frame, y))
    assert ours.feature_names_in_.tolist() == list("abcd")


# ---- PyTorch ---------------------------------------------------------------------------------


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


TORCH = {name: case for name, case in ONNX.items() if name != "poisson"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", TORCH)
def test_torchs_module_is_the_same(name, dtype, torch):
    estimator, targets, params = TORCH[name]
    X, y = data(estimator)
    X = X.astype(dtype)
    model = make(estimator, max_iter=20, **params).fit(X, targets(X, y))
    module = model.to_torch()
    linears = [part for part in module if isinstance(part, torch.nn.Linear)]
    for linear, W, b in zip(linears, model.coefs_, model.intercepts_, strict=True):
        np.testing.assert_array_equal(linear.weight.detach().numpy(), W.T)
        np.testing.assert_array_equal(linear.bias.detach().numpy(), b)
    with torch.no_grad():
        found = module(torch.from_numpy(X)).numpy()
    expected = model.predict(X) if estimator is MLPRegressor else model.predict_proba(X)
    if found.shape[1] == 1:
        expected = expected if expected.ndim == 1 else expected[:, 1]
        found = found[:, 0]
    assert found.dtype == dtype
    tol = 1e-6 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(found, expected, tol, tol)
    if estimator is LogisticRegression:
        return  # from_torch gives perceptrons
    back = xpnn.from_torch(module, getattr(model, "classes_", None))
    assert type(back) is estimator
    for a, b in zip(weights_of(back), weights_of(model), strict=True):
        np.testing.assert_array_equal(a, b)
    assert_answers_alike(back, model, X)


LOGITS = {
    "three classes": (3, ["a", "b", "c"]),
    "two classes": (1, [-1, 1]),
    "two outputs": (2, [False, True]),
}


@pytest.mark.parametrize("name", LOGITS)
def test_a_network_of_logits_with_classes(name, torch, path):
    n_y, classes = LOGITS[name]
    generator = torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(5, n_y)
    ).eval()
    X = torch.randn(40, 4, generator=generator)
    with torch.no_grad():
        Z = module(X)
    P = Z.sigmoid()[:, 0] if n_y == 1 else Z.softmax(dim=1)
    chosen = (P > 0.5).int() if n_y == 1 else P.argmax(dim=1)
    model = xpnn.from_torch(module, classes=classes)
    found = model.predict_proba(X.numpy())
    np.testing.assert_allclose(found[:, 1] if n_y == 1 else found, P, 1e-6, 1e-6)
    assert model.predict(X.numpy()).tolist() == [classes[i] for i in chosen.tolist()]
    loaded = there_and_back(model, path)
    assert_answers_alike(loaded, model, X.numpy())
    assert_answers_alike(pickle.loads(pickle.dumps(model)), model, X.numpy())


@pytest.mark.parametrize("classes", [["c", "a", "b"], ["yes", "no"]], ids=["three", "two"])
def test_classes_in_any_order(classes, torch, path):
    """scikit-learn holds them sorted, and so does all that follows; the outputs move along."""
    n_y = len(classes) if len(classes) > 2 else 1
    X, y = data()
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, n_y)
    ).double()
    with torch.no_grad():
        Z = module(torch.from_numpy(X.copy())).numpy()
    expected = np.asarray(classes)[(Z[:, 0] > 0).astype(int) if n_y == 1 else Z.argmax(axis=1)]
    assert len(set(expected)) > 1
    model = xpnn.from_torch(module, classes=classes)
    assert model.classes_.tolist() == sorted(classes)
    np.testing.assert_array_equal(model.predict(X), expected)
    np.testing.assert_array_equal(model.to_sklearn().predict(X), expected)
    assert_answers_alike(there_and_back(model, path), model, X)

    y = np.asarray(sorted(classes))[y % len(classes)]
    model.set_params(random_state=0, learning_rate_init=0.05, warm_start=True, max_iter=50)
    theirs = model.to_sklearn()
    for trained in (model, theirs):
        trained.partial_fit(X, y, classes=sorted(classes)).fit(X, y)
    assert_answers_alike(model, theirs, X, 1e-9)
    assert model.score(X, y) > 0.65
    assert_answers_alike(there_and_back(model, path), model, X)


@pytest.mark.parametrize(
    "classes", [["a"], ["a", "b"], ["a", "b", "b"], ["a", "b", "c", "d"]], ids=len
)
def test_wrong_classes_for_a_network_of_torch(classes, torch):
    module = torch.nn.Sequential(torch.nn.Linear(4, 3))
    if len(classes) == 3:
        assert len(set(classes)) < 3
    with pytest.raises(xpnn.ArgumentError, match="3 different labels for 3 outputs"):
        xpnn.from_torch(module, classes=classes)


def test_hidden_layers_of_two_kinds_are_refused(torch):
    nn = torch.nn
    module = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 1))
    with pytest.raises(xpnn.ArgumentError, match="one activation after all hidden Linears"):
        xpnn.from_torch(module)


def test_training_goes_on_with_what_torch_has_learnt(torch):
    module = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))
    X, y = data()
    X = X.astype(np.float32)
    model = xpnn.from_torch(module, classes=[0, 1, 2])
    before = model.score(X, y)
    model.set_params(random_state=0, learning_rate_init=0.05)
    for _ in range(30):
        model.partial_fit(X, y)
    assert model.score(X, y) > max(before, 0.8)


# ---- pickles ---------------------------------------------------------------------------------


def arrays_in(value, seen=None):
    """Yield everything that an object holds, at any depth."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    yield value
    if isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, list | tuple | set):
        parts = value
    else:
        parts = getattr(value, "__dict__", {}).values()
    for part in parts:
        yield from arrays_in(part, seen)


SOLVERS = ("adam", "sgd", "lbfgs")


@pytest.mark.slow("jax")
@pytest.mark.parametrize(
    ("estimator", "params"),
    [(LogisticRegression, {}), *product(ALL[:2], [{"solver": s} for s in SOLVERS])],
)
def test_pickles_hold_no_device_arrays(backend, estimator, params):
    X, y = data(estimator)
    model = make(estimator, **params).fit(backend.asarray(X, backend.dtype), y)
    state = model.__getstate__()
    if "_optimizer" in state:
        state["_optimizer"] = state["_optimizer"].__getstate__()
    back = pickle.loads(pickle.dumps(model))
    for held in (state, vars(back)):
        others = [a for a in arrays_in(held) if backend.owns(a) and type(a) is not np.ndarray]
        assert not [type(a) for a in others if not np.isscalar(a)]
    assert type(back.coefs_[0]) is np.ndarray
