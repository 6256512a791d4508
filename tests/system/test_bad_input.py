"""Bad input: each mistake is a library exception that says expected, found and cure."""

import math
import re

import numpy as np
import pytest

import xpnn

M = 5
X = np.arange(3.0 * M).reshape(3, M) / 10.0
LABELS = np.asarray([[0, 1, 1, 0, 1]])
CLASSIFIER = xpnn.Network([3, 4, 2], hidden="tanh")
BINARY = xpnn.Network([3, 1], output="sigmoid")
COUNTS = xpnn.Network([3, 1], output="exp")
REGRESSION = xpnn.Network([3, 2], output="identity")


def refused(words, function, *args, **options):
    """Call and return the message of the error, which must be ours, and hold all the words."""
    with pytest.raises(xpnn.XpnnError) as caught:
        function(*args, **options)
    assert isinstance(caught.value, ValueError | TypeError)
    message = str(caught.value)
    missing = [word for word in words if word not in message]
    assert not missing, f"{missing} not in: {message}"
    return message


# ---- architectures ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ([3, 0, 2], ["sizes[1]", "positive integer", "found 0"]),
        ([3, 4, -1], ["sizes[2]", "positive integer", "found -1"]),
        ([2.5, 2], ["sizes[0]", "positive integer", "found 2.5", "float"]),
        ([3, 2.0], ["sizes[1]", "positive integer", "found 2.0", "float"]),
        ([3, math.nan], ["sizes[1]", "positive integer", "found nan"]),
        ([True, 2], ["sizes[0]", "positive integer", "found True", "bool"]),
        ([3, "3"], ["sizes[1]", "positive integer", "found '3'", "str"]),
        ([3, None], ["sizes[1]", "positive integer", "found None"]),
        ([3, [4], 2], ["sizes[1]", "positive integer", "found [4]"]),
        ([], ["sizes", "at least inputs and outputs", "[64, 10]", "found []"]),
        ([3], ["sizes", "at least inputs and outputs", "[64, 10]", "found [3]"]),
        ("32", ["sizes", "sequence", "[64, 32, 10]", "found '32'"]),
        (3, ["sizes", "sequence", "[64, 32, 10]", "found 3"]),
        (None, ["sizes", "sequence", "[64, 32, 10]", "found None"]),
    ],
    ids=str,
)
def test_sizes(sizes, words):
    refused(words, xpnn.Network, sizes)


@pytest.mark.parametrize("sizes", [[3, 2], (3, 2), range(3, 1, -1), np.asarray([3, 2])], ids=repr)
def test_sizes_may_be_any_sequence(sizes):
    assert xpnn.Network(sizes).sizes == (3, 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hidden": "rleu"}, ["activation 'rleu'", "expected one of", "mean 'relu'"]),
        ({"hidden": ["tanhh"]}, ["activation 'tanhh'", "expected one of", "mean 'tanh'"]),
        ({"hidden": "leaky"}, ["activation 'leaky'", "expected one of", "mean 'leaky_relu'"]),
        ({"output": "sofmax"}, ["activation 'sofmax'", "expected one of", "mean 'softmax'"]),
        ({"output": "linear"}, ["activation 'linear'", "expected one of", "identity"]),
        ({"output": 3}, ["activation 3", "expected one of", "softmax"]),
        ({"loss": "binary_crossentropy"}, ["loss 'binary_crossentropy'", "expected one of"]),
        ({"loss": "binary_crossentropy"}, ["mean 'binary_cross_entropy'"]),
        ({"loss": "mse"}, ["loss 'mse'", "expected one of", "squared_error"]),
        (
            {"hidden": ["relu", "tanh"]},
            ["hidden", "expected one activation or 1", "found", "'tanh'"],
        ),
        ({"hidden": []}, ["hidden", "expected one activation or 1", "found []"]),
        ({"hidden": None}, ["hidden", "expected", "found None"]),
        ({"hidden": 4}, ["hidden", "expected", "found 4"]),
        ({"hidden": "softmax"}, ["hidden", "softmax", "only be the output", "'relu'"]),
        (
            {"output": "softmax", "loss": "squared_error"},
            ["output 'softmax'", "loss 'squared_error'", "expected one of identity, sigmoid"],
        ),
        (
            {"output": "tanh", "loss": "binary_cross_entropy"},
            ["output 'tanh'", "loss 'binary_cross_entropy'", "expected one of sigmoid"],
        ),
        (
            {"output": "identity", "loss": "poisson"},
            ["output 'identity'", "loss 'poisson'", "expected one of exp"],
        ),
        (
            {"loss": "poisson", "cost": "poisson"},
            ["loss, cost: expected one of them", "found loss='poisson' and cost='poisson'"],
        ),
    ],
)
def test_functions(options, words):
    refused(words, xpnn.Network, [3, 4, 2], **options)


def test_softmax_of_one_unit():
    words = ["softmax", "one unit", "2 units", "output='sigmoid'"]
    refused(words, xpnn.Network, [3, 1], output="softmax")


def test_a_wrong_hidden_name_is_an_error_even_without_hidden_layers():
    refused(["activation 'rleu'", "mean 'relu'"], xpnn.Network, [3, 2], hidden="rleu")


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("hee", ["'hee'", "expected one of glorot, he,", "mean 'he'"]),
        ("xavier", ["'xavier'", "expected one of glorot"]),
        (None, ["None", "expected one of"]),
        (0.01, ["0.01", "expected one of"]),
    ],
)
def test_initialisers(weights, words):
    refused(words, CLASSIFIER.init, rng=0, weights=weights)


@pytest.mark.parametrize("rng", ["0", -1, 1.5, True, [1], np.random], ids=str)
def test_rng(rng):
    refused(["rng: expected an int of at least 0", "Generator", "found"], CLASSIFIER.init, rng=rng)


@pytest.mark.parametrize("m", [0, -1, 1.5, True, "5", None])
def test_table(m):
    refused(["m: expected a positive integer", f"found {m!r}"], CLASSIFIER.table, m)


# ---- X ---------------------------------------------------------------------------------------


def with_entry(value, shape=X.shape):
    a = np.zeros(shape)
    a[0, 1] = value
    return a


BAD_X = {
    "rank 1": (np.ones(3), ["X: expected shape (3, m)", "found (3,)", "X.reshape(3, -1)"]),
    "rank 0": (1.0, ["X: expected shape (3, m)", "found ()"]),
    "rank 3": (np.ones((3, 5, 1)), ["X: expected shape (3, m)", "found (3, 5, 1)"]),
    "features": (np.ones((4, 5)), ["X: expected shape (3, m)", "found (4, 5)"]),
    "transposed": (X.T, ["X: expected shape (3, m)", "found (5, 3)", "column", "X.T"]),
    "no example": (np.ones((3, 0)), ["X: expected at least one example", "found shape (3, 0)"]),
    "NaN": (with_entry(math.nan), ["X: expected finite", "found 1 ", "15", "NaN", "nan_to_num"]),
    "inf": (with_entry(-math.inf), ["X: expected finite", "found 1 ", "infinity", "nan_to_num"]),
    "too large": (with_entry(1e300), ["X: expected finite", "float32"]),
    "text": ("abc", ["X: expected real numbers", "found dtype <U3", "convert"]),
    "texts": (np.full((3, 5), "a"), ["X: expected real numbers", "found dtype <U1", "convert"]),
    "None": (None, ["X: expected real numbers", "found dtype object", "convert"]),
    "object": (np.full((3, 5), None), ["X: expected real numbers", "found dtype object"]),
    "complex": (X * 1j, ["X: expected real numbers", "found dtype complex128", "convert"]),
    "datetime": (X.astype("M8[D]"), ["X: expected real numbers", "found dtype datetime64"]),
    "masked": (np.ma.masked_array(X, X > 0.5), ["X: expected", "found a masked array", "filled"]),
    "ragged": ([[1.0], [1.0, 2.0]], ["X: expected a rectangular array of numbers"]),
    "dictionary": ({"a": 1}, ["X: expected real numbers", "found dtype object"]),
}


@pytest.mark.parametrize("kind", sorted(BAD_X))
def test_bad_X(backend, kind):
    bad, words = BAD_X[kind]
    params = CLASSIFIER.init(rng=0)
    refused(words, CLASSIFIER.forward, params, bad)


@pytest.mark.parametrize("kind", ["rank 1", "transposed", "NaN", "masked"])
@pytest.mark.parametrize("method", ["cost", "gradients", "score"])
def test_every_method_checks_X(kind, method):
    bad, words = BAD_X[kind]
    refused(words, getattr(CLASSIFIER, method), CLASSIFIER.init(rng=0), bad, LABELS)


@pytest.mark.parametrize("kind", ["rank 1", "transposed", "NaN", "masked"])
def test_predict_checks_X(kind):
    bad, words = BAD_X[kind]
    refused(words, CLASSIFIER.predict, CLASSIFIER.init(rng=0), bad)


def test_bad_arrays_of_the_backend_itself(backend):
    params = CLASSIFIER.init(rng=0)
    for kind in ("rank 1", "rank 3", "features", "transposed", "no example", "NaN", "inf"):
        bad, words = BAD_X[kind]
        refused(words, CLASSIFIER.forward, params, backend.asarray(bad))


def test_a_square_X_has_no_hint_of_a_transpose():
    net = xpnn.Network([3, 2])
    message = refused(["found (4, 4)"], net.forward, net.init(rng=0), np.ones((4, 4)))
    assert "X.T" not in message


# ---- Y ---------------------------------------------------------------------------------------


ONE_HOT = np.asarray([[1.0, 0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0, 1.0]])

BAD_Y = {
    # which network, Y, words
    "labels of rank 1": (
        CLASSIFIER,
        LABELS[0],
        ["Y: expected", "found shape (5,)", "reshape(1, -1)"],
    ),
    "label 2 of 2": (
        CLASSIFIER,
        [[0, 1, 2, 0, 1]],
        ["Y: expected labels from 0 to 1", "found labels from 0 to 2", "numpy.unique"],
    ),
    "label -1": (
        CLASSIFIER,
        [[0, 1, -1, 0, 1]],
        ["Y: expected labels from 0 to 1", "found labels from -1 to 1", "numpy.unique"],
    ),
    "float labels": (
        CLASSIFIER,
        LABELS.astype(float),
        ["Y: expected one-hot targets of shape (2, 5)", "labels of shape (1, 5)", "integer dtype"],
    ),
    "too few labels": (CLASSIFIER, LABELS[:, :4], ["Y: expected shape (1, 5)", "found (1, 4)"]),
    "too few targets": (CLASSIFIER, ONE_HOT[:, :4], ["Y: expected shape (2, 5)", "found (2, 4)"]),
    "transposed": (CLASSIFIER, ONE_HOT.T, ["Y: expected shape (2, m)", "found (5, 2)", "Y.T"]),
    "classes": (CLASSIFIER, np.ones((3, M)), ["Y: expected shape (2, m)", "found (3, 5)"]),
    "sums": (CLASSIFIER, np.zeros((2, M)), ["Y: expected columns that sum to 1", "integer labels"]),
    "one-hot range": (
        CLASSIFIER,
        ONE_HOT * 3.0 - 1.0,
        ["Y: expected targets from 0 to 1", "categorical_cross_entropy", "from -1 to 2"],
    ),
    "binary range": (
        BINARY,
        with_entry(2.0, (1, M)),
        ["Y: expected targets from 0 to 1", "binary_cross_entropy", "from 0 to 2"],
    ),
    "±1 labels": (
        BINARY,
        2.0 * LABELS - 1.0,
        ["Y: expected targets from 0 to 1", "found values from -1 to 1"],
    ),
    "negative counts": (
        COUNTS,
        with_entry(-3.0, (1, M)),
        ["Y: expected targets from 0 to inf", "poisson", "from -3 to 0"],
    ),
    "rank 1": (BINARY, LABELS[0], ["Y: expected shape (1, m)", "found (5,)", "Y.reshape(1, -1)"]),
    "column": (BINARY, LABELS.T, ["Y: expected shape (1, m)", "found (5, 1)", "Y.T"]),
    "NaN": (REGRESSION, with_entry(math.nan, (2, M)), ["Y: expected finite", "found 1 ", "NaN"]),
    "inf": (REGRESSION, with_entry(math.inf, (2, M)), ["Y: expected finite", "infinity"]),
    "texts": (CLASSIFIER, np.full((1, M), "cat"), ["Y: expected real numbers", "found dtype <U3"]),
    "None": (CLASSIFIER, None, ["Y: expected real numbers", "found dtype object"]),
    "masked": (
        CLASSIFIER,
        np.ma.masked_array(LABELS, LABELS == 0),
        ["Y: expected", "found a masked array", "filled"],
    ),
}


@pytest.mark.parametrize("kind", sorted(BAD_Y))
def test_bad_Y(backend, kind):
    net, bad, words = BAD_Y[kind]
    params = net.init(rng=0)
    refused(words, net.cost, params, X, bad)


@pytest.mark.parametrize("kind", ["label 2 of 2", "binary range", "rank 1", "NaN"])
@pytest.mark.parametrize("method", ["gradients", "score"])
def test_every_method_checks_Y(kind, method):
    net, bad, words = BAD_Y[kind]
    refused(words, getattr(net, method), net.init(rng=0), X, bad)


def test_labels_too_wide_for_the_device_name_the_argument():
    with xpnn.use_backend("array_api_strict:no_x64"):
        params = CLASSIFIER.init(rng=0)
    words = ["Y: expected integers", "2147483647", str(2**40), "no_x64"]
    refused(words, CLASSIFIER.cost, params, X, np.full((1, M), 2**40))


# ---- weights of the examples, and the penalty ------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (with_entry(-2.0, (1, M)), ["expected weights of at least 0", "found", "-2"]),
        (np.zeros((1, M)), ["expected weights of at least 0", "at least one non-zero", "found"]),
        (np.ones(M), ["expected shape (1, m)", "found (5,)", "sample_weight.reshape(1, -1)"]),
        (np.ones((M, 1)), ["expected shape (1, m)", "found (5, 1)", "sample_weight.T"]),
        (np.ones((1, 4)), ["expected shape (1, 5)", "found (1, 4)"]),
        (np.ones((2, M)), ["expected shape (1, m)", "found (2, 5)"]),
        (2.0, ["expected shape (1, m)", "found ()"]),
        (with_entry(math.nan, (1, M)), ["expected finite", "found 1 ", "NaN"]),
        (with_entry(math.inf, (1, M)), ["expected finite", "found 1 ", "infinity"]),
        ("balanced", ["expected real numbers", "found dtype <U8"]),
    ],
    ids=["negative", "zero", "rank1", "column", "few", "rows", "scalar", "NaN", "inf", "text"],
)
def test_bad_sample_weight(backend, bad, words):
    params = CLASSIFIER.init(rng=0)
    for method in (CLASSIFIER.cost, CLASSIFIER.gradients):
        refused(["sample_weight: ", *words], method, params, X, LABELS, sample_weight=bad)


@pytest.mark.parametrize(
    "l2", [-0.1, math.nan, math.inf, -math.inf, "0.1", [0.1], np.asarray([0.1]), 1j], ids=repr
)
def test_bad_l2(l2):
    params = CLASSIFIER.init(rng=0)
    for method in (CLASSIFIER.cost, CLASSIFIER.gradients):
        words = ["l2: expected a finite number of at least 0", f"found {l2!r}"]
        refused(words, method, params, X, LABELS, l2=l2)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("l2", [1, np.float32(0.5), np.float64(0.5), np.int64(2)])
def test_l2_may_be_any_number_and_the_dtype_stays(backend, l2):
    params = CLASSIFIER.init(rng=0)
    J, grads = (f(params, X, LABELS, l2=l2) for f in (CLASSIFIER.cost, CLASSIFIER.gradients))
    assert {a.dtype for a in (J, *grads[0], *grads[1])} == {backend.dtype}


# ---- parameters ------------------------------------------------------------------------------


def layers(*shapes, dtype="float32"):
    return tuple((np.ones(W, dtype), np.ones(b, dtype)) for W, b in shapes)


GOOD = layers(((4, 3), (4, 1)), ((2, 4), (2, 1)))

BAD_PARAMS = {
    "too few layers": (GOOD[:1], ["expected 2 layers for sizes [3, 4, 2]", "found 1", "net.init"]),
    "too many layers": (GOOD * 2, ["expected 2 layers", "found 4", "net.init()"]),
    "none": ((), ["expected 2 layers", "found 0", "net.init()"]),
    "None": (None, ["params: expected", "found", "net.init()"]),
    "number": (3.0, ["params: expected", "found", "net.init()"]),
    "array": (np.ones((2, 2, 2)), ["expected"]),
    "dictionary": ({"W1": np.ones((4, 3))}, ["params: expected", "net.init()"]),
    "three in a layer": (tuple((*layer, 1) for layer in GOOD), ["params: expected", "net.init()"]),
    "one in a layer": (tuple(layer[:1] for layer in GOOD), ["params: expected", "net.init()"]),
    "lists": (
        [[np.ones(shape).tolist() for shape in ((4, 3), (4, 1))]] * 2,
        ["W[1]: expected an array", "found list", "xpnn.get_backend().asarray"],
    ),
    "W transposed": (
        layers(((3, 4), (4, 1)), ((2, 4), (2, 1))),
        ["W[1]: expected shape (4, 3)", "found (3, 4)"],
    ),
    "b of rank 1": (
        layers(((4, 3), (4, 1)), ((2, 4), (2,))),
        ["b[2]: expected shape (2, 1)", "found (2,)"],
    ),
    "b a row": (
        layers(((4, 3), (1, 4)), ((2, 4), (2, 1))),
        ["b[1]: expected shape (4, 1)", "found (1, 4)"],
    ),
    "integers": (
        layers(((4, 3), (4, 1)), ((2, 4), (2, 1)), dtype="int64"),
        ["params: expected real floating", "found int64"],
    ),
    "complex": (
        layers(((4, 3), (4, 1)), ((2, 4), (2, 1)), dtype="complex64"),
        ["params: expected real floating", "found complex64"],
    ),
    "two dtypes in a layer": (
        ((np.ones((4, 3), "float32"), np.ones((4, 1), "float64")), GOOD[1]),
        ["b[1]", "float64", "W[1]", "float32", "xpnn.use_backend('numpy:cpu', dtype='float32')"],
    ),
    "two dtypes": (
        (GOOD[0], *layers(((2, 4), (2, 1)), dtype="float64")),
        ["W[2]", "float64", "W[1]", "float32", "asarray"],
    ),
}


@pytest.mark.parametrize("kind", sorted(BAD_PARAMS))
def test_bad_params(kind):
    bad, words = BAD_PARAMS[kind]
    refused(words, CLASSIFIER.forward, bad, X)


def test_every_method_checks_params():
    bad, words = BAD_PARAMS["W transposed"]
    for method in (CLASSIFIER.cost, CLASSIFIER.gradients, CLASSIFIER.score):
        refused(words, method, bad, X, LABELS)
    refused(words, CLASSIFIER.predict, bad, X)


# ---- two libraries, two devices --------------------------------------------------------------


PLACES = [
    # where the parameters are, where something else is
    ("numpy", "torch"),
    ("numpy", "jax"),
    ("numpy", "array_api_strict"),
    ("numpy", "cupy"),
    ("torch", "jax"),
    ("torch", "torch:cuda"),
    ("jax", "torch"),
    ("cupy", "torch:cuda"),
    ("array_api_strict", "torch"),
    ("array_api_strict:device1", "array_api_strict:device2"),
]


@pytest.fixture
def places(specs):
    """Two backends."""
    return [xpnn.set_backend(spec) for spec in specs]


on_two_places = pytest.mark.parametrize("specs", PLACES, ids=" and ".join)


def params_on(backend):
    with xpnn.use_backend(backend.spec):
        return CLASSIFIER.init(rng=0)


@on_two_places
def test_arrays_of_another_place_are_refused(places):
    here, there = places
    params = params_on(here)
    good = {"X": X, "Y": LABELS, "sample_weight": np.ones((1, M))}
    for name, value in good.items():
        mixed = {**good, name: there.asarray(value)}
        message = refused(
            [f"{name} is on {there.spec}", f"params on {here.spec}", "Move it"],
            CLASSIFIER.cost,
            params,
            **mixed,
        )
        # the cure is a line to type
        line = re.search(r"with xpnn\.use_backend\(.*\) as .*: x = .*asarray\(x\)", message).group()
        scope = {"xpnn": xpnn, "x": mixed[name]}
        exec(line, scope)
        mixed[name] = scope["x"]
        expected = CLASSIFIER.cost(params, **good)
        assert float(CLASSIFIER.cost(params, **mixed)) == float(expected)


@on_two_places
def test_predict_refuses_arrays_of_another_place(places):
    here, there = places
    words = [f"X is on {there.spec}", f"params on {here.spec}", f"xpnn.use_backend('{here.spec}'"]
    refused(words, CLASSIFIER.predict, params_on(here), there.asarray(X))


@on_two_places
def test_params_of_two_places_are_refused(places):
    here, there = places
    ours, theirs = params_on(here), params_on(there)
    words = [f"W[2] is on {there.spec}", f"W[1] on {here.spec}", "one library, device and dtype"]
    refused(words, CLASSIFIER.forward, (ours[0], theirs[1]), X)
    words = [f"b[1] is on {there.spec}", f"W[1] on {here.spec}", "Move it"]
    refused(words, CLASSIFIER.forward, (xpnn.Layer(ours[0].W, theirs[0].b), ours[1]), X)


def test_complex_arrays_of_the_backend_are_refused(backend64):
    bad = backend64.xp.asarray([[1j] * M] * 3, device=backend64.device)
    words = ["X: expected real numbers", "found dtype", "complex"]
    refused(words, CLASSIFIER.forward, params_on_float64(backend64), bad)


def params_on_float64(backend):
    with xpnn.use_backend(backend.spec, "float64"):
        return CLASSIFIER.init(rng=0)


# ---- the exceptions --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "bases"),
    [
        (xpnn.ArgumentError, (xpnn.XpnnError, ValueError)),
        (xpnn.ArgumentTypeError, (xpnn.XpnnError, TypeError)),
        (xpnn.BackendError, (xpnn.XpnnError, RuntimeError)),
        (xpnn.DivergenceError, (xpnn.XpnnError, ArithmeticError)),
    ],
)
def test_exceptions_are_also_the_usual_ones(error, bases):
    assert all(issubclass(error, base) for base in bases)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64"])
def test_more_classes_than_the_label_dtype_counts(backend, dtype):
    """300 classes and uint8 labels: class 257 must not look like class 1."""
    net = xpnn.Network([2, 300], output="softmax")
    params = net.init(weights="zeros")
    J = net.cost(params, np.ones((2, 3)), np.asarray([[1, 2, 3]], dtype=dtype))
    assert float(J) == pytest.approx(math.log(300.0), rel=1e-5)


@pytest.mark.slow("jax")
def test_a_saturated_unit_that_is_right_costs_nothing(backend):
    """−0 log 0 and 0/0: sigmoid underflows to 0 where the target is 0."""
    for loss, expected in (("categorical_cross_entropy", 0.0), ("poisson", 1.0)):
        net = xpnn.Network([1, 2], output="sigmoid", loss=loss)
        W = backend.asarray([[-2000.0], [2000.0]])
        params = (xpnn.Layer(W, backend.asarray([[0.0], [0.0]])),)
        J = net.cost(params, [[1.0]], [[0.0], [1.0]])
        assert float(J) == pytest.approx(expected, abs=1e-6)  # Σ a = 1 for Poisson, log 1 = 0
        assert np.isfinite(
            backend.to_numpy(net.gradients(params, [[1.0]], [[0.0], [1.0]])[0].W)
        ).all()
