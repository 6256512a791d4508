"""Activations and losses of one's own, without a derivative: the graph finds it."""

import pickle
from functools import cache
from math import pi, sqrt

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import xpnn
from tests.core.test_propagation import on, problem
from tests.helpers import read_only
from xpnn import optimizers

S = read_only([[0.5, 2.0, 0.0, 1.0, 3.0, 0.25]])


# ---- activations, each beside its derivative by hand -----------------------------------------


def softplus(Z, xp):
    return xp.logaddexp(Z, 0.0)


def softplus_derivative(Z, A, xp):
    return 1.0 / (1.0 + xp.exp(-Z))


def silu(Z, xp):
    return Z / (1.0 + xp.exp(-Z))


def silu_derivative(Z, A, xp):
    s = 1.0 / (1.0 + xp.exp(-Z))
    return s + A * (1.0 - s)


def gelu(Z, xp):
    return 0.5 * Z * (1.0 + xp.tanh(sqrt(2.0 / pi) * (Z + 0.044715 * Z**3)))


def gelu_derivative(Z, A, xp):
    t = xp.tanh(sqrt(2.0 / pi) * (Z + 0.044715 * Z**3))
    slope = sqrt(2.0 / pi) * (1.0 + 3.0 * 0.044715 * Z**2)
    return 0.5 * (1.0 + t) + 0.5 * Z * (1.0 - t * t) * slope


def centred(Z, xp):
    """Not elementwise: every unit minus the mean of its layer, then tanh."""
    return xp.tanh(Z - xp.mean(Z, axis=0, keepdims=True))


TWINS = {softplus: softplus_derivative, silu: silu_derivative, gelu: gelu_derivative}
by_name = {"ids": lambda value: getattr(value, "__name__", None)}
every_activation = pytest.mark.parametrize("g", TWINS, **by_name)


def vector(backend, params):
    return np.concatenate([backend.to_numpy(part).ravel() for layer in params for part in layer])


def check(net, params, X, Y, **options):
    """Require what a right gradient has, by central differences in float64."""
    with xpnn.use_backend("numpy", "float64"):
        assert xpnn.gradient_check(net, params, X, Y, **options).difference <= 1e-7


@pytest.mark.parametrize("g", [*TWINS, centred], **by_name)
@pytest.mark.parametrize("sizes", [(3, 4, 2), (3, 4, 4, 4, 2)])
def test_central_differences(g, sizes):
    g = xpnn.Activation(g)
    check(*problem(g, "softmax", "categorical_cross_entropy", sizes), l2=0.7, sample_weight=S)
    check(*problem("tanh", g, "squared_error", sizes), l2=0.7, sample_weight=S)
    check(*problem(["relu", g], "identity", "squared_error", (3, 4, 4, 2)))


@pytest.mark.slow("jax")
@every_activation
def test_the_derivative_by_hand(backend64, g):
    found, by_hand = (
        gradients(backend64, problem(g, "softmax", "categorical_cross_entropy", (3, 4, 4, 2)))
        for g in (xpnn.Activation(g), xpnn.Activation(g, TWINS[g]))
    )
    np.testing.assert_allclose(found, by_hand, rtol=1e-12, atol=1e-15)


def gradients(backend, case):
    net, params, X, Y = case
    grads = net.gradients(on(backend, params), X, Y, 0.7, S)
    assert all(type(backend).of(d) == backend for layer in grads for d in layer)
    return vector(backend, grads)


def test_an_own_sigmoid_is_not_the_canonical_one():
    def sigmoid(Z, xp):  # steeper: dZ is 3 (A − Y)
        return 1.0 / (1.0 + xp.exp(-3.0 * Z))

    net, params, X, Y = problem("tanh", xpnn.Activation(sigmoid), "binary_cross_entropy")
    check(net, params, X, Y)
    steep = vector_of(net, params, X, Y)
    plain = vector_of(problem("tanh", "sigmoid", "binary_cross_entropy")[0], params, X, Y)
    assert np.linalg.norm(steep - plain) > 0.1 * np.linalg.norm(plain)


def vector_of(net, params, X, Y):
    with xpnn.use_backend("numpy", "float64") as backend:
        return vector(backend, net.gradients(params, X, Y))


# ---- losses ----------------------------------------------------------------------------------


def log_cosh(A, Y, xp):
    return xp.logaddexp(A - Y, -(A - Y))


def huber(A, Y, xp):
    E = xp.abs(A - Y)
    return xp.where(E <= 1.0, 0.5 * E * E, E - 0.5)


def distance(A, Y, xp):
    """One row, (1, m), for all outputs of an example."""
    return xp.sqrt(1.0 + xp.sum((A - Y) ** 2, axis=0, keepdims=True))


def brier(A, Y, xp):
    return (A - Y) ** 2


every_loss = pytest.mark.parametrize("loss", [log_cosh, huber, distance], **by_name)


@every_loss
@pytest.mark.parametrize("output", ["identity", "tanh", xpnn.Activation(silu)])
def test_central_differences_of_losses(loss, output):
    net, params, X, Y = problem("tanh", output, xpnn.Loss(loss))
    check(net, params, X, 3.0 * Y, l2=0.7, sample_weight=S)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("loss", [brier, distance], **by_name)
def test_softmax_without_its_cross_entropy(backend64, loss):
    """Its Jacobian, ∂a_j/∂z_k = a_j (δ_jk − a_k), is the graph's; here it is written out."""
    net, params, X, _ = problem("tanh", "softmax", xpnn.Loss(loss), (3, 4, 3))
    Y = read_only(np.eye(3)[:, [0, 2, 1, 1, 0, 2]])
    check(net, params, X, Y, l2=0.7, sample_weight=S)
    params = on(backend64, params)
    A = backend64.to_numpy(net.forward(params, X)[0])
    dA = 2.0 * (A - Y) if loss is brier else (A - Y) / distance(A, Y, np)
    dZ = A * (dA - np.sum(dA * A, axis=0, keepdims=True)) / Y.shape[1]
    db = backend64.to_numpy(net.gradients(params, X, Y)[-1].b)
    np.testing.assert_allclose(db, np.sum(dZ, axis=1, keepdims=True), rtol=1e-12, atol=1e-15)


def test_the_cost_is_the_mean_of_the_loss(backend64):
    net, params, X, Y = problem("tanh", "identity", xpnn.Loss(distance))
    params = on(backend64, params)
    A = backend64.to_numpy(net.forward(params, X)[0])
    expected = np.mean(np.sqrt(1.0 + np.sum((A - Y) ** 2, axis=0)))
    assert float(net.cost(params, X, Y)) == pytest.approx(expected, rel=1e-14)


def test_a_loss_with_its_own_derivative(backend64):
    def dA(A, Y, xp):
        return xp.tanh(A - Y)

    found, by_hand = (
        gradients(backend64, problem("tanh", "identity", loss))
        for loss in (xpnn.Loss(log_cosh), xpnn.Loss(log_cosh, dA))
    )
    np.testing.assert_allclose(found, by_hand, rtol=1e-12, atol=1e-15)


# ---- training --------------------------------------------------------------------------------


def train(net, Y):
    X = np.random.default_rng(3).standard_normal((3, 24))
    options = {"optimizer": optimizers.adam(0.02), "epochs": 12, "batch_size": 8, "l2": 0.01}
    return xpnn.fit(net, net.init(rng=0), X, Y(X), **options)[1].cost


def classes(X):
    return np.argmax(X, axis=0).reshape(1, -1)


def curve(X):
    return np.stack([np.sin(X[0]), X[1] * X[2]])


def networks():
    for g in (softplus, silu, gelu, centred):
        yield xpnn.Network([3, 5, 3], hidden=xpnn.Activation(g)), classes
    for loss in (log_cosh, huber, distance):
        yield xpnn.Network([3, 5, 2], "tanh", "identity", xpnn.Loss(loss)), curve


NETWORKS = list(networks())
every_network = pytest.mark.parametrize("i", range(len(NETWORKS)))


@pytest.mark.slow("jax", "array_api_strict")
@every_network
def test_training_lowers_the_cost(backend, i):
    cost = train(*NETWORKS[i])
    assert cost[-1] < 0.95 * cost[0]


@cache
def cost_on_numpy(i):
    with xpnn.use_backend("numpy", "float64"):
        return train(*NETWORKS[i])


@pytest.mark.slow("jax", "array_api_strict")
@every_network
def test_training_is_the_same_everywhere(backend64, i):
    np.testing.assert_allclose(train(*NETWORKS[i]), cost_on_numpy(i), rtol=1e-9)


@pytest.mark.parametrize("g", [silu, softplus], **by_name)
def test_digits(g):
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X / 16.0, y, random_state=0)
    net = xpnn.Network([64, 64, 32, 10], hidden=xpnn.Activation(g))
    params, history = xpnn.fit(
        net,
        net.init(rng=0),
        X.T,
        y.reshape(1, -1),
        optimizer=optimizers.adam(1e-3),
        epochs=30,
        batch_size=32,
    )
    assert net.score(params, X_test.T, y_test.reshape(1, -1)) >= 0.95
    assert len(history) == 30


# ---- networks that hold them -----------------------------------------------------------------


def test_names():
    swish = xpnn.Activation(silu, name="swish")
    net = xpnn.Network([3, 4, 4, 1], [xpnn.Activation(silu), swish], swish, xpnn.Loss(huber))
    assert net.hidden == ("silu", "swish")
    assert net.output == "swish"
    assert repr(net) == (
        "Network([3, 4, 4, 1], hidden=['silu', 'swish'], output='swish', loss='huber')"
    )
    assert "silu" in repr(net.table())


def test_networks_of_the_same_functions_are_equal():
    first, second = (
        xpnn.Network([3, 4, 1], xpnn.Activation(silu), "identity", xpnn.Loss(huber)) for _ in "12"
    )
    assert first == second
    assert hash(first) == hash(second)
    others = [
        xpnn.Network([3, 4, 1], xpnn.Activation(gelu), "identity", xpnn.Loss(huber)),
        xpnn.Network([3, 4, 1], xpnn.Activation(silu), "identity", xpnn.Loss(log_cosh)),
        xpnn.Network([3, 4, 1], xpnn.Activation(silu, silu_derivative), "identity", first.loss),
    ]
    assert first not in others


def test_the_functions_of_a_name_are_the_named_ones():
    assert xpnn.Network([3, 2], output=xpnn.Network([3, 2]).activations[-1]) == xpnn.Network([3, 2])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: xpnn.Network([3, 1], output=xpnn.Activation(silu)),
            xpnn.ArgumentError,
            r"loss: expected one with the output 'silu'.*loss=.*squared_error.*xpnn\.Loss",
        ),
        (
            lambda: xpnn.Network([3, 4, 1], hidden=3),
            xpnn.ArgumentTypeError,
            r"hidden: expected the name.*xpnn\.Activation.*found 3",
        ),
        (
            lambda: xpnn.Network([3, 4, 1], hidden=silu),
            xpnn.ArgumentTypeError,
            r"expected the name.*xpnn\.Activation.*found the function <function silu",
        ),
        (
            lambda: xpnn.Network([3, 4, 4, 1], hidden=[xpnn.Activation(silu)]),
            xpnn.ArgumentError,
            r"hidden: expected one activation or 2.*found \['silu'\]",
        ),
        (
            lambda: xpnn.Network([3, 2], loss=3),
            xpnn.ArgumentError,
            "unknown loss 3: expected one of",
        ),
        (
            lambda: xpnn.Activation("relu"),
            xpnn.ArgumentTypeError,
            r"value: expected a function \(Z, xp\) -> A, found 'relu'",
        ),
        (
            lambda: xpnn.Activation(silu, "relu"),
            xpnn.ArgumentTypeError,
            r"derivative: expected a function \(Z, A, xp\).*found 'relu'",
        ),
        (
            lambda: xpnn.Loss(3),
            xpnn.ArgumentTypeError,
            r"value: expected a function \(A, Y, xp\).*found 3",
        ),
        (
            lambda: xpnn.Loss(huber, derivative=3),
            xpnn.ArgumentTypeError,
            r"derivative: expected a function \(A, Y, xp\).*found 3",
        ),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_pickled_output_is_still_canonical():
    """Else a saturated unit would give inf after a network has travelled to another process."""
    net = xpnn.Network([2, 1], output="sigmoid")
    travelled = pickle.loads(pickle.dumps(net))
    assert travelled == net
    params = (xpnn.Layer(np.asarray([[1e3, 0.0]]), np.asarray([[0.0]])),)
    assert float(travelled.cost(params, [[1.0], [0.0]], [[0]])) == 1e3


# ---- what a user's own functions may get wrong ------------------------------------------------

XY = [[0.5, 1.0, 2.0]], [[1.0, 0.0, 3.0]]


@pytest.mark.parametrize(
    "average",
    [
        lambda A, Y, xp: xp.mean((A - Y) ** 2),
        lambda A, Y, xp: xp.mean((A - Y) ** 2, axis=1, keepdims=True),
        lambda A, Y, xp: 0.5,
    ],
    ids=["of all", "of the examples", "a number"],
)
def test_a_loss_that_takes_the_mean_is_refused(average):
    """Else 1/m would be taken twice, and the gradients would agree with it."""
    net = xpnn.Network([1, 1], output="identity", loss=xpnn.Loss(average, name="mse"))
    for call in (net.cost, net.gradients, lambda p, X, Y: xpnn.fit(net, p, X, Y)):
        with pytest.raises(xpnn.ArgumentError, match=r"loss 'mse': expected an array of shape"):
            call(net.init(), *XY)


def test_an_activation_of_another_shape_is_refused():
    summed = xpnn.Activation(lambda Z, xp: xp.sum(Z, axis=0, keepdims=True), name="summed")
    net = xpnn.Network([1, 4, 1], hidden=summed, output="identity")
    with pytest.raises(xpnn.ArgumentError, match=r"activation 'summed': .* \(4, m\), found"):
        net.cost(net.init(), *XY)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: xpnn.Activation(lambda Z: Z), r"value: expected a function \(Z, xp\) -> A"),
        (lambda: xpnn.Loss(lambda A, Y: A), r"value: expected a function \(A, Y, xp\)"),
        (lambda: xpnn.Loss(max, canonical="sigmiod"), "Did you mean 'sigmoid'"),
        (lambda: xpnn.Loss(max, from_logits=max), "from_logits: expected canonical="),
        (
            lambda: xpnn.Loss(max, canonical="sigmoid", from_logits=3),
            "from_logits: expected a func",
        ),
        (lambda: xpnn.Network([1, 2, 1], hidden=max), r"wrap it: xpnn.Activation\(g\)"),
        (lambda: xpnn.Network([1, 1], "relu", "identity", loss=max), r"wrap it: xpnn.Loss\("),
    ],
    ids=["of Z", "of A and Y", "canonical", "logits alone", "no function", "hidden", "loss"],
)
def test_wrong_functions_are_refused_when_they_are_given(make, words):
    with pytest.raises(xpnn.XpnnError, match=words):
        make()


def test_lists_are_as_good_as_tuples():
    squares = xpnn.Loss(lambda A, Y, xp: (A - Y) ** 2, outputs=["identity"], target_range=[0, 9])
    net = xpnn.Network([1, 1], output="identity", loss=squares)
    xpnn.fit(net, net.init(), *XY, epochs=1)
    with pytest.raises(xpnn.ArgumentError, match="does not suit loss"):
        xpnn.Network([1, 1], output="tanh", loss=squares)


def test_a_softmax_network_takes_labels_whatever_its_loss():
    focal = xpnn.Loss(lambda A, Y, xp: -(xp.log(A) * Y) * (1.0 - A) ** 2, name="focal")
    net = xpnn.Network([2, 3], output="softmax", loss=focal)
    params, X = net.init(rng=0), [[0.5, 1.0, 2.0], [1.0, 0.0, 3.0]]
    labels, one_hot = [[0, 2, 1]], [[1.0, 0, 0], [0, 0, 1.0], [0, 1.0, 0]]
    assert net.cost(params, X, labels) == net.cost(params, X, one_hot)
    assert net.score(params, X, net.predict(params, X)) == 1.0
