"""The notes' own functions: published numbers, where they run, what they refuse, what they equal.

``published.json`` has, for a function of `xpnn.course`, its arguments (``in``), what it must
return (``out``, by the place in what it returns) and how exactly that was published. A dict
of the places 0, 1, … is a tuple there.
"""

import json
import re
from itertools import pairwise
from pathlib import Path

import array_api_compat.numpy as numpy_xp
import numpy as np
import pytest

import xpnn
from tests.helpers import read_only
from xpnn import course, optimizers
from xpnn._backends.numpy import NumpyBackend
from xpnn._backends.selection import resolve
from xpnn.course import basics, deep, improving, logistic, shallow

PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text())
TRAINING = {"shallow.nn_model"}  # in test_course_training
SIZES = {"layer_dims", "layers_dims"}  # lists that are no arrays


def place(tree, array):
    """Turn the lists of a tree into arrays, and dicts of places into tuples."""
    if isinstance(tree, dict):
        tree = {k: v if k in SIZES else place(v, array) for k, v in tree.items()}
        return tuple(tree.values()) if "0" in tree else tree
    return array(tree) if isinstance(tree, list | np.ndarray) else tree


def on(backend, tree):
    """Place a tree on the backend, in its dtype; on NumPy nobody can write to it."""
    return place(tree, lambda x: backend.asarray(read_only(x, backend.dtype_name)))


def host(backend, tree):
    """Return a tree on the host; every array of it must be the backend's."""
    if isinstance(tree, dict):
        return {key: host(backend, value) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        return tuple(host(backend, value) for value in tree)
    if tree is None or isinstance(tree, str | int | float):
        return tree
    assert backend.owns(tree)
    return backend.to_numpy(tree)


def leaves(tree):
    """List the arrays of a tree."""
    if isinstance(tree, dict | tuple | list):
        values = tree.values() if isinstance(tree, dict) else tree
        return [leaf for value in values for leaf in leaves(value)]
    return [] if tree is None or isinstance(tree, str | int | float) else [tree]


def assert_close(found, expected, tolerance=1e-12):
    """Compare two trees of NumPy arrays and numbers."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        found, expected = zip(*((found[key], expected[key]) for key in expected), strict=True)
    if isinstance(expected, tuple | list):
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other, tolerance)
    else:
        assert np.shape(found) == np.shape(expected)
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def random_parameters(rng, *sizes):
    """Draw W1, b1, …: the biases are not 0, so that no Z lies on the kink of relu."""
    return {
        f"{symbol}{l}": rng.standard_normal(shape)
        for l, (n_prev, n) in enumerate(pairwise(sizes), 1)
        for symbol, shape in (("W", (n, n_prev)), ("b", (n, 1)))
    }


def slopes(J, theta, epsilon=1e-6):
    """Central differences of J by every entry of θ."""
    d = np.zeros_like(theta)
    for i in np.ndindex(theta.shape):
        shift = np.zeros_like(theta)
        shift[i] = epsilon
        d[i] = (J(theta + shift) - J(theta - shift)) / (2.0 * epsilon)
    return d


RNG = np.random.default_rng(7)
X, Y = RNG.standard_normal((3, 5)), np.asarray([[1, 0, 0, 1, 1]])
W, P = RNG.standard_normal((3, 1)), random_parameters(RNG, 3, 4, 1)

# ---- published numbers ----------------------------------------------------------------------


def with_loops(case):
    """Name the function of a case, and its twin that loops."""
    module, _, function = case.split()[0].partition(".")
    names = getattr(course, module).__all__
    return [f"{module}.{name}" for name in (function, f"loop_{function}") if name in names]


CASES = [(case, name) for case in PUBLISHED if case not in TRAINING for name in with_loops(case)]
OTHER_ORACLES = {
    *(f"basics.{name}" for name in ("relu", "tanh", "percentages", "exp", "loop_exp")),
    *("basics.matvec", "basics.loop_matvec"),
    *("logistic.initialize_with_zeros", "logistic.model", "shallow.layer_sizes"),
    *(f"deep.{name}" for name in ("relu_backward", "sigmoid_backward", "L_model_backward")),
    *("deep.L_layer_model", "deep.predict", "improving.initialize_velocity"),
    *("improving.initialize_adam", "improving.backward_propagation_with_regularization"),
}


def call(name, given):
    if name == "improving.gradient_check":  # of J(θ) = x θ
        x, *rest = given.values()
        return improving.gradient_check(lambda theta: x * theta, x, *rest)
    module, _, function = name.partition(".")
    return getattr(getattr(course, module), function)(**given)


def at(tree, path):
    for key in filter(None, path.split(".")):
        tree = tree[int(key) if key.isdigit() else key]
    return tree


@pytest.mark.slow("jax")
@pytest.mark.parametrize(("case", "name"), CASES)
def test_published_numbers(backend64, case, name):
    """The numbers come out, on the library that the arguments are of, and these stay."""
    published = PUBLISHED[case]
    given = on(backend64, published["in"])
    found = host(backend64, call(name, given))
    exact = backend64.name == "numpy"
    tolerance = {key: published[key] if exact else 1e-6 for key in ("rtol", "atol")}
    for path, expected in published["out"].items():
        value = np.asarray(at(found, path), np.float64)
        assert value.shape == np.shape(expected)
        np.testing.assert_allclose(value, np.asarray(expected, float), **tolerance, err_msg=path)
    before = place(published["in"], lambda x: np.asarray(x, np.float64))
    np.testing.assert_equal(host(backend64, given), before)


def test_no_published_case_is_forgotten():
    assert {case for case, _ in CASES} | TRAINING == PUBLISHED.keys()
    assert all(case["out"] for case in PUBLISHED.values())


def test_every_function_has_published_numbers_or_another_oracle_below():
    functions = {f"{m}.{name}" for m in course.__all__ for name in getattr(course, m).__all__}
    assert functions - {name for _, name in CASES} - TRAINING == OTHER_ORACLES


# ---- random numbers -------------------------------------------------------------------------

NOTEBOOKS = {  # what they write
    "small": lambda n, p: np.random.randn(n, p) * 0.01,  # noqa: NPY002
    "sqrt": lambda n, p: np.random.randn(n, p) / np.sqrt(p),  # noqa: NPY002
    "he": lambda n, p: np.random.randn(n, p) * np.sqrt(2.0 / p),  # noqa: NPY002
    0.3: lambda n, p: np.random.randn(n, p) * 0.3,  # noqa: NPY002
    "zeros": lambda n, p: np.zeros((n, p)),
}
SMALL = {
    "shallow": lambda rng: shallow.initialize_parameters(3, 4, 1, rng=rng),
    "deep": lambda rng: deep.initialize_parameters(3, 4, 1, rng=rng),
    "layers": lambda rng: deep.initialize_parameters_deep((3, 4, 1), rng=rng),
}
DRAWING = SMALL | {
    "batches": lambda rng: improving.random_mini_batches(X, Y, 2, rng=rng),
    "nn": lambda rng: shallow.nn_model(X, Y, 4, 3, rng=rng),
    "two_layer": lambda rng: deep.two_layer_model(X, Y, (3, 2, 1), num_iterations=3, rng=rng),
    "L_layer": lambda rng: deep.L_layer_model(X, Y, (3, 2, 1), num_iterations=3, rng=rng),
}


def seed(number):
    np.random.seed(number)  # noqa: NPY002 - as a notebook does


@pytest.mark.parametrize("scale", NOTEBOOKS)
def test_parameters_are_what_a_notebook_draws(backend64, scale):
    seed(5)
    weights = [NOTEBOOKS[scale](n, p) for p, n in ((3, 4), (4, 2), (2, 1))]
    for rng in (5, np.random.RandomState(5), None):
        seed(5 if rng is None else 0)
        found = host(backend64, deep.initialize_parameters_deep((3, 4, 2, 1), scale, rng=rng))
        for l, expected in enumerate(weights, 1):
            np.testing.assert_array_equal(found[f"W{l}"], expected)
            np.testing.assert_array_equal(found[f"b{l}"], np.zeros((len(expected), 1)))


@pytest.mark.parametrize("name", DRAWING)
def test_the_global_state_gives_the_numbers_of_its_seed(name):
    with xpnn.use_backend("numpy", "float64"):
        seed(3)
        np.testing.assert_equal(DRAWING[name](None), DRAWING[name](3))
        after = np.random.random()  # noqa: NPY002
        seed(3)
        assert after != np.random.random()  # noqa: NPY002 - None drew from the global state
        DRAWING[name](3)  # and a seed does not
        second = np.random.random()  # noqa: NPY002
        seed(3)
        np.testing.assert_equal(second, np.random.random(2)[1])  # noqa: NPY002


@pytest.mark.parametrize("name", SMALL)
def test_generators_are_drawn_from(name):
    expected = np.random.default_rng(4)
    rng = np.random.default_rng(4)
    with xpnn.use_backend("numpy", "float64"):
        for _ in range(2):  # the second call goes on where the first has stopped
            drawn = SMALL[name](rng)
            for W in (drawn["W1"], drawn["W2"]):
                np.testing.assert_array_equal(W, 0.01 * expected.standard_normal(W.shape))


@pytest.mark.parametrize("rng", ["3", 1.5, True, -1])
@pytest.mark.parametrize("name", DRAWING)
def test_what_is_no_rng_is_refused(name, rng):
    with pytest.raises(xpnn.ArgumentTypeError, match=r"rng: expected an int .*Generator"):
        DRAWING[name](rng)


# ---- where arrays are -----------------------------------------------------------------------


def there_and_back(X, Y, P):
    AL, caches = deep.L_model_forward(X, P)
    return deep.L_model_backward(AL, Y, caches)


def shallow_there_and_back(X, Y, P):
    return shallow.backward_propagation(P, shallow.forward_propagation(X, P)[1], X, Y)


def regularized(X, Y, P, lambd=0.7):
    AL, caches = deep.L_model_forward(X, P)
    A = [*(A_prev for (A_prev, _, _), _ in caches[1:]), AL]
    flat = [a for ((_, W, b), Z), A in zip(caches, A, strict=True) for a in (Z, A, W, b)]
    return improving.backward_propagation_with_regularization(X, Y, tuple(flat), lambd)


def adam_step(X, Y, P):
    v, s = improving.initialize_adam(P)
    return improving.update_parameters_with_adam(P, there_and_back(X, Y, P), v, s, 1)


EACH = {
    "softmax": lambda X, Y, P: basics.softmax(X),
    "image2vector": lambda X, Y, P: basics.image2vector(X[None, ...]),
    "loop_matvec": lambda X, Y, P: basics.loop_matvec(X, Y[0, ...]),
    "loop_propagate": lambda X, Y, P: logistic.loop_propagate(P["W1"][:1, :].T, 0.1, X, Y),
    "optimize": lambda X, Y, P: logistic.optimize(P["W1"][:1, :].T, 0.1, X, Y, 3),
    "shallow": shallow_there_and_back,
    "deep": there_and_back,
    "regularized": regularized,
    "adam": adam_step,
}
MODELS = {
    "logistic": lambda X, Y: logistic.model(X, Y, X, Y, 3),
    "shallow": lambda X, Y: shallow.nn_model(X, Y, 4, 3, rng=1),
    "two_layer": lambda X, Y: deep.two_layer_model(X, Y, (3, 4, 1), 0.1, 3, rng=1),
    "L_layer": lambda X, Y: deep.L_layer_model(X, Y, (3, 4, 2, 1), 0.1, 3, rng=1),
}
INITIAL = SMALL | {"zeros": lambda rng: logistic.initialize_with_zeros(3)}


def check_all_on(backend, tree):
    """Every array of the tree is of the backend's library, device and dtype."""
    assert leaves(tree)
    for array in leaves(tree):
        assert backend.owns(array)
        assert type(backend).of(array) == backend


def widest(backend, dtype="float64"):
    """The backend with this dtype, or with float32 where it has no float64."""
    has = backend.xp.__array_namespace_info__().dtypes(device=backend.device)
    return type(backend).create(backend.device_name, dtype if dtype in has else "float32")


@pytest.mark.slow("jax")
@pytest.mark.parametrize("name", EACH)
def test_arrays_stay_where_they_are(backend, name):
    """In their library, on their device, in their dtype, whatever is selected."""
    numpy = [NumpyBackend.create(dtype=dtype) for dtype in ("float32", "float64")]
    for own in (backend, widest(backend), *numpy):
        check_all_on(own, EACH[name](*on(own, {"0": X, "1": Y, "2": P})))


@pytest.mark.parametrize("name", INITIAL)
def test_new_parameters_are_on_the_selected_backend(backend, name):
    check_all_on(widest(backend), INITIAL[name](1))


@pytest.mark.slow("jax")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_models_train_host_data_on_the_selected_backend(backend, name, dtype):
    check_all_on(widest(backend, dtype), MODELS[name](read_only(X, dtype), read_only(Y)))


@pytest.mark.slow("jax")
@pytest.mark.parametrize("name", MODELS)
def test_models_train_data_of_a_device_there(backend, name):
    with xpnn.use_backend("numpy", "float64"):
        check_all_on(backend, MODELS[name](backend.asarray(X), backend.asarray(Y)))


@pytest.mark.slow("jax")
def test_host_data_join_arrays_of_a_device(backend64):
    W, b = P["W1"], P["b1"].tolist()
    Z, cache = deep.linear_forward(backend64.asarray(X), W, b)
    check_all_on(backend64, (Z, cache))
    assert_close(host(backend64, Z), P["W1"] @ X + P["b1"])
    grads, J = logistic.propagate([[0.0]] * 3, 0, backend64.asarray(X), Y.tolist())
    check_all_on(backend64, grads)
    assert_close(J, np.log(2.0))


def test_two_libraries_in_one_call_are_refused():
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")
    W, A, b = torch.ones((1, 3)), jax.numpy.ones((3, 5)), [[0.0]]
    with pytest.raises(xpnn.ArgumentTypeError, match=r"W is on torch:.* but A_prev on jax:"):
        deep.linear_forward(A, W, b)
    with pytest.raises(xpnn.ArgumentTypeError, match=r"dW1 is on jax:.* but W1 on torch:"):
        deep.update_parameters({"W1": W, "b1": b}, {"dW1": A, "db1": b}, 0.1)


def test_two_devices_in_one_call_are_refused():
    pytest.importorskip("array_api_strict")
    one, other = (resolve(f"array_api_strict:{d}", "float64") for d in ("CPU_DEVICE", "device1"))
    with pytest.raises(xpnn.ArgumentTypeError, match=r"y is on .*:device1.* yhat on .*CPU_DEVICE"):
        basics.L1(one.asarray([1.0]), other.asarray([1.0]))


def test_lists_and_numbers():
    assert basics.sigmoid(0) == 0.5
    assert_close(basics.relu([-1, 0, 3]), np.asarray([0.0, 0.0, 3.0]))
    assert deep.compute_cost([[0.5, 0.5]], [[1, 0]]) == pytest.approx(np.log(2.0))
    lists = {name: array.tolist() for name, array in P.items()}
    assert_close(adam_step(X.tolist(), Y.tolist(), lists), adam_step(X, Y, P), 0.0)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("dtype", ["uint8", "bool", "int64"])
@pytest.mark.parametrize("name", EACH)
def test_integers_and_booleans_are_cast(backend64, name, dtype):
    """Labels as numbers are not what unsigned or boolean arithmetic would make of them."""
    X, P_here = np.asarray([[3, 0, 1, 2, 5]] * 3), on(backend64, P)
    found = EACH[name](backend64.asarray(X), backend64.asarray(Y, dtype), P_here)
    expected = EACH[name](*on(backend64, {"0": X, "1": Y}), P_here)
    if name != "image2vector":  # which keeps the dtype of the image
        check_all_on(backend64, found)
    np.testing.assert_equal(host(backend64, found), host(backend64, expected))


@pytest.mark.parametrize("name", MODELS)
def test_models_take_labels_of_any_type(name):
    with xpnn.use_backend("numpy", "float64"):
        expected = MODELS[name](X, Y.astype(np.float64))
        for dtype in (np.uint8, bool):
            np.testing.assert_equal(MODELS[name](X, Y.astype(dtype)), expected)


# ---- what is refused ------------------------------------------------------------------------

AL, CACHES = deep.L_model_forward(X, P)
GRADS, V = deep.L_model_backward(AL, Y, CACHES), improving.initialize_velocity(P)
SHALLOW = shallow.forward_propagation(X, P)[1]
A1, W2, ODD = CACHES[1][0][0], P["W2"], {name: P[name] for name in ("W1", "b1", "W2")}
FLAT = (CACHES[0][1], A1, P["W1"], P["b1"], CACHES[1][1], AL, W2, P["b2"])
COST, BACKWARD = (getattr(improving, name) for name in improving.__all__[:2])
MOMENTUM, ADAM = improving.update_parameters_with_momentum, improving.update_parameters_with_adam
nan = float("nan")
REFUSED = [
    (logistic.propagate, (W, 0.0, X[0], Y), "X: expected shape (3, m), found (5,)"),
    (logistic.propagate, (W, 0.0, X.T, Y), "X: expected shape (3, m), found (5, 3)."),
    (
        logistic.propagate,
        (W, 0.0, X, Y[0]),
        "Y: expected shape (n, m), a column an example, found (5,)",
    ),
    (logistic.loop_propagate, (W, 0.0, X, Y.T), "Y: expected shape (1, 5), found (5, 1)"),
    (logistic.predict, (W[:, 0], 0.0, X), "w: expected shape (3, 1), found (3,)"),
    (logistic.optimize, (W, 0.0, X, Y, 0), "num_iterations: expected a positive integer"),
    (logistic.optimize, (W, 0.0, X, Y, -3), "expected a positive integer, found -3"),
    (logistic.optimize, (W, 0.0, X, Y, 3, 0), "learning_rate: expected a finite number above 0"),
    (logistic.model, (X[0], Y, X, Y), "X_train: expected shape (n, m), a column an example"),
    (logistic.model, (X, Y[0], X, Y), "labels with Y_train.reshape(1, -1)"),
    (
        logistic.model,
        (X, Y, X.T, Y),
        "X_test: expected 5 columns, one an example as in Y_test, found shape (5, 3)",
    ),
    (
        logistic.model,
        (X, Y, X, Y.T),
        "Y_test: expected 5 columns, one an example as in X_test, found shape (5, 1)",
    ),
    (shallow.layer_sizes, (X, Y[0]), "Y: expected shape (n, m), a column an example, found (5,)"),
    (shallow.forward_propagation, (X.T, P), "X: expected shape (3, m), found (5, 3). One example"),
    (shallow.forward_propagation, (X, {**P, "b1": W}), "b1: expected shape (4, 1), found (3, 1)"),
    (shallow.forward_propagation, (X, ODD), "expected W1, b1, W2, b2, …, one pair a layer"),
    (shallow.forward_propagation, (X, {"W1": W.T, "b1": W[:1]}), "expected two layers, W1, b1, W2"),
    (shallow.compute_cost, (AL, Y[:, :2]), "Y: expected shape (1, 5), found (1, 2)"),
    (shallow.backward_propagation, ({}, SHALLOW, X, Y), "parameters: expected W2, found none"),
    (shallow.backward_propagation, (P, {"A2": AL}, X, Y), "cache: expected A1, A2, found A2"),
    (shallow.backward_propagation, (P, SHALLOW, X[0], Y), "X: expected shape (n, m), a column"),
    (shallow.backward_propagation, (P, SHALLOW, X, Y[:, :2]), "Y: expected shape (1, 5)"),
    (shallow.backward_propagation, ({"W2": W}, SHALLOW, X, Y), "W2: expected shape (1, 4)"),
    (
        shallow.nn_model,
        (X, Y[:, :2], 4),
        "Y: expected 5 columns, one an example as in X, found shape (1, 2)",
    ),
    (shallow.nn_model, (X, Y, 4, 3, nan), "learning_rate: expected a finite number above 0"),
    (deep.linear_forward, (X, W2, P["b2"]), "W: expected shape (n, 3), as A_prev has 3 rows"),
    (deep.linear_forward, (X, P["W1"], P["b2"]), "b: expected shape (4, 1), found (1, 1)"),
    (deep.linear_activation_forward, (X, W.T, W[:1], "rlu"), "unknown activation 'rlu'"),
    (deep.L_model_forward, (X[0], P), "X: expected shape (n, m), a column an example, found (5,)"),
    (deep.L_model_forward, (X, {**P, "W2": W}), "W2: expected shape (n, 4), as layer 1 has 4"),
    (deep.L_model_forward, (X, ODD), "one pair a layer, found W1, b1, W2."),
    (deep.linear_backward, (AL, CACHES[1]), "cache: expected a tuple (A_prev, W, b), found 2"),
    (deep.linear_backward, (AL.T, (A1, W, None)), "A_prev: expected shape (4, 1), found (4, 5)"),
    (deep.linear_backward, (X, (A1, W2, None)), "W: expected shape (3, 4), found (1, 4)"),
    (deep.linear_activation_backward, (AL, X, "relu"), "a tuple (linear_cache, Z), found ndarray"),
    (deep.relu_backward, (X, X.T), "dA: expected shape (5, 3), found (3, 5)"),
    (deep.L_model_backward, (AL, Y[0], CACHES), "labels with Y.reshape(1, -1)"),
    (deep.L_model_backward, (AL, Y, []), "caches: expected one cache a layer"),
    (deep.update_parameters, (P, {"dW1": W}, 1), "grads: expected dW1, db1, dW2, db2, found dW1."),
    (deep.update_parameters, (P, {**GRADS, "dW1": X}, 1), "dW1: expected shape (4, 3)"),
    (deep.update_parameters, (P, GRADS, nan), "learning_rate: expected a finite number above 0"),
    (deep.two_layer_model, (X, Y, (3, 1)), "layers_dims: expected (n_x, n_h, n_y), found (3, 1)"),
    (deep.L_layer_model, (X, Y, (3,)), "expected at least inputs and outputs, like (64, 10)"),
    (deep.L_layer_model, (X, Y, (5, 2, 1)), "X: expected shape (5, m), found (3, 5)"),
    (deep.L_layer_model, (X, Y, (3, 2, 2)), "Y: expected shape (2, 5), found (1, 5)"),
    (deep.L_layer_model, (X, Y, (3, 1), 0.1, 0), "num_iterations: expected a positive integer"),
    (deep.initialize_parameters_deep, ((3, 1), "hee"), "unknown scale 'hee'"),
    (deep.predict, (X, Y[0], P), "Y: expected shape (1, 5), found (5,)"),
    (COST, (AL, Y, P, -1.0), "lambd: expected a finite number of at least 0, found -1"),
    (BACKWARD, (X, Y, FLAT[:3], 0.1), "cache: expected a flat tuple (Z1, A1, W1, b1, Z2, A2, W2"),
    (BACKWARD, (X[:2], Y, FLAT, 0.1), "X: expected shape (3, m), found (2, 5)"),
    (BACKWARD, (X, Y.T, FLAT, 0.1), "Y: expected shape (1, 5), found (5, 1)"),
    (improving.random_mini_batches, (X, Y, 0), "mini_batch_size: expected a positive integer"),
    (improving.random_mini_batches, (X, Y[:, :2]), "Y: expected shape (1, 5), found (1, 2)"),
    (improving.initialize_adam, (ODD,), "parameters: expected W1, b1, W2, b2, …"),
    (MOMENTUM, (P, GRADS, {}, 0.9, 0.1), "v: expected dW1, db1, dW2, db2, found none"),
    (ADAM, (P, GRADS, V, {"dW1": W}, 1), "s: expected dW1, db1, dW2, db2, found dW1"),
    (ADAM, (P, GRADS, V, V, 0), "t: expected a positive integer"),
    (improving.gradient_check, (len, {"dW1": X}, P), "gradients: expected dW1, db1, dW2, db2"),
    (improving.gradient_check, (len, X, W), "gradients: expected shape (3, 1), found (3, 5)"),
    (basics.softmax, (X[0],), "x: expected an array of 2 dimensions, found shape (5,)"),
    (basics.image2vector, (X,), "image: expected shape (h, w, c), or (m, h, w, c) for several"),
    (basics.L2, (Y, Y[0]), "y: expected shape (1, 5), found (5,); it must fit the other argument"),
    (
        basics.loop_dot,
        (X[0], W[:, 0]),
        "b: expected shape (5,), found (3,); it must fit the other argument",
    ),
    (
        basics.matvec,
        (X, X[0, :2]),
        "v: expected shape (5,), found (2,); it must fit the other argument",
    ),
]


@pytest.mark.parametrize("refused", REFUSED, ids=[f"{f.__name__}: {m}" for f, _, m in REFUSED])
def test_what_does_not_fit_is_refused(refused):
    function, arguments, message = refused
    with pytest.raises(xpnn.ArgumentError, match=re.escape(message)):
        function(*arguments)


@pytest.mark.parametrize("propagate", [logistic.propagate, logistic.loop_propagate])
def test_b_must_be_a_number(propagate):
    with pytest.raises(xpnn.ArgumentTypeError, match="b: expected a number, found 'x'"):
        propagate(W, "x", X, Y)


# ---- basics and logistic regression against other computations ------------------------------


LOOPS = {
    "dot": (np.dot, (9,), (9,)),
    "outer": (np.outer, (4,), (6,)),
    "multiply": (np.multiply, (9,), (9,)),
    "matvec": (np.matmul, (4, 6), (6,)),
    "exp": (np.exp, (9,)),
}


@pytest.mark.parametrize("name", LOOPS)
def test_loops_equal_their_twins(backend64, rng, name):
    oracle, *shapes = LOOPS[name]
    given = on(backend64, {str(i): rng.standard_normal(shape) for i, shape in enumerate(shapes)})
    for prefix in ("loop_", ""):
        found = getattr(basics, prefix + name)(*given)
        assert_close(host(backend64, found), oracle(*host(backend64, given)))


@pytest.mark.slow("jax")
def test_elementary_functions(backend64, rng):
    z = rng.standard_normal((3, 4)) * 3.0
    a = 100.0 * rng.uniform(size=(3, 4))
    z_here, a_here = on(backend64, {"0": z, "1": a})
    assert_close(host(backend64, basics.relu(z_here)), np.maximum(z, 0.0))
    assert_close(host(backend64, basics.tanh(z_here)), np.tanh(z))
    assert_close(host(backend64, basics.percentages(a_here)), 100.0 * a / a.sum(axis=0))
    images = rng.integers(0, 256, (5, 2, 3, 3), np.uint8)
    columns = host(backend64, basics.image2vector(backend64.asarray(images)))
    np.testing.assert_array_equal(columns, images.reshape(5, -1).T)
    assert columns.dtype == np.uint8
    assert shallow.layer_sizes(z_here, a_here[:2, :]) == (3, 4, 2)


def test_huge_numbers_do_not_overflow(backend64):
    x = backend64.asarray([[1e300, -1e300, 0.0], [800.0, 799.0, -1e5], [-1e9, -1e9, -1e9]])
    rows = host(backend64, basics.softmax(x))
    e = np.exp(-1.0)
    expected = [[1.0, 0.0, 0.0], [1.0 / (1.0 + e), e / (1.0 + e), 0.0], [1 / 3, 1 / 3, 1 / 3]]
    assert_close(rows, np.asarray(expected))
    assert_close(host(backend64, basics.sigmoid(x[0, ...])), np.asarray([1.0, 0.0, 0.5]))
    flat = host(backend64, basics.sigmoid_derivative(x[0, ...]))
    assert_close(flat, np.asarray([0.0, 0.0, 0.25]))


@pytest.mark.slow("jax")
def test_loop_propagate_equals_propagate(backend64, rng):
    X, Y = rng.standard_normal((6, 11)), rng.integers(0, 2, (1, 11))
    given = on(backend64, {"0": rng.standard_normal((6, 1)), "1": 0.3, "2": X, "3": Y})
    (grads, J), (twin, J_twin) = logistic.loop_propagate(*given), logistic.propagate(*given)
    assert_close(host(backend64, (grads, J)), host(backend64, (twin, J_twin)))
    w, b, *_ = host(backend64, given)
    dw = slopes(lambda w: logistic.propagate(w, b, X, Y)[1], w)
    assert_close(host(backend64, twin["dw"]), dw, 1e-8)


@pytest.mark.parametrize("num_iterations", [1, 100, 201, 205])
def test_optimize_equals_steps_by_hand(backend64, num_iterations):
    """``grads`` are those before the last update, and so is every cost before its own."""
    w, b, alpha, costs = W, 0.5, 0.1, []
    for _ in range(num_iterations):
        grads, J = logistic.propagate(w, b, X, Y)
        costs.append(J)
        w, b = w - alpha * grads["dw"], b - alpha * grads["db"]
    given = on(backend64, {"0": W, "1": 0.5, "2": X, "3": Y})
    found = host(backend64, logistic.optimize(*given, num_iterations, alpha))
    assert_close(found, ({"w": w, "b": b}, grads, costs[::100]))


@pytest.mark.slow("jax")
def test_logistic_model_is_optimize_from_zeros_and_two_predictions(backend64, capsys):
    X_here, Y_here = on(backend64, {"0": X, "1": Y})
    d = logistic.model(X_here, Y_here, X_here[:, :2], Y_here[:, :2], 150, 0.1, print_cost=True)
    params, _, costs = logistic.optimize(*logistic.initialize_with_zeros(3), X, Y, 150, 0.1)
    w, b = host(backend64, params["w"]), params["b"]
    predicted = (w.T @ X + b > 0.0) * 1.0
    expected = {"costs": costs, "w": w, "b": b, "learning_rate": 0.1, "num_iterations": 150}
    expected |= {"Y_prediction_train": predicted, "Y_prediction_test": predicted[:, :2]}
    assert_close(host(backend64, d), expected)
    printed = capsys.readouterr().out
    assert f"Cost after iteration 100: {costs[1]:.6f}\n" in printed
    assert f"train accuracy: {(predicted == Y).mean():.2%}\n" in printed
    assert f"test accuracy: {(predicted == Y)[:, :2].mean():.2%}\n" in printed


# ---- deep networks against other computations -----------------------------------------------


def backward_by_hand(AL, Y, caches):
    """The equations of backward propagation in NumPy, from dAL."""
    dA, m, grads = -Y / AL + (1.0 - Y) / (1.0 - AL), Y.shape[1], {}
    for l in range(len(caches), 0, -1):
        (A_prev, W, _), Z = caches[l - 1]
        a = 1.0 / (1.0 + np.exp(-Z))
        dZ = dA * (a * (1.0 - a) if l == len(caches) else Z > 0.0)
        dA = W.T @ dZ
        grads |= {f"dA{l - 1}": dA, f"dW{l}": dZ @ A_prev.T / m}
        grads[f"db{l}"] = dZ.sum(axis=1, keepdims=True) / m
    return grads


@pytest.mark.slow("jax")
@pytest.mark.parametrize("sizes", [(3, 1), (3, 4, 1), (3, 5, 4, 2)])
def test_backward_propagation_equals_the_networks(backend64, rng, sizes):
    """From the real output; and through dAL from one that is not σ(ZL)."""
    Y = rng.integers(0, 2, (sizes[-1], 5))
    X_here, Y_here, P = on(backend64, {"0": X, "1": Y, "2": random_parameters(rng, *sizes)})
    AL, caches = deep.L_model_forward(X_here, P)
    grads = host(backend64, deep.L_model_backward(AL, Y_here, caches))
    layers = tuple(xpnn.Layer(P[f"W{l}"], P[f"b{l}"]) for l in range(1, len(sizes)))
    net = xpnn.Network(sizes, hidden="relu", output="sigmoid")
    for l, layer in enumerate(net.gradients(layers, X_here, Y_here), 1):
        assert_close((grads[f"dW{l}"], grads[f"db{l}"]), host(backend64, tuple(layer)))
    other = rng.uniform(0.1, 0.9, AL.shape)
    found = deep.L_model_backward(backend64.asarray(other), Y_here, caches)
    expected = backward_by_hand(other, Y, host(backend64, caches))
    assert_close(host(backend64, found), expected)


@pytest.mark.slow("jax")
@pytest.mark.parametrize(
    "activation", ["tanh", "leaky_relu", "identity", "softmax", "sigmoid", "relu"]
)
def test_a_layer_backward_against_central_differences(backend64, rng, activation):
    """Of Σ dA * A: dA_prev by A_prev, m dW by W and m db by b."""
    A_prev, W, b = X, P["W1"], P["b1"]
    dA = rng.standard_normal((4, 5))

    def J(A_prev, W, b):
        return float(np.sum(dA * deep.linear_activation_forward(A_prev, W, b, activation)[0]))

    _, cache = deep.linear_activation_forward(
        *on(backend64, {"0": A_prev, "1": W, "2": b}), activation
    )
    found = deep.linear_activation_backward(backend64.asarray(dA), cache, activation)
    expected = (
        slopes(lambda A_prev: J(A_prev, W, b), A_prev),
        slopes(lambda W: J(A_prev, W, b), W) / 5.0,
        slopes(lambda b: J(A_prev, W, b), b) / 5.0,
    )
    assert_close(host(backend64, found), expected, 1e-8)


def test_relu_and_sigmoid_backward(backend64, rng):
    dA, Z = rng.standard_normal((2, 3, 4))
    Z[0, 0] = 0.0  # where relu' is taken as 0
    given = on(backend64, {"0": dA, "1": Z})
    assert_close(host(backend64, deep.relu_backward(*given)), dA * (Z > 0.0), 0.0)
    expected = slopes(lambda Z: np.sum(dA / (1.0 + np.exp(-Z))), Z)
    assert_close(host(backend64, deep.sigmoid_backward(*given)), expected, 1e-8)


MODELS_OF_LAYERS = {
    "two_layer": (deep.two_layer_model, (3, 4, 1), "small"),
    "L_layer": (deep.L_layer_model, (3, 4, 3, 1), "sqrt"),
}


@pytest.mark.slow("jax", "array_api_strict")
@pytest.mark.parametrize(
    ("num_iterations", "recorded"),
    [(1, [0]), (100, [0, 99]), (101, [0, 100]), (250, [0, 100, 200, 249])],
)
@pytest.mark.parametrize("name", MODELS_OF_LAYERS)
def test_models_are_the_steps_in_a_row(backend64, capsys, name, num_iterations, recorded):
    """Gradient descent in the notes' own steps, on NumPy, is the oracle."""
    model, sizes, scale = MODELS_OF_LAYERS[name]
    given = on(backend64, {"0": X, "1": Y})
    found = host(backend64, model(*given, sizes, 0.5, num_iterations, print_cost=True, rng=1))
    printed = capsys.readouterr().out.splitlines()
    with xpnn.use_backend("numpy", "float64"):
        params, costs = deep.initialize_parameters_deep(sizes, scale, rng=1), []
    for _ in range(num_iterations):
        AL, caches = deep.L_model_forward(X, params)
        costs.append(deep.compute_cost(AL, Y))
        params = deep.update_parameters(params, deep.L_model_backward(AL, Y, caches), 0.5)
    assert_close(found, (params, [costs[i] for i in recorded]), 1e-10)
    assert printed == [f"Cost after iteration {i}: {costs[i]:.6f}" for i in recorded]


def test_predict_prints_the_accuracy(backend64, capsys):
    AL, _ = deep.L_model_forward(X, P)
    found = deep.predict(*on(backend64, {"0": X, "1": Y, "2": P}))
    check_all_on(backend64, found)
    np.testing.assert_array_equal(host(backend64, found), AL > 0.5)
    assert capsys.readouterr().out == f"Accuracy: {((AL > 0.5) == Y).mean()}\n"
    deep.predict(X, np.ones((2, 5)), {"W1": np.zeros((2, 3)), "b1": [[1.0], [-1.0]]})
    assert capsys.readouterr().out == "Accuracy: 0.5\n"  # of all entries


@pytest.mark.slow("jax")
def test_one_half_is_not_more_than_one_half(backend64):
    x = backend64.asarray([[-0.001, 0.0, 0.001]])
    ones = {"W1": [[1.0]], "b1": [[0.0]], "W2": [[1.0]], "b2": [[0.0]]}
    layer = {name: ones[name] for name in ("W1", "b1")}
    for predicted in (
        logistic.predict([[1.0]], 0.0, x),
        shallow.predict(ones, x),
        deep.predict(x, [[0, 0, 1]], layer),
    ):
        np.testing.assert_array_equal(host(backend64, predicted), [[0, 0, 1]])


# ---- regularisation, mini-batches, optimisers, gradient check -------------------------------


def cost_of(X, Y, P, lambd=0.0):
    AL, _ = deep.L_model_forward(X, P)
    return improving.compute_cost_with_regularization(AL, Y, P, lambd)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("lambd", [0.0, 0.7])
def test_regularized_gradients_against_central_differences(backend64, rng, lambd):
    given = on(backend64, {"0": X, "1": Y, "2": random_parameters(rng, 3, 4, 3, 1)})
    grads = host(backend64, regularized(*given, lambd))
    X_host, Y_host, P = host(backend64, given)
    assert grads.keys() == {f"d{name}" for name in P}
    for name in P:
        J = lambda theta, name=name: cost_of(X_host, Y_host, P | {name: theta}, lambd)  # noqa: E731
        assert_close(grads[f"d{name}"], slopes(J, P[name]), 1e-8)


@pytest.mark.slow("jax")
@pytest.mark.parametrize(("m", "size", "expected"), [(23, 5, [5] * 4 + [3]), (20, 5, [5] * 4)])
def test_mini_batches_are_a_partition_of_the_columns(backend64, m, size, expected):
    columns = np.arange(m)
    X = backend64.asarray(np.stack([columns, -columns]).astype(np.float64))
    Y = backend64.asarray(columns[None, :].astype(np.uint8))
    batches = host(backend64, improving.random_mini_batches(X, Y, size, rng=0))
    assert [x.shape[1] for x, _ in batches] == expected
    x, y = (np.concatenate(parts, axis=1) for parts in zip(*batches, strict=True))
    assert (x.dtype, y.dtype) == (np.float64, np.uint8)
    np.testing.assert_array_equal(x, np.concatenate([y, -y.astype(np.float64)]))
    np.testing.assert_array_equal(np.sort(y[0]), columns)
    assert not np.array_equal(y[0], columns)
    ((whole, _),) = improving.random_mini_batches(X, Y, rng=0)  # by default 64 examples
    assert tuple(whole.shape) == (2, m)


def test_optimizers_step_as_those_of_training(backend64, rng):
    """Five steps of momentum and of Adam, with new gradients every time."""
    steps = [{f"d{name}": rng.standard_normal(P[name].shape) for name in P} for _ in range(5)]
    p, q = on(backend64, {"0": P, "1": P})
    u = improving.initialize_velocity(p)
    v, s = improving.initialize_adam(q)
    assert_close(host(backend64, (u, v, s)), ({f"d{n}": 0.0 * a for n, a in P.items()},) * 3, 0.0)
    for t, grads in enumerate(steps, 1):
        g = on(backend64, grads)
        p, u = improving.update_parameters_with_momentum(p, g, u, 0.8, 0.1)
        q, v, s, *corrected = improving.update_parameters_with_adam(q, g, v, s, t, 0.1, 0.7, 0.9)
    for rule, found in (
        (optimizers.momentum(0.1, 0.8), (p, u)),
        (optimizers.adam(0.1, 0.7, 0.9), (q, v, s)),
    ):
        for name in P:
            theta = P[name].copy()
            state = rule.init(theta, numpy_xp)
            for t, grads in enumerate(steps, 1):
                g = grads[f"d{name}"].copy()
                theta, state = rule.update(theta, g, state, rule.scalars(0.1, t), numpy_xp)
            tree = [found[0][name], *(slot[f"d{name}"] for slot in found[1:])]
            assert_close(host(backend64, tree), (theta, *state), 1e-13)
    v, s = host(backend64, (v, s))
    expected = [{k: a / (1.0 - beta**5) for k, a in d.items()} for d, beta in ((v, 0.7), (s, 0.9))]
    assert_close(host(backend64, corrected), expected)


def test_gradient_check_tells_right_from_wrong(backend64):
    """Of a number, of an array, and of parameters in a dict."""
    X_here, Y_here, P_here = on(backend64, {"0": X, "1": Y, "2": P})
    grads = there_and_back(X_here, Y_here, P_here)
    wrong = grads | {"dW2": grads["dW2"] * 1.01}

    def J(P):
        assert all(backend64.owns(a) for a in P.values())
        return cost_of(X_here, Y_here, P)

    def squares(x):
        return float(backend64.xp.sum(x * x))

    for cost, good, bad, theta in (
        (lambda x: x**3, lambda x: 3.0 * x**2, lambda x: 3.0 * x, 1.5),
        (squares, lambda x: 2.0 * x, lambda x: 2.01 * x, X_here),
        (J, grads, wrong, P_here),
    ):
        assert improving.gradient_check(cost, good, theta) < 1e-7
        assert improving.gradient_check(cost, bad, theta) > 1e-4


# ---- dtypes, layouts and extremes ------------------------------------------------------------


@pytest.mark.slow("jax")
def test_labels_have_no_say_in_the_dtype(backend):
    """float32 data stay float32 whatever the labels are; arrays on a device decide."""
    x = backend.asarray(np.asarray(X), "float32")
    for labels in (np.zeros((1, 5)), np.zeros((1, 5), dtype=np.int64), [[0, 1, 0, 1, 0]]):
        parameters = shallow.nn_model(x, labels, 2, num_iterations=2, rng=1)
        assert {str(a.dtype).rpartition(".")[2] for a in parameters.values()} == {"float32"}
    _, cache = shallow.forward_propagation(x, parameters)
    grads = shallow.backward_propagation(parameters, cache, x, np.zeros((1, 5)))
    assert grads["dW1"].dtype == backend.dtype
    if backend.name != "numpy":
        AL, _ = deep.L_model_forward(np.asarray(X, dtype=np.float64), parameters)
        assert AL.dtype == backend.dtype


def test_one_dict_stays_on_one_library(backend):
    """Entries on the host join those on the device."""
    parameters = {"W1": backend.asarray([[1.0]]), "b1": [[0.0]]}
    grads = {"dW1": backend.asarray([[0.5]]), "db1": [[1.0]]}
    after = deep.update_parameters(parameters, grads, 0.1)
    assert all(backend.owns(a) and a.dtype == backend.dtype for a in after.values())
    v, s = improving.initialize_adam(parameters)
    after = improving.update_parameters_with_adam(
        parameters, grads, v, s, 1, beta1=np.float64(0.9), beta2=np.float64(0.999)
    )
    for tree in after:
        assert all(backend.owns(a) and a.dtype == backend.dtype for a in tree.values())


@pytest.mark.slow("jax")
def test_a_saturated_unit_that_is_right_costs_nothing(backend):
    AL, cache = deep.linear_activation_forward(
        backend.asarray([[40.0, -200.0]]), backend.asarray([[1.0]]), [[0.0]], "sigmoid"
    )
    Y = [[1, 0]]
    assert deep.compute_cost(AL, Y) == pytest.approx(0.0, abs=1e-12)
    grads = deep.L_model_backward(AL, Y, [cache])
    np.testing.assert_allclose(backend.to_numpy(grads["dW1"]), [[0.0]], atol=1e-12)


def test_mini_batches_keep_each_dtype_and_are_quick_in_any_layout(backend):
    x, y = np.ones((2, 6), dtype=np.float32), np.zeros((1, 6))
    for X_batch, Y_batch in improving.random_mini_batches(x, y, 4, rng=0):
        assert (X_batch.dtype, Y_batch.dtype) == (np.float32, np.float64)
    rows = np.asfortranarray(np.arange(12.0).reshape(2, 6))
    batches = improving.random_mini_batches(backend.asarray(rows), backend.asarray(rows), 4, rng=0)
    for X_batch, Y_batch in batches:
        np.testing.assert_array_equal(backend.to_numpy(X_batch), backend.to_numpy(Y_batch))


def test_zeros_draw_nothing():
    drawn, untouched = np.random.RandomState(1), np.random.RandomState(1)
    deep.initialize_parameters_deep([2, 3, 1], "zeros", rng=drawn)
    assert drawn.uniform() == untouched.uniform()


def test_loops_at_extremes_equal_their_twins():
    np.testing.assert_array_equal(basics.loop_exp([800.0, -800.0]), basics.exp([800.0, -800.0]))
    assert basics.loop_outer([], [1.0, 2.0]).shape == basics.outer([], [1.0, 2.0]).shape == (0, 2)
    for z in (-800.0, -40.0, 40.0, 800.0):
        for y in (0, 1):
            looped, once = (
                f([[z]], 0.0, [[1.0]], [[y]]) for f in (logistic.loop_propagate, logistic.propagate)
            )
            assert looped[1] == pytest.approx(once[1])
            assert looped[0]["db"] == pytest.approx(once[0]["db"])


def test_gradient_check_computes_in_float64():
    theta = np.asarray([1.0, 2.0], dtype=np.float32)
    assert improving.gradient_check(lambda t: (t**2).sum(), lambda t: 2 * t, theta) < 1e-7


@pytest.mark.parametrize(
    ("train", "words"),
    [
        (lambda x, y: shallow.nn_model(x, y + 1, 2), "labels 0 and 1, found 1 to 2"),
        (lambda x, y: deep.L_layer_model(x, 2 * y - 1, (3, 1)), "labels 0 and 1, found -1 to 1"),
        (lambda x, y: logistic.model(x, y, x, y + 1), "Y_test: expected labels 0 and 1"),
        (lambda x, y: shallow.nn_model(x * nan, y, 2), "X: expected finite numbers"),
        (lambda x, y: shallow.nn_model(x.T, y, 2), "X: expected 5 columns.*pass X.T"),
        (lambda x, y: deep.L_model_forward({"W1": x}, x), "mind the order of the arguments"),
        (lambda x, y: shallow.backward_propagation(x, y, P, {}), "parameters: .* mind the order"),
        (lambda x, y: deep.update_parameters(P, x, 0.1), "grads: expected a dict of dW1, .* mind"),
    ],
)
def test_what_a_learner_gets_wrong(train, words):
    x, y = np.asarray(X), np.asarray([[0, 1, 0, 1, 1]])
    with pytest.raises(xpnn.XpnnError, match=words) as caught:
        train(x, y)
    assert len(str(caught.value)) < 400
