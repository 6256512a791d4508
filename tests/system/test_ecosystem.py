"""The estimators among others: meta-estimators, frames, pickles, copies, arrays of any library.

Where scikit-learn's own estimator does the same thing, it is the oracle.
"""

import copy
import io
import os
import pickle
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import version

import joblib
import numpy as np
import pytest
import sklearn.linear_model
import sklearn.neural_network
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression as SklearnLogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, scale
from threadpoolctl import threadpool_limits

import xpnn
from tests.helpers import read_only, unusable, usable
from xpnn import LogisticRegression, MLPClassifier, MLPRegressor
from xpnn._backends.host import to_host

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # an old scikit-learn on a new SciPy
    pytest.mark.filterwarnings(
        "ignore:scipy.optimize. The .disp. and .iprint. options:DeprecationWarning"
    ),
]

SKLEARN = tuple(map(int, version("scikit-learn").split(".")[:2]))
ALL = (MLPClassifier, MLPRegressor, LogisticRegression)
MLPS = ALL[:2]
SMALL = {"hidden_layer_sizes": 5, "max_iter": 5, "random_state": 0, "learning_rate_init": 0.01}
DEVICE_SPECS = [
    spec for spec in usable("float64") if not spec.startswith(("numpy", "array_api_strict:CPU"))
]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Several threads take longer over arrays this small, ten times where cores are busy."""
    unusable("torch")  # imports it, so that its threads are among those limited
    with threadpool_limits(1):
        yield


@cache
def data(estimator=MLPClassifier):
    """Return iris, or diabetes for the regressor, as arrays that cannot be written to."""
    if estimator is MLPRegressor:
        X, y = load_diabetes(return_X_y=True)
        return read_only(scale(X)), read_only(scale(y))
    X, y = load_iris(return_X_y=True)
    return read_only(X), read_only(y)


def make(estimator, **params):
    """Return a small estimator of ours."""
    return estimator(**({} if estimator is LogisticRegression else SMALL) | params)


def ours(**params):
    return MLPClassifier(**SMALL | params)


def theirs(**params):
    return sklearn.neural_network.MLPClassifier(**SMALL | params)


def needs(spec, dtype="float64"):
    reason = unusable(spec, dtype)
    if reason:
        pytest.skip(reason)


def in_a_process(code, *args, **environment):
    """Run Python code in a process of its own, whose output it returns."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- inside scikit-learn's meta-estimators ---------------------------------------------------

AROUND = {
    "pipeline": lambda mlp: make_pipeline(StandardScaler(), mlp),
    "calibrated": lambda mlp: CalibratedClassifierCV(mlp, cv=2),
    "stacking": lambda mlp: StackingClassifier(
        [("mlp", mlp), ("linear", SklearnLogisticRegression(max_iter=1000))], cv=2
    ),
    "voting": lambda mlp: VotingClassifier(
        [("mlp", mlp), ("linear", SklearnLogisticRegression(max_iter=1000))], voting="soft"
    ),
    "bagging": lambda mlp: BaggingClassifier(mlp, n_estimators=2, random_state=0),
    "one versus rest": OneVsRestClassifier,
    "grid": lambda mlp: GridSearchCV(mlp, {"alpha": [0.01, 10.0], "solver": ["adam", "sgd"]}, cv=2),
}


@pytest.mark.parametrize("labels", ["integers", "strings"])
@pytest.mark.parametrize("around", AROUND)
def test_meta_estimators(around, labels):
    """They predict with ours what they predict with scikit-learn's own."""
    if around == "bagging" and SKLEARN < (1, 7):
        pytest.skip("scikit-learn's own had no sample_weight, with which bagging draws, before 1.7")
    X, y = data()
    if labels == "strings":
        y = np.array(["setosa", "versicolor", "virginica"])[y]
    found, expected = (AROUND[around](mlp).fit(X, y) for mlp in (ours(), theirs()))
    np.testing.assert_allclose(found.predict_proba(X), expected.predict_proba(X), rtol=1e-7)
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))
    if around == "grid":
        assert found.best_params_ == expected.best_params_


@pytest.mark.parametrize("around", ["pipeline", "calibrated", "stacking", "voting"])
def test_logistic_regression_in_meta_estimators(around):
    X, y = data()
    model = AROUND[around](LogisticRegression()).fit(X, y)
    assert model.score(X, y) > 0.9


def test_regressor_with_a_transformed_target():
    X, y = data(MLPRegressor)
    found, expected = (
        TransformedTargetRegressor(mlp(**SMALL), transformer=StandardScaler()).fit(X, y).predict(X)
        for mlp in (MLPRegressor, sklearn.neural_network.MLPRegressor)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("scoring", [None, "neg_log_loss", "balanced_accuracy"])
def test_cross_val_score(scoring):
    X, y = data()
    found, expected = (cross_val_score(mlp, X, y, scoring=scoring) for mlp in (ours(), theirs()))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    predicted = cross_val_predict(ours(), X, y, method="predict_proba")
    assert predicted.shape == (150, 3)


def test_permutation_importance():
    X, y = data()
    found, expected = (
        permutation_importance(mlp.fit(X, y), X, y, n_repeats=2, random_state=0).importances
        for mlp in (ours(), theirs())
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.slow
def test_grid_search_in_workers_that_know_only_the_parameters():
    """The workers are new processes; `backend="torch"` is all that they are told."""
    needs("torch")
    X, y = data()
    found = GridSearchCV(ours(backend="torch"), {"alpha": [0.01, 1.0]}, cv=2, n_jobs=2)
    found.fit(X, y)
    expected = GridSearchCV(theirs(), {"alpha": [0.01, 1.0]}, cv=2).fit(X, y)
    scores = (search.cv_results_["mean_test_score"] for search in (found, expected))
    np.testing.assert_allclose(*scores, rtol=1e-9)
    assert type(found.best_estimator_.coefs_[0]).__module__ == "torch"
    assert isinstance(found.predict(X), np.ndarray)


# ---- parameters and copies -------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ALL)
def test_get_and_set_params(estimator):
    model = estimator(max_iter=7, backend="numpy")
    assert model.get_params()["max_iter"] == 7
    assert model.set_params(max_iter=9, backend=None) is model
    assert (model.max_iter, model.backend) == (9, None)
    with pytest.raises(ValueError, match="Invalid parameter 'epochs' for estimator"):
        model.set_params(epochs=3)


def test_repr_names_what_differs_from_the_defaults():
    assert repr(MLPClassifier()) == "MLPClassifier()"
    found = repr(MLPClassifier((5, 2), backend="torch:cuda", solver="sgd"))
    assert found == "MLPClassifier(backend='torch:cuda', hidden_layer_sizes=(5, 2), solver='sgd')"
    assert repr(LogisticRegression(C=2.0)) == "LogisticRegression(C=2.0)"


def test_html_representation():
    assert "MLPClassifier" in MLPClassifier(alpha=1.0)._repr_html_()


@pytest.mark.parametrize("estimator", ALL)
def test_a_clone_has_the_parameters_and_nothing_learnt(estimator):
    X, y = data(estimator)
    model = make(estimator, backend="numpy", dtype="float32").fit(X, y)
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    assert not {name for name in vars(copied) if name.endswith("_")}


def test_a_clone_keeps_objects_as_parameters():
    silu = xpnn.Activation(lambda Z, xp: Z / (1.0 + xp.exp(-Z)), name="silu")
    model = ours(activation=silu, solver=xpnn.optimizers.adam(0.02), callbacks=(print,))
    copied = clone(model)
    X, y = data()
    copied.set_params(callbacks=()).fit(X, y)
    assert copied.activation == silu
    assert copied.loss_curve_[-1] < copied.loss_curve_[0]


@pytest.mark.parametrize("estimator", ALL)
def test_a_deep_copy_is_independent(estimator):
    X, y = data(estimator)
    model = make(estimator).fit(X, y)
    before = model.predict(X)
    copied = copy.deepcopy(model)
    np.testing.assert_array_equal(copied.predict(X), before)
    if estimator is not LogisticRegression:
        copied.partial_fit(X, y)
        assert copied.t_ > model.t_
    np.testing.assert_array_equal(model.predict(X), before)


# ---- pickles ---------------------------------------------------------------------------------


def through_pickle(model):
    return pickle.loads(pickle.dumps(model))


def through_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.slow("jax", "array_api_strict")
@pytest.mark.parametrize("through", [through_pickle, through_joblib])
@pytest.mark.parametrize("estimator", ALL)
def test_pickles_hold_host_weights(backend64, through, estimator):
    X, y = data(estimator)
    model = make(estimator).fit(X, y)
    back = through(model)
    weights = [back.coef_] if estimator is LogisticRegression else back.coefs_ + back.intercepts_
    assert all(type(a) is np.ndarray for a in weights)
    with xpnn.use_backend("numpy", "float64"):
        assert type(back.predict(X)) is np.ndarray
        if estimator is MLPRegressor:
            np.testing.assert_allclose(back.predict(X), model.predict(X), rtol=1e-12, atol=1e-12)
        else:
            np.testing.assert_array_equal(back.predict(X), model.predict(X))
            np.testing.assert_allclose(back.predict_proba(X), model.predict_proba(X), rtol=1e-12)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_training_goes_on_after_a_pickle(solver):
    """The state of the optimiser is in it: as if there had been no pickle."""
    X, y = data()
    model = ours(solver=solver).partial_fit(X, y, classes=[0, 1, 2])
    back = through_pickle(model)
    for _ in range(3):
        model.partial_fit(X, y)
        back.partial_fit(X, y)
    for a, b in zip(model.coefs_, back.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("told_by", ["backend=", "set_backend", "X"])
def test_a_model_trained_on_torch_is_read_without_torch(tmp_path, told_by):
    needs("torch")
    X, y = data()
    model = ours()
    if told_by == "backend=":
        model.set_params(backend="torch").fit(X, y)
    elif told_by == "set_backend":
        with xpnn.use_backend("torch", "float64"):
            model.fit(X, y)
    else:
        with xpnn.use_backend("torch", "float64") as torch:
            arrays = torch.asarray(X), torch.asarray(y)
        model.fit(*arrays)
    expected = to_host(model.predict_proba(arrays[0] if told_by == "X" else X))
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "expected.npy", expected)
    code = """
import pickle, sys
from pathlib import Path
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, NoTorch())
import numpy as np
import xpnn
folder = Path(sys.argv[1])
model = pickle.loads((folder / "model.pkl").read_bytes())
if model.backend == "torch":
    try:
        model.predict(np.load(folder / "X.npy"))
    except xpnn.BackendError as error:
        assert "'torch' cannot be used" in str(error), error
        assert "model.to('numpy')" in str(error), error
    else:
        raise AssertionError("backend='torch' was ignored")
    model.to("numpy")
found = model.predict_proba(np.load(folder / "X.npy"))
np.testing.assert_allclose(found, np.load(folder / "expected.npy"), rtol=1e-12)
print(type(model.coefs_[0]).__name__, model.predict(np.load(folder / "X.npy")).shape)
"""
    assert in_a_process(code, tmp_path).split() == ["ndarray", "(150,)"]


# ---- frames ----------------------------------------------------------------------------------

COLUMNS = ["sepal length", "sepal width", "petal length", "petal width"]


def frame(library, X, columns):
    module = pytest.importorskip(library)
    if library == "polars" and SKLEARN < (1, 9):
        pytest.skip("scikit-learn reads frames of today's polars in later versions only")
    if library == "pandas":
        return module.DataFrame(X, columns=columns)
    return module.DataFrame(dict(zip(columns, X.T, strict=True)))


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("estimator", ALL)
def test_frames(estimator, library):
    """Names are kept; other names, another order or none at all are answered as by scikit-learn."""
    X, y = data()
    table = frame(library, X, COLUMNS)
    reference = SklearnLogisticRegression(max_iter=1000).fit(table, y)
    model = make(estimator).fit(table, y)
    assert list(model.feature_names_in_) == COLUMNS
    assert model.n_features_in_ == 4
    plain = make(estimator).fit(X, y)
    np.testing.assert_array_equal(model.predict(table), plain.predict(X))

    for other in (
        frame(library, X, COLUMNS[::-1]),
        frame(library, X, ["a", *COLUMNS[1:]]),
        frame(library, X[:, :3], COLUMNS[:3]),
    ):
        with pytest.raises(ValueError, match="feature") as expected:
            reference.predict(other)
        with pytest.raises(ValueError, match="feature") as found:
            model.predict(other)
        assert str(found.value) == str(expected.value).replace(
            "LogisticRegression", estimator.__name__
        )
    with pytest.warns(UserWarning, match="X does not have valid feature names, but") as warned:
        model.predict(X)
    assert len(warned) == 1


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_targets_and_weights_in_series(library):
    module = pytest.importorskip(library)
    X, y = data()
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    found = ours().fit(frame(library, X, COLUMNS), module.Series(names))
    expected = theirs().fit(X, names)
    np.testing.assert_array_equal(found.classes_, expected.classes_)
    np.testing.assert_allclose(
        found.predict_proba(frame(library, X, COLUMNS)), expected.predict_proba(X), rtol=1e-9
    )
    weighted = ours().fit(X, module.Series(names), sample_weight=module.Series(np.ones(150)))
    np.testing.assert_allclose(weighted.predict_proba(X), expected.predict_proba(X), rtol=1e-9)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_between_the_steps_of_a_pipeline(library):
    X, y = data()
    table = frame(library, X, COLUMNS)
    columns = ColumnTransformer([("z", StandardScaler(), COLUMNS[:2])], remainder="passthrough")
    for first in (StandardScaler(), columns):
        pipe = make_pipeline(clone(first), ours()).set_output(transform=library).fit(table, y)
        assert len(pipe[-1].feature_names_in_) == 4
        assert pipe.score(table, y) == make_pipeline(first, theirs()).fit(table, y).score(table, y)


def test_a_column_transformer_that_makes_sparse_columns():
    X, y = data()
    table = frame("pandas", X, COLUMNS)
    table["name"] = np.array(["a", "b", "c", "d", "e"])[np.arange(150) % 5]
    encode = ColumnTransformer(
        [("name", OneHotEncoder(), ["name"])], remainder="passthrough", sparse_threshold=1.0
    )
    found, expected = (make_pipeline(encode, mlp).fit(table, y) for mlp in (ours(), theirs()))
    np.testing.assert_allclose(found.predict_proba(table), expected.predict_proba(table), rtol=1e-9)


# ---- what arrives as X -----------------------------------------------------------------------


def repeated(X):
    return np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)


LAYOUTS = {
    "F order": np.asfortranarray,
    "every other row": lambda X: repeated(X)[::2, ::3],
    "backwards": lambda X: np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1],
    "a list of lists": lambda X: X.tolist(),
    "a list of arrays": list,
    "big-endian": lambda X: X.astype(">f8"),
    "not aligned": lambda X: np.frombuffer(b"." + X.tobytes(), offset=1).reshape(X.shape),
    "read-only": read_only,
    "a memory map": "memory map",
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("estimator", ALL)
def test_memory_layout_changes_nothing(tmp_path, estimator, layout):
    X, y = data(estimator)
    if layout == "a memory map":
        np.save(tmp_path / "X.npy", X)
        laid_out = np.load(tmp_path / "X.npy", mmap_mode="r")
    else:
        laid_out = LAYOUTS[layout](X)
    np.testing.assert_array_equal(laid_out, X)
    expected = make(estimator).fit(X, y)
    found = make(estimator).fit(laid_out, y)
    for method in ("predict", "predict_proba"):
        if hasattr(found, method):
            a, b = getattr(found, method)(laid_out), getattr(expected, method)(X)
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("estimator", ALL)
def test_host_data_are_never_altered(estimator):
    X, y = (a.copy() for a in data(estimator))
    weight = np.random.default_rng(0).uniform(0.5, 1.5, len(y))
    before = X.copy(), y.copy(), weight.copy()
    models = [make(estimator)]
    if estimator is not LogisticRegression:
        models += [make(estimator, solver=solver) for solver in ("sgd", "lbfgs")]
        models += [make(estimator, early_stopping=True), make(estimator, shuffle=False)]
    for model in models:
        model.fit(X, y, sample_weight=weight)
        model.predict(X)
        model.score(X, y, sample_weight=weight)
    for a, b in zip((X, y, weight), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_sparse_data_are_never_altered():
    import scipy.sparse

    X, y = data()
    given = scipy.sparse.csr_array(np.where(X > 2.0, X, 0.0))
    before = given.copy()
    ours().fit(given, y).predict(given)
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(given, part), getattr(before, part))


@pytest.mark.parametrize("estimator", ALL)
def test_a_mask_is_not_dropped(estimator):
    X, y = data(estimator)
    masked = np.ma.masked_array(X, mask=X.mean() < X)
    with pytest.raises(TypeError, match=r"X: expected an array without a mask.*X\.filled\(0\.0\)"):
        make(estimator).fit(masked, y)
    model = make(estimator).fit(X, y)
    with pytest.raises(TypeError, match="X: expected an array without a mask"):
        model.predict(masked)


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@pytest.mark.parametrize("layout", ["to_sparse", "to_sparse_csr"])
@pytest.mark.parametrize("estimator", ALL)
def test_a_sparse_tensor_is_refused_with_the_cure(estimator, layout):
    torch = pytest.importorskip("torch")
    X, y = data(estimator)
    sparse = getattr(torch.from_numpy(X.copy()), layout)()
    for backend in (None, "numpy"):
        model = make(estimator, backend=backend)
        with pytest.raises(TypeError, match=r"X: expected a dense array.*X\.to_dense\(\)"):
            model.fit(sparse, y)
        model.fit(X, y)
        with pytest.raises(TypeError, match=r"X\.to_dense\(\)"):
            model.predict(sparse)
        assert model.predict(sparse.to_dense()).shape == y.shape


@pytest.mark.parametrize("estimator", ALL)
def test_sparse_numbers_too_large_for_the_dtype(estimator):
    """They are finite in the float64 they come in."""
    import scipy.sparse

    X, y = data(estimator)
    large = scipy.sparse.csr_matrix(np.where(X.mean() < X, 1e300, 0.0))
    with pytest.raises(ValueError, match=r"^X: expected finite.*too large for float32"):
        make(estimator, dtype="float32").fit(large, y)


def test_targets_too_large_for_the_dtype_of_X():
    X, y = data(MLPRegressor)
    with pytest.raises(ValueError, match=r"^y: expected finite.*too large for float32"):
        make(MLPRegressor).fit(X.astype("float32"), y * 1e300)


@pytest.mark.parametrize("estimator", ALL)
def test_negative_weights_are_refused(estimator):
    X, y = data(estimator)
    weight = np.where(np.arange(len(y)) == 7, -0.5, 1.0)
    message = r"sample_weight: expected weights of at least 0, found -0\.5"
    with pytest.raises(ValueError, match=message):
        make(estimator).fit(X, y, sample_weight=weight)


# ---- arrays of other libraries ---------------------------------------------------------------


@pytest.fixture(params=DEVICE_SPECS)
def spec(request):
    """Name each usable backend with float64 that is not the host."""
    return request.param


@pytest.fixture
def device_arrays(spec):
    """Return the backend that makes arrays of one device library; NumPy stays selected."""
    with xpnn.use_backend(spec, "float64") as there:
        pass
    return there


@pytest.mark.parametrize("estimator", ALL)
def test_results_come_back_where_X_came_from(device_arrays, estimator):
    there = device_arrays
    X, y = data(estimator)
    with there.current():
        dX, dy = there.asarray(X), there.asarray(y)
        model = make(estimator).fit(dX, dy)
        expected = make(estimator).fit(X, y)

        weights = [model.coef_] if estimator is LogisticRegression else model.coefs_
        assert all(there.same_device(there.of(a)) for a in weights)
        for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
            if not hasattr(expected, method):
                assert not hasattr(model, method)
                continue
            found, host = getattr(model, method)(dX), getattr(expected, method)(X)
            assert there.owns(found), method
            assert there.same_device(there.of(found)), method
            np.testing.assert_allclose(there.to_numpy(found), host, rtol=1e-6, atol=1e-8)
        assert type(model.score(dX, dy)) is float
        assert model.score(dX, dy) == pytest.approx(expected.score(X, y), rel=1e-6)


def test_y_and_weights_follow_X(device_arrays):
    there = device_arrays
    X, y = data()
    weight = np.random.default_rng(0).uniform(0.5, 1.5, 150)
    expected = ours().fit(X, y, sample_weight=weight).predict_proba(X)
    with there.current():
        dX = there.asarray(X)
        for targets, weights in (
            (y, weight),
            (y.tolist(), there.asarray(weight)),
            (there.asarray(y), weight.tolist()),
        ):
            model = ours().fit(dX, targets, sample_weight=weights)
            found = there.to_numpy(model.predict_proba(dX))
            np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_dtype_follows_X(device_arrays, dtype):
    there = device_arrays
    X, y = data()
    expected = there.resolve_dtype("float32" if dtype == "float32" else "float64")
    with there.current():
        dX = there.asarray((X * 10.0).astype(dtype), there.resolve_dtype(dtype))
        model = ours().fit(dX, y)
        assert all(a.dtype == expected for a in model.coefs_ + model.intercepts_)
        assert model.predict_proba(dX).dtype == expected
        model = ours(dtype="float32").fit(dX, y)
        assert model.coefs_[0].dtype == there.resolve_dtype("float32")


WHOLE = {
    "int32": lambda X: np.rint(10.0 * X),
    "uint8": lambda X: np.abs(10.0 * X),
    "bool": lambda X: X.mean(axis=0) < X,
}


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("estimator", ALL)
def test_whole_numbers_are_answered_by_floats(device_arrays, estimator, kind):
    """X says where results go, but not in which dtype: probabilities would all become 0."""
    there = device_arrays
    X, y = data(estimator)
    X = WHOLE[kind](X).astype(kind)
    model = make(estimator, backend="numpy").fit(X.astype("float64"), 2.0 * y - 1.0)
    methods = ("predict", "predict_proba", "predict_log_proba", "decision_function")
    with there.current():
        dX = there.asarray(X)
        for method in methods:
            if hasattr(model, method):
                found = getattr(model, method)(dX)
                expected = getattr(model, method)(X.astype("float64"))
                assert there.same_device(there.of(found)), method
                assert found.dtype == there.resolve_dtype("float64"), method
                np.testing.assert_array_equal(there.to_numpy(found), expected, err_msg=method)


def test_string_labels_with_device_data(device_arrays):
    """No device library has strings: labels of that kind come as NumPy arrays."""
    there = device_arrays
    X, y = data()
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    with there.current():
        model = ours().fit(there.asarray(X), names)
        found = model.predict(there.asarray(X))
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, ours().fit(X, names).predict(X))
    assert list(model.classes_) == ["setosa", "versicolor", "virginica"]


@pytest.mark.parametrize("estimator", ALL)
def test_device_data_are_never_altered(device_arrays, estimator):
    there = device_arrays
    X, y = data(estimator)
    with there.current():
        dX, dy = there.asarray(X, copy=True), there.asarray(y, copy=True)
        model = make(estimator).fit(dX, dy)
        model.predict(dX)
        model.score(dX, dy)
        np.testing.assert_array_equal(there.to_numpy(dX), X)
        np.testing.assert_array_equal(there.to_numpy(dy), y)


@pytest.mark.parametrize("estimator", ALL)
def test_a_told_backend_takes_and_gives_back_arrays_of_any_library(device_arrays, estimator):
    there = device_arrays
    X, y = data(estimator)
    model = make(estimator, backend=there.spec).fit(X, y)  # host data, elsewhere trained
    weights = [model.coef_] if estimator is LogisticRegression else model.coefs_
    assert all(there.same_device(there.of(a)) for a in weights)
    assert type(model.predict(X)) is np.ndarray
    on_numpy = make(estimator, backend="numpy")
    with there.current():
        dX = there.asarray(X)
        assert there.owns(model.predict(dX))
        assert there.owns(on_numpy.fit(dX, there.asarray(y)).predict(dX))
    assert type(on_numpy.predict(X)) is np.ndarray


@pytest.mark.parametrize("estimator", ALL)
def test_host_data_and_device_data_meet_on_the_device(device_arrays, estimator):
    """Without `backend=` as well; results come back where X came from."""
    there = device_arrays
    X, y = data(estimator)
    on_host = make(estimator).fit(X, y)
    expected = on_host.predict(X)
    with there.current():
        dX = there.asarray(X)
        on_device = make(estimator).fit(dX, there.asarray(y))
        found = on_host.predict(dX)
        assert there.same_device(there.of(found))
    for predicted in (on_device.predict(X), there.to_numpy(found)):
        assert type(predicted) is np.ndarray
        np.testing.assert_allclose(predicted, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("estimator", ALL)
def test_a_model_is_moved(device_arrays, estimator):
    there = device_arrays
    X, y = data(estimator)
    model = make(estimator).fit(X, y)
    expected = model.predict(X)

    def weights():
        return [model.coef_] if estimator is LogisticRegression else model.coefs_

    assert model.to(there.spec) is model
    assert all(there.same_device(there.of(a)) for a in weights())
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-6, atol=1e-8)
    assert model.to("numpy") is model
    assert all(type(a) is np.ndarray for a in weights())
    np.testing.assert_array_equal(model.predict(X), expected)
    with there.current():
        assert there.owns(model.predict(there.asarray(X)))


LABELS = {
    "booleans": lambda y: y == 1,
    "floats": lambda y: 2.0 * y - 1.0,
    "negative integers": lambda y: y - 5,
    "one class only": np.zeros_like,
    "multi-label": lambda y: (y[:, None] >= np.arange(3)).astype("int64"),
}


@pytest.mark.slow("jax")
@pytest.mark.parametrize("kind", LABELS)
def test_labels_on_a_device(device_arrays, kind):
    there = device_arrays
    X, y = data()
    y = LABELS[kind](y)
    expected = ours().fit(X, y)
    with there.current():
        dX, dy = there.asarray(X), there.asarray(y)
        model = ours().fit(dX, dy)
        found = model.predict(dX)
        assert there.owns(found)
        assert found.dtype == dy.dtype
        np.testing.assert_array_equal(there.to_numpy(found), expected.predict(X))
        assert model.score(dX, dy) == expected.score(X, y)


WRONG_ON_A_DEVICE = {  # of (X, y): what the error says, in scikit-learn's words where it has any
    "NaN": (lambda X, y: (np.where(X - X.max() == 0.0, np.nan, X), y), "NaN"),
    "infinity": (lambda X, y: (X + np.inf, y), "infinity"),
    "a vector": (lambda X, y: (X[:, 0], y), r"(?i)expected 2D array.*Reshape your data"),
    "three dimensions": (lambda X, y: (X[:, None, :], y), "3D?|three|shape"),
    "no examples": (lambda X, y: (X[:0], y[:0]), r"(?i)found array with 0 sample\(s\)"),
    "no features": (lambda X, y: (X[:, :0], y), r"(?i)found array with 0 feature\(s\)"),
    "fewer targets": (lambda X, y: (X, y[:100]), "inconsistent numbers of samples"),
    "NaN as a target": (lambda X, y: (X, np.where(y > 0, np.nan, y)), "NaN"),
}


@pytest.mark.parametrize("case", WRONG_ON_A_DEVICE)
@pytest.mark.parametrize("estimator", ALL)
def test_wrong_data_on_a_device(device_arrays, estimator, case):
    there = device_arrays
    spoil, says = WRONG_ON_A_DEVICE[case]
    X, y = spoil(*data(estimator))
    with there.current(), pytest.raises(ValueError, match=says):
        make(estimator).fit(there.asarray(X), there.asarray(y))


@pytest.mark.parametrize("estimator", ALL)
def test_wrong_data_for_a_model_on_a_device(device_arrays, estimator):
    there = device_arrays
    X, y = data(estimator)
    with there.current():
        dX = there.asarray(X)
        model = make(estimator).fit(dX, there.asarray(y))
        with pytest.raises(ValueError, match=f"X has 3 features, but {estimator.__name__} is"):
            model.predict(dX[:, :3])
        with pytest.raises(ValueError, match="infinity"):
            model.predict(dX + float("inf"))
        with pytest.raises(ValueError, match=r"(?i)expected 2D array"):
            model.predict(dX[:, 0])


@pytest.mark.parametrize("estimator", ALL)
def test_torch_records_nothing(estimator):
    """Data that torch differentiates by are taken as numbers."""
    needs("torch")
    X, y = data(estimator)
    with xpnn.use_backend("torch", "float64") as torch:
        recorded = torch.asarray(X).requires_grad_(True)
    model = make(estimator).fit(recorded, y)
    assert not model.predict(recorded).requires_grad
    assert not model.coefs_[0].requires_grad
    plain = make(estimator, backend="torch").fit(X, y)
    np.testing.assert_array_equal(model.predict(recorded).numpy(), plain.predict(X))


@pytest.mark.parametrize("estimator", ALL)
def test_results_may_be_written_to(backend64, estimator):
    X, y = data(estimator)
    model = make(estimator).fit(X, y)
    assert model.predict(X).flags.writeable
    if estimator is not MLPRegressor:
        assert model.predict_proba(X).flags.writeable


@pytest.mark.slow("jax")
@pytest.mark.parametrize("estimator", ALL)
def test_many_rows_are_predicted_as_one_by_one(backend64, estimator):
    X, y = data(estimator)
    model = make(estimator).fit(X, y)
    times = 40_000 // len(y)
    many = model.predict(np.tile(X, (times, 1)))
    expected = np.tile(model.predict(X), times)
    np.testing.assert_allclose(many, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"backend": "pytorch"}, "did you mean 'torch'"),
        ({"backend": "numpy:cuda"}, "no device 'cuda'"),
        ({"dtype": "float16"}, r"'dtype' parameter of \w+ must be a str among"),
        ({"checkpoint": "file"}, "'checkpoint' parameter"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_wrong_parameters_of_our_own(estimator, params, says):
    X, y = data(estimator)
    with pytest.raises(ValueError, match=says):
        make(estimator, **params).fit(X, y)


@pytest.mark.parametrize("estimator", ALL)
def test_callbacks_are_a_list(estimator):
    X, y = data(estimator)
    with pytest.raises(TypeError, match=r"write callbacks=\[function\]"):
        make(estimator, callbacks=print).fit(X, y)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_training_goes_on_where_a_model_was_moved(device_arrays, solver):
    there = device_arrays
    X, y = data()
    moved, stayed = (ours(solver=solver).partial_fit(X, y, classes=[0, 1, 2]) for _ in range(2))
    moved.to(there.spec)
    with there.current():
        moved.partial_fit(there.asarray(X), there.asarray(y))
    stayed.partial_fit(X, y)
    for a, b in zip(moved.to("numpy").coefs_, stayed.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_host_data_run_on_the_selected_backend(backend64):
    X, y = data()
    model = ours().fit(X, y)
    assert all(backend64.same_device(backend64.of(a)) for a in model.coefs_)
    assert type(model.predict(X)) is np.ndarray
    assert type(model.predict_proba(X)) is np.ndarray


@pytest.mark.parametrize(
    "specs",
    [
        ("torch", "jax"),
        ("jax", "array_api_strict"),
        ("array_api_strict", "array_api_strict:device1"),
    ],
    ids=" and ".join,
)
@pytest.mark.parametrize("estimator", ALL)
def test_arrays_of_another_library_or_device_are_refused_with_the_cure(estimator, specs):
    here, there = specs
    X, y = data(estimator)
    arrays = {}
    for spec in specs:
        with xpnn.use_backend(spec, "float64") as backend:
            arrays[spec] = backend.asarray(X)
    model = make(estimator).fit(arrays[here], y)
    with pytest.raises(TypeError, match=r"model\.to\('(.+)'\)") as refused:
        model.predict(arrays[there])
    cure = re.search(r"model\.to\('(.+)'\)", str(refused.value))[1]
    assert cure.startswith(there)
    model.to(cure)
    assert type(model.predict(arrays[there])) is type(arrays[there])


WITHOUT_64_BITS = """
import jax
import numpy as np
from sklearn.datasets import load_iris
import xpnn

X, y = load_iris(return_X_y=True)
for model in (
    xpnn.MLPClassifier(5, max_iter=50, tol=1.0, random_state=0),
    xpnn.MLPRegressor(hidden_layer_sizes=5, max_iter=50, tol=1.0, random_state=0),
    xpnn.LogisticRegression(tol=0.01),
):
    expected = model.fit(X, y).predict(X)
    assert model.coefs_[0].dtype == "float64"
    model.to("jax")
    for a in model.coefs_ + model.intercepts_:
        assert isinstance(a, jax.Array), type(a)
        assert a.dtype == "float32", a.dtype
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-4, atol=1e-5)
assert not jax.config.jax_enable_x64
print("done")
"""


@pytest.mark.slow
def test_a_model_is_moved_to_jax_without_64_bits():
    """It becomes float32; the switch, which is the whole process's, stays as it is."""
    needs("jax", "float32")
    assert in_a_process(WITHOUT_64_BITS, JAX_ENABLE_X64="0") == "done\n"


# ---- scikit-learn's array-API dispatch -------------------------------------------------------

DISPATCH = """
import sys
import warnings
import numpy as np
from sklearn import config_context
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
import xpnn

warnings.simplefilter("ignore", ConvergenceWarning)
X, y = load_iris(return_X_y=True)
with xpnn.use_backend(sys.argv[1], "float64") as there:
    dX, dy = there.asarray(X), there.asarray(y)
for model in (
    xpnn.MLPClassifier(5, max_iter=5, random_state=0),
    xpnn.MLPRegressor(hidden_layer_sizes=5, max_iter=5, random_state=0),
    xpnn.LogisticRegression(),
):
    expected = model.fit(X, y).predict(X)
    with config_context(array_api_dispatch=True):
        found = model.fit(dX, dy).predict(dX)
        assert there.owns(found), type(found)
        np.testing.assert_allclose(there.to_numpy(found), expected, rtol=1e-6, atol=1e-8)
        assert isinstance(model.score(dX, dy), float)
        try:
            model.predict(X)
        except ValueError as error:
            text = str(error)
            name = type(model).__name__
            assert f"{name}.predict() must use the same namespace" in text.replace("`", ""), text
        else:
            raise AssertionError("NumPy data were not refused")
        model.fit(X, y)  # the other way round
        assert isinstance(model.predict(X), np.ndarray)
        try:
            model.predict(dX)
        except ValueError as error:
            assert "must use the same namespace" in str(error), error
        else:
            raise AssertionError("device data were not refused")
        pipe = make_pipeline(StandardScaler(), model).fit(dX, dy)
        assert there.owns(pipe.predict(dX))
        if sys.argv[1] == "torch":
            assert np.isfinite(cross_val_score(model, dX, dy, cv=3)).all()
print("done")
"""


@pytest.mark.slow
@pytest.mark.skipif(SKLEARN < (1, 9), reason="array-API dispatch is an experiment before 1.9")
@pytest.mark.parametrize("spec", ["array_api_strict", "torch"])
def test_array_api_dispatch(spec):
    assert in_a_process(DISPATCH, spec, SCIPY_ARRAY_API="1") == "done\n"


# ---- callbacks -------------------------------------------------------------------------------


@pytest.mark.slow("jax")
@pytest.mark.parametrize("solver", ["adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_callbacks_are_told_of_every_epoch(backend64, solver, early_stopping):
    X, y = data()
    seen = []
    model = ours(callbacks=(seen.append,), solver=solver, early_stopping=early_stopping)
    model.fit(X, y)
    assert all(type(report) is xpnn.Report for report in seen)
    assert [report.epoch for report in seen] == list(range(1, model.n_iter_ + 1))
    assert [report.cost for report in seen] == model.loss_curve_
    if early_stopping:
        assert [report.validation for report in seen] == model.validation_scores_
    else:
        assert {report.validation for report in seen} == {None}


def test_a_callback_stops_the_training():
    X, y = data()
    for method, kwargs in (("fit", {}), ("partial_fit", {"classes": [0, 1, 2]})):
        seen = []

        def stop(report, seen=seen):
            seen.append(report.params)
            return report.epoch == 3

        model = ours(max_iter=50, callbacks=(stop,))
        getattr(model, method)(X, y, **kwargs)
        assert model.n_iter_ == len(model.loss_curve_) == len(seen) == (3 if method == "fit" else 1)
        np.testing.assert_array_equal(seen[-1][0].W.T, model.coefs_[0])


def test_logistic_regression_calls_back():
    X, y = data()
    seen = []
    LogisticRegression(callbacks=(seen.append,), max_iter=4).fit(X, y)
    assert [report.epoch for report in seen] == [1, 2, 3, 4]
    model = LogisticRegression(callbacks=(lambda report: report.epoch == 2,)).fit(X, y)
    assert np.max(model.n_iter_) == 2


# ---- more than scikit-learn has --------------------------------------------------------------


@pytest.mark.slow("jax", "array_api_strict")
@pytest.mark.parametrize("estimator", MLPS)
@pytest.mark.parametrize(
    "params",
    [
        {"activation": "leaky_relu"},
        {"solver": "rmsprop"},
        {"solver": xpnn.optimizers.momentum(0.05)},
        {"activation": xpnn.Activation(lambda Z, xp: Z / (1.0 + xp.exp(-Z)), name="silu")},
    ],
    ids=["leaky_relu", "rmsprop", "momentum", "silu"],
)
def test_activations_and_solvers_of_our_own(backend64, estimator, params):
    X, y = data(estimator)
    model = make(estimator, **SMALL | {"max_iter": 30}, **params).fit(X, y)
    assert model.loss_curve_[-1] < 0.95 * model.loss_curve_[0]


@pytest.mark.parametrize("estimator", MLPS)
def test_to_and_from_scikit_learn(estimator):
    X, y = data(estimator)
    model = make(estimator).fit(X, y)
    back = model.to_sklearn()
    assert type(back) is getattr(sklearn.neural_network, estimator.__name__)
    np.testing.assert_allclose(back.predict(X), model.predict(X), rtol=1e-12, atol=1e-12)
    again = xpnn.from_sklearn(back)
    assert type(again) is estimator
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.n_iter_ == model.n_iter_


@pytest.mark.parametrize("estimator", ALL)
def test_saved_and_loaded(tmp_path, estimator):
    X, y = data(estimator)
    model = make(estimator).fit(X, y)
    model.save(tmp_path / "model.safetensors")
    back = xpnn.load(tmp_path / "model.safetensors")
    assert type(back) is estimator
    np.testing.assert_array_equal(back.predict(X), model.predict(X))
