"""NumPy's BLAS has one thread while small networks are trained, and its own number after."""

import os
from threading import Event, Thread

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

import xpnn
from xpnn._backends import numpy as numpy_backend
from xpnn._backends import threads as backend_threads
from xpnn._backends.threads import SETTINGS, blas, limit_threads, one_thread

pytestmark = pytest.mark.thread_unsafe(reason="BLAS has one number of threads a process")

X = np.random.default_rng(0).standard_normal((4, 3))
Y = (X[:, :1] > 0).astype(float)


@pytest.fixture(autouse=True)
def two_threads():
    """Two threads for every BLAS that can have them."""
    before = [library.num_threads for library in blas()]
    set_threads([2] * len(before))
    if threads() != {2}:
        pytest.skip("a BLAS of this process has one thread only")
    if not backend_threads._alone():
        pytest.skip("another test has left a thread")
    yield
    set_threads(before)


def set_threads(numbers):
    for library, number in zip(blas(), numbers, strict=True):
        library.set_num_threads(number)
        if hasattr(library, "clear_controlling_thread"):  # so that other threads may set it, too
            library.clear_controlling_thread()


def threads():
    return {library.num_threads for library in blas()}


def watched(seen):
    """Return a logistic unit that notes how many threads there are when it is computed."""

    def sigmoid(Z, xp):
        seen.append(threads())
        return 1.0 / (1.0 + xp.exp(-Z))

    return xpnn.Activation(sigmoid, lambda Z, A, xp: A * (1.0 - A), name="sigmoid")


def fit(seen, m=4):
    net = xpnn.Network([3, 1], output=watched(seen), loss="binary_cross_entropy")
    xpnn.fit(net, net.init(), np.tile(X, (m // 4, 1)).T, np.tile(Y, (m // 4, 1)).T, epochs=1)


def test_a_small_network_has_one_thread():
    seen = []
    fit(seen)
    assert seen[-1] == {1}  # the first is the check of the function's shape
    assert threads() == {2}


def test_a_large_product_has_them_all(monkeypatch):
    monkeypatch.setattr(numpy_backend, "SMALL", 3 * 128 - 1)
    seen = []
    fit(seen, m=128)
    assert seen[-1] == {2}
    fit(seen, m=124)
    assert seen[-1] == {1}


def test_lbfgs_has_one_thread(monkeypatch):
    seen = []
    model = xpnn.MLPClassifier(
        (2,), activation=watched(seen), solver="lbfgs", max_iter=1, random_state=0
    )
    with pytest.warns(UserWarning, match="lbfgs failed to converge"):
        model.fit(X, Y[:, 0])
    assert seen[-1] == {1}
    assert threads() == {2}


def test_an_exception_gives_them_back():
    with pytest.raises(KeyboardInterrupt), one_thread():
        raise KeyboardInterrupt
    assert threads() == {2}


def test_a_block_that_was_never_left_is_undone_by_the_next(monkeypatch):
    """As after a Ctrl-C between two lines."""
    monkeypatch.setattr(backend_threads, "_before", [2] * len(blas()))
    set_threads([1] * len(blas()))
    seen = []
    fit(seen)
    assert seen[-1] == {1}
    assert threads() == {2}


def test_the_waiting_threads_of_a_notebook_change_nothing():
    end, seen = Event(), []
    waiting = [Thread(target=end.wait, daemon=True) for _ in range(8)]
    for thread in waiting:
        thread.start()
    fit(seen)
    end.set()
    for thread in waiting:
        thread.join()
    assert seen[-1] == {1}
    assert threads() == {2}


def test_where_another_thread_lives_blas_keeps_its_threads():
    """It may save the number and put it back, as scikit-learn's k-means does."""
    entered, left = Event(), Event()

    def limit():
        with ThreadpoolController().limit(limits=1):
            entered.set()
            left.wait(10)

    def look():
        left.wait(10)

    seen = []
    thread = Thread(target=look)
    thread.start()
    fit(seen)
    left.set()
    thread.join()
    assert seen[-1] == {2}
    left.clear()
    thread = Thread(target=limit)
    thread.start()
    entered.wait(10)
    fit(seen)
    left.set()
    thread.join()
    assert threads() == {2}


def test_a_process_has_so_many_threads_unless_its_environment_says_how_many(monkeypatch):
    for name in SETTINGS:
        monkeypatch.setenv(name, "2")
    with ThreadpoolController().limit(limits=2):  # puts back afterwards what there was
        limit_threads(1)
        assert threads() == {2}
        for name in SETTINGS:
            monkeypatch.delenv(name)
        limit_threads(1)
        assert threads() == {1}
        assert [os.environ[name] for name in SETTINGS] == ["1", "1", "1"]


def test_fits_in_several_threads_leave_the_number_alone():
    seen, changed = [], []
    many = [Thread(target=fit, args=(seen,)) for _ in range(4)]
    for thread in many:
        thread.start()
    for thread in many:
        changed.append(threads())
        thread.join()
    assert changed == [{2}] * 4
    assert threads() == {2}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", "ignore:.*fork:RuntimeWarning")
def test_a_child_forked_inside_a_block_has_all_threads():
    with one_thread():
        assert threads() == {1}
        child = os.fork()
        if child == 0:
            os._exit(0 if threads() == {2} else 1)
        assert threads() == {1}
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
