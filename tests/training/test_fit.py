"""Training: the same on every backend, against scikit-learn-free loops, and its manners."""

import math
import signal
import time

import numpy as np
import pytest

import xpnn
from tests.helpers import read_only, to_numpy
from xpnn import optimizers
from xpnn.training import loop
from xpnn.training.step import run_by_steps

XOR_X = [[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]]
XOR_Y = [[0.0, 1.0, 1.0, 0.0]]


def problem(rng, m=50, n_x=6, n_y=3):
    """Three noisy classes, separable enough that training makes progress."""
    y = rng.integers(0, n_y, m)
    centres = 2.0 * rng.standard_normal((n_y, n_x))
    X = centres[y] + rng.standard_normal((m, n_x))
    return read_only(X.T), read_only(y.reshape(1, -1))


def gradient_descent_by_hand(net, params, X, Y, alpha, batches, s=None, l2=0.0):
    """W ← W − α dW over given mini-batches with the public gradients; the mean cost of each."""
    costs = []
    for batch in batches:
        weight = None if s is None else s[:, batch]
        args = (X[:, batch], Y[:, batch], l2, weight)
        costs.append(float(net.cost(params, *args)))
        grads = net.gradients(params, *args)
        params = tuple(
            xpnn.Layer(layer.W - alpha * grad.W, layer.b - alpha * grad.b)
            for layer, grad in zip(params, grads, strict=True)
        )
    return params, costs


# ---- what it computes ------------------------------------------------------------------------


@pytest.mark.slow("jax")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("batch_size", [None, 50, 16, 25, 1])
def test_fit_is_gradient_descent_on_the_mini_batches(backend64, rng, batch_size, weighted):
    X, y = problem(rng)
    s = rng.uniform(0.0, 2.0, (1, 50)) if weighted else None
    net = xpnn.Network([6, 5, 3], hidden="tanh")
    fitted, history = xpnn.fit(
        net,
        net.init(rng=1),
        X,
        y,
        optimizer=optimizers.gradient_descent(0.1),
        epochs=2,
        batch_size=batch_size,
        sample_weight=s,
        l2=0.5,
        rng=7,
    )

    order_rng = np.random.default_rng(7)  # documented: the order is drawn from it, epoch by epoch
    size = batch_size or 50
    with xpnn.use_backend("numpy", "float64"):
        params, expected = net.init(rng=1), []
        for _ in range(2):
            order = np.arange(50) if size == 50 else order_rng.permutation(50)
            batches = [order[i : i + size] for i in range(0, 50, size)]
            params, costs = gradient_descent_by_hand(net, params, X, y, 0.1, batches, s, 0.5)
            totals = [len(b) if s is None else s[0, b].sum() for b in batches]
            expected.append(np.average(costs, weights=totals))
    np.testing.assert_allclose(history.cost, expected, rtol=1e-12)
    for layer, reference in zip(to_numpy(backend64, fitted), params, strict=True):
        np.testing.assert_allclose(layer.W, reference.W, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(layer.b, reference.b, rtol=1e-11, atol=1e-13)


def fifty_epochs(net, X, y, **kwargs):
    start = net.init(rng=3)
    params, history = xpnn.fit(net, start, X, y, epochs=50, batch_size=32, rng=4, **kwargs)
    return start, params, history


@pytest.mark.slow
@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_fifty_epochs_agree_on_every_backend(backend64, rng, name):
    """Initial weights bit-identical; costs over the whole training equal to 1e-10 relative."""
    X, y = problem(rng, m=100)
    net = xpnn.Network([6, 8, 3], hidden="tanh")
    optimizer = optimizers.OPTIMIZERS[name](0.01)
    start, params, history = fifty_epochs(net, X, y, optimizer=optimizer, l2=0.01)
    with xpnn.use_backend("numpy", "float64"):
        start_np, params_np, history_np = fifty_epochs(net, X, y, optimizer=optimizer, l2=0.01)

    for layer, reference in zip(to_numpy(backend64, start), start_np, strict=True):
        assert layer.W.tobytes() == np.asarray(reference.W).tobytes()
    np.testing.assert_allclose(history.cost, history_np.cost, rtol=1e-10)
    assert history.cost[-1] < 0.5 * history.cost[0]
    for layer, reference in zip(to_numpy(backend64, params), params_np, strict=True):
        np.testing.assert_allclose(layer.W, reference.W, rtol=1e-8, atol=1e-10)


@pytest.mark.slow("jax")
def test_float32_follows_float64(backend, rng):
    X, y = problem(rng, m=100)
    net = xpnn.Network([6, 8, 3], hidden="relu")
    _, params, history = fifty_epochs(net, X, y)
    with xpnn.use_backend("numpy", "float64"):
        _, _, reference = fifty_epochs(net, X, y)
    # 50 epochs of float32 rounding, eps 1.2e-7, on costs of order 1
    np.testing.assert_allclose(history.cost, reference.cost, rtol=1e-3)
    assert all(a.dtype == backend.dtype for layer in params for a in layer)


def test_mini_batch_order_is_the_same_on_every_backend(backend, monkeypatch):
    """Each example is its own target value, so the costs of single-example steps tell the order."""
    net = xpnn.Network([1, 1], output="identity")
    Y = np.arange(1.0, 9.0).reshape(1, -1)
    tiny = optimizers.gradient_descent(1e-30)  # stays at W = b = 0: each cost is ½ y²
    seen = []
    original = type(backend).to_numpy
    monkeypatch.setattr(
        type(backend), "to_numpy", lambda self, a: seen.append(original(self, a)) or seen[-1]
    )
    xpnn.fit(net, net.init(weights="zeros"), Y, Y, optimizer=tiny, epochs=1, batch_size=1, rng=5)
    order = np.random.default_rng(5).permutation(8)
    costs = next(a for a in seen if a.ndim == 1 and len(a) >= 8)[:8]  # JAX's are padded
    np.testing.assert_allclose(np.sqrt(2.0 * costs), order + 1.0, rtol=1e-6)


@pytest.mark.slow("jax")
def test_xor_needs_a_hidden_layer(backend):
    """The textbook case: solved with one hidden layer, at best 3 of 4 without."""
    deep = xpnn.Network([2, 4, 1], hidden="tanh", output="sigmoid")
    params, _ = xpnn.fit(
        deep, deep.init(rng=0), XOR_X, XOR_Y, optimizer=optimizers.adam(0.1), epochs=200
    )
    assert deep.score(params, XOR_X, XOR_Y) == 1.0
    flat = xpnn.Network([2, 1], output="sigmoid")
    params, _ = xpnn.fit(
        flat, flat.init(rng=0), XOR_X, XOR_Y, optimizer=optimizers.adam(0.1), epochs=200
    )
    assert flat.score(params, XOR_X, XOR_Y) <= 0.75


def test_a_schedule_is_followed_and_reported(rng):
    X, y = problem(rng)
    net = xpnn.Network([6, 3])
    halving = xpnn.schedules.step_decay(0.1, factor=0.5, every=2)
    for batch_size in (None, 10):
        _, history = xpnn.fit(
            net,
            net.init(),
            X,
            y,
            optimizer=optimizers.gradient_descent(halving),
            epochs=5,
            batch_size=batch_size,
        )
        assert history.learning_rate == [0.1, 0.1, 0.05, 0.05, 0.025]


def test_history_counts_and_times(rng):
    X, y = problem(rng)
    net = xpnn.Network([6, 3])
    began = time.perf_counter()
    _, history = xpnn.fit(net, net.init(), X, y, epochs=70, batch_size=None)
    elapsed = time.perf_counter() - began
    assert len(history) == len(history.cost) == len(history.seconds) == 70
    assert history.validation == []
    assert history.stopped == "epochs"
    assert 0.0 < sum(history.seconds) <= elapsed
    assert "70 epochs" in repr(history)


# ---- what it leaves alone --------------------------------------------------------------------


@pytest.mark.slow("jax")
@pytest.mark.parametrize("batch_size", [None, 16])
def test_nothing_of_the_caller_is_altered(backend, rng, batch_size):
    X, y = problem(rng)
    s = np.ones((1, 50))
    net = xpnn.Network([6, 5, 3])
    params = net.init(rng=0)
    arrays = [backend.asarray(a) for a in (X, y, s)]
    before = [np.array(backend.to_numpy(a), copy=True) for a in arrays]
    params_before = [np.array(a, copy=True) for layer in to_numpy(backend, params) for a in layer]
    fitted, _ = xpnn.fit(
        net, params, *arrays[:2], sample_weight=arrays[2], epochs=3, batch_size=batch_size
    )
    for a, b in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(backend.to_numpy(a), b)
    after = [a for layer in to_numpy(backend, params) for a in layer]
    for a, b in zip(after, params_before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(to_numpy(backend, fitted)[0].W, params_before[0])
    assert backend == type(backend).of(fitted[0].W)


@pytest.mark.slow("jax")
def test_a_callback_gets_copies(backend, rng):
    """What it does to its parameters changes nothing of the training."""
    X, y = problem(rng)
    net = xpnn.Network([6, 3])
    seen = []

    def spoil(report):
        params = report.params
        seen.append(np.array(to_numpy(backend, params)[0].W, copy=True))
        W, b = params[0]
        W *= 0.0  # in place, where the library can
        b += 1.0

    fitted, history = xpnn.fit(net, net.init(), X, y, epochs=3, callbacks=[spoil])
    alone, expected = xpnn.fit(net, net.init(), X, y, epochs=3)
    assert history.cost == expected.cost
    np.testing.assert_array_equal(to_numpy(backend, fitted)[0].W, to_numpy(backend, alone)[0].W)
    np.testing.assert_array_equal(seen[-1], to_numpy(backend, alone)[0].W)
    assert not np.array_equal(seen[0], seen[1])


def test_torch_parameters_that_require_gradients_are_not_recorded():
    torch = pytest.importorskip("torch")
    net = xpnn.Network([2, 3, 1], hidden="tanh", output="sigmoid")
    with xpnn.use_backend("torch"):
        start = net.init(rng=0)
    for layer in start:
        layer.W.requires_grad_()
    params, _ = xpnn.fit(net, start, XOR_X, XOR_Y, epochs=2)
    assert not params[0].W.requires_grad
    net.cost(start, XOR_X, XOR_Y).backward()  # the equations stay differentiable
    gradient = net.gradients(start, XOR_X, XOR_Y)[0].W.detach()
    torch.testing.assert_close(start[0].W.grad, gradient)


# ---- when it stops ---------------------------------------------------------------------------


def test_a_callback_may_stop_and_all_are_told(rng):
    X, y = problem(rng)
    net = xpnn.Network([6, 3])
    epochs, costs = [], []

    def stop_after_four(report):
        epochs.append(report.epoch)
        return report.epoch == 4

    _, history = xpnn.fit(
        net,
        net.init(),
        X,
        y,
        epochs=20,
        callbacks=[stop_after_four, lambda report: costs.append(report.cost)],
    )
    assert epochs == [1, 2, 3, 4]
    assert costs == history.cost
    assert history.stopped == "callback"


def test_tol_stops_when_the_cost_stands_still(rng):
    X, y = problem(rng)
    net = xpnn.Network([6, 3])
    _, history = xpnn.fit(
        net, net.init(), X, y, epochs=100, tol=1e9, n_iter_no_change=3, batch_size=None
    )
    # the first epoch improves on −∞; then more than 3 without improvement: 1 + 4
    assert len(history) == 5
    assert history.stopped == "tol"
    _, history = xpnn.fit(net, net.init(), X, y, epochs=30, tol=0.0, batch_size=None)
    assert history.stopped == "epochs"  # full-batch descent at this rate always improves


@pytest.mark.slow
@pytest.mark.parametrize(("batch_size", "rate"), [(None, 3000.0), (16, 10.0)])
def test_tol_stops_before_a_divergence_that_ran_ahead(backend, monkeypatch, batch_size, rate):
    """Epochs 4 to 7 run at once, of which the 4th says stop and the 6th or 7th diverges."""
    monkeypatch.setattr(loop, "perf_counter", lambda: 0.0)  # no epoch takes long
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((3, 50)), rng.standard_normal((1, 50))
    net = xpnn.Network([3, 1], output="identity")

    def train(**given):
        optimizer = optimizers.gradient_descent(rate)
        common = {"optimizer": optimizer, "batch_size": batch_size, "epochs": 400}
        return xpnn.fit(net, net.init(), X, Y, **common, **given)

    stop = {"tol": 1e-3, "n_iter_no_change": 2}
    with pytest.raises(xpnn.DivergenceError, match=r"epoch [67]\b"):
        train()
    _, one_by_one = train(**stop, callbacks=[lambda report: None])
    _, at_once = train(**stop)
    assert at_once.stopped == one_by_one.stopped == "tol"
    assert len(at_once) == 4
    np.testing.assert_allclose(at_once.cost, one_by_one.cost, rtol=1e-5)


def test_validation_stops_early_and_returns_the_best(rng):
    X, y = problem(rng)
    validation = problem(rng)  # other centres: fitting the first set does not help here
    net = xpnn.Network([6, 3])
    seen = []
    params, history = xpnn.fit(
        net,
        net.init(),
        X,
        y,
        epochs=200,
        validation=validation,
        tol=0.0,
        n_iter_no_change=5,
        optimizer=optimizers.adam(0.05),
        callbacks=[lambda report: seen.append(report.validation)],
    )
    assert seen == history.validation
    assert net.score(params, *validation) == max(history.validation)


@pytest.fixture
def interrupt_after():
    """Press Ctrl-C later, by a timer of the system: a thread might wait long for its turn."""
    if not hasattr(signal, "setitimer"):
        pytest.skip("no interval timer on this system")
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, before)


timed = pytest.mark.thread_unsafe(reason="the process has one timer, and Ctrl-C one thread")


@pytest.mark.slow
@timed
@pytest.mark.parametrize("batch_size", [None, 16])
def test_ctrl_c_returns_the_last_complete_epoch(backend, rng, batch_size, interrupt_after):
    X, y = problem(rng)
    net = xpnn.Network([6, 5, 3])
    start = net.init(rng=0)

    def train(epochs):
        return xpnn.fit(net, start, X, y, epochs=epochs, batch_size=batch_size, rng=0)

    train(70)  # compile first
    interrupt_after(0.5)
    params, history = train(10**9)
    assert history.stopped == "interrupted"
    assert len(history) == len(history.cost) == len(history.learning_rate) == len(history.seconds)
    again, replay = train(len(history))
    assert replay.cost == history.cost
    for layer, reference in zip(to_numpy(backend, params), to_numpy(backend, again), strict=True):
        np.testing.assert_array_equal(layer.W, reference.W)


@timed
def test_ctrl_c_is_caught_at_every_moment(rng, interrupt_after):
    """A try around the loop itself missed it at the backward jump, in CPython 3.11 and 3.12."""
    X, y = problem(rng)
    net = xpnn.Network([6, 3])
    for i in range(50):

        def arm(report, delay=0.002 + 0.0001 * i):
            if report.epoch == 1:
                interrupt_after(delay)

        _, history = xpnn.fit(net, net.init(), X, y, epochs=10**9, callbacks=[arm])
        assert history.stopped == "interrupted"


def test_ctrl_c_in_the_first_epoch_returns_the_start(rng):
    X, y = problem(rng)
    net = xpnn.Network([6, 3])
    start = net.init(rng=0)

    def interrupt(epoch):
        raise KeyboardInterrupt

    params, history = xpnn.fit(net, start, X, y, optimizer=optimizers.adam(interrupt))
    assert len(history) == 0
    assert history.stopped == "interrupted"
    np.testing.assert_array_equal(params[0].W, start[0].W)


# ---- divergence ------------------------------------------------------------------------------


@pytest.mark.slow("jax")
@pytest.mark.parametrize("batch_size", [None, 16])
def test_divergence_names_epoch_and_layer(backend, rng, batch_size):
    """½ (a − y)² with identity: each step multiplies the error until float32 overflows."""
    X, _ = problem(rng)
    Y = rng.standard_normal((1, 50))
    net = xpnn.Network([6, 4, 1], hidden="relu", output="identity")
    with pytest.raises(xpnn.DivergenceError, match=r"epoch \d+.*layer \d.*learning rate"):
        xpnn.fit(
            net,
            net.init(rng=0),
            X,
            Y,
            optimizer=optimizers.gradient_descent(1e6),
            epochs=100,
            batch_size=batch_size,
        )


def test_divergence_in_a_known_layer():
    """Layer 1 passes 1e30 on; layer 2 multiplies by 1e30: Z[2] is the first beyond float32."""
    net = xpnn.Network([1, 1, 1], hidden="identity", output="identity")
    big = np.asarray([[1e30]], dtype=np.float32)
    zero = np.zeros((1, 1), dtype=np.float32)
    params = (xpnn.Layer(big, zero), xpnn.Layer(big.copy(), zero.copy()))
    with pytest.raises(xpnn.DivergenceError, match=r"epoch 1, step 1: layer 2 is the first"):
        xpnn.fit(net, params, [[1.0]], [[0.0]], epochs=3)


def test_divergence_reports_the_rate_of_its_epoch():
    """Rate 0.001, from epoch 40 on 1e30, several full-batch epochs a run."""
    net = xpnn.Network([1, 1], output="identity")
    optimizer = optimizers.gradient_descent(lambda epoch: 1e-3 if epoch < 40 else 1e30)
    with pytest.raises(xpnn.DivergenceError, match=r"epoch 4[12].*learning rate was 1e\+30"):
        xpnn.fit(net, net.init(), [[1.0]], [[1.0]], optimizer=optimizer, epochs=100)


def test_divergence_in_the_last_update():
    """One epoch: its cost is finite, the update is not, and must not be returned."""
    net = xpnn.Network([1, 1], output="identity")
    with pytest.raises(xpnn.DivergenceError, match=r"after its last step, layer 1"):
        xpnn.fit(
            net,
            net.init(weights="zeros"),
            [[1e15]],
            [[1e15]],
            optimizer=optimizers.gradient_descent(1e20),
            epochs=1,
        )


# ---- progress --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terminal", "progress", "shown"),
    [
        (True, None, True),
        (False, None, False),
        (False, True, True),
        (True, False, False),
    ],
)
def test_progress_is_for_terminals(monkeypatch, capsys, rng, terminal, progress, shown):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    X, y = problem(rng)
    net = xpnn.Network([6, 3])
    xpnn.fit(net, net.init(), X, y, epochs=3, progress=progress)
    printed = capsys.readouterr()
    assert ("cost=" in printed.err) == shown
    assert printed.out == ""


# ---- bad arguments ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "value", "error", "message"),
    [
        ("epochs", 0, ValueError, "epochs: expected a positive integer, found 0"),
        ("epochs", 2.5, TypeError, "epochs: expected a positive integer, found 2.5"),
        ("batch_size", 0, ValueError, "batch_size: expected a positive integer, found 0"),
        ("batch_size", -3, ValueError, "batch_size"),
        ("l2", -1.0, ValueError, "l2: expected a finite number of at least 0, found -1.0"),
        ("l2", math.nan, ValueError, "l2"),
        ("tol", -1.0, ValueError, "tol"),
        ("rng", "seed", TypeError, "rng: expected an int"),
        ("rng", -1, TypeError, "rng"),
        ("optimizer", "adam", TypeError, r"xpnn\.optimizers\.adam\(1e-3\)"),
        (
            "optimizer",
            optimizers.adam(0.0),
            ValueError,
            "learning_rate: expected a finite number above",
        ),
        ("optimizer", optimizers.adam(math.nan), ValueError, "learning_rate"),
        ("validation", 3, TypeError, "validation: expected a pair"),
        (
            "callbacks",
            print,
            TypeError,
            r"callbacks: expected a list.*write callbacks=\[function\]",
        ),
        ("tol", "a", TypeError, "tol: expected a number"),
        ("sample_weight", [[1.0, 2.0]], ValueError, r"expected shape \(1, 50\), found \(1, 2\)"),
    ],
)
def test_bad_arguments(rng, argument, value, error, message):
    X, y = problem(rng)
    net = xpnn.Network([6, 3])
    with pytest.raises(error, match=message) as caught:
        xpnn.fit(net, net.init(), X, y, **{argument: value})
    assert isinstance(caught.value, xpnn.XpnnError)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_numbers_that_are_not_finite_are_refused(backend, rng, bad):
    X, y = problem(rng)
    X = X.copy()
    X[2, 3] = bad
    net = xpnn.Network([6, 3])
    with pytest.raises(xpnn.ArgumentError, match=r"X: expected finite.*found 1 .*numpy.nan_to_num"):
        xpnn.fit(net, net.init(), X, y)


@pytest.mark.slow
@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_layer_by_layer_is_the_same(backend, rng, monkeypatch, name):
    """An update of θ at once, and one of each W[l] and b[l]."""
    if backend.compiled:
        pytest.skip("compiled steps go layer by layer only")
    net = xpnn.Network([5, 7, 4, 3], hidden="tanh")
    X, Y = rng.standard_normal((5, 50)), rng.integers(0, 3, (1, 50))
    params = net.init(0)
    found = []
    for least in (0, float("inf")):
        monkeypatch.setattr(type(backend), "by_layer_from", least)
        run_by_steps.cache_clear()
        optimizer = optimizers.OPTIMIZERS[name](0.05)
        trained, history = xpnn.fit(
            net, params, X, Y, optimizer=optimizer, epochs=4, batch_size=16, l2=0.1, progress=False
        )
        found.append((history.cost, to_numpy(backend, trained)))
    run_by_steps.cache_clear()
    (cost, by_layer), (cost_at_once, at_once) = found
    np.testing.assert_allclose(cost, cost_at_once, rtol=1e-5)
    for layer, right in zip(by_layer, at_once, strict=True):
        np.testing.assert_allclose(layer.W, right.W, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(layer.b, right.b, rtol=1e-4, atol=1e-5)
