"""`xpnn.audit` against what array-api-strict itself sees move and be read."""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import numpy as np
import pytest

import xpnn
from tests.helpers import usable
from xpnn._backends.audit import READ, TO_DEVICE, TO_HOST, WAIT, record

X, Y = xpnn.data.moons(64)
NET = xpnn.Network([2, 5, 1], output="sigmoid")


class Seen:
    """What array-api-strict was asked for: arrays of NumPy taken in, and arrays or numbers read."""

    def __init__(self, monkeypatch):
        strict = pytest.importorskip("array_api_strict")
        self.moved = self.read = 0
        array = type(strict.zeros(1))
        asarray = strict.asarray

        def counting_asarray(obj, *args, **options):
            self.moved += isinstance(obj, np.ndarray)
            return asarray(obj, *args, **options)

        def counting(method):
            def read(a, *args, **options):
                self.read += 1
                return method(a, *args, **options)

            return read

        monkeypatch.setattr(strict, "asarray", counting_asarray)
        for name in ("__float__", "__int__", "__bool__", "__complex__", "__array__", "__buffer__"):
            if hasattr(array, name):
                monkeypatch.setattr(array, name, counting(getattr(array, name)))


def fit(**options):
    return xpnn.fit(NET, NET.init(rng=0), X, Y, epochs=6, batch_size=16, rng=1, **options)


def checked():
    params, _ = fit()
    NET.predict(params, X)
    NET.score(params, X, Y)
    return xpnn.gradient_check(NET, params, X, Y)


JOBS = {
    "fit": fit,
    "watched": lambda: fit(callbacks=[lambda report: None]),
    "validation": lambda: fit(validation=(X, Y), sample_weight=np.ones((1, 64))),
    "full batch": lambda: xpnn.fit(NET, NET.init(rng=0), X, Y, epochs=3),
    "network": checked,
    "classifier": lambda: xpnn.MLPClassifier((5,), max_iter=3).fit(X.T, Y[0]).predict(X.T),
    "lbfgs": lambda: xpnn.MLPRegressor(hidden_layer_sizes=(5,), solver="lbfgs", max_iter=3).fit(
        X.T, Y[0]
    ),
    "logistic": lambda: xpnn.LogisticRegression(max_iter=3).fit(X.T, Y[0], np.ones(64)),
    "course": lambda: xpnn.course.shallow.nn_model(X, Y, 4, num_iterations=3),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("job", JOBS)
def test_nothing_goes_unseen(job, monkeypatch):
    with xpnn.use_backend("array_api_strict", "float64"):
        seen = Seen(monkeypatch)
        with xpnn.audit() as audit:
            JOBS[job]()
    assert (audit.times(TO_DEVICE), audit.times(TO_HOST, READ)) == (seen.moved, seen.read)
    assert seen.moved > 0
    assert seen.read > 0


@pytest.mark.parametrize("backend", [spec for spec in usable() if spec != "numpy"], indirect=True)
def test_an_epoch_is_read_once(backend):
    """The costs of an epoch come to the host together, however many steps it has."""
    params = NET.init(rng=0)

    def crossings(epochs):
        with xpnn.audit() as audit:
            xpnn.fit(
                NET, params, X, Y, epochs=epochs, batch_size=8, callbacks=[lambda report: None]
            )
        return audit.times(TO_HOST, READ)

    assert crossings(11) - crossings(1) == 10


def test_audits_nest_and_end():
    with xpnn.use_backend("array_api_strict") as backend:
        with xpnn.audit() as outer:
            backend.asarray([1.0])
            with xpnn.audit() as inner:
                backend.asarray([1.0, 2.0])
        backend.asarray([1.0])
    assert (outer.times(), inner.times()) == (2, 1)
    assert list(inner.found.values()) == [[1, 16]]


def test_a_wait_is_counted_with_the_line_that_asked():
    with xpnn.use_backend("array_api_strict") as backend, xpnn.audit() as audit:
        backend.synchronize()
    ((kind, where),) = audit.found
    assert kind == WAIT
    assert where.startswith("test_audit.py:")
    assert where.endswith(" test_a_wait_is_counted_with_the_line_that_asked")
    assert repr(audit).splitlines()[0].split() == ["what", "times", "bytes", "where"]


def test_other_threads_are_not_counted():
    def work():
        with xpnn.use_backend("array_api_strict") as backend:
            backend.asarray([1.0])

    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()  # its thread runs before the audit does
        with xpnn.audit() as audit:
            pool.submit(work).result()
            assert audit.times() == 0
            work()
            assert audit.times() == 1


def test_threads_that_share_an_audit_lose_no_count():
    """A thread has a copy of the context: each new one does on a free-threaded Python 3.14."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    with xpnn.audit() as audit, ThreadPoolExecutor(8) as pool:
        for context in [copy_context() for _ in range(8)]:
            pool.submit(context.run, lambda: [record(WAIT, 1) for _ in range(2000)])
    sys.setswitchinterval(before)
    assert audit.times(WAIT) == 16_000


def test_numpy_has_nothing_to_move():
    with xpnn.use_backend("numpy"), xpnn.audit() as audit:
        fit()
    assert audit.found == {}
