"""Checkpoints: a training that was stopped and goes on ends like one that never was.

The oracle is the same training without a checkpoint: bit for bit on NumPy.
"""

import copy
import errno
import os
import shutil
import signal
import tracemalloc
from dataclasses import replace
from functools import partial
from itertools import count

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

import xpnn
from tests.programs import kill_training
from xpnn import LogisticRegression, MLPClassifier, MLPRegressor, optimizers, schedules
from xpnn.core.activations import activation
from xpnn.files import container
from xpnn.files.networks import tensors_of
from xpnn.training import functions, loop
from xpnn.training.trainer import Trainer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

EPOCHS, EVERY, STOPPED = 11, 2, 5
KEPT = STOPPED - STOPPED % EVERY  # the epoch of the file


class StoppedError(Exception):
    """What a callback raises."""


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.safetensors"


def data(m=50, seed=7):
    """Return examples in columns, of three classes."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((4, m))
    return X, np.digitize(X[:1] + 0.3 * rng.standard_normal((1, m)), [-0.5, 0.5])


def needs_argmax(request, backend, wanted=True):
    if wanted and backend.spec == "array_api_strict:no_x64":
        reason = "array-api-strict's argmax returns int64, which its device no_x64 refuses"
        request.applymarker(pytest.mark.xfail(reason=reason, raises=ValueError, strict=True))


def kept_epoch(path):
    """Return the epoch of the checkpoint in a file; 0 if there is none."""
    return container.read(path, ("checkpoint",)).content["epoch"] if path.exists() else 0


# ---- fit -------------------------------------------------------------------------------------

X, Y = data()
HELD_OUT = data(40, seed=8)
CONTRARY = HELD_OUT[0], 2 - HELD_OUT[1]  # the better it learns, the lower the score
CASES = {
    "descent on the full batch": lambda: {
        "optimizer": optimizers.gradient_descent(0.5),
        "batch_size": None,
    },
    "momentum": lambda: {"optimizer": optimizers.momentum(0.1)},
    "adam": dict,
    "adam on the full batch": lambda: {"batch_size": None},
    "rmsprop": lambda: {"optimizer": optimizers.rmsprop(0.01)},
    "one batch and a remainder": lambda: {"batch_size": 49},
    "schedule": lambda: {"optimizer": optimizers.adam(schedules.step_decay(0.05, 0.5, 3))},
    "own schedule": lambda: {"optimizer": optimizers.nesterov(lambda epoch: 0.1 / (1 + epoch))},
    "schedule on the full batch": lambda: {
        "optimizer": optimizers.gradient_descent(schedules.exponential_decay(0.5, 0.8)),
        "batch_size": None,
    },
    "penalty": lambda: {"l2": 0.5},
    "weights": lambda: {"sample_weight": np.linspace(0.0, 2.0, X.shape[1])[None]},
    "weights on the full batch": lambda: {
        "sample_weight": np.linspace(0.0, 2.0, X.shape[1])[None],
        "batch_size": None,
    },
    "tol on the full batch": lambda: {"batch_size": None, "tol": 0.1, "n_iter_no_change": 6},
    "tol in mini-batches": lambda: {"tol": 0.2, "n_iter_no_change": 4},
    "validation": lambda: {"validation": HELD_OUT},
    "validation and tol": lambda: {"validation": HELD_OUT, "tol": 0.06, "n_iter_no_change": 2},
    "the best epoch is long ago": lambda: {
        "validation": CONTRARY,
        "tol": 0.0,
        "n_iter_no_change": 6,
    },
    "rng is a PCG64": lambda: {"rng": np.random.default_rng(3)},
    "rng is a Philox": lambda: {"rng": np.random.Generator(np.random.Philox(3))},
    "rng is an MT19937": lambda: {"rng": np.random.Generator(np.random.MT19937(3))},
    "rng is an SFC64": lambda: {"rng": np.random.Generator(np.random.SFC64(3))},
    "rng is a RandomState": lambda: {"rng": np.random.RandomState(3)},
}


def train(case="adam", **arguments):
    """Run a case, or what is said otherwise; return the parameters and the history."""
    net = xpnn.Network([4, 6, 3], hidden="tanh")
    arguments = {
        "optimizer": optimizers.adam(0.02),
        "epochs": EPOCHS,
        "batch_size": 16,
        "progress": False,
        **CASES[case](),
        **arguments,
    }
    return xpnn.fit(net, net.init(rng=0), arguments.pop("X", X), arguments.pop("Y", Y), **arguments)


def assert_same(found, expected, backend=None):
    """Compare parameters and history: bit for bit, or on another backend to a tolerance."""
    exact = backend is None or backend.name == "numpy"
    rtol, atol = (0.0, 0.0) if exact else (1e-4, 1e-5)
    (params, history), (expected_params, expected_history) = found, expected
    for name, a in tensors_of(params).items():
        np.testing.assert_allclose(a, tensors_of(expected_params)[name], rtol, atol, err_msg=name)
    for name in ("cost", "validation", "learning_rate"):
        series = getattr(history, name), getattr(expected_history, name)
        np.testing.assert_allclose(*series, rtol, atol, err_msg=name)
    assert history.stopped == expected_history.stopped
    assert len(history.seconds) == len(history)


def fewer_epochs(stop_at, go):
    go(epochs=stop_at)


def callback_raises(stop_at, go):
    def call(report):
        if report.epoch == stop_at + 1:
            raise StoppedError

    with pytest.raises(StoppedError):
        go(callbacks=[call])


def ctrl_c(stop_at, go):
    def call(report):
        if report.epoch == stop_at + 1:
            raise KeyboardInterrupt

    _, history = go(callbacks=[call])
    assert history.stopped == "interrupted"


HOW = [fewer_epochs, callback_raises, ctrl_c]


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("case", CASES)
def test_a_resumed_training_is_the_uninterrupted_one(case, how, path):
    checkpoint = xpnn.Checkpoint(path, EVERY, resume=True)
    expected = train(case)
    how(STOPPED, lambda **given: train(case, checkpoint=checkpoint, **given))
    # the end is written, too, and the epoch in whose callback Ctrl-C comes, unless tol ends it
    complete = KEPT if case == "validation and tol" else STOPPED + 1
    assert kept_epoch(path) == {fewer_epochs: STOPPED, ctrl_c: complete}.get(how, KEPT)
    assert len(expected[1]) > KEPT, "stopped too early to test anything"
    assert_same(train(case, checkpoint=checkpoint), expected)


@pytest.mark.slow("jax", "array_api_strict")
@pytest.mark.parametrize(
    "case",
    [
        "adam",
        "adam on the full batch",
        "schedule",
        "weights",
        "tol on the full batch",
        "the best epoch is long ago",
    ],
)
def test_on_every_backend(backend, case, path, request):
    needs_argmax(request, backend, case == "the best epoch is long ago")
    checkpoint = xpnn.Checkpoint(path, EVERY, resume=True)
    expected = train(case)
    train(case, checkpoint=checkpoint, epochs=STOPPED)
    found = train(case, checkpoint=checkpoint)
    assert_same(found, expected, backend)
    for layer in found[0]:
        assert backend.owns(layer.W)


@pytest.mark.slow("jax")
def test_in_float64(backend64, path):
    checkpoint = xpnn.Checkpoint(path, EVERY, resume=True)
    train(checkpoint=checkpoint, epochs=STOPPED)
    assert_same(train(checkpoint=checkpoint), train(), backend64)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("direction", ["to NumPy", "from NumPy"])
def test_resumed_on_another_backend(backend, direction, path, request):
    needs_argmax(request, backend)
    checkpoint = xpnn.Checkpoint(path, EVERY, resume=True)
    case = "the best epoch is long ago"
    first, second = (backend.spec, "numpy") if direction == "to NumPy" else ("numpy", backend.spec)
    with xpnn.use_backend("numpy"):
        expected = train(case)
    with xpnn.use_backend(first):
        train(case, checkpoint=checkpoint, epochs=STOPPED)
    with xpnn.use_backend(second):
        assert_same(train(case, checkpoint=checkpoint), expected, backend)


@pytest.mark.slow("jax")
def test_weighted_full_batches_resumed_on_another_backend(backend, path):
    checkpoint = xpnn.Checkpoint(path, EVERY, resume=True)
    case = "weights on the full batch"
    with xpnn.use_backend("numpy"):
        expected = train(case)
        train(case, checkpoint=checkpoint, epochs=STOPPED)
    assert_same(train(case, checkpoint=checkpoint), expected, backend)


@pytest.mark.parametrize(
    "case",
    [
        "tol on the full batch",
        "tol in mini-batches",
        "validation and tol",
        "the best epoch is long ago",
    ],
)
def test_the_cases_are_what_they_say(case):
    """They would prove nothing if they stopped before they are interrupted, or not at all."""
    _, history = train(case)
    assert STOPPED < len(history) < EPOCHS
    assert history.stopped == "tol"
    if case == "the best epoch is long ago":
        assert np.argmax(history.validation) < KEPT


@pytest.mark.parametrize("batch_size", [None, 16])
def test_without_rng_the_order_goes_on(batch_size, path, tmp_path):
    """Nobody knows the seed, so the run that wrote the checkpoint is the oracle itself."""
    copy = tmp_path / "copy"

    def keep(report):
        if report.epoch == STOPPED:
            shutil.copy(path, copy)

    whole = train(
        rng=None, batch_size=batch_size, callbacks=[keep], checkpoint=xpnn.Checkpoint(path, EVERY)
    )
    assert kept_epoch(copy) == KEPT
    resumed = train(rng=None, batch_size=batch_size, checkpoint=xpnn.Checkpoint(copy, resume=True))
    assert_same(resumed, whole)


def test_another_start_is_refused(backend, path):
    """It would be dropped without a word; the one of the file may have been on another backend."""
    net = xpnn.Network([4, 6, 3], hidden="tanh")
    common = {"checkpoint": xpnn.Checkpoint(path, resume=True), "progress": False}
    with xpnn.use_backend("numpy"):
        trained, _ = xpnn.fit(net, net.init(rng=0), X, Y, epochs=2, **common)
        for params in (net.init(rng=7), net.init(rng=0, weights="glorot"), trained):
            with pytest.raises(xpnn.ArgumentError, match=r"other parameters; pass the same again"):
                xpnn.fit(net, params, X, Y, epochs=4, **common)
    xpnn.fit(net, net.init(rng=0), X, Y, epochs=4, **common)


def test_a_start_that_nobody_can_draw_again_is_not_compared(path):
    net = xpnn.Network([4, 6, 3], hidden="tanh")
    common = {"checkpoint": xpnn.Checkpoint(path, resume=True), "progress": False, "rng": None}
    params, _ = xpnn.fit(net, net.init(rng=None), X, Y, epochs=4, **common)
    others, _ = xpnn.fit(net, net.init(rng=None), X, Y, epochs=4, **common)
    np.testing.assert_array_equal(params[0].W, others[0].W)


@pytest.mark.parametrize("state", [None, np.random.RandomState(3)], ids=["none", "moved on"])
def test_estimators_that_draw_another_start_go_on(state, path):
    checkpoint = xpnn.Checkpoint(path, resume=True)
    first = fitted("adam", random_state=state, checkpoint=checkpoint)
    assert_same_model(fitted("adam", random_state=state, checkpoint=checkpoint), first)


def test_stopped_again_and_again(path):
    checkpoint = xpnn.Checkpoint(path, EVERY, resume=True)
    for stop in (1, 3, 4, 7, 10):
        train("validation and tol", checkpoint=checkpoint, epochs=stop)
    assert_same(train("validation and tol", checkpoint=checkpoint), train("validation and tol"))


@pytest.mark.parametrize("case", ["adam", "tol on the full batch", "the best epoch is long ago"])
def test_a_training_that_is_over_is_not_run_again(case, path):
    checkpoint = xpnn.Checkpoint(path, resume=True)
    first = train(case, checkpoint=checkpoint)

    def refuse(report):
        raise StoppedError

    assert_same(train(case, checkpoint=checkpoint, callbacks=[refuse]), first)


def test_seconds_are_kept(path):
    checkpoint = xpnn.Checkpoint(path, resume=True)
    _, first = train(checkpoint=checkpoint, epochs=4)
    _, second = train(checkpoint=checkpoint)
    assert second.seconds[:4] == first.seconds


def test_the_progress_bar_counts_what_was_read(path, capsys):
    checkpoint = xpnn.Checkpoint(path, resume=True)
    train(checkpoint=checkpoint, epochs=4)
    train(checkpoint=checkpoint, progress=True)
    assert f"{EPOCHS}/{EPOCHS}" in capsys.readouterr().err


@pytest.mark.parametrize(("batch_size", "watched"), [(None, False), (16, False), (16, True)])
def test_ctrl_c_while_an_epoch_runs(batch_size, watched, path, monkeypatch):
    """The last complete epoch is written, though none is due for long."""
    callbacks = [lambda report: None] if watched else []
    arguments = {"batch_size": batch_size, "callbacks": callbacks}
    checkpoint = xpnn.Checkpoint(path, every=100, resume=True)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "GROWTH", 4)  # 1, 4 and 6 epochs
        patch.setattr(Trainer, "run", interrupted_run(at=3))
        _, history = train(**arguments, checkpoint=checkpoint)
    assert history.stopped == "interrupted"
    assert 2 <= len(history) < EPOCHS  # unwatched epochs run several at once
    assert kept_epoch(path) == len(history)
    assert_same(train(**arguments, checkpoint=checkpoint), train(**arguments))


def interrupted_run(at):
    """Return a `Trainer.run` in whose ``at``-th call Ctrl-C is pressed."""
    run, calls = Trainer.run, count(1)

    def interrupt(self, *args):
        if next(calls) == at:
            raise KeyboardInterrupt
        return run(self, *args)

    return interrupt


# ---- which epochs are written ----------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 3, 4, 20])
@pytest.mark.parametrize("batch_size", [None, 16])
@pytest.mark.parametrize("watched", [False, True])
def test_every_so_many_epochs(every, batch_size, watched, path, monkeypatch):
    written = []
    write = xpnn.Checkpoint.write
    monkeypatch.setattr(
        xpnn.Checkpoint,
        "write",
        lambda self, *given: (write(self, *given), written.append(kept_epoch(path))),
    )
    before = []
    callbacks = [lambda report: before.append(kept_epoch(path))] if watched else []
    train(batch_size=batch_size, callbacks=callbacks, checkpoint=xpnn.Checkpoint(path, every))
    assert written == sorted({*range(every, EPOCHS + 1, every), EPOCHS})
    if watched:
        assert before == [(epoch - 1) // every * every for epoch in range(1, EPOCHS + 1)]


def test_writing_changes_nothing(backend, path):
    assert_same(train(checkpoint=xpnn.Checkpoint(path)), train(), backend)


def test_a_file_holds_the_best_state_only_where_it_is_wanted(path, tmp_path):
    train(checkpoint=xpnn.Checkpoint(path))
    other = tmp_path / "best"
    train("the best epoch is long ago", checkpoint=xpnn.Checkpoint(other))
    assert "best0" not in container.read(path, ("checkpoint",)).tensors
    assert "best0" in container.read(other, ("checkpoint",)).tensors


def test_leftovers_of_a_killed_process_are_removed(path, tmp_path):
    leftover = tmp_path / f".{path.name}.01234567.tmp"
    other = tmp_path / ".other.01234567.tmp"
    leftover.touch()
    other.touch()
    train(checkpoint=xpnn.Checkpoint(path))
    assert not leftover.exists()
    assert other.exists()


def failing_fsync(error, at):
    """Return an fsync of a file that fails the ``at``-th time it is called."""
    fsync, calls = os.fsync, count(1)

    def fail(descriptor):
        if next(calls) == at:
            raise error
        fsync(descriptor)

    return fail


@pytest.mark.parametrize("batch_size", [None, 16])
def test_ctrl_c_while_writing(batch_size, path, tmp_path, monkeypatch):
    expected = train(batch_size=batch_size)
    with monkeypatch.context() as patch:  # two calls a write: the file and its folder
        patch.setattr(os, "fsync", failing_fsync(KeyboardInterrupt(), 5))
        _, history = train(batch_size=batch_size, checkpoint=xpnn.Checkpoint(path, EVERY))
    assert history.stopped == "interrupted"
    assert len(history) == 3 * EVERY
    assert kept_epoch(path) == 3 * EVERY  # once more, when the training has stopped
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    checkpoint = xpnn.Checkpoint(path, EVERY, resume=True)
    assert_same(train(batch_size=batch_size, checkpoint=checkpoint), expected)


def test_a_full_disk(path, tmp_path, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing_fsync(full, 5))
        with pytest.raises(OSError, match="No space left"):
            train(checkpoint=xpnn.Checkpoint(path, EVERY))
    assert kept_epoch(path) == 2 * EVERY
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert_same(train(checkpoint=xpnn.Checkpoint(path, EVERY, resume=True)), train())


# ---- kill -9 ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
@pytest.mark.parametrize(("kind", "kills"), [("fit", 3), ("MLPClassifier", 2)])
def test_killed_at_random_moments(kind, kills, tmp_path):
    moments, whole, resumed = kill_training.run(kind, kills, epochs=16, seed=0, folder=tmp_path)
    assert len(moments) == kills
    assert kill_training.same(whole, resumed)


# ---- estimators ------------------------------------------------------------------------------

ROWS, LABELS = np.ascontiguousarray(X.T), Y[0]
TARGETS = ROWS @ [[1.0], [0.5], [-0.2], [0.0]] + np.random.default_rng(9).normal(0, 0.1, (50, 1))
SEVERAL = np.hstack([TARGETS, TARGETS**2])
MLP = {"hidden_layer_sizes": 6, "random_state": 0, "batch_size": 16, "learning_rate_init": 0.02}
SGD = MLP | {"solver": "sgd", "learning_rate_init": 0.1}
ESTIMATORS = {
    "adam": (MLPClassifier, MLP, LABELS),
    "sgd, constant": (MLPClassifier, SGD, LABELS),
    "sgd, invscaling": (MLPClassifier, SGD | {"learning_rate": "invscaling"}, LABELS),
    "sgd, adaptive": (
        MLPClassifier,
        SGD | {"learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 1},
        LABELS,
    ),
    "rmsprop": (MLPClassifier, MLP | {"solver": "rmsprop"}, LABELS),
    "an optimizer with a schedule": (
        MLPClassifier,
        MLP | {"solver": optimizers.adam(schedules.exponential_decay(0.05, 0.7))},
        LABELS,
    ),
    "tol": (MLPClassifier, MLP | {"tol": 0.1, "n_iter_no_change": 3}, LABELS),
    "early stopping": (
        MLPClassifier,
        MLP | {"early_stopping": True, "n_iter_no_change": 4, "learning_rate_init": 0.1},
        LABELS,
    ),
    "early stopping, adaptive": (
        MLPClassifier,
        SGD
        | {
            "early_stopping": True,
            "learning_rate": "adaptive",
            "n_iter_no_change": 1,
            "tol": 0.1,
        },
        LABELS,
    ),
    "a random state": (
        MLPClassifier,
        MLP | {"random_state": lambda: np.random.RandomState(5), "early_stopping": True},
        LABELS,
    ),
    "no shuffle": (MLPClassifier, MLP | {"shuffle": False}, LABELS),
    "full batch": (MLPClassifier, MLP | {"batch_size": 50}, LABELS),
    "two classes": (MLPClassifier, MLP, LABELS > 0),
    "multi-label": (MLPClassifier, MLP, LABELS[:, None] == [0, 1, 2]),
    "regressor": (MLPRegressor, MLP, TARGETS[:, 0]),
    "regressor, early stopping": (MLPRegressor, MLP | {"early_stopping": True}, SEVERAL),
    "regressor, poisson": (MLPRegressor, MLP | {"loss": "poisson"}, np.exp(TARGETS[:, 0])),
}
LEARNT = (
    "loss_curve_",
    "loss_",
    "best_loss_",
    "validation_scores_",
    "best_validation_score_",
    "n_iter_",
    "t_",
    "_no_improvement_count",
)


def make(case, **given):
    """Return a new estimator and its data."""
    estimator, params, y = ESTIMATORS[case]
    params = {"max_iter": EPOCHS} | params | given
    if callable(params["random_state"]):
        params["random_state"] = params["random_state"]()
    return estimator(**params), ROWS, y


def fitted(case, sample_weight=None, rows=None, **given):
    model, X, y = make(case, **given)
    return model.fit(X if rows is None else rows, y, sample_weight=sample_weight)


def assert_same_model(found, expected, tol=0.0):
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(getattr(found, name), getattr(expected, name), strict=True):
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), tol, tol, err_msg=name)
    for name in LEARNT:
        a, b = (getattr(model, name, None) for model in (found, expected))
        assert a == b or np.allclose(a, b, tol, tol), name


@pytest.mark.slow
@pytest.mark.parametrize("weights", [None, np.linspace(0.1, 2.0, 50)], ids=["", "weighted"])
@pytest.mark.parametrize("case", ESTIMATORS)
def test_a_resumed_estimator_is_the_uninterrupted_one(case, weights, path):
    checkpoint = xpnn.Checkpoint(path, EVERY, resume=True)
    expected = fitted(case, weights)
    fitted(case, weights, checkpoint=checkpoint, max_iter=STOPPED)
    assert kept_epoch(path) == STOPPED
    found = fitted(case, weights, checkpoint=checkpoint)
    assert expected.n_iter_ > KEPT, "stopped too early to test anything"
    assert_same_model(found, expected)


STOPPING_EARLY = {case for case in ESTIMATORS if ESTIMATORS[case][1].get("early_stopping")}
"""What partial_fit does not do."""


@pytest.mark.parametrize("case", sorted(ESTIMATORS.keys() - STOPPING_EARLY))
def test_the_solver_goes_on_after_it(case, path):
    """The state of the optimiser, its rate and the count of steps are those of one run, too."""
    checkpoint = xpnn.Checkpoint(path, EVERY, resume=True)
    expected = fitted(case)
    fitted(case, checkpoint=checkpoint, max_iter=STOPPED)
    found = fitted(case, checkpoint=checkpoint).set_params(checkpoint=None)
    for model in (expected, found):
        _, X, y = make(case)
        model.set_params(random_state=1).partial_fit(X, y).partial_fit(X, y)
    assert_same_model(found, expected)


@pytest.mark.parametrize("error", [StoppedError, KeyboardInterrupt])
def test_an_estimator_stopped_by_what_a_callback_raises(error, path):
    def call(report):
        if report.epoch == STOPPED + 1:
            raise error

    def go(**given):
        checkpoint = xpnn.Checkpoint(path, EVERY, resume=True)
        return fitted("early stopping", checkpoint=checkpoint, **given)

    if error is KeyboardInterrupt:
        with pytest.warns(UserWarning, match="interrupted"):
            assert go(callbacks=[call]).n_iter_ == STOPPED + 1
    else:
        with pytest.raises(StoppedError):
            go(callbacks=[call])
    assert kept_epoch(path) == (STOPPED + 1 if error is KeyboardInterrupt else KEPT)
    assert_same_model(go(), fitted("early stopping"))


@pytest.mark.parametrize("case", ["adam", "early stopping", "sgd, adaptive"])
def test_ctrl_c_while_an_epoch_of_an_estimator_runs(case, path, monkeypatch):
    checkpoint = xpnn.Checkpoint(path, every=100, resume=True)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "GROWTH", 4)  # 1, 4 and 6 epochs
        patch.setattr(Trainer, "run", interrupted_run(at=3))
        with pytest.warns(UserWarning, match="interrupted"):
            model = fitted(case, checkpoint=checkpoint)
    assert 2 <= model.n_iter_ < EPOCHS
    assert kept_epoch(path) == model.n_iter_
    assert_same_model(fitted(case, checkpoint=checkpoint), fitted(case))


@pytest.mark.slow("jax")
@pytest.mark.parametrize("case", ["adam", "early stopping, adaptive", "regressor"])
def test_estimators_on_every_backend(backend, case, path, request):
    needs_argmax(request, backend, case == "early stopping, adaptive")
    checkpoint = xpnn.Checkpoint(path, EVERY, resume=True)
    rows = ROWS.astype(np.float32)
    expected = fitted(case, rows=rows)
    fitted(case, rows=rows, checkpoint=checkpoint, max_iter=STOPPED)
    found = fitted(case, rows=rows, checkpoint=checkpoint)
    for model in (found, expected):
        model.to("numpy")
    assert_same_model(found, expected, 0.0 if backend.name == "numpy" else 1e-4)


def test_sparse_rows(path):
    checkpoint = xpnn.Checkpoint(path, EVERY, resume=True)
    rows = csr_matrix(np.where(np.abs(ROWS) > 0.7, ROWS, 0.0))
    fitted("adam", rows=rows, checkpoint=checkpoint, max_iter=STOPPED)
    found = fitted("adam", rows=rows, checkpoint=checkpoint)
    assert_same_model(found, fitted("adam", rows=rows))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("every", "stopped"), [(1, 10), (7, 33), (15, 15), (20, 20), (20, 35), (1000, 30)]
)
@pytest.mark.parametrize("labels", [LABELS, LABELS > 0], ids=["three classes", "two classes"])
def test_logistic_regression(every, stopped, labels, path):
    """Neither where it stops nor how many iterations it takes depends on the interruption."""
    checkpoint = xpnn.Checkpoint(path, every, resume=True)
    tol = 1e-3
    expected = LogisticRegression(tol=tol).fit(ROWS, labels)
    assert stopped < expected.n_iter_
    LogisticRegression(tol=tol, max_iter=stopped, checkpoint=checkpoint).fit(ROWS, labels)
    for _ in range(2):  # once to go on, once when all is done
        found = LogisticRegression(tol=tol, checkpoint=checkpoint).fit(ROWS, labels)
        assert found.n_iter_ == expected.n_iter_
        assert found.loss_curve_ == expected.loss_curve_
        np.testing.assert_array_equal(found.coef_, expected.coef_)
        np.testing.assert_array_equal(found.intercept_, expected.intercept_)


def test_ctrl_c_while_logistic_regression_descends(path, monkeypatch):
    checkpoint = xpnn.Checkpoint(path, every=1000, resume=True)
    expected = LogisticRegression().fit(ROWS, LABELS)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "GROWTH", 4)  # 1, 4 and 6 epochs
        patch.setattr(Trainer, "run", interrupted_run(at=3))
        with pytest.warns(UserWarning, match="interrupted"):
            stopped = LogisticRegression(checkpoint=checkpoint).fit(ROWS, LABELS)
    assert 2 <= stopped.n_iter_ < expected.n_iter_
    assert kept_epoch(path) == stopped.n_iter_
    found = LogisticRegression(checkpoint=checkpoint).fit(ROWS, LABELS)
    assert found.loss_curve_ == expected.loss_curve_
    np.testing.assert_array_equal(found.coef_, expected.coef_)


@pytest.mark.slow("jax")
def test_logistic_regression_resumed_on_another_backend(backend, path):
    """Its learning rate and the means of the features are the device's, to the last bit."""
    checkpoint = xpnn.Checkpoint(path, 10, resume=True)
    rows = ROWS.astype(np.float32)
    with xpnn.use_backend("numpy"):
        expected = LogisticRegression(tol=1e-3).fit(rows, LABELS)
        LogisticRegression(tol=1e-3, max_iter=30, checkpoint=checkpoint).fit(rows, LABELS)
    found = LogisticRegression(tol=1e-3, checkpoint=checkpoint).fit(rows, LABELS).to("numpy")
    assert found.n_iter_ == expected.n_iter_
    np.testing.assert_allclose(found.coef_, expected.coef_, 1e-3, 1e-4)


# ---- refusals --------------------------------------------------------------------------------


def test_a_file_is_not_overwritten_unless_told(path):
    train(checkpoint=xpnn.Checkpoint(path), epochs=2)
    before = path.read_bytes()
    with pytest.raises(xpnn.ArgumentError, match=r"run\.safetensors exists already.*resume=True"):
        train(checkpoint=xpnn.Checkpoint(path))
    assert path.read_bytes() == before


def other_network(**given):
    """Return a training of a network with another architecture, on targets that suit any loss."""
    net = xpnn.Network(**{"sizes": [4, 6, 3], "hidden": "tanh", "output": "sigmoid"} | given)
    targets = (Y == [[0], [1], [2]]).astype(float)
    return lambda **common: xpnn.fit(net, net.init(rng=0), X, targets, batch_size=16, **common)


def told(**given):
    return lambda **common: train(**common, **given)


def in_float64(**common):
    with xpnn.use_backend("numpy", "float64"):
        return train(**common)


FEWER = {
    "fit": lambda n, checkpoint: train(epochs=n, checkpoint=checkpoint),
    "MLPClassifier": lambda n, checkpoint: fitted("adam", max_iter=n, checkpoint=checkpoint),
    "LogisticRegression": lambda n, checkpoint: LogisticRegression(
        max_iter=n, checkpoint=checkpoint
    ).fit(ROWS, LABELS),
}
MOVED = X.copy()
MOVED[2, 17] += 1e-3
OTHER_TRAININGS = {
    "sizes": other_network(sizes=[4, 7, 3]),
    "activations": other_network(hidden="relu"),
    "output": other_network(output="softmax"),
    "loss": other_network(loss="squared_error"),
    "optimizer": told(optimizer=optimizers.rmsprop(0.02)),
    "learning rate": told(optimizer=optimizers.adam(0.03)),
    "schedule": told(optimizer=optimizers.adam(schedules.step_decay(0.02, 0.5, 3))),
    "hyperparameter": told(optimizer=optimizers.adam(0.02, 0.8)),
    "penalty": told(l2=0.1),
    "number of examples": told(X=X[:, :-1], Y=Y[:, :-1]),
    "values of X": told(X=MOVED),
    "order of X": told(X=X[:, ::-1]),
    "labels": told(Y=Y[:, ::-1]),
    "weights": told(sample_weight=np.linspace(0.5, 1.5, 50)[None]),
    "batch size": told(batch_size=15),
    "full batch": told(batch_size=None),
    "dtype": in_float64,
    "kind of rng": told(rng=np.random.RandomState(0)),
    "seed": told(rng=1),
    "stopping rule": told(tol=0.1),
    "validation": told(validation=HELD_OUT),
}


@pytest.mark.parametrize("what", OTHER_TRAININGS)
def test_another_training_is_refused(what, path):
    go = OTHER_TRAININGS[what]
    first = other_network() if what in {"sizes", "activations", "output", "loss"} else train
    first(checkpoint=xpnn.Checkpoint(path), epochs=2)
    before = path.read_bytes()
    message = r"run\.safetensors belongs to another training.*remove the file"
    with pytest.raises(xpnn.ArgumentError, match=message):
        go(checkpoint=xpnn.Checkpoint(path, resume=True), epochs=4)
    assert path.read_bytes() == before


TWO_TRAININGS = {
    "tol": ({"tol": 1e-3}, {"tol": 1e-2}),
    "no tol": ({"tol": 1e-3}, {}),
    "n_iter_no_change": (
        {"tol": 1e-3, "n_iter_no_change": 3},
        {"tol": 1e-3, "n_iter_no_change": 4},
    ),
    "labels beside large features": ({"X": 1e5 * X}, {"X": 1e5 * X, "Y": 2 - Y}),
    "one label beside large features": (
        {"X": 1e5 * X},
        {"X": 1e5 * X, "Y": np.where(np.arange(50) == 7, 2 - Y, Y)},
    ),
    "weights beside large features": (
        {"X": 1e5 * X, "sample_weight": np.ones((1, 50))},
        {"X": 1e5 * X, "sample_weight": np.linspace(0.5, 1.5, 50)[None]},
    ),
    "seed of one weighed training": (
        {"rng": 3, "sample_weight": np.ones((1, 50))},
        {"rng": 4, "sample_weight": np.ones((1, 50))},
    ),
}


def silu(slope):
    return lambda Z, xp: Z / (1.0 + xp.exp(-slope * Z))


def absolute(A, Y, xp):
    return xp.abs(A - Y)


def huber(A, Y, xp):
    return xp.sqrt(1.0 + (A - Y) * (A - Y))


class Halving:
    """A schedule that counts its calls and is made at some time: neither makes it another."""

    def __init__(self, rate):
        self.rate, self.calls, self.made = rate, [], object()

    def __call__(self, epoch):
        """α of an epoch."""
        self.note(epoch)
        return self.rate * 0.5**epoch

    def note(self, epoch):
        """Count a call."""
        self.calls.append(epoch)

    def halved(self, epoch):
        """α of an epoch, as a method."""
        return self.rate * 0.5**epoch


def constant(epoch, rate):
    return rate


def listed(rates):
    return lambda epoch: rates[epoch]


def own(g, name="relu"):
    return lambda: {"hidden": xpnn.Activation(g(), name=name)}


def loss(value, name=""):
    return lambda: {"output": "identity", "loss": xpnn.Loss(value, name=name)}


def rated(make):
    return lambda: {"optimizer": optimizers.adam(make())}


OWN_FUNCTIONS = {  # two that differ, and what the refusal says
    "own for relu": (lambda: {"hidden": "relu"}, own(lambda: silu(1.0)), "activation 'relu'"),
    "relu for own": (own(lambda: silu(1.0)), lambda: {"hidden": "relu"}, "activation 'relu'"),
    "tanh for relu": (
        lambda: {"hidden": "relu"},
        lambda: {"hidden": xpnn.Activation(activation("tanh").value, name="relu")},
        "activation 'relu'",
    ),
    "closure": (own(lambda: silu(1.0)), own(lambda: silu(2.0)), "activation 'relu' of layer 1"),
    "constant": (
        own(lambda: lambda Z, xp: xp.tanh(0.5 * Z), "bent"),
        own(lambda: lambda Z, xp: xp.tanh(0.6 * Z), "bent"),
        "activation 'bent' of layer 1",
    ),
    "name": (
        own(lambda: lambda Z, xp: xp.tanh(Z), "bent"),
        own(lambda: lambda Z, xp: xp.sin(Z), "bent"),
        "activation 'bent' of layer 1",
    ),
    "derivative": (
        lambda: {"hidden": xpnn.Activation(silu(1.0), None, "silu")},
        lambda: {"hidden": xpnn.Activation(silu(1.0), lambda Z, A, xp: A, "silu")},
        "activation 'silu' of layer 1",
    ),
    "loss": (loss(absolute, "mine"), loss(huber, "mine"), "loss 'mine'"),
    "own for squared error": (
        lambda: {"output": "identity", "loss": "squared_error"},
        loss(huber, "squared_error"),
        "loss 'squared_error'",
    ),
    "schedule": (
        rated(lambda: lambda epoch: 0.1 / (1 + epoch)),
        rated(lambda: lambda epoch: 0.2 / (1 + epoch)),
        "learning rate",
    ),
    "partial": (
        rated(lambda: partial(constant, rate=0.1)),
        rated(lambda: partial(constant, rate=0.2)),
        "learning rate",
    ),
    "callable": (rated(lambda: Halving(0.1)), rated(lambda: Halving(0.2)), "learning rate"),
    "method": (
        rated(lambda: Halving(0.1).halved),
        rated(lambda: Halving(0.2).halved),
        "learning rate",
    ),
    "array": (
        rated(lambda: listed(np.asarray([0.1, 0.1, 0.1, 0.1]))),
        rated(lambda: listed(np.asarray([0.1, 0.1, 0.1, 0.2]))),
        "learning rate",
    ),
    "update": (
        dict,
        lambda: {"optimizer": replace(optimizers.adam(0.02), update=lambda *args: args[:2])},
        "optimizer",
    ),
}


@pytest.mark.parametrize("what", OWN_FUNCTIONS)
def test_functions_of_ones_own_are_told_apart(what, path):
    one, other, name = OWN_FUNCTIONS[what]

    def go(made, epochs):
        given = {"optimizer": optimizers.adam(0.02), "output": "softmax"} | made()
        net = {key: given.pop(key) for key in ("hidden", "output", "loss") if key in given}
        net = xpnn.Network([4, 6, 3], **net)
        targets = Y if net.output == "softmax" else (Y == [[0], [1], [2]]).astype(float)
        checkpoint = xpnn.Checkpoint(path, resume=True)
        xpnn.fit(net, net.init(), X, targets, epochs=epochs, checkpoint=checkpoint, **given)

    go(one, 2)
    with pytest.raises(xpnn.ArgumentError, match=f"its {name}.* is another function"):
        go(other, 4)
    go(one, 4)  # made anew, it is the same


def test_an_array_of_a_function_is_not_copied_to_be_told_apart():
    rates = np.arange(2_000_000.0)
    tracemalloc.start()
    try:
        functions.digest((listed(rates),))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < rates.nbytes / 4


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.arange(6.0), np.arange(6.0).reshape(2, 3)),
        (np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(3, 2).T),
        (np.zeros(2), np.zeros(2, np.int64)),
        (np.array(["2026-01-01"], "M8[D]"), np.array(["2026-01-02"], "M8[D]")),
        (np.array([1, "a"], object), np.array([1, "b"], object)),
        (np.float64(1), np.float64(2)),
        (np.zeros(2, "V0"), np.zeros(3, "V0")),
    ],
)
def test_arrays_are_told_apart(one, other):
    assert functions.digest((one,)) != functions.digest((other,))
    assert functions.digest((one,)) == functions.digest((copy.deepcopy(one),))


def test_an_estimators_own_activation_is_told_apart(path):
    def go(slope, max_iter):
        given = {"activation": xpnn.Activation(silu(slope), name="silu"), "max_iter": max_iter}
        return fitted("adam", checkpoint=xpnn.Checkpoint(path, resume=True), **given)

    go(1.0, 2)
    with pytest.raises(xpnn.ArgumentError, match="activation 'silu' of layer 1 is another"):
        go(2.0, 4)
    go(1.0, 4)


@pytest.mark.parametrize("case", ["adam", "schedule", "validation and tol", "rmsprop"])
def test_functions_of_the_library_are_not_kept(case, path):
    """A later version may write them otherwise."""
    train(case, checkpoint=xpnn.Checkpoint(path), epochs=2)
    assert container.read(path, ("checkpoint",)).content["own"] == {}


@pytest.mark.parametrize("case", [*ESTIMATORS, "logistic"])
def test_functions_of_the_estimators_are_not_kept(case, path):
    if case == "logistic":
        LogisticRegression(max_iter=2, checkpoint=xpnn.Checkpoint(path)).fit(ROWS, LABELS)
    else:
        fitted(case, checkpoint=xpnn.Checkpoint(path), max_iter=2)
    content = container.read(path, ("checkpoint",)).content
    assert (content["own"], content["start"]) == ({}, None)


def test_another_python_has_other_code(path):
    case = "own schedule"
    train(case, checkpoint=xpnn.Checkpoint(path), epochs=2)
    digests = {"learning rate": 64 * "0"}
    checkpoint = xpnn.Checkpoint(path, resume=True)
    edited(path, {"own": digests})
    with pytest.raises(xpnn.ArgumentError, match="learning rate is another function"):
        train(case, checkpoint=checkpoint)
    edited(path, {"own": digests, "python": "cpython-39"})
    train(case, checkpoint=checkpoint)


def test_a_file_without_digests_goes_on(path):
    """Those of before had none."""
    case = "own schedule"
    train(case, checkpoint=xpnn.Checkpoint(path), epochs=STOPPED)
    edited(path, dict.fromkeys(("start", "own", "python")))
    assert_same(train(case, checkpoint=xpnn.Checkpoint(path, resume=True)), train(case))


@pytest.mark.parametrize("what", TWO_TRAININGS)
def test_two_trainings_are_told_apart(what, path):
    checkpoint = xpnn.Checkpoint(path, resume=True)
    one, other = TWO_TRAININGS[what]
    train(**one, checkpoint=checkpoint, epochs=2)
    with pytest.raises(xpnn.ArgumentError, match="another training"):
        train(**other, checkpoint=checkpoint, epochs=4)
    train(**one, checkpoint=checkpoint, epochs=4)


@pytest.mark.parametrize("go", FEWER.values(), ids=FEWER)
def test_fewer_epochs_than_there_are(go, path):
    """They cannot be taken back."""
    checkpoint = xpnn.Checkpoint(path, EVERY, resume=True)
    go(STOPPED, checkpoint)
    before = path.read_bytes()
    message = f"{STOPPED} epochs behind it, more than the {STOPPED - 2} asked for"
    with pytest.raises(xpnn.ArgumentError, match=message):
        go(STOPPED - 2, checkpoint)
    assert path.read_bytes() == before
    go(STOPPED, checkpoint)


def test_a_folder_is_no_file(tmp_path):
    for resume in (False, True):
        checkpoint = xpnn.Checkpoint(tmp_path, resume=resume)
        with pytest.raises(xpnn.ArgumentError, match="is a folder; name a file in it"):
            train(checkpoint=checkpoint)
    assert list(tmp_path.iterdir()) == []


def test_load_says_what_a_checkpoint_is_for(path):
    train(checkpoint=xpnn.Checkpoint(path), epochs=2)
    message = r"found kind 'checkpoint'; go on from it with checkpoint=xpnn\.Checkpoint\(path, "
    with pytest.raises(xpnn.FileFormatError, match=message):
        xpnn.load(path)


def test_two_schedules_are_told_apart(path):
    def go(factor, epochs):
        schedule = schedules.exponential_decay(0.02, factor)
        checkpoint = xpnn.Checkpoint(path, resume=True)
        train(optimizer=optimizers.adam(schedule), checkpoint=checkpoint, epochs=epochs)

    go(0.5, 2)
    with pytest.raises(xpnn.ArgumentError, match=r"exponential_decay\(0\.02, 0\.5\)"):
        go(0.6, 4)
    go(0.5, 4)


OTHER_ESTIMATORS = {
    "solver": {"solver": "rmsprop"},
    "learning rate": {"learning_rate_init": 0.5},
    "exponent": {"power_t": 0.9},
    "adaptive": {"learning_rate": "adaptive"},
    "constant": {"learning_rate": "constant"},
    "momentum": {"momentum": 0.5},
    "penalty": {"alpha": 1.0},
    "hidden layer": {"hidden_layer_sizes": 7},
    "activation": {"activation": "tanh"},
    "batch size": {"batch_size": 15},
    "early stopping": {"early_stopping": True},
    "no shuffle": {"shuffle": False},
    "seed": {"random_state": 1},
    "tol": {"tol": 1e-2},
    "n_iter_no_change": {"n_iter_no_change": 3},
}


@pytest.mark.parametrize("what", OTHER_ESTIMATORS)
def test_another_estimator_is_refused(what, path):
    checkpoint = xpnn.Checkpoint(path, resume=True)
    fitted("sgd, invscaling", checkpoint=checkpoint, max_iter=2)
    with pytest.raises(xpnn.ArgumentError, match="another training"):
        fitted("sgd, invscaling", checkpoint=checkpoint, max_iter=4, **OTHER_ESTIMATORS[what])


def test_another_first_rate_that_adapts_is_refused(path):
    """Neither has been lowered yet, nor is to be."""
    checkpoint = xpnn.Checkpoint(path, resume=True)
    fitted("sgd, adaptive", checkpoint=checkpoint, max_iter=2)
    with pytest.raises(xpnn.ArgumentError, match="another training"):
        fitted("sgd, adaptive", checkpoint=checkpoint, max_iter=4, learning_rate_init=0.2)
    fitted("sgd, adaptive", checkpoint=checkpoint, max_iter=4)


def test_a_logistic_regression_with_another_C_is_refused(path):
    checkpoint = xpnn.Checkpoint(path, resume=True)
    LogisticRegression(max_iter=10, checkpoint=checkpoint).fit(ROWS, LABELS)
    with pytest.raises(xpnn.ArgumentError, match="another training"):
        LogisticRegression(C=2.0, checkpoint=checkpoint).fit(ROWS, LABELS)


@pytest.mark.parametrize("make_model", [LogisticRegression, MLPClassifier])
def test_the_next_fold_is_refused(make_model, path):
    """A cross-validation would score a model of other folds."""
    checkpoint = xpnn.Checkpoint(path, resume=True)
    model = make_model(max_iter=3, checkpoint=checkpoint).fit(ROWS[:40], LABELS[:40])
    with pytest.raises(xpnn.ArgumentError, match="another training"):
        model.fit(ROWS[10:], LABELS[10:])


def test_another_part_set_aside_is_refused(path):
    """Without a random state that can be drawn from again, it would be trained on and judged."""
    checkpoint = xpnn.Checkpoint(path, resume=True)
    with pytest.raises(xpnn.ArgumentError):  # noqa: PT012
        for max_iter in (2, 4):
            fitted("early stopping", random_state=None, checkpoint=checkpoint, max_iter=max_iter)


NOT_RESUMABLE = {
    "lbfgs": lambda model: model.set_params(solver="lbfgs").fit(ROWS, LABELS),
    "partial_fit": lambda model: model.partial_fit(ROWS, LABELS, classes=[0, 1, 2]),
    "warm_start": lambda model: model.set_params(warm_start=True).fit(ROWS, LABELS),
}


@pytest.mark.parametrize("what", NOT_RESUMABLE)
def test_where_no_state_can_be_kept(what, path):
    """Neither silently nothing written, nor nothing trained."""
    model = MLPClassifier(max_iter=2, checkpoint=xpnn.Checkpoint(path, resume=True))
    with pytest.raises(xpnn.ArgumentError, match=f"checkpoint.*{what}"):
        NOT_RESUMABLE[what](model)
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3,), xpnn.ArgumentTypeError, "path of a file.*found 3"),
        ((b"run",), xpnn.ArgumentTypeError, "path of a file.*found b'run'"),
        ((None,), xpnn.ArgumentTypeError, "path of a file.*found None"),
        (("run", 0), xpnn.ArgumentError, "every: expected a positive integer, found 0"),
        (("run", -1), xpnn.ArgumentError, "every: expected a positive integer, found -1"),
        (("run", 2.0), xpnn.ArgumentTypeError, "every: expected a positive integer, found 2.0"),
        (("run", True), xpnn.ArgumentTypeError, "every: expected a positive integer, found True"),
        (("run", 1, "no"), xpnn.ArgumentTypeError, "resume: expected.*found 'no'"),
    ],
    ids=["number", "bytes", "none", "0", "negative", "float", "bool", "str"],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        xpnn.Checkpoint(*arguments)


def test_only_a_checkpoint_is_one():
    message = r"checkpoint: expected an xpnn\.Checkpoint or None, found 'run\.safetensors'"
    with pytest.raises(xpnn.ArgumentTypeError, match=message):
        train(checkpoint="run.safetensors")
    for estimator in (MLPClassifier, MLPRegressor, LogisticRegression):
        with pytest.raises(ValueError, match="The 'checkpoint' parameter"):
            estimator(checkpoint="run.safetensors").fit(ROWS, LABELS)


def test_a_missing_folder_is_named_before_the_training(tmp_path):
    seen = []
    checkpoint = xpnn.Checkpoint(tmp_path / "none" / "run", every=5)
    with pytest.raises(FileNotFoundError, match="none"):
        train(callbacks=[seen.append], checkpoint=checkpoint)
    assert seen == []


# ---- damage ----------------------------------------------------------------------------------


def edited(path, content=(), tensors=()):
    """Write the file again with other content and tensors; None leaves an entry out."""
    found = container.read(path, ("checkpoint",))
    changed = [found.content | dict(content), found.tensors | dict(tensors)]
    kept = [{name: a for name, a in part.items() if a is not None} for part in changed]
    container.write(path, "checkpoint", *kept)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-1])


def one_byte_changed(path):
    stored = bytearray(path.read_bytes())
    stored[-1] ^= 1
    path.write_bytes(stored)


def a_network(path):
    net = xpnn.Network([4, 6, 3])
    xpnn.save(path, net, net.init(rng=0))


def an_estimator(path):
    fitted("adam").save(path)


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("epoch = 4, all is well\n" * 10),
    "cut short": cut_short,
    "one byte changed": one_byte_changed,
    "a network": a_network,
    "an estimator": an_estimator,
    "epoch of another type": lambda path: edited(path, {"epoch": "4"}),
    "epoch of other curves": lambda path: edited(path, {"epoch": 3}),
    "negative epoch": lambda path: edited(path, {"epoch": -4}),
    "run of another type": lambda path: edited(path, {"run": [1]}),
    "text for stopping": lambda path: edited(path, {"stopping": ["low", "never"]}),
    "one number for stopping": lambda path: edited(path, {"stopping": [0.5]}),
    "another random state": lambda path: edited(path, {"rng": {"bit_generator": "PCG64"}}),
    "no random state": lambda path: edited(path, {"rng": 7}),
    "digests in a list": lambda path: edited(path, {"own": ["relu"]}),
    "a start of another type": lambda path: edited(path, {"start": ["0"]}),
    "shorter θ": lambda path: edited(path, tensors={"carry0": np.zeros(5, np.float32)}),
    "θ of whole numbers": lambda path: edited(path, tensors={"carry0": np.zeros(51, np.int64)}),
    "shorter order": lambda path: edited(path, tensors={"order": np.arange(7)}),
    "order of other examples": lambda path: edited(path, tensors={"order": np.arange(1, 51)}),
    "curve of two dimensions": lambda path: edited(path, tensors={"cost": np.ones((4, 1))}),
    "shorter curve": lambda path: edited(path, tensors={"seconds": np.ones(3)}),
}
DAMAGE |= {
    f"{name} missing": lambda path, name=name: edited(path, {name: None})
    for name in ("run", "epoch", "best_epoch", "stopped", "stopping")
}
DAMAGE |= {
    f"{name} missing": lambda path, name=name: edited(path, tensors={name: None})
    for name in ("carry0", "carry2", "best1", "cost", "validation", "seconds", "order")
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_refused(name, path):
    case = "the best epoch is long ago"
    train(case, checkpoint=xpnn.Checkpoint(path), epochs=4)
    DAMAGE[name](path)
    before = path.read_bytes()
    with pytest.raises(xpnn.FileFormatError, match=r"run\.safetensors: "):
        train(case, checkpoint=xpnn.Checkpoint(path, resume=True))
    assert path.read_bytes() == before


def test_an_untouched_copy_is_not(path):
    case = "the best epoch is long ago"
    train(case, checkpoint=xpnn.Checkpoint(path), epochs=4)
    edited(path)
    assert_same(train(case, checkpoint=xpnn.Checkpoint(path, resume=True)), train(case))
