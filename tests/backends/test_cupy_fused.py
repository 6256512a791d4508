"""What CuPy makes one kernel of: the same work as the functions of `core` do by themselves."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

import xpnn
from xpnn._backends import cupy_fused
from xpnn._backends.cupy import CupyBackend
from xpnn._backends.numpy import NumpyBackend
from xpnn.core import activations, losses, optimizers
from xpnn.training import step

CACHES = (
    step.run_by_steps,
    cupy_fused._update,
    cupy_fused._forward,
    cupy_fused._backward,
    cupy_fused._loss,
)
RULES = [make(0.01) for make in optimizers.OPTIMIZERS.values()]
NETS = [
    xpnn.Network([4, 5, 1], hidden="tanh", output="sigmoid"),
    xpnn.Network([4, 5, 3, 3], hidden=["relu", "leaky_relu"]),
    xpnn.Network([4, 5, 2], hidden="sigmoid", output="identity"),
    xpnn.Network([4, 5, 1], output="exp"),
    xpnn.Network([4, 5, 1], hidden="identity", output="sigmoid", loss="squared_error"),
    xpnn.Network([4, 5, 3], output="sigmoid", loss="categorical_cross_entropy"),
]


@pytest.fixture
def asked(monkeypatch):
    """Fuse on NumPy, with a `cupy.fuse` that runs the function; yield the kernels asked for."""
    asked = []

    def fuse(*, kernel_name):
        def named(function):
            def kernel(*args):
                asked.append(kernel_name)
                return function(*args)

            return kernel

        return named

    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(fuse=fuse))
    for cache in CACHES:
        cache.cache_clear()
    yield asked
    for cache in CACHES:
        cache.cache_clear()


@pytest.fixture
def fusing(asked, monkeypatch):
    """Let NumPy's backend fuse as CuPy's does."""
    monkeypatch.setattr(NumpyBackend, "fuse", CupyBackend.fuse)
    monkeypatch.setattr(NumpyBackend, "fuse_layers", CupyBackend.fuse_layers)
    return asked


def fit(net, rule, **options):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4, 30))
    classes = net.loss.name == "categorical_cross_entropy"
    Y = rng.integers(0, 3, (1, 30)) if classes else rng.integers(0, 2, (net.sizes[-1], 30))
    with xpnn.use_backend("numpy"):
        return xpnn.fit(net, net.init(rng=0), X, Y, optimizer=rule, epochs=3, rng=0, **options)


@pytest.mark.parametrize("batch_size", [None, 8])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("net", NETS, ids=repr)
def test_fit_is_the_same_to_the_bit(asked, monkeypatch, net, rule, batch_size):
    monkeypatch.setattr(NumpyBackend, "by_layer_from", np.inf)
    plain, plain_history = fit(net, rule, l2=0.1, batch_size=batch_size)
    assert not asked
    monkeypatch.setattr(NumpyBackend, "fuse", CupyBackend.fuse)
    monkeypatch.setattr(NumpyBackend, "fuse_layers", CupyBackend.fuse_layers)
    step.run_by_steps.cache_clear()
    params, history = fit(net, rule, l2=0.1, batch_size=batch_size)
    assert asked
    assert history.cost == plain_history.cost
    for layer, plain_layer in zip(params, plain, strict=True):
        np.testing.assert_array_equal(layer.W, plain_layer.W)
        np.testing.assert_array_equal(layer.b, plain_layer.b)


def test_the_kernels_of_a_step(fusing):
    fit(NETS[0], optimizers.adam())
    assert fusing[: len(fusing) // 3] == [
        "xpnn_tanh",
        "xpnn_sigmoid",
        "xpnn_binary_cross_entropy_from_logits",
        "xpnn_tanh_derivative",
        "xpnn_adam_update",
    ]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_lbfgs_is_fused_too(fusing):
    model = xpnn.MLPRegressor(hidden_layer_sizes=(5,), solver="lbfgs", max_iter=2)
    model.fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 0.0])
    assert {"xpnn_relu", "xpnn_relu_derivative", "xpnn_squared_error"} == set(fusing)


def test_what_may_not_go_entry_by_entry_is_left_alone():
    def squash(Z, xp):
        return Z / xp.max(xp.abs(Z))

    own = activations.Activation(squash, lambda Z, A, xp: 1.0 / xp.max(xp.abs(Z)))
    for g in (own, activations.ACTIVATIONS["softmax"], activations.ACTIVATIONS["identity"]):
        assert cupy_fused.fused_activation(g) is g
    loss = losses.Loss(lambda A, Y, xp: (A - Y) ** 2)
    assert cupy_fused.fused_loss(loss) == loss
    softmax = losses.LOSSES["categorical_cross_entropy"]
    assert cupy_fused.fused_loss(softmax).from_logits is softmax.from_logits
    half_own = activations.Activation(activations.tanh, lambda Z, A, xp: 1.0 - A * A)
    assert cupy_fused.fused_activation(half_own) is half_own
    for loss in (
        losses.Loss(losses.squared_error, losses.squared_error_derivative),
        losses.Loss(losses.squared_error, canonical="identity"),
        losses.Loss(losses.squared_error, derivative=lambda A, Y, xp: A - Y),
    ):
        fused = cupy_fused.fused_loss(loss)
        assert (fused.derivative is loss.derivative) == (
            loss.derivative is not losses.squared_error_derivative
        )
        assert fused.from_logits is None

    def update(theta, g, state, scalars, xp):
        return theta - g / xp.max(xp.abs(g)), state

    assert cupy_fused.fused_update(update) is update
