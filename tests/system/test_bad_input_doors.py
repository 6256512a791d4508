"""Bad input through every door: `Network`, `fit`, the estimators, the notes' functions, the shell.

Each kind is refused in words, or gives what the same numbers give in plain float64 arrays.
Nothing that is passed is altered.
"""

import copy
import json
import os
import re
import subprocess
import sys
import warnings
from functools import cache
from itertools import cycle

import numpy as np
import pytest
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning

import xpnn
from tests.helpers import chosen, only_whole, to_numpy, unusable
from xpnn.cli import main
from xpnn.course import deep, logistic, shallow
from xpnn.validation import memory

M = 8
X = np.asarray(
    [[0, 2, 255, 9, 1, 0, 7, 3], [8, 0, 1, 250, 2, 200, 0, 1], [1, 1, 0, 0, 3, 0, 90, 5]], float
)
"""Whole numbers that fit uint8 and float16: the same in every dtype."""
Y = np.asarray([[0, 1, 1, 0, 1, 0, 1, 0]])
NET = xpnn.Network([3, 4, 1], hidden="tanh", output="sigmoid")
WEIGHTS = np.asarray([[1, 2, 1, 1, 3, 1, 1, 2]], float)


@pytest.fixture
def place(request):
    """One device of each library, selected for the test."""
    with xpnn.use_backend(request.param) as backend:
        yield backend


def at_doors(kinds, doors, elsewhere=None):
    """Try each kind at every door on NumPy, and on the other backends at one door in turn.

    That is enough there: what differs between backends is how an array is taken, in one place.
    """

    def mark(function):
        function.on_numpy = [(door, kind) for door in doors for kind in kinds]
        others = cycle(doors if elsewhere is None else elsewhere)
        function.elsewhere = list(zip(others, kinds, strict=False))
        return function

    return mark


def pytest_generate_tests(metafunc):
    """Make tests of one device of each backend that is usable and asked for."""
    if "place" not in metafunc.fixturenames:
        return
    specs = [spec for spec in chosen(metafunc.config) if not only_whole([spec])]
    test = metafunc.function
    if hasattr(test, "on_numpy"):
        pairs = {spec: test.on_numpy if spec == "numpy" else test.elsewhere for spec in specs}
        cases = [(spec, *pair) for spec in specs for pair in pairs[spec]]
        metafunc.parametrize(("place", "door", "kind"), cases, indirect=["place"])
    else:
        metafunc.parametrize("place", specs, indirect=True)


def cell(a, value):
    """Return a copy with another entry."""
    a = np.array(a, dtype=np.result_type(a, type(value)))
    a[0, 1] = value
    return a


def every_other(a):
    return np.repeat(a, 2, axis=1)[:, ::2]


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def matrix(a):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return np.matrix(a)


def pandas(a):
    return pytest.importorskip("pandas").DataFrame(a)


def polars(a):
    module = pytest.importorskip("polars")
    return module.DataFrame({f"c{j}": column for j, column in enumerate(np.asarray(a).T.tolist())})


def nulls(a):
    """Return a frame of pandas' own integers, some of them missing."""
    return pandas(a).astype("Int64").mask(a == 1)


# ---- the doors, each a function (X, Y, s) -> arrays ------------------------------------------
# X and Y are columns, also for the estimators: only here do they become rows.


def rows(a):
    if isinstance(a, list | tuple):
        return a if np.ma.isMaskedArray(a[0]) else list(map(list, zip(*a, strict=True)))
    if hasattr(a, "transpose"):
        return a.transpose()
    return a


def forward(X, Y, s):
    params = NET.init(rng=0)
    return NET.forward(params, X)[0], NET.cost(params, X, Y, sample_weight=s)


def fit(X, Y, s):
    params, history = xpnn.fit(NET, NET.init(rng=0), X, Y, epochs=2, batch_size=3, sample_weight=s)
    return *(a for layer in params for a in layer), np.asarray(history.cost)


def validation(X, Y, s):
    _, history = xpnn.fit(NET, NET.init(rng=0), ONE, ONE_Y, epochs=2, validation=(X, Y))
    return (np.asarray(history.validation),)


ONE, ONE_Y = X[:, :1], Y[:, :1]


def estimator(make, **options):
    def door(X, Y, s):
        y = rows(Y)
        if isinstance(y, np.ndarray) and y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        s = None if s is None else (s[0] if isinstance(s, np.ndarray) and s.ndim == 2 else s)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = make(**options).fit(rows(X), y, s)
        return *model.coefs_, model.predict(rows(X))

    return door


def mlp(make):
    return estimator(make, hidden_layer_sizes=(4,), max_iter=2, random_state=0)


def course_shallow(X, Y, s):
    parameters = shallow.nn_model(X, Y, n_h=4, num_iterations=3, rng=1)
    return *parameters.values(), shallow.predict(parameters, X)


def course_deep(X, Y, s):
    parameters, costs = deep.L_layer_model(X, Y, (3, 4, 1), num_iterations=3, rng=1)
    return *parameters.values(), np.asarray(costs), deep.predict(X, Y, parameters)


def course_logistic(X, Y, s):
    model = logistic.model(X, Y, X, Y, num_iterations=3, learning_rate=1e-4)
    return model["w"], model["Y_prediction_test"]


CORE = {"Network": forward, "fit": fit, "validation": validation}
FACE = {
    "MLPClassifier": mlp(xpnn.MLPClassifier),
    "MLPRegressor": mlp(xpnn.MLPRegressor),
    "LogisticRegression": estimator(xpnn.LogisticRegression, max_iter=20, tol=1e9),
}
COURSE = {"shallow": course_shallow, "deep": course_deep, "logistic": course_logistic}
DOORS = CORE | FACE | COURSE
REFUSING = CORE | COURSE
"""Also on another backend: the estimators refuse host data before they go anywhere."""


def on_host(a):
    backend = xpnn.get_backend()
    return np.asarray(backend.to_numpy(a) if backend.owns(a) else a)


@cache
def plainly(door, spec, weighed):
    """Return what a door gives for X, Y and the weights in plain arrays."""
    return DOORS[door](X, Y, WEIGHTS if weighed else None)


def dense(a):
    return a.toarray() if scipy.sparse.issparse(a) else np.asarray(a)


def check_the_same(place, door, *arguments):
    """Raise unless a door takes the arguments as it takes X, Y in plain arrays, untouched."""
    before = copy.deepcopy(arguments)
    found = DOORS[door](*arguments)
    expected = plainly(door, place.spec, arguments[2] is not None)
    for a, b in zip(found, expected, strict=True):
        assert np.isfinite(on_host(a)).all()
        np.testing.assert_allclose(on_host(a), on_host(b), rtol=1e-5, atol=1e-6)
    for a, b in zip(arguments, before, strict=True):
        assert type(a) is type(b)
        np.testing.assert_array_equal(dense(a), dense(b))


# ---- what is taken ---------------------------------------------------------------------------


TAKEN = {
    "float16": lambda a: a.astype(np.float16),
    "longdouble": lambda a: a.astype(np.longdouble),
    "uint8, as images are": lambda a: a.astype(np.uint8),
    "int16": lambda a: a.astype(np.int16),
    "uint64": lambda a: a.astype(np.uint64),
    "big-endian": lambda a: a.astype(">f8"),
    "big-endian integers": lambda a: a.astype(">i4"),
    "read-only": read_only,
    "Fortran order": np.asfortranarray,
    "every other column": every_other,
    "negative strides": lambda a: np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
    "a list of lists": lambda a: a.tolist(),
    "pandas": pandas,
    "polars": polars,
}


@pytest.mark.slow("jax")
@at_doors(TAKEN, DOORS)
def test_the_same_numbers_in_another_array(place, door, kind):
    make = TAKEN[kind]
    weighed = door in ("Network", "fit", *list(FACE)[:2]) and kind not in ("pandas", "polars")
    s = make(WEIGHTS) if weighed else None
    if isinstance(s, list) and door in FACE:
        (s,) = s
    check_the_same(place, door, make(X), Y if door in FACE else make(Y), s)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("door", [*CORE, *COURSE])
def test_a_matrix_is_an_array(place, door):
    check_the_same(place, door, matrix(X), matrix(Y), None)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("door", FACE)
def test_sparse_rows_are_for_the_estimators(place, door):
    if place.name != "numpy":  # where they stay sparse, and are summed in another order
        check_the_same(place, door, scipy.sparse.csr_array(X), Y, None)


@pytest.mark.slow
@at_doors(["uint8", "int16", ">i8", "bool", "float16", "longdouble"], DOORS)
def test_labels_of_any_dtype(place, door, kind):
    check_the_same(place, door, X, Y.astype(kind), None)


@pytest.mark.parametrize("door", DOORS)
def test_one_class_only(place, door):
    """Nothing to tell apart, but no error where the cost is defined."""
    if door == "LogisticRegression":
        with pytest.raises(xpnn.ArgumentError, match="at least 2 classes, found only one class: 0"):
            DOORS[door](X, 0 * Y, None)
    else:
        assert all(np.isfinite(on_host(a)).all() for a in DOORS[door](X, 0 * Y, None))


@pytest.mark.slow("jax")
@pytest.mark.parametrize("door", [door for door in DOORS if door != "LogisticRegression"])
def test_a_single_example(place, door):
    """Of one class, which LogisticRegression refuses above."""
    assert all(np.isfinite(on_host(a)).all() for a in DOORS[door](ONE, ONE_Y, None))


@pytest.mark.parametrize("labels", [[5, -3], ["yes", "no"], [0.0, 2.0], ["2020", "2021"]])
@pytest.mark.parametrize("door", ["MLPClassifier", "LogisticRegression"])
def test_labels_may_be_anything_to_the_classifiers(place, door, labels):
    y = np.asarray(labels)[Y]
    *coefs, predicted = DOORS[door](X, y, None)
    assert set(np.unique(predicted)) <= set(labels)
    swapped = Y if labels == sorted(labels) else 1 - Y
    for a, b in zip(coefs, DOORS[door](X, swapped, None), strict=False):
        np.testing.assert_array_equal(on_host(a), on_host(b))


@pytest.mark.parametrize("door", CORE)
def test_numbers_beyond_32_bits(place, door):
    """JAX keeps 32 bits of a 64-bit integer, unless told otherwise."""
    for large in (2**40, 2**62):
        found = DOORS[door](np.asarray(X, "int64") * (large // 2**8), Y, None)
        expected = DOORS[door](X * float(large // 2**8), Y, None)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(on_host(a), on_host(b))


X64_OFF = """
import sys, warnings
import numpy as np
import xpnn
from xpnn.course import shallow
warnings.simplefilter("ignore")
X = np.asarray([[0, 1, 2, 3], [3, 0, 1, 2]])
Y = np.asarray([[0, 1, 1, 0]])
net = xpnn.Network([2, 3, 1], hidden="tanh", output="sigmoid")
course = shallow.initialize_parameters(2, 3, 1, rng=0)

def doors(X):
    params, _ = xpnn.fit(net, net.init(rng=0), X, Y, epochs=2)
    yield params[0].W
    yield net.forward(net.init(rng=0), X)[0]
    here = {name: xpnn.get_backend().asarray(a) for name, a in course.items()}
    yield shallow.forward_propagation(X, here)[0]
    model = xpnn.MLPClassifier((3,), max_iter=2, random_state=0, dtype="float32").fit(X.T, Y[0])
    yield model.predict_proba(X.T)

for large, dtype in ((2**31, "int64"), (2**40, "int64"), (2**62, "uint64")):
    expected, found = [], []
    for spec, into in (("numpy", expected), ("jax", found)):
        with xpnn.use_backend(spec):
            into += [np.asarray(a) for a in doors(X.astype(dtype) * large)]
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
with xpnn.use_backend("jax"):
    for bad in (X * 1e300, np.where(X, 1e39, 0.0)):
        door = doors(bad)
        try:
            next(door)
        except xpnn.ArgumentError as error:
            assert "as float32" in str(error), error
        else:
            raise AssertionError("1e300 was taken")
    try:
        net.cost(net.init(), X, Y * 2**40)
    except xpnn.ArgumentError as error:
        assert "0 to 1.09951e+12" in str(error) or "integers" in str(error), error
    else:
        raise AssertionError("a label was wrapped")
import jax
assert not jax.config.jax_enable_x64
print("ok")
"""


@pytest.mark.slow
def test_jax_without_64_bits():
    """Where JAX itself makes 0 of 2**32: in a process of its own, since others switch it on."""
    if unusable("jax"):
        pytest.skip(unusable("jax"))
    environment = {**os.environ, "JAX_ENABLE_X64": "0", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", X64_OFF]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.strip() == "ok", done.stderr


# ---- what is refused -------------------------------------------------------------------------


def refused(door, words, *arguments):
    """Raise unless a door refuses the arguments, by a ValueError or TypeError with these words."""
    with pytest.raises((ValueError, TypeError), match=words) as caught:
        DOORS[door](*arguments)
    if door not in FACE:  # which have scikit-learn's words where it refuses something itself
        assert isinstance(caught.value, xpnn.XpnnError)


NO_NUMBERS = "X(_train)?: expected real numbers, found dtype"
BAD_X = {
    # X, the words of core and course, the words of the estimators
    "NaN": (cell(X, np.nan), r"X(_train)?: expected finite .*found 1 of 24", "X contains NaN"),
    "infinity": (cell(X, np.inf), r"X(_train)?: expected finite", "X contains infinity"),
    "rank 1": (X[0], r"X(_train)?: expected .*found \(8,\)", "Expected 2D array, got 1D"),
    "transposed": (X.T, r"X(_train)?: expected .*\(8, 3\).*X(_train)?\.T", "inconsistent numbers"),
    "empty": (X[:, :0], r"at least one example", r"Found array with 0 sample\(s\)"),
    "object": (np.full_like(X, None, dtype=object), NO_NUMBERS, "X contains NaN"),
    "text": (np.full(X.shape, "a"), NO_NUMBERS, "could not convert string to float"),
    "dates": (X.astype("M8[D]"), NO_NUMBERS, r"X: expected real numbers, found dtype datetime64"),
    "durations": (X.astype("m8[s]"), NO_NUMBERS, r"X: expected real numbers, found dtype timedel"),
    "complex": (X * 1j, NO_NUMBERS, "Complex data not supported"),
    "fields": (np.zeros(X.shape, [("a", "f4")]), NO_NUMBERS, "X: expected real numbers, found"),
    "ragged": ([[1.0], [1.0, 2.0]], "expected a rectangular array", "inhomogeneous shape"),
    "masked": (np.ma.masked_array(X, X > 5), r"without a mask.*filled", r"without a mask.*filled"),
    "a list of masked": ([np.ma.masked_array(x, x > 5) for x in X], "without a mask", "a mask"),
    "nothing": (None, NO_NUMBERS, "Expected 2D array, got scalar"),
}


@at_doors(BAD_X, DOORS, elsewhere=REFUSING)
def test_bad_X(place, door, kind):
    bad, ours, sklearns = BAD_X[kind]
    if kind == "ragged" and door in FACE:
        bad = _Rows(bad)  # columns of unequal length have no rows
    refused(door, sklearns if door in FACE else ours, bad, Y, None)


BAD_FRAMES = {
    "NaN of pandas": lambda: pandas(cell(X, np.nan)),
    "NaN of polars": lambda: polars(cell(X, np.nan)),
    "missing": lambda: nulls(X),
    "text": lambda: pandas(X).astype(object).mask(X[0, 1] == X, "a"),
}


@at_doors(BAD_FRAMES, DOORS, elsewhere=REFUSING)
def test_frames_with_something_missing_or_text(place, door, kind):
    words = "X contains NaN" if door in FACE else "expected"
    if kind == "text":
        words = "could not convert" if door in FACE else NO_NUMBERS
    refused(door, words, BAD_FRAMES[kind](), Y, None)


@pytest.mark.parametrize("door", FACE)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_with_dates(door, library):
    module = pytest.importorskip(library)
    dates = np.arange(M).astype("M8[D]").astype("M8[us]")
    for other in ({}, {"a": X[0]}, {"dtype": X[0]}):
        table = module.DataFrame({**other, "when": dates})
        with pytest.raises(xpnn.ArgumentTypeError, match=r"X: expected real numbers, found dtype"):
            FACE[door](_Rows(table), Y, None)


class _Rows:
    """A frame that is in rows already."""

    def __init__(self, frame):
        self.transpose = lambda: frame


@pytest.mark.parametrize("door", [*CORE, *COURSE])
def test_sparse_columns_are_refused(place, door):
    for make in (scipy.sparse.csr_array, scipy.sparse.coo_matrix):
        words = r"X(_train)?: expected a dense array, found a sparse one .*X(_train)?\.toarray\(\)"
        refused(door, words, make(X), Y, None)
        refused(door, r"Y(_train)?: expected a dense", X, make(Y), None)


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("spec", ["torch", "jax"])
def test_sparse_arrays_of_torch_and_jax(door, spec):
    with xpnn.use_backend(spec) as backend:
        if spec == "torch":
            made = [backend.asarray(X).to_sparse(), backend.asarray(X).to_sparse_csr()]
            made = [_Rows(a) if door in FACE else a for a in made]
        else:
            made = [pytest.importorskip("jax.experimental.sparse").BCOO.fromdense(X)]
        for sparse in made:
            words = r"X(_train)?: expected a dense array, found a sparse one .*dense\(\)"
            refused(door, words, sparse, Y, None)


BAD_Y = {
    # Y, words of core and course, of the regressor, of the classifiers (None: taken, a class more)
    "NaN": (cell(Y, np.nan), r"Y(_train)?: expected finite", "y contains NaN", "y contains NaN"),
    "infinity": (cell(Y, np.inf), r"Y(_train)?: expected finite", "y contains inf", "contains inf"),
    "label 2": (cell(Y, 2), r"Y(_train)?: expected .*0 (to|and) 1.*found .*0 to 2", None, None),
    "label 2.0": (cell(Y, 2.0), r"Y(_train)?: expected .*0 (to|and) 1.*found .*0 to 2", None, None),
    "label -1": (cell(Y, -1), r"Y(_train)?: expected .*found .*-1 to 1", None, None),
    "±1": (2.0 * Y - 1.0, r"Y(_train)?: expected .*found .*-1 to 1", None, None),
    "complex": (Y * 1j, r"Y(_train)?: expected real", "Complex data", "Complex data"),
    "text": (np.asarray(["a", "b"])[Y], r"Y(_train)?: expected real", "could not convert", None),
    "object": (
        np.full(Y.shape, None),
        r"Y(_train)?: expected real",
        "8 of 8 missing",
        "8 of 8 missing",
    ),
    "dates": (Y.astype("M8[D]"), r"Y(_train)?: expected real", "expected real numbers", None),
    "masked": (np.ma.masked_array(Y, Y > 0), "without a mask", "y: .*a mask", "y: .*a mask"),
    "empty": (Y[:, :0], r"Y(_train)?: expected", r"0 sample|inconsist", r"0 sample|inconsist"),
    "too few": (Y[:, :4], r"Y(_train)?: expected", "inconsistent numbers", "inconsistent numbers"),
    "nothing": (None, r"Y(_train)?: expected real", "y is None", "y is None"),
    "rank 1": (Y[0], r"Y(_train)?: expected shape .*found \(8,\)", None, None),
    "transposed": (Y.T, r"Y(_train)?: expected .*\(8, 1\).*", "inconsist", "inconsist|1d array"),
}


@at_doors(BAD_Y, DOORS, elsewhere=REFUSING)
def test_bad_Y(place, door, kind):
    bad, ours, regressors, classifiers = BAD_Y[kind]
    words = ours
    if door in FACE:
        words = regressors if door == "MLPRegressor" else classifiers
    if words is not None:
        refused(door, words, X, bad, None)
    else:
        assert all(len(on_host(a)) for a in DOORS[door](X, bad, None))


BAD_WEIGHTS = {
    "NaN": (cell(WEIGHTS, np.nan), "expected finite", "sample_weight contains NaN"),
    "infinity": (cell(WEIGHTS, np.inf), "expected finite", "sample_weight contains infinity"),
    "negative": (cell(WEIGHTS, -1.0), "of at least 0", "of at least 0, found -1"),
    "zeros": (0 * WEIGHTS, "at least one non-zero", "at least one non-zero"),
    "text": (np.full((1, M), "a"), "expected real numbers", "could not convert"),
    "complex": (WEIGHTS * 1j, "expected real numbers", "Complex data not supported"),
    "masked": (np.ma.masked_array(WEIGHTS, WEIGHTS > 1), "without a mask", "without a mask"),
    "too few": (WEIGHTS[:, :4], r"expected shape \(1, 8\)", "sample_weight.shape"),
}


@at_doors(BAD_WEIGHTS, ["Network", "fit", *FACE])
def test_bad_weights(place, door, kind):
    bad, ours, face = BAD_WEIGHTS[kind]
    refused(door, face if door in FACE else f"sample_weight: .*{ours}", X, Y, bad)


@pytest.mark.parametrize("door", [*CORE, *COURSE])
def test_numbers_too_large_for_the_dtype(door):
    """JAX without 64 bits, and every library in float32, has no 1e300."""
    words = r"X(_train)?: expected finite .*as float32"
    if door in CORE:
        refused(door, words, cell(X, 1e300), Y, None)
        refused(door, words, cell(X, np.longdouble("1e4000")), Y, None)
    else:
        refused(door, "as float64", cell(X, np.longdouble("1e4000")), Y, None)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_too_large_for_a_step_length(dtype):
    """What 1/L, the automatic learning rate, cannot be made of."""
    large = X * {"float32": 1e15, "float64": 1e160}[dtype]
    model = xpnn.LogisticRegression(dtype=dtype)
    with pytest.raises(xpnn.ArgumentError, match=rf"X: .*squares.*{dtype}.*StandardScaler"):
        model.fit(large.T, Y[0])


# ---- features at predict ---------------------------------------------------------------------


@pytest.mark.slow("jax")
@pytest.mark.parametrize("n", [2, 4])
def test_another_number_of_features_at_predict(place, n):
    other = np.ones((n, M))
    params = NET.init(rng=0)
    with pytest.raises(xpnn.ArgumentError, match=rf"X: expected shape \(3, m\), found \({n}, 8\)"):
        NET.predict(params, other)
    for make in (xpnn.MLPClassifier, xpnn.MLPRegressor, xpnn.LogisticRegression):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = make(max_iter=1).fit(X.T, Y[0])
        for features in (other.T, place.asarray(other).T):
            with pytest.raises(ValueError, match=f"X has {n} features, but .*expecting 3 features"):
                model.predict(features)
    parameters = shallow.nn_model(X, Y, n_h=2, num_iterations=1, rng=0)
    for predict in (
        lambda: shallow.predict(parameters, other),
        lambda: deep.predict(other, Y, parameters),
        lambda: logistic.predict(np.ones((3, 1)), 0.0, other),
    ):
        with pytest.raises(xpnn.ArgumentError, match=r"X: expected shape \(3, m\)"):
            predict()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_at_predict(place, bad):
    """NaN > 0.5 is false: a label without a reason."""
    hole = cell(X, bad)
    parameters = shallow.initialize_parameters(3, 4, 1, rng=0)
    for predict in (
        lambda: NET.predict(NET.init(rng=0), hole),
        lambda: shallow.predict(parameters, hole),
        lambda: deep.predict(hole, Y, parameters),
        lambda: logistic.predict(np.ones((3, 1)), 0.0, hole),
        lambda: logistic.propagate(np.ones((3, 1)), 0.0, hole, Y),
    ):
        with pytest.raises(xpnn.ArgumentError, match="X: expected finite numbers, found 1 of 24"):
            predict()


# ---- parameters ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda a: np.ma.masked_array(a, a > 0), r"W\[1\]: expected a plain .*MaskedArray.*filled"),
        (matrix, r"W\[1\]: expected a plain array, found matrix; pass numpy.asarray"),
        (lambda a: a.astype(np.float16), "float32 or float64, found float16"),
        (lambda a: a.astype(np.longdouble), "float32 or float64, found (float128|longdouble)"),
        (lambda a: a.astype(">f4"), "float32 or float64, found >f4"),
    ],
    ids=["masked", "matrix", "float16", "longdouble", "big-endian"],
)
def test_parameters_are_plain_arrays(make, words):
    params = tuple(xpnn.Layer(*map(make, layer)) for layer in NET.init(rng=0))
    for call in (lambda: NET.predict(params, X), lambda: xpnn.fit(NET, params, X, Y)):
        with pytest.raises(xpnn.ArgumentTypeError, match=words):
            call()


def test_half_precision_of_torch():
    torch = pytest.importorskip("torch")
    with xpnn.use_backend("torch") as backend:
        params = NET.init(rng=0)
        for dtype in (torch.float16, torch.bfloat16):
            half = backend.asarray(X).to(dtype)
            expected = NET.forward(params, X)[0]
            X_here = half.float()
            assert (NET.forward(params, half)[0] == NET.forward(params, X_here)[0]).all()
            assert expected.dtype == torch.float32
            halves = tuple(xpnn.Layer(W.to(dtype), b.to(dtype)) for W, b in params)
            with pytest.raises(xpnn.ArgumentTypeError, match="float32 or float64, found"):
                NET.forward(halves, X)
            for told in (None, "numpy"):
                model = xpnn.LogisticRegression(backend=told, tol=1e9).fit(half.T, Y[0])
                assert model.predict(half.T).dtype == torch.int64


# ---- two libraries in one call ---------------------------------------------------------------


DEVICES = ("array_api_strict:device1", "array_api_strict:device2")
OTHERS = [("numpy", "torch"), ("torch", "jax"), ("jax", "torch"), DEVICES]


@pytest.mark.parametrize("specs", OTHERS, ids=" and ".join)
@pytest.mark.parametrize("which", ["X", "Y", "sample_weight", "validation"])
def test_fit_refuses_arrays_of_another_library(specs, which):
    here, there = specs
    with xpnn.use_backend(there) as other:
        foreign = {"X": other.asarray(X), "Y": other.asarray(Y), "s": other.asarray(WEIGHTS)}
    with xpnn.use_backend(here):
        params = NET.init(rng=0)
        given = {"X": X, "Y": Y, "sample_weight": WEIGHTS}
        name = which
        if which == "validation":
            given["validation"], name = (foreign["X"], Y), "X"
        else:
            given[which] = foreign[which[:1]]
        words = rf"{name} is on {there}.*but params on {here}.*Move it: with xpnn.use_backend"
        with pytest.raises(xpnn.ArgumentTypeError, match=words):
            xpnn.fit(NET, params, **given)


# ---- learning rates and batches --------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.0, -1.0, np.nan, np.inf])
def test_bad_learning_rates(rate):
    ours = "learning_rate: expected a finite number above 0"
    for make in ("gradient_descent", "momentum", "rmsprop", "adam"):
        with pytest.raises(xpnn.ArgumentError, match=ours):
            xpnn.fit(NET, NET.init(), X, Y, optimizer=getattr(xpnn.optimizers, make)(rate))
    for make in (xpnn.MLPClassifier, xpnn.MLPRegressor):
        with pytest.raises(ValueError, match="'learning_rate_init' parameter"):
            make(learning_rate_init=rate).fit(X.T, Y[0])
    with pytest.raises(ValueError, match="'learning_rate' parameter"):
        xpnn.LogisticRegression(learning_rate=rate).fit(X.T, Y[0])
    for train in (
        lambda: shallow.nn_model(X, Y, 4, 3, rate, rng=0),
        lambda: deep.L_layer_model(X, Y, (3, 1), rate, 3, rng=0),
        lambda: logistic.model(X, Y, X, Y, 3, rate),
    ):
        with pytest.raises(xpnn.ArgumentError, match=ours):
            train()


@pytest.mark.slow("jax")
@pytest.mark.parametrize("rate", [1e30, 1e39, 1e300])
def test_huge_learning_rates_diverge(place, rate):
    """Named as divergence, whether or not float32 has the number; no warning of a library."""
    net = xpnn.Network([3, 4, 1], hidden="identity", output="identity")
    for make in (xpnn.optimizers.gradient_descent, xpnn.optimizers.adam, xpnn.optimizers.rmsprop):
        with pytest.raises(xpnn.DivergenceError, match=r"diverged in epoch \d+.*learning rate"):
            xpnn.fit(net, net.init(rng=0), X, Y, epochs=4, optimizer=make(rate))
    model = xpnn.MLPRegressor(
        dtype="float32", learning_rate_init=rate, max_iter=9, activation="tanh"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            model.fit(X.T, Y[0])
        except xpnn.DivergenceError as error:
            assert "learning_rate_init" in str(error)  # noqa: PT017
        else:
            assert np.isfinite(on_host(model.coefs_[0])).all()


def test_divergence_in_the_last_step_of_the_notes_models():
    for rate in (1e300, 1e308):
        with pytest.raises(xpnn.DivergenceError, match="diverged in epoch"):
            logistic.model(X * 1e30, Y, X, Y, 1, rate)


@pytest.mark.slow("jax")
def test_a_penalty_too_large_for_float32(place):
    with pytest.raises(xpnn.DivergenceError, match="diverged in epoch 1"):
        xpnn.fit(NET, NET.init(rng=0), X, Y, l2=1e300)
    assert np.isinf(float(NET.cost(NET.init(rng=0), X, Y, l2=1e300)))


@pytest.mark.parametrize("size", [0, -1, 2.5, "all", np.nan])
def test_bad_batch_sizes(size):
    with pytest.raises(xpnn.XpnnError, match="batch_size: expected a positive integer"):
        xpnn.fit(NET, NET.init(), X, Y, batch_size=size)
    for make in (xpnn.MLPClassifier, xpnn.MLPRegressor):
        with pytest.raises(ValueError, match="'batch_size' parameter"):
            make(batch_size=size).fit(X.T, Y[0])


@pytest.mark.slow("jax")
def test_a_batch_larger_than_the_data_is_the_full_batch(place):
    params = NET.init(rng=0)
    large, _ = xpnn.fit(NET, params, X, Y, epochs=3, batch_size=10**12)
    full, _ = xpnn.fit(NET, params, X, Y, epochs=3, batch_size=None)
    for a, b in zip(to_numpy(place, large), to_numpy(place, full), strict=True):
        np.testing.assert_array_equal(a.W, b.W)


# ---- absurd sizes ----------------------------------------------------------------------------


ABSURD = [(10**12,), (10**6, 10**6), (2**62, 2**62), (10**30,), (np.int64(10**18),)]


@pytest.mark.parametrize("hidden", ABSURD, ids=str)
def test_absurd_layers_are_refused_before_memory_is_asked_for(place, hidden):
    words = "expected layers whose parameters fit into the memory .* GB.* GB.* use fewer units"
    for weights in ("he", "zeros"):
        with pytest.raises(xpnn.ArgumentError, match=f"sizes: {words}"):
            xpnn.Network([3, *hidden, 1], output="sigmoid").init(weights=weights)
    for make in (xpnn.MLPClassifier, xpnn.MLPRegressor):
        with pytest.raises(xpnn.ArgumentError, match=f"hidden_layer_sizes: {words}"):
            make(hidden_layer_sizes=hidden).fit(X.T, Y[0])
    with pytest.raises(xpnn.ArgumentError, match=f"layers_dims: {words}"):
        deep.L_layer_model(X, Y, (3, *hidden, 1))
    with pytest.raises(xpnn.ArgumentError, match=f"layers_dims: {words}"):
        shallow.nn_model(X, Y, n_h=int(hidden[0]) ** 2)


def test_the_memory_of_the_machine_is_the_limit(monkeypatch):
    """16 bytes a parameter: drawn in float64, and scaled."""
    net = xpnn.Network([9, 10, 1], output="sigmoid")  # 10 (9 + 1) + 1 (10 + 1) parameters
    assert 2**24 < memory.host_memory() < 2**50
    for there, fits in ((16 * 111, True), (16 * 111 - 1, False)):
        monkeypatch.setattr(memory, "host_memory", lambda there=there: there)
        if fits:
            assert len(net.init()) == 2
        else:
            with pytest.raises(xpnn.ArgumentError, match=r"found \[9, 10, 1\] with 111 parameters"):
                net.init()


# ---- the command line ------------------------------------------------------------------------


def train(tmp_path, capsys, X, y, *options):
    """Run ``xpnn train`` on arrays; return its status, its costs, and what it says is wrong."""
    for name, a in (("X", X), ("y", y)):
        np.save(tmp_path / f"{name}.npy", a, allow_pickle=True)
    where = [str(tmp_path / name) for name in ("X.npy", "y.npy")]
    output = ["-o", str(tmp_path / "m.safetensors"), "--json", "--epochs", "2", "--hidden", "4"]
    try:
        status = main(["train", *where, *output, "--test-size", "0", *options])
    except SystemExit as stopped:
        status = stopped.code
    printed = capsys.readouterr()
    return status, json.loads(printed.out)["cost"] if status == 0 else None, printed.err


SHELL_TAKEN = [kind for kind in TAKEN if kind not in ("a list of lists", "pandas", "polars")]


@pytest.mark.parametrize("kind", SHELL_TAKEN)
def test_the_shell_takes_the_same_numbers(place, kind, tmp_path, capsys):
    options = ["--backend", place.spec]
    expected = train(tmp_path, capsys, X.T, Y[0], *options)
    found = train(tmp_path, capsys, TAKEN[kind](X.T), TAKEN[kind](Y)[0], *options)
    assert found == expected
    assert found[0] == 0


SHELL_BAD_X = {
    "NaN": (cell(X, np.nan), "expected finite numbers, found others, in 1 rows; remove"),
    "infinity": (cell(X, np.inf), "expected finite numbers, found others, in 1 rows; remove"),
    "too large": (cell(X, 1e300), r"numbers whose squares are finite, found 1e\+300; remove"),
    "rank 1": (X[0], r"expected one example a row.*of shape \(8,\)"),
    "transposed": (X.T, r"found 3 examples .*and 8 labels"),
    "empty": (X[:, :0], "found 0 examples"),
    "object": (X.astype(object), "expected whole arrays of numbers .*Python objects"),
    "text": (X.astype(str), "expected real numbers, found <U32"),
    "dates": (X.astype("M8[D]"), "expected real numbers, found datetime64"),
    "complex": (X * 1j, "expected real numbers, found complex128"),
}
SHELL_BAD_Y = {
    "NaN": (np.where(Y, np.nan, 0.0), "expected finite numbers, found 4 NaN"),
    "infinity": (np.where(Y, np.inf, 0.0), "finite numbers, found 4 NaN or infinite; remove"),
    "too large": (np.where(Y, 1e300, 0.0), r"expected classes, found 1e\+300; number the"),
    "object": (Y.astype(object), "expected whole arrays of numbers .*Python objects"),
    "complex": (Y * 1j, "expected numbers or text, found complex128"),
    "dates": (Y.astype("M8[D]"), "expected numbers or text, found datetime64"),
    "one class": (0 * Y, "expected at least two classes, found only 0"),
    "too few": (Y[:, :4], "found 8 examples .*and 4 labels"),
}


def refused_by_the_shell(tmp_path, capsys, X, y, words):
    status, _, said = train(tmp_path, capsys, X, y)
    assert status == 2
    assert re.fullmatch(rf"xpnn: error: .*{words}[^\n]*\n", said)
    assert not (tmp_path / "m.safetensors").exists()


@pytest.mark.parametrize("kind", SHELL_BAD_X)
def test_the_shell_refuses_X(kind, tmp_path, capsys):
    bad, words = SHELL_BAD_X[kind]
    refused_by_the_shell(tmp_path, capsys, bad.T, Y[0], words)


@pytest.mark.parametrize("kind", SHELL_BAD_Y)
def test_the_shell_refuses_y(kind, tmp_path, capsys):
    bad, words = SHELL_BAD_Y[kind]
    refused_by_the_shell(tmp_path, capsys, X.T, bad[0], words)


@pytest.mark.parametrize("labels", [[5, -3], ["yes", "no"], [0.0, 2.0], [True, False]], ids=str)
def test_the_shell_takes_labels_of_any_kind(labels, tmp_path, capsys):
    status, costs, _ = train(tmp_path, capsys, X.T, np.asarray(labels)[Y[0]])
    assert status == 0
    swapped = Y[0] if labels == sorted(labels) else 1 - Y[0]
    assert costs == train(tmp_path, capsys, X.T, swapped)[1]


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--learning-rate=0", "--learning-rate: expected a finite number above 0, found 0"),
        ("--learning-rate=-1", "--learning-rate: expected a finite number above 0, found -1"),
        ("--learning-rate=nan", "--learning-rate: expected a finite number above 0, found nan"),
        ("--learning-rate=1e300", "training diverged: .*lower --learning-rate"),
        ("--batch-size=0", "--batch-size: expected a positive integer, found 0"),
        ("--l2=nan", "--l2: expected a finite number"),
        ("--hidden=1000000000000", "hidden_layer_sizes: expected layers whose parameters fit"),
        ("--hidden=1000000,1000000", "hidden_layer_sizes: expected layers whose parameters fit"),
    ],
)
@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_the_shell_refuses_options(backend, option, words, tmp_path, capsys):
    status, _, said = train(tmp_path, capsys, X.T, Y[0], option, "--backend", backend)
    assert status == 2
    assert re.fullmatch(rf"xpnn: error: {words}[^\n]*\n", said)


def test_the_shell_takes_a_batch_larger_than_the_data(tmp_path, capsys):
    large, full = (
        train(tmp_path, capsys, X.T, Y[0], f"--batch-size={size}") for size in (10**9, M)
    )
    assert large == full
    assert large[0] == 0
