"""Optimisers against their equations on one number at a time, and schedules by hand."""

import copy
import math
import pickle

import numpy as np
import pytest

import xpnn
from tests.helpers import read_only
from xpnn import optimizers, schedules
from xpnn.core.optimizers import OPTIMIZERS, sklearn_adam, sklearn_sgd

STEPS, ENTRIES = 7, 5
THETA = read_only([1.0, -2.0, 0.5, 3.0, 0.0])
# Gradients of every size: the last entry is tiny, so that ε matters there; one is exactly 0.
G = read_only(
    np.random.default_rng(7).standard_normal((STEPS, ENTRIES)) * [1.0, 10.0, 0.1, 0.0, 1e-7]
)
ALPHAS = [0.1, 0.1, 0.05, 0.05, 0.2, 0.01, 0.3]


# ---- the table of the module's docstring, on Python floats -----------------------------------


def gradient_descent(theta, g, t, alpha, memory):
    return theta - alpha * g


def momentum(theta, g, t, alpha, memory, beta=0.9):
    memory["v"] = beta * memory.get("v", 0.0) + (1.0 - beta) * g
    return theta - alpha * memory["v"]


def nesterov(theta, g, t, alpha, memory, mu=0.9):
    memory["v"] = mu * memory.get("v", 0.0) - alpha * g
    return theta + mu * memory["v"] - alpha * g


def rmsprop(theta, g, t, alpha, memory, beta=0.9, epsilon=1e-8):
    memory["s"] = beta * memory.get("s", 0.0) + (1.0 - beta) * g**2
    return theta - alpha * g / (math.sqrt(memory["s"]) + epsilon)


def adam(theta, g, t, alpha, memory, beta1=0.9, beta2=0.999, epsilon=1e-8):
    memory["v"] = beta1 * memory.get("v", 0.0) + (1.0 - beta1) * g
    memory["s"] = beta2 * memory.get("s", 0.0) + (1.0 - beta2) * g**2
    v_hat = memory["v"] / (1.0 - beta1**t)
    s_hat = memory["s"] / (1.0 - beta2**t)
    return theta - alpha * v_hat / (math.sqrt(s_hat) + epsilon)


RULES = {
    "gradient_descent": (gradient_descent, {}),
    "momentum": (momentum, {"beta": 0.8}),
    "nesterov": (nesterov, {"mu": 0.7}),
    "rmsprop": (rmsprop, {"beta": 0.95, "epsilon": 1e-6}),
    "adam": (adam, {"beta1": 0.8, "beta2": 0.99, "epsilon": 1e-6}),
}
NAMES = sorted(RULES)
SLOTS = {"gradient_descent": 0, "momentum": 1, "nesterov": 1, "rmsprop": 1, "adam": 2}


def by_hand(name, **hyperparameters):
    """θ after the last step, entry by entry."""
    rule, result = RULES[name][0], []
    for k in range(ENTRIES):
        theta, memory = float(THETA[k]), {}
        for t, (g, alpha) in enumerate(zip(G[:, k].tolist(), ALPHAS, strict=True), 1):
            theta = rule(theta, g, t, alpha, memory, **hyperparameters)
        result.append(theta)
    return result


def run(backend, optimizer):
    """θ after the last step on a backend; the arrays are fresh, for ``update`` consumes them."""
    xp = backend.xp
    theta = backend.asarray(THETA, copy=True)
    state = optimizer.init(theta, xp)
    for t, (g, alpha) in enumerate(zip(G, ALPHAS, strict=True), 1):
        scalars = optimizer.scalars(alpha, t)
        g = backend.asarray(g, copy=True)  # noqa: PLW2901
        theta, state = optimizer.update(theta, g, state, scalars, xp)
    assert all(type(backend).of(a) == backend for a in (theta, *state))
    return backend.to_numpy(theta)


@pytest.mark.parametrize("name", [*NAMES, "sklearn_adam"])
def test_the_numbers_of_many_steps_are_those_of_each(name):
    adam = sklearn_adam(0.1, 0.9, 0.999, 1e-8)
    optimizer = adam if name == "sklearn_adam" else OPTIMIZERS[name]()
    t, alpha = np.asarray([1, 2, 3, 1000, 10**6]), np.asarray([0.1, 0.1, 0.2, 0.05, 0.01])
    at_once = np.stack(np.broadcast_arrays(*optimizer.scalars(alpha, t)), axis=-1)
    one_by_one = [optimizer.scalars(a, k) for a, k in zip(alpha.tolist(), t.tolist(), strict=True)]
    np.testing.assert_allclose(at_once, one_by_one, rtol=1e-13)


def test_every_optimizer_has_a_rule():
    assert set(RULES) == set(OPTIMIZERS)


@pytest.mark.parametrize("name", NAMES)
def test_equations_in_float32(backend, name):
    _, options = RULES[name]
    actual = run(backend, OPTIMIZERS[name](**options))
    # ε = 1.2e-7 for each of 7 steps that move θ by up to 1
    np.testing.assert_allclose(actual, by_hand(name, **options), rtol=2e-6, atol=2e-6)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("name", NAMES)
def test_equations_in_float64(backend64, name):
    _, options = RULES[name]
    actual = run(backend64, OPTIMIZERS[name](**options))
    np.testing.assert_allclose(actual, by_hand(name, **options), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_default_hyperparameters(name):
    with xpnn.use_backend("numpy", "float64") as backend:
        actual = run(backend, OPTIMIZERS[name]())
    np.testing.assert_allclose(actual, by_hand(name), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        (optimizers.gradient_descent(), "SGD", {}),
        # torch scales v by −1/α, the same while α does not change
        (optimizers.nesterov(mu=0.7), "SGD", {"momentum": 0.7, "nesterov": True}),
        (optimizers.rmsprop(beta=0.95, epsilon=1e-6), "RMSprop", {"alpha": 0.95, "eps": 1e-6}),
        (optimizers.adam(), "Adam", {}),
        (optimizers.adam(0.1, 0.8, 0.99, 1e-4), "Adam", {"betas": (0.8, 0.99), "eps": 1e-4}),
    ],
    ids=["gradient_descent", "nesterov", "rmsprop", "adam", "adam-hyperparameters"],
)
def test_as_torch_does(ours, theirs, options):
    torch = pytest.importorskip("torch")
    parameter = torch.tensor(THETA.copy(), requires_grad=True)
    optimizer = getattr(torch.optim, theirs)([parameter], lr=0.1, **options)
    theta, state = THETA.copy(), ours.init(THETA, np)
    for t, g in enumerate(G, 1):
        parameter.grad = torch.tensor(g)
        optimizer.step()
        theta, state = ours.update(theta, g.copy(), state, ours.scalars(0.1, t), np)
    np.testing.assert_allclose(theta, parameter.detach().numpy(), rtol=1e-12, atol=1e-15)


SKLEARN = {
    "sgd": (sklearn_sgd, "SGDOptimizer", {"momentum": 0.9, "nesterov": False}),
    "sgd-nesterov": (sklearn_sgd, "SGDOptimizer", {"momentum": 0.7, "nesterov": True}),
    "sgd-momentum-0": (sklearn_sgd, "SGDOptimizer", {"momentum": 0.0, "nesterov": False}),
    "sgd-nesterov-0": (sklearn_sgd, "SGDOptimizer", {"momentum": 0.0, "nesterov": True}),
    "sgd-momentum-1": (sklearn_sgd, "SGDOptimizer", {"momentum": 1.0, "nesterov": False}),
    "sgd-nesterov-1": (sklearn_sgd, "SGDOptimizer", {"momentum": 1.0, "nesterov": True}),
    # ε is large enough that where it is added shows
    "adam": (sklearn_adam, "AdamOptimizer", {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-3}),
    "adam-betas": (sklearn_adam, "AdamOptimizer", {"beta_1": 0.0, "beta_2": 0.5, "epsilon": 1e-8}),
}


@pytest.mark.parametrize(("make", "theirs", "options"), SKLEARN.values(), ids=SKLEARN)
def test_as_scikit_learn_does(backend64, rng, make, theirs, options):
    module = pytest.importorskip("sklearn.neural_network._stochastic_optimizers")
    xp, ours, expected = backend64.xp, make(0.01, **options), THETA.copy()
    optimizer = getattr(module, theirs)([expected], learning_rate_init=0.01, **options)
    theta = backend64.asarray(THETA, copy=True)
    state = ours.init(theta, xp)
    for t, g in enumerate(rng.standard_normal((50, ENTRIES)), 1):
        optimizer.update_params([expected], [g])
        g = backend64.asarray(g, copy=True)  # noqa: PLW2901
        theta, state = ours.update(theta, g, state, ours.scalars(0.01, t), xp)
    np.testing.assert_allclose(backend64.to_numpy(theta), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("bad", [1.5, -0.1, math.nan])
def test_momentum_of_scikit_learn_is_at_most_1(bad):
    with pytest.raises(xpnn.ArgumentError, match=rf"^momentum: expected .*\[0, 1\], found {bad}"):
        sklearn_sgd(0.1, momentum=bad, nesterov=False)


@pytest.mark.parametrize("name", NAMES)
def test_first_step_by_hand(name):
    optimizer = OPTIMIZERS[name]()
    theta, g = np.zeros(2), np.asarray([1.0, -1.0])
    theta, _ = optimizer.update(theta, g, optimizer.init(theta, np), optimizer.scalars(0.5, 1), np)
    # by hand at t = 1: α, (1−β)α, (1+μ)α, α/√(1−β), α
    step = {
        "gradient_descent": 0.5,
        "momentum": 0.05,
        "nesterov": 0.95,
        "rmsprop": 0.5 / math.sqrt(0.1),
        "adam": 0.5,
    }[name]
    np.testing.assert_allclose(theta, [-step, step], rtol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_initial_state_is_zeros_like_theta(backend, name):
    optimizer = OPTIMIZERS[name]()
    theta = backend.asarray(THETA)
    state = optimizer.init(theta, backend.xp)
    assert len(state) == optimizer.slots == SLOTS[name]
    for a in state:
        assert type(backend).of(a) == backend
        assert tuple(a.shape) == (ENTRIES,)
        assert not backend.to_numpy(a).any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("t", [1, 2, 100_000])
def test_scalars_are_finite_python_floats(name, t):
    scalars = OPTIMIZERS[name]().scalars(0.1, t)
    assert all(type(number) is float and math.isfinite(number) for number in scalars)


@pytest.mark.parametrize("name", NAMES)
def test_numpy_hyperparameters_do_not_change_the_dtype(backend, name):
    """A NumPy float64 promotes float32 arrays on NumPy, and is refused by others."""
    _, options = RULES[name]
    optimizer = OPTIMIZERS[name](**{key: np.float64(value) for key, value in options.items()})
    actual = run(backend, optimizer)
    np.testing.assert_array_equal(actual, run(backend, OPTIMIZERS[name](**options)))


@pytest.mark.parametrize("name", NAMES)
def test_name(name):
    assert OPTIMIZERS[name]().name == name
    assert getattr(optimizers, name) is OPTIMIZERS[name]


# ---- rates and schedules ---------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_rate_of_a_number_and_of_a_schedule(name):
    assert OPTIMIZERS[name](0.25).rate(3) == 0.25
    assert OPTIMIZERS[name](lambda epoch: 1.0 / (1 + epoch)).rate(3) == 0.25
    assert type(OPTIMIZERS[name](np.float32(0.25)).rate(0)) is float


def test_rates_are_the_rate_of_each_epoch():
    for optimizer in (optimizers.adam(0.25), optimizers.adam(lambda epoch: 1.0 / (1 + epoch))):
        assert optimizer.rates(2, 3) == [optimizer.rate(epoch) for epoch in (2, 3, 4)]


@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf, -math.inf])
def test_rate_must_be_finite_and_above_0(bad):
    for learning_rate in (bad, lambda epoch: bad):
        with pytest.raises(xpnn.ArgumentError, match=r"learning_rate: expected .* found .*epoch 4"):
            optimizers.adam(learning_rate).rate(4)


def test_only_a_schedule_may_reach_0():
    with pytest.raises(xpnn.ArgumentError, match=r"learning_rate: expected .* found 0.0"):
        optimizers.adam(0.0).rate(0)
    assert optimizers.adam(xpnn.schedules.cosine_decay(0.1, epochs=10)).rate(10) == 0.0


@pytest.mark.parametrize("bad", ["0.1", None, [0.1], 1j])
def test_rate_must_be_a_number(bad):
    with pytest.raises(xpnn.XpnnError, match=r"learning_rate: expected .* found"):
        optimizers.adam(bad).rate(0)


HYPERPARAMETERS = [
    (optimizers.momentum, "beta"),
    (optimizers.nesterov, "mu"),
    (optimizers.rmsprop, "beta"),
    (optimizers.adam, "beta1"),
    (optimizers.adam, "beta2"),
]


@pytest.mark.parametrize(("make", "name"), HYPERPARAMETERS)
@pytest.mark.parametrize("bad", [1.0, 1.5, -0.1, math.nan, math.inf])
def test_decay_must_be_a_fraction(make, name, bad):
    with pytest.raises(xpnn.ArgumentError, match=rf"^{name}: expected .*\[0, 1\).* found {bad}"):
        make(**{name: bad})


@pytest.mark.parametrize(("make", "name"), HYPERPARAMETERS)
@pytest.mark.parametrize("bad", ["0.9", None, 1j])
def test_decay_must_be_a_number(make, name, bad):
    with pytest.raises(xpnn.XpnnError, match=rf"^{name}: expected .* found"):
        make(**{name: bad})


@pytest.mark.parametrize("make", [optimizers.rmsprop, optimizers.adam])
@pytest.mark.parametrize("bad", [-1e-8, math.nan, math.inf])
def test_epsilon_must_be_finite_and_not_negative(make, bad):
    with pytest.raises(xpnn.ArgumentError, match=r"^epsilon: expected .* found"):
        make(epsilon=bad)


@pytest.mark.parametrize(("make", "name"), HYPERPARAMETERS)
def test_decay_of_0_is_allowed(make, name):
    assert all(math.isfinite(number) for number in make(**{name: 0.0}).scalars(0.1, 1))


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        # epoch: rate, by hand
        (schedules.inverse_time_decay(0.2, 1.0), {0: 0.2, 1: 0.1, 3: 0.05}),
        (schedules.inverse_time_decay(0.2, 0.0), {0: 0.2, 100: 0.2}),
        (schedules.exponential_decay(0.1, 0.5), {0: 0.1, 1: 0.05, 3: 0.0125}),
        (schedules.step_decay(0.1, 0.5, every=10), {0: 0.1, 9: 0.1, 10: 0.05, 29: 0.025}),
        # cos 0 = 1, cos π/3 = ½, cos π/2 = 0, cos π = −1
        (schedules.cosine_decay(0.4, 6), {0: 0.4, 2: 0.3, 3: 0.2, 6: 0.0, 60: 0.0}),
        (schedules.cosine_decay(0.4, 6, alpha_min=0.2), {0: 0.4, 3: 0.3, 6: 0.2, 7: 0.2}),
    ],
    ids=["inverse", "inverse-0", "exponential", "step", "cosine", "cosine-min"],
)
def test_schedules(schedule, expected):
    assert {epoch: schedule(epoch) for epoch in expected} == pytest.approx(expected, abs=1e-16)


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.inverse_time_decay(0.1, 0.5),
        schedules.exponential_decay(0.1, 0.9),
        schedules.step_decay(0.1, 0.5, every=3),
        schedules.cosine_decay(0.1, 50, alpha_min=1e-3),
    ],
    ids=["inverse", "exponential", "step", "cosine"],
)
def test_schedules_never_rise(schedule):
    rates = [optimizers.momentum(schedule).rate(epoch) for epoch in range(60)]
    assert rates[0] == pytest.approx(0.1)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < rates[0]


# ---- copies and comparisons ------------------------------------------------------------------

SCHEDULES = {
    "number": lambda: 0.1,
    "inverse": lambda: schedules.inverse_time_decay(0.1, 0.5),
    "exponential": lambda: schedules.exponential_decay(0.1, 0.5),
    "step": lambda: schedules.step_decay(0.1, 0.5, every=3),
    "cosine": lambda: schedules.cosine_decay(0.1, 50),
}
MAKERS = {
    **{name: (make, RULES[name][1]) for name, make in OPTIMIZERS.items()},
    **{name: (make, options) for name, (make, _, options) in SKLEARN.items()},
}
COPIES = {
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("rate", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize(("make", "options"), MAKERS.values(), ids=MAKERS)
def test_a_copy_is_the_same_optimizer(make, options, rate, copied):
    optimizer = make(rate(), **options)
    for same in (copied(optimizer), make(rate(), **options)):
        assert same == optimizer
        assert hash(same) == hash(optimizer)
        assert repr(same) == repr(optimizer)
        assert [same.rate(epoch) for epoch in (0, 7)] == [optimizer.rate(e) for e in (0, 7)]
        assert same.scalars(0.1, 3) == optimizer.scalars(0.1, 3)
        assert same.update is optimizer.update  # compiled steps are kept by it


def test_different_optimizers_are_not_equal():
    made = [make(0.1, **options) for make, options in MAKERS.values()]
    made += [make(0.2) for make in OPTIMIZERS.values()]
    made += [optimizers.adam(rate()) for rate in SCHEDULES.values()]
    made += [optimizers.adam(0.1, beta1=0.8), optimizers.adam(0.1, epsilon=1e-6)]
    # without momentum, both of scikit-learn's forms are gradient descent
    assert len(set(made)) == len(made) - 2


def test_different_schedules_are_not_equal():
    made = [rate() for rate in SCHEDULES.values()]
    made += [schedules.step_decay(0.1, 0.5, every=4), schedules.exponential_decay(0.2, 0.5)]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("name", NAMES)
def test_name_and_hyperparameters_make_the_optimizer_anew(name):
    optimizer = OPTIMIZERS[name](0.1, **RULES[name][1])
    assert OPTIMIZERS[name](0.1, *optimizer.hyperparameters) == optimizer


@pytest.mark.parametrize("rate", SCHEDULES.values(), ids=SCHEDULES)
def test_a_rate_prints_as_the_call_that_makes_it(rate):
    assert eval(repr(rate()), vars(schedules)) == rate()
    assert repr(optimizers.adam(rate())) == f"<adam, learning rate {rate()!r}>"
