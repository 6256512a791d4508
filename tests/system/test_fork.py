"""A process forked from one that has computed computes as well, or says why it cannot."""

import os
import subprocess
import sys
import threading

import pytest
import tqdm

import xpnn
from xpnn._backends import jax as jax_backend
from xpnn.training.bar import progress_bar

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork"),
]

NET = xpnn.Network([2, 3, 1], output="sigmoid")
X, Y = xpnn.data.moons(m=20, rng=0)

FORK = """
import faulthandler, os, sys, xpnn
backend = sys.argv[1]
X, Y = xpnn.data.moons(m=3000, rng=0)
net = xpnn.Network([2, 64, 1], output="sigmoid")

def fit():
    with xpnn.use_backend(backend):
        return xpnn.fit(net, net.init(rng=0), X, Y, epochs=1, progress=False)[1].cost

def same():
    faulthandler.dump_traceback_later(100, exit=True)  # an exit status of 1
    try:
        return 0 if fit() == expected else 2
    except xpnn.BackendError as error:
        print(error, flush=True)
        return 3
    finally:
        faulthandler.cancel_dump_traceback_later()

def forked(function):
    child = os.fork()
    if child == 0:
        os._exit(function())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

expected = fit()
sys.exit(forked(lambda: same() or forked(same)))
"""


def forked(backend):
    command = [sys.executable, "-W", "ignore", "-c", FORK, backend]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_child_and_its_child_train(backend):
    done = forked(backend)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_child_of_jax_is_told_so():
    pytest.importorskip("jax")
    done = forked("jax")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "jax cannot be used in a process that was forked after JAX had begun" in done.stdout
    assert "get_context('spawn')" in done.stdout


def test_every_door_of_jax_says_so(monkeypatch):
    pytest.importorskip("jax")
    backend = xpnn.set_backend("jax")
    params = NET.init(rng=0)
    monkeypatch.setattr(jax_backend, "first_process", lambda: -1)
    doors = (
        jax_backend.JaxBackend.create,
        lambda: backend.asarray([1.0]),
        lambda: NET.init(rng=0),
        lambda: NET.predict(params, X),
        lambda: xpnn.fit(NET, params, X, Y, epochs=1),
    )
    for door in doors:
        with pytest.raises(xpnn.BackendError, match="forked after JAX had begun"):
            door()


def test_no_bar_is_made_where_none_is_shown(monkeypatch):
    """Each tqdm takes a lock that another thread may hold as a process forks."""

    def refuse(cls, *arguments, **options):
        raise AssertionError("a tqdm was made")

    monkeypatch.setattr(tqdm.tqdm, "__new__", refuse)
    for progress in (False, None):  # pytest's standard error is no terminal
        xpnn.fit(NET, NET.init(rng=0), X, Y, epochs=2, progress=progress)


def test_a_bar_leaves_no_thread_and_takes_a_lock_of_its_own(capsys):
    before = threading.active_count()
    with progress_bar(2, unit="epoch") as bar:
        assert threading.active_count() == before
        assert bar.get_lock() is not tqdm.tqdm.get_lock()
        bar.update(2)
    assert "2/2" in capsys.readouterr().err
    assert bar not in tqdm.tqdm._instances


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", "ignore:.*fork:RuntimeWarning")
def test_a_child_forked_while_another_thread_draws_a_bar_draws_its_own():
    held, over = threading.Event(), threading.Event()
    kind = type(progress_bar(1, disable=True))

    def draw():
        with kind.get_lock():
            held.set()
            over.wait(60)

    thread = threading.Thread(target=draw)
    thread.start()
    held.wait(60)
    child = os.fork()
    if child == 0:
        os._exit(0 if kind.get_lock().acquire(timeout=5) else 1)
    over.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
