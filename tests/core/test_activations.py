"""Activations: values, derivatives, conventions at the kinks, and saturation."""

import numpy as np
import pytest
import scipy.special

import xpnn
from tests.helpers import read_only
from xpnn.core.activations import ACTIVATIONS, activation

ELEMENTWISE = sorted(name for name, g in ACTIVATIONS.items() if g.derivative is not None)

# Away from 0, the only kink, and small enough that nothing saturates.
Z = read_only([[-3.0, -0.75, -0.1, 0.2, 1.5], [2.5, -1.0, 0.5, -2.0, 0.125]])

# Independent of the library under test: SciPy's own code, or a table worked out by hand.
ORACLES = {
    "sigmoid": scipy.special.expit(Z),
    "tanh": 2.0 * scipy.special.expit(2.0 * Z) - 1.0,
    "relu": [[0.0, 0.0, 0.0, 0.2, 1.5], [2.5, 0.0, 0.5, 0.0, 0.125]],
    "leaky_relu": [[-0.03, -0.0075, -0.001, 0.2, 1.5], [2.5, -0.01, 0.5, -0.02, 0.125]],
    "identity": Z,
    "exp": scipy.special.expm1(Z) + 1.0,
    "softmax": scipy.special.softmax(Z, axis=0),
}

# A few units in the last place of each dtype: the libraries' own exp and tanh differ by that.
RTOL = {"float32": 5e-6, "float64": 1e-13}


def assert_values(backend, actual, expected):
    """Compare values, and that the array stayed in its library, device and dtype."""
    assert type(backend).of(actual) == backend
    np.testing.assert_allclose(
        backend.to_numpy(actual), expected, rtol=RTOL[backend.dtype_name], atol=1e-45
    )


def g_of(backend, name, z):
    """Return g(z) and g′(z) on the host; z is any array_like."""
    z = backend.asarray(z, backend.dtype)
    g = ACTIVATIONS[name]
    a = g.value(z, backend.xp)
    return backend.to_numpy(a), backend.to_numpy(g.derivative(z, a, backend.xp))


def test_every_activation_has_an_oracle():
    assert set(ORACLES) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_table_is_keyed_by_name(name):
    assert ACTIVATIONS[name].name == name
    assert activation(name) is ACTIVATIONS[name]


def test_only_softmax_has_no_elementwise_derivative():
    assert set(ACTIVATIONS) - set(ELEMENTWISE) == {"softmax"}


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_values_in_float32(backend, name):
    A = ACTIVATIONS[name].value(backend.asarray(Z), backend.xp)
    assert_values(backend, A, ORACLES[name])


@pytest.mark.slow("jax")
@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_values_in_float64(backend64, name):
    A = ACTIVATIONS[name].value(backend64.asarray(Z), backend64.xp)
    assert_values(backend64, A, ORACLES[name])


@pytest.mark.slow("jax")
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_derivative_is_a_central_difference_in_float64(backend64, name):
    xp, g, h = backend64.xp, ACTIVATIONS[name], 1e-6
    z = backend64.asarray(Z)
    actual = g.derivative(z, g.value(z, xp), xp)
    assert type(backend64).of(actual) == backend64
    above, below = g.value(z + h, xp), g.value(z - h, xp)
    expected = (backend64.to_numpy(above) - backend64.to_numpy(below)) / (2.0 * h)
    # truncation h²/6·g‴ ≈ 3e-12, rounding ε|g|/h ≈ 2e-9 for |g| ≤ e^2.5
    np.testing.assert_allclose(backend64.to_numpy(actual), expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_derivative_in_float32_is_that_of_float64(backend, name):
    z = backend.asarray(Z)
    g = ACTIVATIONS[name]
    actual = g.derivative(z, g.value(z, backend.xp), backend.xp)
    with xpnn.use_backend("numpy", "float64") as reference:
        _, expected = g_of(reference, name, Z)
    assert type(backend).of(actual) == backend
    # 1 − a² loses digits where |a| → 1: 1 − tanh²(3) ≈ 0.01, so a hundred times ε = 1.2e-7
    np.testing.assert_allclose(backend.to_numpy(actual), expected, rtol=5e-5)


@pytest.mark.slow("jax")
@pytest.mark.parametrize(
    ("name", "at_zero", "derivative_at_zero"),
    [
        # g(0) and the convention for g′(0), stated in the docstrings; elsewhere calculus
        ("relu", 0.0, 0.0),
        ("leaky_relu", 0.0, 1.0),
        ("identity", 0.0, 1.0),
        ("sigmoid", 0.5, 0.25),
        ("tanh", 0.0, 1.0),
        ("exp", 1.0, 1.0),
    ],
)
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_at_zero(backend, name, at_zero, derivative_at_zero, zero):
    a, slope = g_of(backend, name, [[zero]])
    np.testing.assert_allclose(a, [[at_zero]], atol=0.0)
    np.testing.assert_allclose(slope, [[derivative_at_zero]], atol=0.0)


@pytest.mark.parametrize(
    ("name", "limits", "slopes"),
    [
        # lim g and lim g′ at −∞ and +∞, reached in floating point at ∓1000
        ("sigmoid", [0.0, 1.0], [0.0, 0.0]),
        ("tanh", [-1.0, 1.0], [0.0, 0.0]),
        ("relu", [0.0, 1000.0], [0.0, 1.0]),
        ("leaky_relu", [-10.0, 1000.0], [0.01, 1.0]),
        ("identity", [-1000.0, 1000.0], [1.0, 1.0]),
    ],
)
def test_saturation(backend, name, limits, slopes):
    a, slope = g_of(backend, name, [[-1000.0, 1000.0]])
    np.testing.assert_allclose(a, [limits], rtol=2e-7)  # 0.01 is rounded in float32
    np.testing.assert_allclose(slope, [slopes], rtol=2e-7)


def test_leaky_relu_slope_above_zero_is_exactly_1(backend):
    _, slope = g_of(backend, "leaky_relu", [[0.0, 1e-30, 3.0]])
    assert slope.tolist() == [[1.0, 1.0, 1.0]]


@pytest.mark.slow("jax")
def test_softmax_of_huge_logits(backend):
    z = backend.asarray([[1000.0, -1000.0, 3e38], [1000.0, 1000.0, -3e38], [-1000.0, 0.0, 0.0]])
    A = backend.to_numpy(ACTIVATIONS["softmax"].value(z, backend.xp))
    # columns: two equal logits far above the third; one far above the others, twice
    assert A.tolist() == [[0.5, 0.0, 1.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.0]]


def test_softmax_columns_sum_to_1_and_ignore_a_shift(backend64):
    softmax, xp = ACTIVATIONS["softmax"].value, backend64.xp
    A = backend64.to_numpy(softmax(backend64.asarray(Z), xp))
    shifted = backend64.to_numpy(softmax(backend64.asarray(Z + 100.0), xp))
    np.testing.assert_allclose(A.sum(axis=0), 1.0, rtol=1e-15)
    np.testing.assert_allclose(shifted, A, rtol=1e-13)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_inputs_are_not_altered(backend, name):
    g = ACTIVATIONS[name]
    z = backend.asarray(read_only(Z, "float32"))  # NumPy shares the read-only memory
    a = g.value(z, backend.xp)
    a_before = backend.to_numpy(a).copy()
    if g.derivative is not None:
        g.derivative(z, a, backend.xp)
    np.testing.assert_array_equal(backend.to_numpy(z), Z.astype("float32"))
    np.testing.assert_array_equal(backend.to_numpy(a), a_before)


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [("sigmod", "sigmoid"), ("ReLU", "relu"), ("leakyrelu", "leaky_relu"), ("expo", "exp")],
)
def test_unknown_activation(wrong, nearest):
    with pytest.raises(xpnn.ArgumentError, match=f"{wrong}.*expected.*Did you mean '{nearest}'"):
        activation(wrong)


@pytest.mark.parametrize("wrong", [None, 3, ["relu"], {"relu": 1}])
def test_an_activation_is_chosen_by_name_only(wrong):
    with pytest.raises(xpnn.ArgumentError, match="unknown activation"):
        activation(wrong)
