"""Updates compiled by Numba are those of NumPy, to the bit."""

import sys
import types

import numpy as np
import pytest

import xpnn
from xpnn._backends import fused
from xpnn._backends.numpy import NumpyBackend
from xpnn.core import optimizers
from xpnn.training import step

RULES = [
    optimizers.gradient_descent(0.1),
    optimizers.momentum(0.1),
    optimizers.nesterov(0.1),
    optimizers.rmsprop(0.01),
    optimizers.adam(0.01),
    optimizers.sklearn_sgd(0.1, momentum=0.9, nesterov=True),
    optimizers.sklearn_sgd(0.1, momentum=0.9, nesterov=False),
    optimizers.sklearn_adam(0.01, 0.9, 0.999, 1e-8),
]


@pytest.fixture
def at_once(monkeypatch):
    """Compile at the first update, of networks of any size; forget it afterwards."""
    pytest.importorskip("numba")
    monkeypatch.setattr(fused, "WORTH_COMPILING", 0)
    monkeypatch.setattr(NumpyBackend, "by_layer_from", 0)
    caches = (fused.fused, fused.compiled, step.run_by_steps)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def values(shape, dtype, seed):
    """Return numbers of many magnitudes, some of them 0 and some subnormal."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal(shape) * 10.0 ** rng.integers(-50, 3, shape)
    a[0] = 0.0
    return a.astype(dtype)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.name} {rule.update.__name__}")
def test_the_compiled_loop_is_the_update_to_the_bit(at_once, rule, dtype):
    shape = (37, 5)
    theta, g = values(shape, dtype, 1), values(shape, dtype, 2)
    state = [abs(values(shape, dtype, 3 + i)) for i in range(rule.slots)]
    expected = theta.copy(), tuple(a.copy() for a in state)
    one_pass = fused.fused(rule.update)
    for t in (1, 2, 1000):
        scalars = rule.scalars(0.01, t)
        expected = rule.update(expected[0], g.copy(), expected[1], scalars, np)
        found = one_pass(theta, g.copy(), tuple(state), scalars, np)
        assert found[0] is theta
        for a, b in zip((found[0], *found[1]), (expected[0], *expected[1]), strict=True):
            np.testing.assert_array_equal(a, b, strict=True)
    assert fused.compiled(rule.update, rule.slots) is not None


def test_arrays_in_any_layout(at_once):
    rule = optimizers.momentum(0.1)
    theta, g = values((6, 4), "float32", 1).T, values((4, 6), "float32", 2)
    v = values((4, 12), "float32", 3)[:, ::2]
    scalars = rule.scalars(0.1, 1)
    expected, (expected_v,) = rule.update(theta.copy(), g.copy(), (v.copy(),), scalars, np)
    fused.fused(rule.update)(theta, g, (v,), scalars, np)
    np.testing.assert_array_equal(theta, expected)
    np.testing.assert_array_equal(v, expected_v)


@pytest.mark.parametrize("rule", RULES[:6], ids=lambda rule: rule.name)
def test_fit_is_the_same_to_the_bit(at_once, monkeypatch, rule):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((6, 50)), rng.integers(0, 3, (1, 50))
    net = xpnn.Network([6, 5, 3])
    with xpnn.use_backend("numpy"):
        start = net.init(rng=0)
    given = {"optimizer": rule, "epochs": 4, "batch_size": 16}
    params, history = xpnn.fit(net, start, X, Y, **given)
    assert fused.compiled.cache_info().currsize == 1
    monkeypatch.setattr(NumpyBackend, "fuse", lambda backend, update: update)
    step.run_by_steps.cache_clear()
    plain, plain_history = xpnn.fit(net, start, X, Y, **given)
    assert history.cost == plain_history.cost
    for layer, plain_layer in zip(params, plain, strict=True):
        np.testing.assert_array_equal(layer.W, plain_layer.W)
        np.testing.assert_array_equal(layer.b, plain_layer.b)


def test_little_is_not_worth_compiling(at_once, monkeypatch):
    monkeypatch.setattr(fused, "WORTH_COMPILING", 2**13)
    rule = optimizers.gradient_descent(0.1)
    one_pass = fused.fused(rule.update)
    theta, scalars = np.zeros(60), rule.scalars(0.1, 1)
    one_pass(np.zeros(5000), np.ones(5000), (), scalars, np)
    assert fused.compiled.cache_info().currsize == 0
    one_pass(theta, np.ones(60), (), scalars, np)  # few entries count as 2¹²
    assert fused.compiled.cache_info().currsize == 1
    one_pass(theta, np.ones(60), (), scalars, np)
    assert fused.compiled.cache_info().currsize == 1
    np.testing.assert_allclose(theta, -0.2)


class Broken:
    """A Numba that imports and whose compiler raises."""

    config = types.SimpleNamespace(DISABLE_JIT=0)

    @staticmethod
    def njit(**options):
        def refuse(*arguments):
            raise TypeError("no such type")

        return lambda function: refuse


def half_imported():
    """Return what a Ctrl-C in the import leaves, after which Python tries it again."""
    return types.ModuleType("numba")


@pytest.mark.parametrize(
    "numba", [None, Broken, half_imported()], ids=["missing", "broken", "half"]
)
def test_without_a_numba_that_works_the_update_is_numpys(at_once, monkeypatch, numba):
    monkeypatch.setitem(sys.modules, "numba", numba)
    rule = optimizers.momentum(0.1)
    theta, g, v = values((3, 2), "float32", 1), values((3, 2), "float32", 2), np.zeros((3, 2), "f4")
    scalars = rule.scalars(0.1, 1)
    one_pass = fused.fused(rule.update)
    expected = (theta.copy(), (v.copy(),))
    for _ in range(3):
        expected = rule.update(expected[0], g.copy(), expected[1], scalars, np)
        theta, (v,) = one_pass(theta, g.copy(), (v,), scalars, np)
    np.testing.assert_array_equal(theta, expected[0], strict=True)
    np.testing.assert_array_equal(v, expected[1][0], strict=True)


def test_a_numba_told_not_to_compile_is_not_used(at_once, monkeypatch):
    import numba

    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    rule = optimizers.gradient_descent(0.1)
    theta, _ = fused.fused(rule.update)(np.zeros(3), np.ones(3), (), (0.1,), np)
    np.testing.assert_allclose(theta, -0.1)
    assert fused.compiled.cache_info().currsize == 0


def test_a_numba_is_not_asked_again_once_it_has_failed(at_once, monkeypatch):
    asked = []

    def compiled(update, slots):
        asked.append(slots)
        raise AttributeError("partially initialized module 'numba'")

    monkeypatch.setattr(fused, "compiled", compiled)
    one_pass = fused.fused(optimizers.gradient_descent(0.1).update)
    for _ in range(3):
        one_pass(np.zeros(3), np.ones(3), (), (0.1,), np)
    assert asked == [0]


def test_ctrl_c_as_numba_is_imported_is_remembered_by_nothing(at_once, monkeypatch):
    whole = fused.compiled

    def interrupted(update, slots):
        raise KeyboardInterrupt

    monkeypatch.setattr(fused, "compiled", interrupted)
    one_pass = fused.fused(optimizers.gradient_descent(0.1).update)
    theta = np.zeros(3)
    with pytest.raises(KeyboardInterrupt):
        one_pass(theta, np.ones(3), (), (0.1,), np)
    assert not theta.any()
    monkeypatch.setattr(fused, "compiled", whole)
    one_pass(theta, np.ones(3), (), (0.1,), np)
    np.testing.assert_allclose(theta, -0.1)
    assert whole.cache_info().currsize == 1


def test_an_update_of_ones_own_is_not_compiled(at_once):
    def update(theta, g, state, scalars, xp):
        return xp.clip(theta - g, 0.0, 1.0), state

    assert fused.fused(update) is update
