"""Properties of the core that hold for any sizes, activations, losses and numbers.

hypothesis draws them, the same ones every time. The oracles are central differences and the graph,
which knows nothing of backward propagation.
"""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import xpnn
from xpnn import graph
from xpnn.core import propagation
from xpnn.core.activations import ACTIVATIONS
from xpnn.core.losses import LOSSES
from xpnn.core.parameters import unravel
from xpnn.training.gradient_check import central_differences

HIDDEN = sorted(set(ACTIVATIONS) - {"softmax"})
TOLERANCE = {"float32": 2e-3, "float64": 1e-9}
"""Of the largest number compared; exp and deep layers cost digits."""
LARGEST = 1e3
"""Gradients beyond it are of saturated or exploding units: differences of costs tell nothing."""

every_time = settings(
    derandomize=True, database=None, deadline=None, max_examples=100, print_blob=False
)


def pairs():
    """Every output with every loss that takes it."""
    return [
        (output, name)
        for output in sorted(ACTIVATIONS)
        for name, loss in sorted(LOSSES.items())
        if not loss.outputs or output in loss.outputs
    ]


@st.composite
def problems(draw, dtype=None, most=5):
    """A network, parameters with biases, X, Y and a penalty."""
    output, loss = draw(st.sampled_from(pairs()))
    depth = draw(st.integers(1, 4))
    sizes = [draw(st.integers(1, most)) for _ in range(depth)]
    sizes.append(draw(st.integers(2 if output == "softmax" else 1, most)))
    hidden = [draw(st.sampled_from(HIDDEN)) for _ in sizes[1:-1]]
    net = xpnn.Network(sizes, hidden or "relu", output, loss)
    m = draw(st.integers(1, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = dtype or draw(st.sampled_from(sorted(TOLERANCE)))
    scale = draw(st.sampled_from([0.1, 0.5, 1.0]))
    params = tuple(
        xpnn.Layer(
            (scale * rng.standard_normal((n, n_prev))).astype(dtype),
            (scale * rng.standard_normal((n, 1))).astype(dtype),
        )
        for n_prev, n in pairwise(sizes)
    )
    X = rng.standard_normal((sizes[0], m)).astype(dtype)
    return net, params, X, targets(net, m, rng).astype(dtype), draw(st.sampled_from([0.0, 0.7]))


def targets(net, m, rng):
    """Draw targets in the range of the loss."""
    n_y = net.sizes[-1]
    if net.loss.canonical == "softmax":
        return rng.dirichlet(np.ones(n_y), m).T
    low, high = net.loss.target_range
    if np.isfinite(high):
        return rng.uniform(low, high, (n_y, m))
    return rng.poisson(2.0, (n_y, m)) if low == 0.0 else rng.standard_normal((n_y, m))


def flat(params):
    return np.concatenate([a.ravel() for layer in params for a in layer])


def close(a, b, dtype):
    scale = max(1.0, float(np.abs(b).max(initial=0.0)))
    np.testing.assert_allclose(a, b, rtol=0.0, atol=TOLERANCE[dtype] * scale)


def tame(net, params, X):
    """Take only networks whose units have numbers that floats can tell apart."""
    _, caches = net.forward(params, X)
    assume(all(np.abs(cache.Z).max() < 30.0 for cache in caches))


@every_time
@given(problems())
def test_shapes_and_dtypes(problem):
    net, params, X, Y, l2 = problem
    A, caches = net.forward(params, X)
    m = X.shape[1]
    assert (A.shape, A.dtype) == ((net.sizes[-1], m), X.dtype)
    for (n_prev, n), cache in zip(pairwise(net.sizes), caches, strict=True):
        assert cache.A_prev.shape == (n_prev, m)
        assert cache.Z.shape == cache.A.shape == (n, m)
        assert {a.dtype for a in cache} == {X.dtype}
    J = net.cost(params, X, Y, l2)
    assert (J.shape, J.dtype) == ((), X.dtype)
    for layer, grad in zip(params, net.gradients(params, X, Y, l2), strict=True):
        for a, g in zip(layer, grad, strict=True):
            assert (a.shape, a.dtype) == (g.shape, g.dtype)
    if net.output in {"softmax", "sigmoid"}:
        predicted = net.predict(params, X)
        assert predicted.dtype.kind == "i"
        assert predicted.shape == (1 if net.output == "softmax" else net.sizes[-1], m)
    assert net.score(params, X, Y) <= 1.0


@every_time
@given(problems(dtype="float64", most=4))
def test_gradients_are_central_differences(problem):
    net, params, X, Y, l2 = problem
    tame(net, params, X)
    # no kink of a relu may lie between two evaluations, nor the unit be all but saturated
    _, caches = net.forward(params, X)
    kinked = [c.Z for c, g in zip(caches, net.activations, strict=True) if "relu" in g.name]
    assume(all(np.abs(Z).min() > 1e-3 for Z in kinked))
    g = flat(net.gradients(params, X, Y, l2))
    assume(np.abs(g).max() < LARGEST)
    theta = flat(params)

    def J(i, shift):
        moved = theta.copy()
        moved[i] += shift
        return float(net.cost(unravel(moved, net.sizes, np), X, Y, l2))

    numeric = central_differences(J, theta.size, 1e-6)
    np.testing.assert_allclose(g, numeric, rtol=1e-4, atol=1e-5 * max(1.0, np.abs(g).max()))


@every_time
@given(problems())
def test_gradients_are_those_of_the_graph(problem):
    net, params, X, Y, l2 = problem
    tame(net, params, X)
    m = X.shape[1]

    def J(params):
        _, caches = propagation.forward(params, X, net.activations, graph)
        decay = l2 / m if l2 else None
        objective = propagation.Objective(net.activations, net.loss, 1.0 / m, decay)
        return propagation.cost(params, caches, Y, objective, graph)

    ours = flat(net.gradients(params, X, Y, l2))
    assume(np.abs(ours).max() < LARGEST)
    close(ours, flat(graph.grad(J)(params)), X.dtype.name)


@every_time
@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_the_examples_is_of_no_account(problem, random):
    net, params, X, Y, l2 = problem
    tame(net, params, X)
    order = list(range(X.shape[1]))
    random.shuffle(order)
    g = flat(net.gradients(params, X, Y, l2))
    assume(np.abs(g).max() < LARGEST)
    A, permuted = net.forward(params, X)[0], net.forward(params, X[:, order])[0]
    close(permuted, A[:, order], X.dtype.name)
    close(net.cost(params, X[:, order], Y[:, order], l2), net.cost(params, X, Y, l2), X.dtype.name)
    close(flat(net.gradients(params, X[:, order], Y[:, order], l2)), g, X.dtype.name)


@every_time
@given(problems(), st.data())
def test_two_parts_average_to_the_whole(problem, data):
    """Each part counts by its examples: what mini-batches and several machines rest on."""
    net, params, X, Y, _ = problem
    m = X.shape[1]
    assume(m > 1)
    tame(net, params, X)
    k = data.draw(st.integers(1, m - 1))
    whole = flat(net.gradients(params, X, Y))
    assume(np.abs(whole).max() < LARGEST)
    parts = [(X[:, :k], Y[:, :k]), (X[:, k:], Y[:, k:])]
    shares = [k / m, 1.0 - k / m]
    J = sum(s * net.cost(params, *part) for s, part in zip(shares, parts, strict=True))
    g = sum(s * flat(net.gradients(params, *part)) for s, part in zip(shares, parts, strict=True))
    close(J, net.cost(params, X, Y), X.dtype.name)
    close(g, whole, X.dtype.name)


@every_time
@given(problems(), st.floats(0.01, 10.0))
def test_the_penalty_adds_its_own_gradient(problem, l2):
    net, params, X, Y, _ = problem
    tame(net, params, X)
    m, dtype = X.shape[1], X.dtype.name
    without = net.gradients(params, X, Y)
    assume(np.abs(flat(without)).max() < LARGEST)
    penalised = net.gradients(params, X, Y, l2)
    for (W, _), plain, grad in zip(params, without, penalised, strict=True):
        close(grad.W, plain.W + l2 / m * W, dtype)
        np.testing.assert_array_equal(grad.b, plain.b)  # biases are not penalised
    squares = sum(float(np.sum(W.astype(np.float64) ** 2)) for W, _ in params)
    difference = float(net.cost(params, X, Y, l2)) - float(net.cost(params, X, Y))
    close(difference, l2 / (2 * m) * squares, dtype)


@every_time
@given(problems())
def test_a_weight_of_2_is_the_example_twice(problem):
    net, params, X, Y, _ = problem
    tame(net, params, X)
    m = X.shape[1]
    weights = np.where(np.arange(m) == 0, 2.0, 1.0)[None, :]
    g = flat(net.gradients(params, np.c_[X, X[:, :1]], np.c_[Y, Y[:, :1]]))
    assume(np.abs(g).max() < LARGEST)
    close(flat(net.gradients(params, X, Y, sample_weight=weights)), g, X.dtype.name)


def test_every_pair_of_output_and_loss_is_drawn():
    """Guard against a strategy that leaves some out."""
    assert {output for output, _ in pairs()} == set(ACTIVATIONS)
    assert {loss for _, loss in pairs()} == set(LOSSES)
    with pytest.raises(xpnn.ArgumentError):
        xpnn.Network([2, 2], output="tanh", loss="poisson")
