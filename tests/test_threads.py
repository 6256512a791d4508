"""NumPy's BLAS has one thread while small networks are trained, and its own number after."""

from threading import Barrier, Thread, current_thread

import numpy as np
import pytest

import xpnn
from xpnn.backends import numpy as numpy_backend
from xpnn.backends import threads as backend_threads
from xpnn.backends.threads import blas, one_thread

pytestmark = pytest.mark.thread_unsafe(reason="BLAS has one number of threads a process")

X = np.random.default_rng(0).standard_normal((4, 3))
Y = (X[:, :1] > 0).astype(float)


@pytest.fixture(autouse=True)
def two_threads():
    """Two threads for every BLAS that can have them."""
    before = [library.num_threads for library in blas().lib_controllers]
    set_threads([2] * len(before))
    if threads() != {2}:
        pytest.skip("a BLAS of this process has one thread only")
    yield
    set_threads(before)


def set_threads(numbers):
    for library, number in zip(blas().lib_controllers, numbers, strict=True):
        library.set_num_threads(number)
        if hasattr(library, "clear_controlling_thread"):  # so that other threads may set it, too
            library.clear_controlling_thread()


def threads():
    return {library.num_threads for library in blas().lib_controllers}


def watched(seen):
    """Return a logistic unit that notes how many threads there are when it is computed."""

    def sigmoid(Z, xp):
        seen.append(threads())
        return 1.0 / (1.0 + xp.exp(-Z))

    return xpnn.Activation(sigmoid, lambda Z, A, xp: A * (1.0 - A), name="sigmoid")


def fit(seen, m=4):
    net = xpnn.Network([3, 1], output=watched(seen), cost="binary_cross_entropy")
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


@pytest.mark.parametrize("owner", ["this thread", "one that is over"])
def test_a_block_that_was_never_left_does_no_harm(monkeypatch, owner):
    """As after a Ctrl-C between two lines."""
    thread = current_thread() if owner == "this thread" else Thread(target=lambda: None)
    monkeypatch.setattr(backend_threads, "_owner", thread)
    seen = []
    fit(seen)
    assert seen[-1] == {1}
    assert threads() == {2}


@pytest.mark.parametrize("first", ["the other", "this one"])
def test_who_makes_the_setting_undoes_it(first):
    """Whichever thread comes first, and whichever leaves last."""
    entered, left = Barrier(2), Barrier(2)
    seen = []

    def stay():
        with one_thread():
            entered.wait(10)
            left.wait(10)

    def pass_through():
        entered.wait(10)
        with one_thread():
            seen.append(threads())
        seen.append(threads())
        left.wait(10)

    this, other = (pass_through, stay) if first == "the other" else (stay, pass_through)
    thread = Thread(target=other)
    thread.start()
    this()
    thread.join()
    assert seen == [{1}, {1}]
    assert threads() == {2}
    fit([])
    assert threads() == {2}
