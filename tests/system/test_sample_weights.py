"""Sample weights of every size: only their shares of their sum are of account.

The oracles are exact sums of fractions, and the same weights in another unit.
"""

from fractions import Fraction

import numpy as np
import pytest

import xpnn
from tests.fakes.fake_ranks import on_ranks
from tests.helpers import to_numpy
from xpnn import optimizers
from xpnn.training.batches import Plan
from xpnn.training.streaming import stays_on_host
from xpnn.training.trainer import Trainer, TrainingData
from xpnn.validation.weights import scaled

M = 24
_rng = np.random.default_rng(20261203)
X = _rng.standard_normal((3, M))
Y = (X[:1] + 0.3 * _rng.standard_normal((1, M)) > 0.0).astype(int)
S = _rng.integers(32, 128, (1, M)) / 64.0  # of few digits, which the least numbers have too
NET = xpnn.Network([3, 4, 1], hidden="tanh", output="sigmoid")

UNITS = {
    "the sum overflows float32": 1e38,
    "float32 has none of them": 1e300,
    "the sum overflows float64": 2.0**1022,
    "subnormal in float32": 1e-40,
    "0 in float32": 1e-60,
    "1 over the sum overflows": 2.0**-1050,
}
MIXED = np.where(np.arange(M) % 3 == 0, 1e-30, S) * 1e38


def flat(tree):
    return np.concatenate([np.ravel(a) for layer in tree for a in layer])


@pytest.fixture(params=UNITS.values(), ids=UNITS)
def unit(request):
    return request.param


# ---- the core ----------------------------------------------------------------


@pytest.mark.slow("jax")
def test_cost_and_gradients(backend, unit):
    params = NET.init(rng=0)
    J, expected_J = (float(NET.cost(params, X, Y, sample_weight=s)) for s in (S * unit, S))
    assert pytest.approx(expected_J, rel=1e-5) == J
    g, expected = (
        flat(to_numpy(backend, NET.gradients(params, X, Y, sample_weight=s))) for s in (S * unit, S)
    )
    np.testing.assert_allclose(g, expected, 1e-4, 1e-6)


@pytest.mark.slow("jax")
def test_the_cost_is_the_sum_of_fractions(backend):
    params = NET.init(rng=0)
    losses = [float(NET.cost(params, X[:, i : i + 1], Y[:, i : i + 1])) for i in range(M)]
    for s in (S * 1e38, MIXED, S * 1e300, np.arange(2**53, 2**53 + M, dtype=np.int64)[None]):
        weights = [Fraction(float(w)) for w in s[0]]
        total = sum(w * Fraction(loss) for w, loss in zip(weights, losses, strict=True))
        found = float(NET.cost(params, X, Y, sample_weight=s))
        assert found == pytest.approx(float(total / sum(weights)), rel=1e-5)


def test_the_penalty_goes_by_the_sum_itself(backend):
    """λ/(2 Σs) ‖W‖², with Σs = 24 · 2¹²²: λ = Σs makes it ½ ‖W‖²."""
    params = NET.init(rng=0)
    s = np.full((1, M), 2.0**122)
    penalty = float(NET.cost(params, X, Y, M * 2.0**122, s)) - float(NET.cost(params, X, Y))
    squares = sum(float((backend.to_numpy(W) ** 2).sum()) for W, _ in params)
    assert penalty == pytest.approx(squares / 2.0, rel=1e-5)


def test_gradient_check(unit):
    with xpnn.use_backend("numpy"):
        assert xpnn.gradient_check(NET, NET.init(rng=0), X, Y, 0.0, S * unit).difference < 1e-7


def test_weights_on_a_device_keep_their_range(backend):
    if "float64" not in backend.xp.__array_namespace_info__().dtypes(device=backend.device):
        pytest.skip("the device has no float64")
    params = NET.init(rng=0)
    s = backend.asarray(S * 1e300, "float64")
    expected = float(NET.cost(params, X, Y, sample_weight=S))
    assert float(NET.cost(params, X, Y, sample_weight=s)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "uint8", "int64", "bool"])
def test_weights_of_narrow_dtypes_do_not_overflow(dtype):
    s = np.full((1, M), {"float16": 6e4, "uint8": 255, "int64": 2**62, "bool": True}[dtype], dtype)
    params = NET.init(rng=0)
    assert float(NET.cost(params, X, Y, sample_weight=s)) == float(NET.cost(params, X, Y))


# ---- units ---------------------------------------------------------------------


@pytest.mark.parametrize("s", [S, 3.0 * S, MIXED, *(S * u for u in UNITS.values())])
def test_a_unit_changes_no_digit(s):
    found, unit = scaled(s)
    assert 1.0 <= found.max() < 2.0
    assert 1 in (Fraction(unit).numerator, Fraction(unit).denominator)
    assert [Fraction(f) * Fraction(unit) for f in found[0]] == list(map(Fraction, s[0]))


def test_a_unit_of_zeros_and_of_the_least_number():
    assert scaled(np.zeros(3))[0].tolist() == [0.0] * 3
    assert scaled(np.asarray([5e-324, 0.0]))[0].tolist() == [1.0, 0.0]
    found, _ = scaled(np.asarray([1e308, 1e-308]))
    assert found[1] == 0.0


# ---- training ------------------------------------------------------------------


def fitted(s, batch_size, X=X, **given):
    params, history = xpnn.fit(
        NET,
        NET.init(rng=0),
        X,
        Y,
        sample_weight=s,
        batch_size=batch_size,
        epochs=3,
        progress=False,
        **given,
    )
    return params, history.cost


@pytest.mark.slow("jax")
@pytest.mark.parametrize("batch_size", [None, 7])
@pytest.mark.parametrize("unit", [1e38, 1e300, 1e-60])
def test_fit(backend, unit, batch_size):
    found, costs = fitted(S * unit, batch_size)
    expected, expected_costs = fitted(S, batch_size)
    np.testing.assert_allclose(costs, expected_costs, 1e-5)
    found, expected = (flat(to_numpy(backend, tree)) for tree in (found, expected))
    np.testing.assert_allclose(found, expected, 1e-4, 1e-5)


@pytest.mark.parametrize("batch_size", [None, 7])
@pytest.mark.parametrize("power", [-130, -3, 90, 900])
def test_powers_of_2_change_no_bit(batch_size, power):
    """Not even of a penalty that grows with them."""
    with xpnn.use_backend("numpy", "float64"):
        found, costs = fitted(S * 2.0**power, batch_size, l2=2.0**power)
        expected, expected_costs = fitted(S, batch_size, l2=1.0)
    assert costs == expected_costs
    assert np.array_equal(flat(found), flat(expected))


def test_a_mini_batch_of_small_weights_is_a_step_as_any_other():
    order = np.arange(M)
    s = np.repeat([1e-40, 1e38], M // 2)
    plan = Plan(M, M // 2, scaled(s)[0], pad=False)
    ((_, shares), *_) = plan.batches([order], 1.0 / plan.totals([order]), np.zeros((2, 1)))
    np.testing.assert_allclose(shares, np.full((2, 1, M // 2), 2.0 / M), 1e-12)


@pytest.mark.parametrize("s", [S * 1e38, S * 1e300, S * 1e-60, MIXED])
def test_streamed(tmp_path, s):
    np.save(tmp_path / "X.npy", X.T)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r").T
    with xpnn.use_backend("numpy"):
        assert stays_on_host(mapped, 7, xpnn.get_backend())
        found, costs = fitted(s, 7, X=mapped)
        expected, expected_costs = fitted(s, 7)
    assert costs == expected_costs
    assert np.array_equal(flat(found), flat(expected))


def test_ranks_have_one_unit(unit):
    """Though each has weights of another size."""
    s = S * unit * np.where(np.arange(M) < 10, 1.0, 0.25)
    backend = xpnn.get_backend()

    def of_rank(comm):
        own = slice(0, 10) if comm.rank == 0 else slice(10, M)
        arrays = (X[:, own], Y[:, own], s[:, own])
        return Trainer(
            NET, backend, optimizers.adam(), 0.0, TrainingData(*arrays, True), None, comm=comm
        )

    shares = [trainer.data[2][0] for trainer in on_ranks(2, of_rank)]
    expected = s / unit
    np.testing.assert_allclose(np.concatenate(shares), (expected / expected.sum())[0], 1e-6)


# ---- estimators ----------------------------------------------------------------

PLAIN = {"hidden_layer_sizes": (4,), "alpha": 0.0, "random_state": 0, "max_iter": 4}
MODELS = {
    "adam": lambda dtype: xpnn.MLPClassifier(**PLAIN, dtype=dtype, batch_size=7),
    "lbfgs": lambda dtype: xpnn.MLPClassifier(**PLAIN, dtype=dtype, solver="lbfgs"),
    "regressor": lambda dtype: xpnn.MLPRegressor(**PLAIN, dtype=dtype, early_stopping=True),
    "early stopping": lambda dtype: xpnn.MLPClassifier(**PLAIN, dtype=dtype, early_stopping=True),
    "logistic": lambda dtype: xpnn.LogisticRegression(C=np.inf, tol=0.01, dtype=dtype),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", MODELS)
def test_estimators(kind, dtype, unit):
    models = [MODELS[kind](dtype).fit(X.T, Y[0], S[0] * u) for u in (unit, 1.0)]
    coefs, expected = (np.concatenate([np.ravel(a) for a in model.coefs_]) for model in models)
    np.testing.assert_allclose(coefs, expected, 1e-3, 1e-4)
    scores = [model.score(X.T, Y[0], S[0] * u) for model in models for u in (unit, 1.0)]
    np.testing.assert_allclose(scores, scores[0], 1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_score_does_not_overflow(dtype):
    model = MODELS["logistic"](dtype).fit(X.T, Y[0])
    largest = {"float32": 2.0**127, "float64": 2.0**1023}[dtype]
    s = np.where(Y[0] == 1, largest, largest / 2).astype(dtype)
    assert model.score(X.T, Y[0], s) == model.score(X.T, Y[0], s / largest)
