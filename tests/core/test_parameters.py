"""θ and its windows, and initial weights that do not depend on the backend."""

import re
from itertools import pairwise

import numpy as np
import pytest
import scipy.stats

import xpnn
from tests.helpers import SPECS, to_numpy, unusable
from xpnn.core.parameters import (
    INITIALIZERS,
    Layer,
    count,
    entry_name,
    initial_weights,
    ravel,
    unravel,
)

SIZES = [(3, 1), (1, 1), (2, 4, 1), (5, 3, 3, 2)]
WEIGHTS = sorted(INITIALIZERS)


def params_of_ranges(backend, sizes):
    """Layers that count 0, 1, 2, … in the order of the notes: W[1], b[1], W[2], b[2], …"""
    layers, start = [], 0
    for n_prev, n in pairwise(sizes):
        W = np.arange(start, start + n * n_prev).reshape(n, n_prev)
        b = np.arange(start + n * n_prev, start + n * (n_prev + 1)).reshape(n, 1)
        layers.append(Layer(*(backend.asarray(a, backend.dtype) for a in (W, b))))
        start += n * (n_prev + 1)
    return tuple(layers)


# ---- θ ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        # by hand: Σ n (n_prev + 1)
        ((3, 1), 4),
        ((2, 4, 1), 12 + 5),
        ((64, 32, 10), 2080 + 330),
        ((784, 256, 128, 10), 200960 + 32896 + 1290),
    ],
)
def test_count(sizes, expected):
    assert count(sizes) == expected


@pytest.mark.parametrize("sizes", SIZES)
def test_theta_lists_layer_by_layer_row_by_row(backend, sizes):
    theta = ravel(params_of_ranges(backend, sizes), backend.xp)
    assert type(backend).of(theta) == backend
    assert backend.to_numpy(theta).tolist() == list(range(count(sizes)))


@pytest.mark.slow("jax")
@pytest.mark.parametrize("sizes", SIZES)
def test_round_trip(backend, sizes):
    params = params_of_ranges(backend, sizes)
    again = unravel(ravel(params, backend.xp), sizes, backend.xp)
    assert len(again) == len(sizes) - 1
    for layer, expected in zip(again, params, strict=True):
        assert isinstance(layer, Layer)
        for a, b in zip(layer, expected, strict=True):
            assert type(backend).of(a) == backend
            assert tuple(a.shape) == tuple(b.shape)
            np.testing.assert_array_equal(backend.to_numpy(a), backend.to_numpy(b))


@pytest.mark.parametrize("sizes", SIZES)
def test_an_entry_of_theta_has_the_name_of_its_place(sizes):
    theta = np.arange(count(sizes))
    layers = unravel(theta, sizes, np)
    for index in theta:
        name, place = re.fullmatch(r"([Wb])\[(\d+)\]\[.*", entry_name(index, sizes)).groups()
        row, column = map(int, re.findall(r"\d+", entry_name(index, sizes))[1:])
        assert getattr(layers[int(place) - 1], name)[row, column] == index
    with pytest.raises(IndexError):
        entry_name(count(sizes), sizes)


def test_ravel_copies(backend):
    params = params_of_ranges(backend, (1, 1))
    theta = ravel(params, backend.xp)
    theta += 1.0
    np.testing.assert_array_equal(backend.to_numpy(params[0].W), [[0.0]])


def test_unravel_gives_windows_on_numpy():
    sizes = (5, 3, 2)
    theta = np.zeros(count(sizes))
    for part in (part for layer in unravel(theta, sizes, np) for part in layer):
        assert np.shares_memory(part, theta)
        part[...] += 1.0
    assert theta.tolist() == [1.0] * count(sizes)


def test_unravel_gives_windows_on_torch():
    torch = pytest.importorskip("torch")
    theta = torch.zeros(count((5, 3, 2)))
    for part in (part for layer in unravel(theta, (5, 3, 2), torch) for part in layer):
        part[...] += 1.0
    assert theta.tolist() == [1.0] * count((5, 3, 2))


def test_gradients_have_the_tree_of_the_parameters(backend):
    net = xpnn.Network([3, 4, 2], hidden="tanh")
    params = net.init(rng=0)
    grads = net.gradients(params, np.ones((3, 5)), np.zeros((1, 5), int))
    shapes = [[tuple(part.shape) for part in layer] for layer in grads]
    assert shapes == [[(4, 3), (4, 1)], [(2, 4), (2, 1)]]
    assert ravel(grads, backend.xp).shape == ravel(params, backend.xp).shape


# ---- first values ----------------------------------------------------------------------------


N_PREV, N = 50, 200

# The distribution that each rule draws from, as its source states it.
DISTRIBUTIONS = {
    # the notes: 0.01 · randn
    "small": scipy.stats.norm(scale=0.01),
    # LeCun et al. 1998, "Efficient BackProp", equation 16: σ = 1/√fan-in
    "lecun": scipy.stats.norm(scale=N_PREV**-0.5),
    # He et al. 2015, equation 10: variance 2/fan-in
    "he": scipy.stats.norm(scale=(2.0 / N_PREV) ** 0.5),
    # Glorot and Bengio 2010, equation 16: U(−√6/√(fan-in + fan-out), +…)
    "glorot": scipy.stats.uniform(-((6.0 / 250.0) ** 0.5), 2.0 * (6.0 / 250.0) ** 0.5),
    # the notes: rand, on [0, 1)
    "uniform": scipy.stats.uniform(0.0, 1.0),
}


def test_every_random_initializer_has_a_distribution():
    assert set(DISTRIBUTIONS) == set(WEIGHTS) - {"zeros"}


@pytest.mark.parametrize("weights", sorted(DISTRIBUTIONS))
def test_distribution(weights):
    (W,) = initial_weights((N_PREV, N), weights, np.random.default_rng(1))
    assert W.shape == (N, N_PREV)
    # Kolmogorov and Smirnov at 10,000 draws: a scale wrong by 5 % gives p < 1e-4
    assert scipy.stats.kstest(W.ravel(), DISTRIBUTIONS[weights].cdf).pvalue > 0.01


@pytest.mark.parametrize("weights", ["small", "lecun", "he"])
def test_standard_deviation(weights):
    (W,) = initial_weights((N_PREV, N), weights, np.random.default_rng(2))
    # the standard error of a standard deviation from n draws is σ/√(2n) = 0.7 %
    assert W.std() == pytest.approx(DISTRIBUTIONS[weights].std(), rel=0.03)


@pytest.mark.parametrize("weights", ["glorot", "uniform"])
def test_bounds_are_reached_and_kept(weights):
    (W,) = initial_weights((N_PREV, N), weights, np.random.default_rng(3))
    low, high = DISTRIBUTIONS[weights].support()
    margin = 1e-3 * (high - low)  # 10,000 draws come within 1/1000 but for odds of e^−10
    assert low <= W.min() <= low + margin
    assert high - margin <= W.max() <= high


def test_zeros_are_zeros():
    assert initial_weights((3, 2), "zeros", None) == [[[0.0] * 3] * 2]  # draws nothing


def test_he_uses_the_inputs_of_each_layer():
    deviations = [W.std() for W in initial_weights((1000, 50, 200), "he", np.random.default_rng(4))]
    assert deviations == pytest.approx([(2 / 1000) ** 0.5, (2 / 50) ** 0.5], rel=0.03)


@pytest.mark.parametrize(
    ("weights", "draw"),
    [
        ("he", lambda rng: rng.standard_normal((4, 3)) * (2 / 3) ** 0.5),
        ("small", lambda rng: rng.standard_normal((4, 3)) * 0.01),
        ("uniform", lambda rng: rng.uniform(size=(4, 3))),
    ],
)
@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_draws_come_in_the_order_of_the_layers(weights, draw, make):
    """The stream of ``rng`` is part of the promise: W[1] first, nothing drawn for biases."""
    rng = make(5)
    with xpnn.use_backend("numpy", "float64"):
        params = xpnn.Network([3, 4, 2]).init(rng=make(5), weights=weights)
    np.testing.assert_array_max_ulp(params[0].W, draw(rng), maxulp=1)
    shape = (2, 4)
    second = rng.uniform(size=shape) if weights == "uniform" else rng.standard_normal(shape)
    scale = {"he": (2 / 4) ** 0.5, "small": 0.01, "uniform": 1.0}[weights]
    np.testing.assert_array_max_ulp(params[1].W, second * scale, maxulp=1)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_biases_are_zero(backend, weights):
    for layer in to_numpy(backend, xpnn.Network([3, 4, 2]).init(rng=0, weights=weights)):
        assert layer.b.shape == (layer.W.shape[0], 1)
        assert not layer.b.any()


def assert_same_bits(backend, weights, dtype):
    net = xpnn.Network([7, 5, 3])
    params = net.init(rng=42, weights=weights)
    assert all(type(backend).of(part) == backend for layer in params for part in layer)
    with xpnn.use_backend("numpy", dtype):
        expected = net.init(rng=42, weights=weights)
    for layer, reference in zip(to_numpy(backend, params), expected, strict=True):
        assert layer.W.dtype == dtype
        assert layer.W.tobytes() == reference.W.tobytes()
        assert layer.b.tobytes() == reference.b.tobytes()


@pytest.mark.parametrize("weights", WEIGHTS)
def test_same_bits_as_numpy_in_float32(backend, weights):
    assert_same_bits(backend, weights, "float32")


@pytest.mark.parametrize("weights", WEIGHTS)
def test_same_bits_as_numpy_in_float64(backend64, weights):
    assert_same_bits(backend64, weights, "float64")


def test_float32_weights_are_the_float64_ones_rounded():
    net = xpnn.Network([7, 5, 3])
    with xpnn.use_backend("numpy", "float64"):
        exact = net.init(rng=0)
    np.testing.assert_array_equal(net.init(rng=0)[0].W, exact[0].W.astype("float32"))


def test_a_seed_repeats_and_a_generator_moves_on():
    net = xpnn.Network([3, 2])
    np.testing.assert_array_equal(net.init(rng=1)[0].W, net.init(rng=np.int64(1))[0].W)
    rng = np.random.default_rng(1)
    first, second = net.init(rng=rng)[0].W, net.init(rng=rng)[0].W
    np.testing.assert_array_equal(first, net.init(rng=1)[0].W)
    assert not np.array_equal(first, second)


def test_no_seed_is_fresh_entropy():
    net = xpnn.Network([3, 2])
    assert not np.array_equal(net.init(rng=None)[0].W, net.init(rng=None)[0].W)


def test_init_goes_to_the_selected_backend():
    for spec in SPECS:
        if unusable(spec) is None:
            with xpnn.use_backend(spec) as backend:
                (layer,) = xpnn.Network([3, 2]).init(rng=0)
                assert type(backend).of(layer.W) == backend


@pytest.mark.parametrize("weights", WEIGHTS)
def test_arrays_of_init_may_be_written(weights):
    for part in xpnn.Network([3, 2]).init(rng=0, weights=weights)[0]:
        part[...] += 1.0


@pytest.mark.parametrize(
    ("wrong", "nearest"), [("hee", "he"), ("Glorot", "glorot"), ("zero", "zeros")]
)
def test_unknown_initializer(wrong, nearest):
    message = f"unknown initiali[sz]er '{wrong}'.*Did you mean '{nearest}'"
    with pytest.raises(xpnn.ArgumentError, match=message):
        xpnn.Network([3, 2]).init(rng=0, weights=wrong)
