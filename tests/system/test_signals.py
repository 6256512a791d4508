"""SIGTERM and SIGHUP end a training as Ctrl-C does: nothing that complete epochs gave is lost."""

import gc
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

import xpnn
from xpnn import _signals
from xpnn._backends.numpy import NumpyBackend
from xpnn.cli import main
from xpnn.files import container
from xpnn.training.loop import Loop

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows ends processes without a signal")

TRAIN = ["train", "moons", "--hidden", "2", "--epochs", "9", "--checkpoint", "c.safetensors"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # nohup and shells that start tests in the background have signals ignored
    before = {n: signal.signal(n, default) for n, default in _signals.DEFAULTS.items()}
    yield
    assert {n: signal.signal(n, found) for n, found in before.items()} == _signals.DEFAULTS
    assert _signals.arrived == []
    assert list(tmp_path.glob(".*")) == []  # no temporary file is left


@pytest.fixture
def third_epoch(monkeypatch):
    """Return the function that has another called after two epochs, or more if they are short."""
    original = Loop._advance
    acted = []

    def set_up(act):
        def advance(self, count):
            if self.done.epochs >= 2 and not acted:
                acted.append(True)
                act()
            return original(self, count)

        monkeypatch.setattr(Loop, "_advance", advance)

    return set_up


def send(*numbers):
    for number in numbers:
        signal.raise_signal(number)


def epochs_in(path):
    return container.read(path, ("checkpoint",)).content["epoch"]


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_a_training_keeps_what_complete_epochs_gave(number, status, third_epoch, capsys):
    third_epoch(lambda: send(number))
    assert main(TRAIN) == status
    name = "Ctrl-C" if number == signal.SIGINT else number.name
    printed = capsys.readouterr()
    assert f"stopped by {name} after 2 complete epochs" in printed.out
    assert "accuracy" in printed.out
    assert printed.err == ""
    assert epochs_in("c.safetensors") == 2
    assert xpnn.load("moons.safetensors").n_iter_ == 2


def test_more_signals_do_not_stop_what_the_first_has_begun(third_epoch, monkeypatch):
    third_epoch(lambda: send(signal.SIGHUP))
    original = container.write

    def write(*given):
        send(signal.SIGHUP, signal.SIGTERM)
        return original(*given)

    monkeypatch.setattr(container, "write", write)
    assert main(TRAIN) == 129
    assert epochs_in("c.safetensors") == 2
    assert Path("moons.safetensors").is_file()


def test_one_that_is_swallowed_is_heeded_after_the_epoch(third_epoch):
    def swallow():
        with suppress(KeyboardInterrupt):  # as Python does in a finalizer, or where C calls it
            send(signal.SIGTERM)

    third_epoch(swallow)
    assert main(TRAIN) == 143
    assert epochs_in("c.safetensors") == 3


def test_nohup(third_epoch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        third_epoch(lambda: send(signal.SIGHUP))
        assert main(TRAIN) == 0
        assert epochs_in("c.safetensors") == 9
    finally:
        signal.signal(signal.SIGHUP, before)


def test_before_the_training(monkeypatch, capsys):
    monkeypatch.setattr("xpnn.cli.dataset.read", lambda *given: send(signal.SIGTERM))
    assert main(TRAIN) == 143
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_as_the_model_is_written(number, monkeypatch):
    original = os.fsync

    def fsync(descriptor):
        monkeypatch.setattr(os, "fsync", original)
        send(number)

    monkeypatch.setattr(os, "fsync", fsync)
    assert main(["train", "moons", "--hidden", "2", "--epochs", "3"]) == 128 + number
    assert xpnn.load("moons.safetensors").n_iter_ == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "command", ["predict moons.safetensors moons -o out.csv", "demo planar", "bench"]
)
def test_other_commands_end_at_once(command, number, monkeypatch, capsys):
    assert main(["train", "moons", "--hidden", "2", "--epochs", "1"]) == 0
    monkeypatch.setattr("xpnn.cli.predict.csv.writer", lambda *a, **k: send(number))
    monkeypatch.setattr(Loop, "_advance", lambda self, count: send(number))
    monkeypatch.setattr("xpnn.cli.bench.usable_specs", lambda: send(number))
    capsys.readouterr()
    assert main(command.split()) == 128 + number
    assert capsys.readouterr().err == ""
    assert not Path("out.csv").exists()


# ---- the library ------------------------------------------------------------


def problem():
    X, y = xpnn.data.moons(60, rng=0)
    return X, y


def by_fit(checkpoint):
    net = xpnn.Network([2, 2, 1], hidden="tanh", output="sigmoid")
    xpnn.fit(net, net.init(0), *problem(), epochs=99, checkpoint=checkpoint)


def by_network(checkpoint):
    X, y = problem()
    xpnn.MLPClassifier((2,), max_iter=99, random_state=0, checkpoint=checkpoint).fit(X.T, y[0])


def by_logistic(checkpoint):
    X, y = problem()
    xpnn.LogisticRegression(max_iter=99, tol=0.0, checkpoint=checkpoint).fit(X.T, y[0])


FITS = pytest.mark.parametrize("train", [by_fit, by_network, by_logistic])


@FITS
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_checkpoint_is_written_before_the_process_ends(train, number, third_epoch, monkeypatch):
    ended = []
    monkeypatch.setattr(_signals, "_default", ended.append)
    third_epoch(lambda: send(number))
    train(xpnn.Checkpoint("c.safetensors", every=100))
    assert ended == [number]
    assert 2 <= epochs_in("c.safetensors") < 99


@FITS
@pytest.mark.filterwarnings("ignore")
def test_without_a_checkpoint_no_handler_is_touched(train, third_epoch):
    found = []
    third_epoch(lambda: found.append([signal.getsignal(n) for n in _signals.DEFAULTS]))
    train(None)
    assert found == [list(_signals.DEFAULTS.values())]


def test_ctrl_c_that_a_callback_catches_ends_nothing():
    def catch(report):
        with suppress(KeyboardInterrupt):
            send(signal.SIGINT)

    net = xpnn.Network([2, 2, 1])
    _, history = xpnn.fit(net, net.init(0), *problem(), epochs=3, callbacks=[catch])
    assert (history.stopped, len(history)) == ("epochs", 3)


def test_other_errors_that_python_drops_are_told_as_ever(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    def drop(report):
        def callback(phase, info):
            gc.callbacks.remove(callback)
            raise ZeroDivisionError

        gc.callbacks.append(callback)
        gc.collect()

    net = xpnn.Network([2, 2, 1])
    _, history = xpnn.fit(net, net.init(0), *problem(), epochs=1, callbacks=[drop])
    assert [unraisable.exc_type for unraisable in told] == [ZeroDivisionError]
    assert history.stopped == "epochs"
    assert sys.unraisablehook == told.append


def interrupt_in_the_garbage_collector():
    """Have Python drop a KeyboardInterrupt, as it does in the callbacks of JAX and Hypothesis."""

    def callback(phase, info):
        gc.callbacks.remove(callback)
        send(signal.SIGINT)

    gc.callbacks.append(callback)
    gc.collect()


def test_ctrl_c_in_the_garbage_collector_ends_fit_after_the_epoch(third_epoch):
    third_epoch(interrupt_in_the_garbage_collector)
    net = xpnn.Network([2, 2, 1])
    _, history = xpnn.fit(net, net.init(0), *problem(), epochs=10**9, callbacks=[lambda r: None])
    assert history.stopped == "interrupted"
    assert len(history) == 3


def test_ctrl_c_in_the_garbage_collector_ends_lbfgs_after_the_iteration():
    def interrupt(report):
        if report.epoch == 2:
            interrupt_in_the_garbage_collector()

    X, y = problem()
    model = xpnn.MLPClassifier((8,), solver="lbfgs", random_state=0, callbacks=[interrupt])
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X.T, y[0])
    assert model.n_iter_ == 3


def test_a_programs_own_handler_stays(third_epoch):
    came = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    try:
        third_epoch(lambda: send(signal.SIGTERM))
        by_fit(xpnn.Checkpoint("c.safetensors"))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert came == [signal.SIGTERM]
    assert epochs_in("c.safetensors") == 99


def test_another_thread_handles_no_signals():
    thread = threading.Thread(target=by_fit, args=[xpnn.Checkpoint("c.safetensors")])
    thread.start()
    thread.join()
    assert epochs_in("c.safetensors") == 99


PROGRAM = """
import os, signal, time, xpnn

def call(report):
    if report.epoch == 2:
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(tell, b"!")  # Python forgets what comes as it forks
            time.sleep(60.0)
            os._exit(0)
        os.read(told, 1)
        os.kill(child, signal.SIGTERM)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)

net = xpnn.Network([2, 1], output="sigmoid")
checkpoint = xpnn.Checkpoint("c.safetensors", every=100)
data = xpnn.data.moons(60)
xpnn.fit(net, net.init(), *data, epochs=9, callbacks=[call], checkpoint=checkpoint)
print("not ended")
"""


def test_the_process_ends_by_the_signal_and_so_does_a_child_of_it():
    quiet = "ignore:This process:DeprecationWarning"  # Python 3.12 warns where BLAS has threads
    done = subprocess.run(
        [sys.executable, "-W", quiet, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGTERM, "-15\n", "")
    assert epochs_in("c.safetensors") == 2


@pytest.mark.parametrize("number", sorted(_signals.DEFAULTS))
def test_a_signal_as_a_library_is_asked_ends_the_command(number, monkeypatch, capsys):
    """A plug-in that raises SystemExit is told of; a signal is no fault of the library."""
    monkeypatch.setattr(NumpyBackend, "status", lambda: signal.raise_signal(number))
    assert main(["backends"]) == 128 + number
    assert capsys.readouterr().out == ""
