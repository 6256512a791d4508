"""Losses: values, derivatives, the stable forms from logits, and their tables."""

import math

import numpy as np
import pytest
import scipy.special

import xpnn
from tests.helpers import read_only
from xpnn.core.activations import ACTIVATIONS
from xpnn.core.losses import LOSS_OF_OUTPUT, LOSSES, loss

NAMES = sorted(LOSSES)

# Logits that saturate nothing, in float32 too.
Z = read_only([[-2.0, 0.5, 1.25, -0.3], [1.0, -1.5, 0.75, 0.1], [0.25, 2.0, -1.0, -0.6]])
ONE_HOT = read_only([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]])
Y = {
    "binary_cross_entropy": ONE_HOT,
    "categorical_cross_entropy": ONE_HOT,
    "squared_error": read_only([[-1.0, 2.0, 0.5, 0.0], [3.0, 0.1, 1.0, 1.0], [0.0, 0.0, -2.5, 1]]),
    "poisson": read_only([[0.0, 2.0, 1.0, 0.0], [3.0, 0.0, 1.0, 5.0], [0.0, 1.0, 2.0, 0.5]]),
}
SOFT = read_only([[0.5, 0.2, 0.0, 1.0], [0.25, 0.3, 0.1, 0.0], [0.25, 0.5, 0.9, 0.0]])


def oracle(name, z, y):
    """ℓ from logits of the canonical output, by SciPy's stable functions; sums over the units."""
    if name == "binary_cross_entropy":
        log_a, log_1_a = scipy.special.log_expit(z), scipy.special.log_expit(-z)
        return -np.sum(y * log_a + (1.0 - y) * log_1_a, axis=0)
    if name == "categorical_cross_entropy":
        return -np.sum(y * scipy.special.log_softmax(z, axis=0), axis=0)
    if name == "squared_error":
        return np.sum((z - y) ** 2, axis=0) / 2.0
    # Poisson: −log of the probability mass a^y e^−a / y!, without the y!
    return -np.sum(scipy.special.xlogy(y, np.exp(z)) - np.exp(z), axis=0)


def canonical_output(backend, name, z):
    return ACTIVATIONS[LOSSES[name].canonical].value(z, backend.xp)


def from_logits(backend, name, z, y):
    """Return the losses of the examples on the host: the terms summed over the units."""
    terms = LOSSES[name].from_logits(backend.asarray(z), backend.asarray(y), backend.xp)
    assert type(backend).of(terms) == backend
    assert tuple(terms.shape) == np.shape(z)
    return backend.to_numpy(terms).sum(axis=0)


def from_output(backend, name, a, y):
    terms = LOSSES[name].value(backend.asarray(a), backend.asarray(y), backend.xp)
    assert type(backend).of(terms) == backend
    return backend.to_numpy(terms).sum(axis=0)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("name", NAMES)
def test_from_logits_in_float32(backend, name):
    actual = from_logits(backend, name, Z, Y[name])
    np.testing.assert_allclose(actual, oracle(name, Z, Y[name]), rtol=2e-6)  # ε = 1.2e-7


@pytest.mark.parametrize("name", NAMES)
def test_from_logits_in_float64(backend64, name):
    actual = from_logits(backend64, name, Z, Y[name])
    np.testing.assert_allclose(actual, oracle(name, Z, Y[name]), rtol=1e-13)


@pytest.mark.parametrize("name", ["binary_cross_entropy", "categorical_cross_entropy"])
def test_targets_may_be_probabilities(backend64, name):
    actual = from_logits(backend64, name, Z, SOFT)
    np.testing.assert_allclose(actual, oracle(name, Z, SOFT), rtol=1e-13)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("name", NAMES)
def test_value_in_float32_is_from_logits(backend, name):
    a = backend.to_numpy(canonical_output(backend, name, backend.asarray(Z)))
    actual = from_output(backend, name, a, Y[name])
    # log(1 − a) at a ≈ 0.88: a few times ε / 0.12
    np.testing.assert_allclose(actual, oracle(name, Z, Y[name]), rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_value_in_float64_is_from_logits(backend64, name):
    a = backend64.to_numpy(canonical_output(backend64, name, backend64.asarray(Z)))
    actual = from_output(backend64, name, a, Y[name])
    np.testing.assert_allclose(actual, oracle(name, Z, Y[name]), rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "a", "y", "expected"),
    [
        # by hand
        ("binary_cross_entropy", 0.25, 1.0, math.log(4)),
        ("binary_cross_entropy", 0.25, 0.0, math.log(4 / 3)),
        ("binary_cross_entropy", 0.5, 0.5, math.log(2)),
        ("categorical_cross_entropy", 0.125, 1.0, 3 * math.log(2)),
        ("categorical_cross_entropy", 0.125, 0.0, 0.0),
        ("squared_error", 3.0, 1.0, 2.0),
        ("poisson", 1.0, 7.0, 1.0),
        ("poisson", 2.0, 3.0, 2.0 - 3.0 * math.log(2)),
    ],
)
def test_value_by_hand(backend, name, a, y, expected):
    np.testing.assert_allclose(from_output(backend, name, [[a]], [[y]]), [expected], rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_derivative_is_a_central_difference_of_value(backend64, name):
    xp, h = backend64.xp, 1e-6
    a = canonical_output(backend64, name, backend64.asarray(Z))
    y = backend64.asarray(Y[name])
    actual = LOSSES[name].derivative(a, y, xp)
    assert type(backend64).of(actual) == backend64
    above = backend64.to_numpy(LOSSES[name].value(a + h, y, xp))
    below = backend64.to_numpy(LOSSES[name].value(a - h, y, xp))
    # truncation h²/6·ℓ‴, ℓ‴ ≤ 2/a³ ≈ 1e4 → 2e-9; rounding ε|ℓ|/h ≈ 1e-9
    expected = (above - below) / (2.0 * h)
    np.testing.assert_allclose(backend64.to_numpy(actual), expected, rtol=1e-7, atol=5e-9)


@pytest.mark.parametrize("name", NAMES)
def test_canonical_dZ_is_A_minus_Y(backend64, name):
    h, y = 1e-6, Y[name]
    a = backend64.to_numpy(canonical_output(backend64, name, backend64.asarray(Z)))
    for k in range(Z.shape[0]):  # a softmax output couples the units: perturb one at a time
        step = np.zeros_like(Z)
        step[k] = h
        above, below = (
            from_logits(backend64, name, Z + step, y),
            from_logits(backend64, name, Z - step, y),
        )
        np.testing.assert_allclose((above - below) / (2.0 * h), (a - y)[k], rtol=1e-7, atol=5e-9)


@pytest.mark.parametrize("name", NAMES)
def test_derivative_in_float32_keeps_dtype_and_device(backend, name):
    a = canonical_output(backend, name, backend.asarray(Z))
    actual = LOSSES[name].derivative(a, backend.asarray(Y[name]), backend.xp)
    assert type(backend).of(actual) == backend


@pytest.mark.parametrize(
    ("name", "z", "y", "expected"),
    [
        # a saturated unit that is right costs exactly 0, one that is wrong |z|
        ("binary_cross_entropy", [[1000.0, -1000.0]], [[1.0, 0.0]], [0.0, 0.0]),
        ("binary_cross_entropy", [[1000.0, -1000.0]], [[0.0, 1.0]], [1000.0, 1000.0]),
        ("binary_cross_entropy", [[1000.0, -1000.0]], [[0.5, 0.5]], [500.0, 500.0]),
        ("categorical_cross_entropy", [[1000.0], [-1000.0]], [[1.0], [0.0]], [0.0]),
        ("categorical_cross_entropy", [[1000.0], [-1000.0]], [[0.0], [1.0]], [2000.0]),
        ("squared_error", [[1000.0, -1000.0]], [[0.0, 0.0]], [500000.0, 500000.0]),
        ("poisson", [[-1000.0]], [[2.0]], [2000.0]),
    ],
)
def test_logits_of_1000_are_exact(backend, name, z, y, expected):
    assert from_logits(backend, name, z, y).tolist() == expected


def test_equal_logits_of_1000_cost_log_2(backend):
    z, y = [[1000.0], [1000.0]], [[1.0], [0.0]]
    actual = from_logits(backend, "categorical_cross_entropy", z, y)
    np.testing.assert_allclose(actual, [math.log(2)], rtol=2e-7)


def test_small_losses_keep_their_digits(backend):
    # log(1 + e^−20) = e^−20 − e^−40/2 …; 1 − σ(20) is 0 in float32, so value would give 0
    actual = from_logits(backend, "binary_cross_entropy", [[20.0]], [[1.0]])
    np.testing.assert_allclose(actual, [math.exp(-20.0)], rtol=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_not_altered(backend, name):
    a = read_only(backend.to_numpy(canonical_output(backend, name, backend.asarray(Z))))
    z32, y32 = read_only(Z, "float32"), read_only(Y[name], "float32")
    A, z, y = backend.asarray(a), backend.asarray(z32), backend.asarray(y32)
    LOSSES[name].value(A, y, backend.xp)
    LOSSES[name].derivative(A, y, backend.xp)
    LOSSES[name].from_logits(z, y, backend.xp)
    for array, before in ((A, a), (z, z32), (y, y32)):
        np.testing.assert_array_equal(backend.to_numpy(array), before)


# ---- the tables ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_table_is_keyed_by_name(name):
    assert LOSSES[name].name == name
    assert loss(name) is LOSSES[name]


def test_every_activation_has_a_loss():
    assert set(LOSS_OF_OUTPUT) == set(ACTIVATIONS)


@pytest.mark.parametrize("output", sorted(LOSS_OF_OUTPUT))
def test_the_loss_of_an_output_suits_it(output):
    assert output in LOSSES[LOSS_OF_OUTPUT[output]].outputs


@pytest.mark.parametrize("name", NAMES)
def test_the_canonical_output_has_this_loss(name):
    assert LOSSES[name].canonical in LOSSES[name].outputs
    assert LOSS_OF_OUTPUT[LOSSES[name].canonical] == name


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_activations_whose_derivative_is_there_when_needed(name):
    for output in LOSSES[name].outputs:
        needs_derivative = output != LOSSES[name].canonical
        assert not needs_derivative or ACTIVATIONS[output].derivative is not None


@pytest.mark.parametrize("name", NAMES)
def test_target_range_is_an_interval(name):
    low, high = LOSSES[name].target_range
    assert low < high


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("binary_crossentropy", "binary_cross_entropy"),
        ("Squared_Error", "squared_error"),
        ("poison", "poisson"),
    ],
)
def test_unknown_loss(wrong, nearest):
    with pytest.raises(xpnn.ArgumentError, match=f"{wrong}.*expected.*Did you mean '{nearest}'"):
        loss(wrong)
