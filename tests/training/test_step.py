"""One step of training."""

import types

import numpy as np
import pytest
import scipy.sparse

import xpnn
from tests.helpers import unusable
from xpnn._backends.base import Backend
from xpnn._backends.selection import resolve
from xpnn.training.step import run_by_steps


@pytest.mark.parametrize("spec", ["numpy", "torch:cpu", "array_api_strict"])
def test_the_cost_of_a_step_does_not_keep_its_gradient_alive(spec, monkeypatch):
    if unusable(spec):
        pytest.skip(unusable(spec))
    backend = resolve(spec, "float64")
    xp, sums = backend.xp, []
    monkeypatch.setattr(Backend, "scan", lambda backend, step: step)
    monkeypatch.setattr(
        type(backend), "make_allreduce", lambda backend, comm: lambda a: sums.append(a) or a
    )
    net, update = (
        xpnn.Network([3, 4, 1], output="sigmoid"),
        xpnn.optimizers.gradient_descent().update,
    )
    step = run_by_steps.__wrapped__(
        net,
        update,
        backend,
        gather=False,
        weighted=False,
        l2=False,
        comm=types.SimpleNamespace(size=2),
    )
    theta = xp.ones(21, dtype=backend.dtype)
    data = xp.ones((3, 5), dtype=backend.dtype), xp.ones((1, 5), dtype=backend.dtype)
    _, J = step((theta,), data, (), (0.2, 0.0, 0.1))
    assert not np.shares_memory(backend.to_numpy(J), backend.to_numpy(sums[0]))


OPTIMIZERS = [make(0.05) for make in xpnn.optimizers.OPTIMIZERS.values()]
FITS = {
    "full batch": {"batch_size": None},
    "a smaller last batch": {"batch_size": 16},
    "l2": {"batch_size": 16, "l2": 0.1},
    "weights": {"batch_size": 16, "sample_weight": np.linspace(0.1, 3.0, 50)[None, :]},
    "weights, full batch": {
        "batch_size": None,
        "sample_weight": np.linspace(0.1, 3.0, 50)[None, :],
    },
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: optimizer.name)
@pytest.mark.parametrize("options", FITS.values(), ids=FITS)
def test_a_program_trains_as_the_core_does_step_by_step(options, optimizer, dtype, monkeypatch):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((5, 50)), rng.integers(0, 3, (1, 50))
    net = xpnn.Network([5, 7, 4, 3], hidden="tanh")
    with xpnn.use_backend("numpy", dtype):
        start = net.init(0)
    found = []
    for engine in ("off", "numpy"):
        monkeypatch.setenv("XPNN_ENGINE", engine)
        found.append(xpnn.fit(net, start, X, Y, optimizer=optimizer, epochs=4, **options))
    (params, history), (by_program, its_history) = found
    np.testing.assert_allclose(its_history.cost, history.cost, rtol=1e-5)
    for layer, right in zip(by_program, params, strict=True):
        np.testing.assert_allclose(layer.W, right.W, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(layer.b, right.b, rtol=1e-4, atol=1e-6)


def test_a_program_diverges_and_is_interrupted_like_the_core(monkeypatch):
    net = xpnn.Network([1, 1], output="identity")
    steep = xpnn.optimizers.gradient_descent(1e9)
    data = [[1.0, 2.0]], [[1.0, 2.0]]
    messages = []
    for engine in ("off", "numpy"):
        monkeypatch.setenv("XPNN_ENGINE", engine)
        with pytest.raises(xpnn.DivergenceError) as caught:
            xpnn.fit(net, net.init(0), *data, optimizer=steep, epochs=50)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]

    def interrupt(report):
        if report.epoch == 2:
            raise KeyboardInterrupt

    _, history = xpnn.fit(net, net.init(0), *data, epochs=9, callbacks=[interrupt])
    assert (history.stopped, len(history)) == ("interrupted", 2)


def test_an_engine_that_is_none(monkeypatch):
    monkeypatch.setenv("XPNN_ENGINE", "nunpy")
    net = xpnn.Network([1, 1], output="identity")
    with pytest.raises(xpnn.exceptions.ArgumentError, match=r"XPNN_ENGINE 'nunpy'.*off.*'numpy'"):
        xpnn.fit(net, net.init(0), [[1.0]], [[1.0]], epochs=1)


def test_what_is_not_ours_or_sparse_runs_step_by_step(monkeypatch):
    monkeypatch.setenv("XPNN_ENGINE", "numpy")
    rng = np.random.default_rng(0)
    X, Y = rng.random((4, 20)), rng.integers(0, 2, (1, 20))
    seen = []

    def own(Z, xp):
        seen.append(Z.shape)
        return xp.tanh(Z)

    net = xpnn.Network([4, 3, 1], hidden=xpnn.Activation(own))
    xpnn.fit(net, net.init(0), X, Y, epochs=2, batch_size=10)
    assert seen.count((3, 10)) >= 4
    model = xpnn.MLPClassifier((3,), max_iter=2, random_state=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        model.fit(scipy.sparse.csr_matrix(X.T), Y[0])
