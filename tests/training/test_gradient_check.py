"""The gradient check: passes what is right, and catches what is not."""

from dataclasses import replace

import numpy as np
import pytest

import xpnn
from tests.helpers import read_only, to_numpy
from xpnn.core import activations, propagation


def problem(rng, n_y=3, m=8):
    X = read_only(rng.standard_normal((4, m)))
    return X, read_only(rng.integers(0, n_y, (1, m)))


def with_biases(backend, net, rng):
    """Initial parameters with biases that are not zero: no Z lies on a kink."""
    return tuple(
        xpnn.Layer(layer.W, backend.asarray(0.1 * rng.standard_normal(layer.b.shape)))
        for layer in net.init(rng=rng.own)
    )


@pytest.mark.slow("jax")
@pytest.mark.parametrize("hidden", ["tanh", "sigmoid", "leaky_relu"])
def test_right_gradients_pass(backend64, rng, hidden):
    X, y = problem(rng)
    net = xpnn.Network([4, 5, 3], hidden=hidden)
    params = with_biases(backend64, net, rng)
    report = xpnn.gradient_check(
        net, params, X, y, l2=0.3, sample_weight=rng.uniform(0.5, 2.0, (1, 8))
    )
    assert report.difference < 1e-8
    assert report.analytic == pytest.approx(report.numeric, abs=1e-7)


def test_a_float32_network_is_checked_in_float64(rng):
    X, y = problem(rng)
    net = xpnn.Network([4, 5, 3], hidden="tanh")
    with xpnn.use_backend("numpy") as backend:
        params = with_biases(backend, net, rng)
        before = to_numpy(backend, params)[0].W.copy()
        assert xpnn.gradient_check(net, params, X, y).difference < 1e-8
    assert params[0].W.dtype == np.float32
    np.testing.assert_array_equal(params[0].W, before)


def test_a_wrong_derivative_is_caught_and_named(monkeypatch, rng):
    """tanh′ without its square: everything below the output is wrong, the output is right."""
    broken = replace(activations.ACTIVATIONS["tanh"], derivative=lambda Z, A, xp: 1.0 - A)
    monkeypatch.setitem(activations.ACTIVATIONS, "tanh", broken)
    X, y = problem(rng)
    net = xpnn.Network([4, 5, 3], hidden="tanh")
    with xpnn.use_backend("numpy", "float64") as backend:
        report = xpnn.gradient_check(net, with_biases(backend, net, rng), X, y)
    assert report.difference > 1e-3
    assert report.worst.startswith(("W[1]", "b[1]"))


def test_the_worst_parameter_is_named_by_its_place(monkeypatch):
    """One wrong entry, dW[2][0, 3], is found."""
    net = xpnn.Network([2, 4, 1], hidden="tanh", output="identity")
    original = propagation.backward

    def wrong(*args):
        first, second = original(*args)
        dW = second.W.copy()
        dW[0, 3] += 1.0
        return first, xpnn.Layer(dW, second.b)

    monkeypatch.setattr(propagation, "backward", wrong)
    with xpnn.use_backend("numpy", "float64"):
        report = xpnn.gradient_check(net, net.init(rng=0), [[1.0], [2.0]], [[1.0]])
    assert report.worst == "W[2][0, 3]"
    assert report.analytic - report.numeric == pytest.approx(1.0, abs=1e-6)


def test_no_float64_is_said():
    pytest.importorskip("array_api_strict")
    net = xpnn.Network([2, 1], output="sigmoid")
    with (
        xpnn.use_backend("array_api_strict:no_float64"),
        pytest.raises(xpnn.BackendError, match=r"gradient_check works in float64.*float32"),
    ):
        xpnn.gradient_check(net, net.init(), [[1.0], [2.0]], [[1.0]])
