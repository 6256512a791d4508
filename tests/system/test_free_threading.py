"""Several threads at once get what one gets alone, to the bit: with the GIL and without it."""

import subprocess
import sys
import threading

import pytest

import xpnn
from xpnn import graph

pytestmark = [pytest.mark.slow, pytest.mark.thread_unsafe(reason="starts threads of its own")]

THREADS = 8
BACKENDS = [("numpy", "float32"), ("numpy", "float64"), ("array_api_strict", "float32")]


@pytest.fixture
def hasty():
    """Switch between threads as often as this Python can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(work):
    """Return what work(i) returns in each thread i: they start together."""
    barrier, results = threading.Barrier(THREADS), [None] * THREADS

    def call(i):
        try:
            barrier.wait()
            results[i] = work(i)
        except BaseException as error:  # noqa: BLE001  of any thread, shown by the comparison
            results[i] = error

    threads = [threading.Thread(target=call, args=(i,)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def fitted(seed, folder):
    """Train, save, load and predict; on a backend and from a seed of this thread alone."""
    seen = set()
    X, Y = xpnn.data.moons(64, rng=seed)
    net = xpnn.Network([2, 4, 1], hidden="tanh", output="sigmoid")
    with xpnn.use_backend(*BACKENDS[seed % len(BACKENDS)]) as backend:
        params, history = xpnn.fit(
            net,
            net.init(rng=seed),
            X,
            Y,
            optimizer=xpnn.optimizers.adam(0.01),
            epochs=20,
            batch_size=16,
            rng=seed,
            callbacks=[lambda _: seen.add(xpnn.get_backend())],
        )
        xpnn.save(folder / f"{seed}.safetensors", net, params)
        net, params = xpnn.load(folder / f"{seed}.safetensors")
        A = backend.to_numpy(net.forward(params, X)[0])
    assert seen == {backend}
    return A.tobytes(), tuple(history.cost)


def estimated(seed, folder):
    """Train estimators of all solvers, save, load and predict."""
    X, y = xpnn.data.moons(64, rows=True, rng=seed)
    found = []
    for solver in ("adam", "sgd", "lbfgs"):
        model = xpnn.MLPClassifier((4,), solver=solver, max_iter=300, tol=0.1, random_state=seed)
        model.fit(X, y).save(folder / f"{seed}.safetensors")
        found.append(xpnn.load(folder / f"{seed}.safetensors").predict_proba(X).tobytes())
    return found


def differentiated(seed, folder):
    """Differentiate twice, so that nodes and levels of many threads are made at once."""

    def energy(x):
        for _ in range(5):
            x = graph.tanh(x * x + seed)
        return graph.sum(x)

    def slope(x):
        return graph.sum(graph.grad(energy)(x) ** 2)

    x = xpnn.get_backend().asarray([0.1, 0.2, 0.3])
    return [graph.grad(slope)(x + i).tobytes() for i in range(20)]


@pytest.mark.parametrize("work", [fitted, estimated, differentiated])
def test_threads_get_what_one_gets_alone(hasty, tmp_path, work):
    alone = [work(i, tmp_path) for i in range(THREADS)]
    assert at_once(lambda i: work(i, tmp_path)) == alone


def test_threads_see_one_of_two_default_backends(hasty):
    specs = ("numpy", "array_api_strict")
    made = [xpnn.set_backend(spec) for spec in specs]

    def choose_or_look(i):
        return all(
            (xpnn.set_backend(specs[n % 2]) if i < 2 else xpnn.get_backend()) in made
            for n in range(200)
        )

    assert at_once(choose_or_look) == [True] * THREADS


FIRST_USES = """
import importlib.util, sys, threading
import xpnn

sys.setswitchinterval(1e-6)
USES = {
    "backend": lambda: repr(xpnn.get_backend()),
    "strict": lambda: repr(xpnn.set_backend("array_api_strict")),
    "version": lambda: xpnn.__version__,
    "graph": lambda: float(xpnn.graph.grad(lambda x: x**3)(2.0)),
    "course": lambda: xpnn.course.shallow.layer_sizes.__name__,
    "digits": lambda: xpnn.data.digits()[0].sum(),
    "fit": lambda: weights(xpnn.Network([2, 2, 1], output="sigmoid")),
    "estimator": lambda: xpnn.LogisticRegression().fit(X, y).predict_proba(X).tobytes(),
}
if importlib.util.find_spec("matplotlib"):
    USES["plot"] = lambda: type(xpnn.plot.cost_curve([2.0, 1.0])).__name__
X, y = xpnn.data.moons(rows=True)


def weights(net):
    params, _ = xpnn.fit(net, net.init(), X.T, y[None], epochs=2)
    return [xpnn.get_backend().to_numpy(a).tobytes() for layer in params for a in layer]


def call(use):
    barrier.wait()
    try:
        found.append(use())
    except Exception as error:
        found.append(repr(error))


for name, use in USES.items():
    barrier, found = threading.Barrier(8), []
    threads = [threading.Thread(target=call, args=(use,)) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    if found != [use()] * 8:
        print(name, found)
"""


def test_what_is_imported_or_kept_at_first_use_may_be_used_first_by_many_threads():
    done = subprocess.run(
        [sys.executable, "-c", FIRST_USES], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout == ""
