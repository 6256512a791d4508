"""Programs of several processes for the tests with mpiexec.

``mpiexec -n N python tests/programs/mpi_programs.py NAME FOLDER ARGUMENTS`` runs the function NAME
on every rank; what it returns lies in FOLDER/RANK afterwards, pickled. A rank gets its share of the
same small data everywhere, so that a single process can train on all of them for comparison.
"""

import copy
import errno
import io
import os
import pickle
import signal
import sys
import threading
import time
import warnings
from contextlib import contextmanager, nullcontext, redirect_stderr
from itertools import product
from pathlib import Path
from unittest.mock import Mock, patch

import numpy as np
from scipy.sparse import csr_matrix
from tqdm import tqdm

import xpnn
from xpnn import distributed, optimizers
from xpnn.distributed import agreement as agreeing
from xpnn.distributed import processes
from xpnn.training import streaming
from xpnn.training.batches import Plan

M, SIZES, BATCH = 53, [5, 7, 3], 16  # 4 steps an epoch, of which the last has 5 examples

_rng = np.random.default_rng(20261107)
X = _rng.standard_normal((SIZES[0], M))
LABELS = np.digitize(X[:1] + 0.3 * _rng.standard_normal((1, M)), [-0.5, 0.5])
ONE_HOT = (np.arange(SIZES[-1])[:, None] == LABELS).astype(float)
WEIGHTS = _rng.uniform(0.5, 2.0, (1, M)) * (np.arange(M) % 5 != 3)  # every fifth counts nothing


# ---- how the examples are shared out ---------------------------------------------------------


def even(comm):
    return comm.shard(M)


def first_has_one(comm):
    """Example 0 alone, and the others' share of the rest."""
    bounds = [0, *np.linspace(1, M, comm.size, dtype=int)] if comm.size > 1 else [0, M]
    return slice(bounds[comm.rank], bounds[comm.rank + 1])


def last_has_one(comm):
    bounds = [*np.linspace(0, M - 1, comm.size, dtype=int), M] if comm.size > 1 else [0, M]
    return slice(bounds[comm.rank], bounds[comm.rank + 1])


SHARES = {share.__name__: share for share in (even, first_has_one, last_has_one)}


# ---- trainings that must be those of a single process ----------------------------------------


def cases():
    """Return arguments of `fit`, by what they are: each for 60 steps."""
    found = {}
    ours = {"adam": optimizers.adam(0.02), "momentum": optimizers.momentum(0.1)}
    batches = {"mini-batches": (BATCH, 15), "full batch": (None, 60)}
    for (name, optimizer), (kind, (batch_size, epochs)), s, l2 in product(
        ours.items(), batches.items(), (None, WEIGHTS), (0.0, 0.3)
    ):
        told = [name, kind, *["weights"] * (s is not None), *["l2"] * (l2 > 0.0)]
        found[", ".join(told)] = {
            "optimizer": optimizer,
            "batch_size": batch_size,
            "epochs": epochs,
            "l2": l2,
            "sample_weight": s,
            "Y": LABELS if s is None else ONE_HOT,
        }
    return found


CASES = cases()
FEW = ["adam, mini-batches, weights, l2", "momentum, full batch, weights, l2"]
PLAIN = ["adam, full batch", "momentum, mini-batches"]


def keys(spec, n):
    """Return case, share and source of the trainings of n ranks on a backend."""
    weighted = FEW[0]
    if spec.startswith("jax"):  # which takes a second to compile each
        all_of_them = n in (2, 3)
        return [
            *((case, "even", "memory") for case in FEW if all_of_them),
            (weighted, "last_has_one", "memory"),
            *[(weighted, "last_has_one", "file")] * all_of_them,
        ]
    found = [(case, "even", "memory") for case in (CASES if spec == "numpy" else FEW + PLAIN)]
    found += product([weighted, PLAIN[1]], ["first_has_one", "last_has_one"], ["memory"])
    return [*found, *product([weighted], ["even", "last_has_one"], ["file"])]


def in_float32(spec, n):
    """Whether trainings are compared bit for bit."""
    return n in ((2, 3) if spec.startswith("jax") else (2, 3, 4))


def theta_of(params):
    """Return all parameters as one NumPy vector."""
    return np.concatenate([np.ravel(np.asarray(a)) for layer in params for a in layer])


def train(case=FEW[0], spec="numpy", comm=None, share=even, dtype="float64", **given):
    """Run a case, or what is said otherwise, on this rank's share; return θ and the history."""
    mine = slice(None) if comm is None else share(comm)
    arguments = {"rng": 3, "progress": False, "X": X, "start": 0, **CASES[case], **given}
    net = arguments.pop("net", None) or xpnn.Network(
        [SIZES[0], arguments.pop("hidden", SIZES[1]), SIZES[-1]], hidden="tanh"
    )
    start, X_here, Y_here = (arguments.pop(name) for name in ("start", "X", "Y"))
    s = arguments.pop("sample_weight")
    with xpnn.use_backend(spec, dtype):
        params, history = xpnn.fit(
            net,
            net.init(rng=start),
            X_here if X_here.shape[1] != M else X_here[:, mine],
            Y_here[:, mine],
            sample_weight=None if s is None else s[:, mine],
            communicator=comm,
            **arguments,
        )
    return theta_of(params), history


def trainings(comm, folder, specs):
    """All cases on some backends, shared out in various ways, in memory and in a file."""
    results = {}
    for spec in specs.split(","):
        xpnn.set_backend(spec, "float64")  # of JAX a matter of the whole process
        for case, share, source in keys(spec, comm.size):
            run = streamed if source == "file" else train
            given = {"folder": folder} if source == "file" else {}
            results[spec, case, share, source] = run(case, spec, comm, SHARES[share], **given)
        if in_float32(spec, comm.size):
            results[spec, "float32"] = [
                train(spec=spec, comm=comm, dtype="float32", hidden=100, epochs=n)[0]
                for n in (1, 2, 3, 4)
            ]
    return results


def streamed(case, spec, comm, share, folder):
    """Train on a slice of a file; return θ, the history, and how often rows were read."""
    rows = np.load(folder / "X.npy", mmap_mode="r")[share(comm)]
    reads = []

    def gathered(a, indices, backend):
        reads.append(indices)
        return whole(a, indices, backend)

    whole, chunk = streaming.gathered, streaming.CHUNK
    streaming.gathered, streaming.CHUNK = gathered, 500  # a step or two
    try:
        theta, history = train(case, spec, comm, share, X=rows.T)
    finally:
        streaming.gathered, streaming.CHUNK = whole, chunk
    return theta, history, len(reads)


# ---- estimators ------------------------------------------------------------------------------

BY_LABEL = np.argsort(LABELS[0], kind="stable")  # some ranks lack some labels
ROWS, NAMES = X.T[BY_LABEL], np.array(["low", "middle", "very high"])[LABELS[0][BY_LABEL]]
S = WEIGHTS[0][BY_LABEL]
NUMBERS = np.stack([ROWS[:, 0] + ROWS[:, 1] ** 2, np.sin(ROWS[:, 2])], axis=1)
COUNTS = np.floor(np.exp(ROWS[:, 0]))
MANY_LABELS = (NUMBERS > 0.3).astype(int)
SPARSE = csr_matrix(ROWS * (np.abs(ROWS) > 0.5))
MLP = {"hidden_layer_sizes": (6,), "activation": "tanh", "random_state": 0, "batch_size": BATCH}
MODELS = {
    "classifier, sgd adaptive, weights": lambda: (
        xpnn.MLPClassifier(
            **MLP,
            solver="sgd",
            learning_rate="adaptive",
            learning_rate_init=0.5,
            alpha=0.1,
            tol=0.03,
            n_iter_no_change=2,
            max_iter=60,
        ),
        (ROWS, NAMES, S),
    ),
    "classifier, adam, two classes": lambda: (
        xpnn.MLPClassifier(**MLP, max_iter=20),
        (ROWS, NAMES == "low"),
    ),
    "classifier, many labels, in order": lambda: (
        xpnn.MLPClassifier(**MLP, max_iter=20, shuffle=False),
        (ROWS, MANY_LABELS),
    ),
    "classifier, tol": lambda: (
        xpnn.MLPClassifier(**MLP, max_iter=200, tol=0.05, n_iter_no_change=3),
        (ROWS, NAMES),
    ),
    "regressor, two outputs, weights": lambda: (
        xpnn.MLPRegressor(**MLP, alpha=0.1, max_iter=20),
        (ROWS, NUMBERS, S),
    ),
    "regressor, counts, sgd invscaling": lambda: (
        xpnn.MLPRegressor("poisson", **MLP, solver="sgd", learning_rate="invscaling", max_iter=20),
        (ROWS, COUNTS),
    ),
    "regressor, sparse, full batch": lambda: (
        xpnn.MLPRegressor(**MLP | {"batch_size": "auto"}, max_iter=20),
        (SPARSE, NUMBERS[:, 0]),
    ),
    "regressor, own optimiser, sparse": lambda: (
        xpnn.MLPRegressor(**MLP, solver=optimizers.rmsprop(0.01), max_iter=20),
        (SPARSE, NUMBERS[:, 0]),
    ),
    "logistic, two classes, weights": lambda: (
        xpnn.LogisticRegression(C=0.5, tol=1e-3),
        (ROWS, NAMES == "low", S),
    ),
    "logistic, three classes": lambda: (xpnn.LogisticRegression(max_iter=50), (ROWS, NAMES)),
    "logistic, sparse, weights": lambda: (
        xpnn.LogisticRegression(max_iter=50, learning_rate=0.5),
        (SPARSE, NAMES, S),
    ),
}
CURVES = ("loss_curve_", "n_iter_", "t_", "loss_", "best_loss_")


def fitted(kind, comm=None, share=even, **given):
    """Fit a model to this rank's share; return its parameters, its curves and its classes."""
    model, data = MODELS[kind]()
    mine = slice(None) if comm is None else share(comm)
    model.set_params(communicator=comm, **given)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model.fit(*(a[mine] for a in data))
    return learnt(model) | {"warnings": [str(warning.message) for warning in told]}


def learnt(model):
    theta = np.concatenate([np.ravel(a) for a in (*model.coefs_, *model.intercepts_)])
    return {
        "theta": theta,
        "classes": np.asarray(getattr(model, "classes_", ())).tolist(),
        **{name: getattr(model, name) for name in CURVES if hasattr(model, name)},
    }


def in_parts(comm=None, share=even):
    """Call ``partial_fit`` three times, and ``fit`` twice with a warm start."""
    mine = slice(None) if comm is None else share(comm)
    parts = xpnn.MLPClassifier(**MLP, communicator=comm)
    for _ in range(3):
        parts.partial_fit(ROWS[mine], NAMES[mine], classes=np.unique(NAMES))
    warm = xpnn.MLPRegressor(**MLP, warm_start=True, max_iter=3, tol=0.0, communicator=comm)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):
            warm.fit(ROWS[mine], NUMBERS[mine])
    return {"partial_fit": learnt(parts), "warm_start": learnt(warm)}


RESUMED = (
    "classifier, sgd adaptive, weights",
    "regressor, sparse, full batch",
    "logistic, sparse, weights",
)


def resumed_models(comm, folder):
    """Stop some kinds of model half-way, and go on from the checkpoint."""
    results = {}
    for kind in RESUMED:
        checkpoint = xpnn.Checkpoint(folder / f"{len(results)}.safetensors", 5, resume=True)
        for max_iter in (7, MODELS[kind]()[0].max_iter):
            results[kind] = fitted(kind, comm, max_iter=max_iter, checkpoint=checkpoint)
    return results


def estimators(comm, folder):
    """Every model, and what else is done with one."""
    from sklearn.base import clone

    results = {
        (kind, share.__name__): fitted(kind, comm, share)
        for kind, share in product(MODELS, (even, last_has_one))
    }
    results["parts"] = in_parts(comm)
    results["resumed"] = resumed_models(comm, folder)
    refused = {}
    for name, value in {"solver": "lbfgs", "early_stopping": True}.items():
        model = xpnn.MLPClassifier(**MLP, communicator=comm, **{name: value})
        refused[name] = message(lambda model=model: model.fit(ROWS, NAMES))
    results["refused"] = refused
    model = xpnn.LogisticRegression(communicator=comm).fit(ROWS[even(comm)], NAMES[even(comm)])
    path = folder / f"model{comm.rank}.safetensors"
    model.save(path)
    copies = [clone(model).fit(ROWS[even(comm)], NAMES[even(comm)]), copy.deepcopy(model)]
    copies.append(pickle.loads(pickle.dumps(model)))
    results["copies"] = {
        "same communicator": [m.get_params()["communicator"] is comm for m in [model, *copies]],
        "same model": [np.array_equal(m.coef_, model.coef_) for m in [*copies, xpnn.load(path)]],
        "loaded": xpnn.load(path).communicator is None,
    }
    return results


# ---- what must agree -------------------------------------------------------------------------


def message(call):
    """Return type and text of the error that a call raises."""
    try:
        call()
    except (xpnn.XpnnError, ValueError) as error:  # scikit-learn's checks raise the other
        return f"{type(error).__name__}: {error}"
    return "nothing was raised"


OTHERS = {  # of rank 1
    "features": {"X": X[:4], "net": xpnn.Network([4, 7, 3], hidden="tanh")},
    "backend": {"spec": "array_api_strict"},
    "dtype": {"dtype": "float32"},
    "sizes": {"hidden": 8},
    "activations": {"net": xpnn.Network(SIZES, hidden="relu")},
    "loss": {"net": xpnn.Network(SIZES, output="sigmoid", loss="squared_error")},
    "optimizer": {"optimizer": optimizers.adam(0.01)},
    "optimizer ": {"optimizer": optimizers.momentum(0.02)},
    "optimizer  ": {"optimizer": optimizers.adam(0.02, beta1=0.8)},
    "seed": {"rng": 4},
    "seed ": {"rng": None},
    "epochs": {"epochs": 3},
    "batch_size": {"batch_size": 15},
    "batch_size ": {"batch_size": None},
    "l2": {"l2": 0.0},
    "tol": {"tol": 0.1},
    "n_iter_no_change": {"n_iter_no_change": 5},
    "sample_weight": {"sample_weight": None},
    "validation": {"validation": (X, LABELS)},
    "checkpoint": {"checkpoint": xpnn.Checkpoint("of_one_rank.safetensors")},
}
OF_ALL = {"loss": {"net": xpnn.Network(SIZES, output="sigmoid")}}
OTHER_MODELS = {
    "features": {},
    "dtype": {"dtype": "float32"},
    "random_state": {"random_state": 1},
    "max_iter": {"max_iter": 3},
    "hidden_layer_sizes": {"hidden_layer_sizes": (6, 6)},
    "alpha": {"alpha": 0.5},
    "solver": {"solver": "sgd"},
    "solver ": {"solver": optimizers.rmsprop()},
    "checkpoint": {"checkpoint": xpnn.Checkpoint("of_one_rank.safetensors")},
}
OTHER_LOGISTIC = {"C": {"C": 2.0}, "tol": {"tol": 0.1}, "features": {}}


def agreement(comm, folder):
    """Let rank 1 differ in one thing after the other; then train without a seed."""
    os.chdir(folder)
    different = comm.rank == 1
    errors = {}
    for name, other in OTHERS.items():
        given = {"epochs": 2, **OF_ALL.get(name, {}), **(other if different else {})}
        errors["fit", name] = message(lambda given=given: train(comm=comm, **given))
    version = "0.0.1" if different else agreeing.version("xpnn")
    with patch.object(agreeing, "version", lambda name: version):
        errors["fit", "version"] = message(lambda: train(comm=comm))
    models = {"classifier, tol": OTHER_MODELS, "logistic, sparse, weights": OTHER_LOGISTIC}
    for kind, others in models.items():
        for name, other in others.items():
            model, (rows, *rest) = MODELS[kind]()
            model.set_params(communicator=comm, **(other if different else {}))
            rows = rows[:, :4] if name == "features" and different else rows
            data = [a[even(comm)] for a in (rows, *rest)]
            errors[kind, name] = message(lambda model=model, data=data: model.fit(*data))
    results = {"errors": errors}
    results["no seed"] = [train(comm=comm, rng=None, epochs=3)[0] for _ in range(2)]
    results["generators"] = train(comm=comm, rng=np.random.default_rng(comm.rank + 8))[0]
    results["starts"] = train(comm=comm, start=comm.rank + 8)[0]
    results["model"] = fitted("classifier, tol", comm, random_state=None)
    return results


# ---- what rank 0 does for all ----------------------------------------------------------------

HELD_OUT = X[:, ::2] + 0.1, LABELS[:, ::2]
CONTRARY = HELD_OUT[0], 2 - HELD_OUT[1]  # the better it learns, the lower the score
STOPPING = {
    "score": {"validation": HELD_OUT, "tol": 0.0, "n_iter_no_change": 4, "epochs": 60},
    "score, best at first": {"validation": CONTRARY, "tol": 0.0, "n_iter_no_change": 4},
    "cost": {"tol": 0.02, "n_iter_no_change": 2, "epochs": 60},
}


def stops_at(epoch, called):
    def callback(report):
        called.append(report.epoch)
        return report.epoch == epoch

    return callback


def watching(comm, folder):
    """Callbacks, a progress bar, checkpoints and validation data, of every rank its own."""
    called, bar = [], io.StringIO()
    results = {"called": called}
    callback = stops_at(3 if comm.rank == 0 else 1, called)
    results["callback"] = train(comm=comm, callbacks=[callback])
    with redirect_stderr(bar):
        train(
            comm=comm,
            epochs=5,
            progress=True,
            checkpoint=xpnn.Checkpoint(folder / f"{comm.rank}.safetensors"),
        )
    results["bar"] = bar.getvalue()
    for name, given in STOPPING.items():
        unlike = "validation" in given and comm.rank > 0
        others = {"validation": (X, 0 * LABELS)} if unlike else {}
        results[name] = train(comm=comm, **given | others)
    for share in SHARES.values():
        results["diverged", share.__name__] = [
            message(lambda given=given, share=share: train(comm=comm, share=share, **given))
            for given in DIVERGING
        ]
    results["interrupted"] = interrupted_in_step(10, comm)
    results["after"] = train(comm=comm)
    return results


DIVERGING = [
    {"optimizer": optimizers.momentum(1e200)},
    {"optimizer": optimizers.momentum(1e200), "batch_size": None},
    {"optimizer": optimizers.momentum(1e200), "tol": 0.1},
]


def interrupted_in_step(step, comm):
    """Let the last rank get a Ctrl-C in the midst of an epoch; return θ and the history."""
    steps = []

    def total(a):
        steps.append(len(steps) + 1)
        if steps[-1] == step and comm.rank == comm.size - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return distributed.Communicator.sum(comm, a)

    with patched(comm, total):
        return *train(comm=comm), len(steps)


@contextmanager
def patched(comm, total):
    """Let another function sum."""
    comm.sum = total
    try:
        yield
    finally:
        del comm.sum


# ---- checkpoints -----------------------------------------------------------------------------

KEPT = {
    "adam, mini-batches, weights, l2": {},
    "momentum, full batch, weights, l2": {"epochs": 15},
    "momentum, mini-batches": {"validation": CONTRARY, "tol": 0.0, "n_iter_no_change": 8},
}
STOPPED = 5


def checkpoint_in(folder, case):
    return xpnn.Checkpoint(folder / f"{list(KEPT).index(case)}.safetensors", 2, resume=True)


def write_checkpoints(comm, folder, files):
    """Stop early; the files are there afterwards."""
    for case, given in KEPT.items():
        stopped = {"epochs": STOPPED, "checkpoint": checkpoint_in(Path(files), case)}
        train(case, comm=comm, **given | stopped)


def resume_checkpoints(comm, folder, files):
    return {
        case: train(case, comm=comm, checkpoint=checkpoint_in(Path(files), case), **given)
        for case, given in KEPT.items()
    }


def resume_with_other_data(comm, folder, files):
    """Only the last rank's have changed."""
    case = FEW[0]
    other = X.copy()
    other[:, -1] += 1.0
    train(case, comm=comm, X=other, checkpoint=checkpoint_in(Path(files), case))


# ---- faults ----------------------------------------------------------------------------------


def tell(*words):
    """Write a line as one piece."""
    os.write(sys.stdout.fileno(), (" ".join(map(str, words)) + "\n").encode())


def endless(comm, folder):
    """Train until something ends it; say who is who, and that it goes on."""
    tell("pid", comm.rank, os.getpid())

    def callback(report):
        if report.epoch == 5:
            tell("epoch", report.epoch)
        time.sleep(0.01)  # there are some hundred epochs at most to compare with

    checkpoint = xpnn.Checkpoint(folder / "run.safetensors", 3)
    theta, history = train(comm=comm, epochs=10**9, callbacks=[callback], checkpoint=checkpoint)
    return theta, history


def raises(comm, folder, where):
    """Let rank 1 fail, or a callback, which rank 0 calls, while the others train."""

    def fail(*_):
        (folder / "when").write_text(str(time.time()), encoding="ascii")
        raise ZeroDivisionError("on purpose")

    if where == "outside" and comm.rank == 1:
        fail()
    train(comm=comm, epochs=10**9, callbacks=[fail] if where == "callback" else [])


def callback_interrupts(comm, folder):
    def callback(report):
        if report.epoch == 3:
            raise KeyboardInterrupt

    return train(comm=comm, callbacks=[callback])


def signals_at_different_times(comm, folder):
    """Let Ctrl-C come to rank 1 a while after it has come to rank 0."""

    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)

    steps = []

    def total(a):
        steps.append(len(steps) + 1)
        if steps[-1] == 10 and comm.rank == 0:
            interrupt()
        elif steps[-1] == 10 and comm.rank == 1:
            threading.Timer(0.2, interrupt).start()
        return distributed.Communicator.sum(comm, a)

    with patched(comm, total):
        result = train(comm=comm)
    time.sleep(0.5)  # goes on with something else
    return result


def interrupted_before_the_first_step(comm, folder):
    """Let Ctrl-C come to rank 1 in a sum for a logistic regression's learning rate, then to 0."""
    told = []
    for interrupted in (1, 2, 3, 12):
        sums = []

        def total(a, interrupted=interrupted, sums=sums):
            sums.append(len(sums) + 1)
            if sums[-1] == interrupted and comm.rank == 1:
                os.kill(os.getpid(), signal.SIGINT)
            elif sums[-1] == interrupted:
                threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
            return distributed.Communicator.sum(comm, a)

        model = xpnn.LogisticRegression(communicator=comm)
        with patched(comm, total):
            try:
                model.fit(ROWS[even(comm)], NAMES[even(comm)])
            except KeyboardInterrupt:
                told.append((interrupted, len(sums), hasattr(model, "coefs_")))
        time.sleep(0.5)  # goes on with something else
    return told


class InterruptedCheckpoint(xpnn.Checkpoint):
    """A checkpoint during which there is a Ctrl-C, at the first time."""

    times = 0

    def write(self, state, identity):
        super().write(state, identity)
        InterruptedCheckpoint.times += 1
        if InterruptedCheckpoint.times == 1:
            os.kill(os.getpid(), signal.SIGINT)


def signal_after_the_last_step(comm, folder):
    """Interrupt rank 0 while it writes the last checkpoint."""
    checkpoint = InterruptedCheckpoint(folder / "run.safetensors", 1000)
    return train(comm=comm, checkpoint=checkpoint)


def other_costs(comm, folder):
    """Let rank 1 compute other gradients than rank 0, with the same cost."""

    def total(a):
        a = distributed.Communicator.sum(comm, a)
        a[:-2] *= 1.0 + 1e-9 * comm.rank
        return a

    with patched(comm, total):
        train(comm=comm)


def wrong_data_on_one_rank(comm, folder):
    """Return what each rank is told when one of them alone has something wrong."""
    first, told = comm.rank == 0, {}
    bad = np.where(np.isnan(X) | first, X, np.nan)
    told["X"] = message(lambda: train(X=bad, comm=comm))
    path = folder / "there.safetensors"
    if first:
        path.write_bytes(b"")
    told["checkpoint"] = message(lambda: train(comm=comm, checkpoint=xpnn.Checkpoint(path)))
    mine = even(comm)
    weights = np.ones(len(ROWS[mine])) if first else None
    model = xpnn.MLPClassifier(**MLP, communicator=comm)
    told["weights of a model"] = message(lambda: model.fit(ROWS[mine], NAMES[mine], weights))
    for kind, made in MODELS.items():
        model, (rows, *rest) = made()
        data = [a[mine] for a in (rows * (1.0 if first else np.nan), *rest)]
        model.set_params(communicator=comm)
        told["X of a model", kind] = message(lambda model=model, data=data: model.fit(*data))
    classes = [*np.unique(NAMES), "z" if first else "zz"]
    other = xpnn.MLPClassifier(**MLP, communicator=comm)
    told["classes"] = message(lambda: other.partial_fit(ROWS[mine], NAMES[mine], classes=classes))
    return told


def interrupted_between_epochs(comm, folder):
    def callback(report):
        if report.epoch == 3:
            raise KeyboardInterrupt

    checkpoint = xpnn.Checkpoint(folder / "run.safetensors", every=100)
    return train(comm=comm, callbacks=[callback], checkpoint=checkpoint)


def class_is_missing_at_a_warm_start(comm, folder):
    """Fit twice where rank 0 has no example of the last class."""
    mine = even(comm) if comm else slice(None)
    model = xpnn.MLPClassifier(**MLP, warm_start=True, max_iter=3, tol=0.0, communicator=comm)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):
            model.fit(ROWS[mine], NAMES[mine])
    return learnt(model)


# ---- what one rank has alone -----------------------------------------------------------------


def outcome(call):
    """Return type and text of whatever a call raises, or what it returns."""
    try:
        return call()
    except BaseException as error:  # noqa: BLE001  what it is, is looked at
        return f"{type(error).__name__}: {error}"


class Unusual(BaseException):
    """An exception that is no `Exception`, as Rust's panics are."""


class FullDisk(xpnn.Checkpoint):
    """A checkpoint whose file cannot be written."""

    def write(self, state, identity):
        raise OSError(errno.ENOSPC, "No space left on device")


class ClosedTerminal(io.StringIO):
    """A stream whose reader has gone."""

    def write(self, text):
        raise BrokenPipeError("of the bar")


def in_epoch(epoch, error):
    def callback(report):
        if report.epoch == epoch:
            raise error

    return callback


def failing_after(calls):
    """Return an activation that fails after so many calls."""
    count = iter(range(calls))

    def g(Z, xp):
        if next(count, None) is None:
            raise ArithmeticError("of the activation")
        return xp.tanh(Z)

    return xpnn.Activation(g)


def failures(comm, folder):
    """Return calls in each of which a single rank meets something wrong, by what that is."""
    first, second = comm.rank == 0, comm.rank == 1

    def scored(net, params, X, Y):
        raise ZeroDivisionError("of the score")

    def validated():
        with patch.object(xpnn.Network, "score", scored):
            train(comm=comm, validation=HELD_OUT)

    def shown():
        with patch.object(sys, "stderr", ClosedTerminal() if first else sys.stderr):
            train(comm=comm, progress=True)

    def updated(times):
        results = [None] * times + [BrokenPipeError("of the bar")]
        with (
            patch.object(tqdm, "update", Mock(side_effect=results if first else None)),
            redirect_stderr(io.StringIO()),
        ):
            train(comm=comm, progress=True)

    def stopped(checkpoint):
        train(comm=comm, checkpoint=checkpoint, callbacks=[in_epoch(3, KeyboardInterrupt())])

    def in_a_step():
        g = failing_after(30) if second else failing_after(10**6)
        train(comm=comm, net=xpnn.Network(SIZES, hidden=g))

    def modelled(**given):
        model, data = MODELS["classifier, tol"]()
        model.set_params(communicator=comm, **given).fit(*(a[even(comm)] for a in data))

    def in_part():
        model, classes = xpnn.MLPClassifier(**MLP, communicator=comm), np.unique(NAMES)
        model.partial_fit(ROWS[even(comm)], NAMES[even(comm)], None, None if second else classes)

    full = FullDisk(folder / "full.safetensors", 4)
    return {
        "callback": lambda: train(comm=comm, callbacks=[in_epoch(2, RuntimeError("of it"))]),
        "unusual": lambda: train(comm=comm, callbacks=[in_epoch(2, Unusual("of it"))]),
        "exit": lambda: train(comm=comm, callbacks=[in_epoch(2, SystemExit(3))]),
        "score": validated,
        "bar": shown,
        "bar at first": lambda: updated(0),
        "bar later": lambda: updated(2),
        "checkpoint": lambda: train(comm=comm, checkpoint=full),
        "last checkpoint": lambda: train(comm=comm, checkpoint=full, epochs=3),
        "checkpoint after Ctrl-C": lambda: stopped(full),
        "step": in_a_step,
        "argument": lambda: train(comm=comm, epochs=-1 if second else 2),
        "model": lambda: modelled(callbacks=[in_epoch(2, RuntimeError("of it"))]),
        "parameter of a model": lambda: modelled(max_iter=-1 if second else 2),
        "checkpoint of a model": lambda: modelled(checkpoint=full),
        "classes of a model": in_part,
    }


def raised_on_all(comm, folder):
    """Let one rank fail in various ways; each time, go on with another training."""
    found = {}
    for name, call in failures(comm, folder).items():
        found[name] = outcome(call)
        found[name, "after"] = train(comm=comm, epochs=3)[0]
    found["exchanges"] = exchanges(comm, folder)
    return found


def exchanges(comm, folder):
    """Return how many sums and other exchanges an epoch takes, watched in various ways."""
    found = {}
    for name, given in {
        "plain": {},
        "callbacks": {"callbacks": [lambda report: None]},
        "checkpoint": {"checkpoint": True},
        "validation": {"validation": HELD_OUT},
    }.items():
        counts = []
        for epochs in (2, 12):
            path = folder / f"{name}{epochs}.safetensors"
            if "checkpoint" in given:
                given["checkpoint"] = xpnn.Checkpoint(path)
            sums, others = Mock(wraps=comm.sum), Mock(wraps=comm.gather)
            with patch.object(comm, "sum", sums), patch.object(comm, "gather", others):
                train(comm=comm, epochs=epochs, **given)
            counts.append((sums.call_count, others.call_count))
        found[name] = [(after - before) / 10 for before, after in zip(*counts, strict=True)]
    return found


def exits_in_a_callback(comm, folder):
    train(comm=comm, callbacks=[in_epoch(2, SystemExit(3))])


def one_ends(comm, folder, when):
    """Let rank 1 come to its end, before the others train or while they do; in the end all do."""
    if when == "before":
        if comm.rank == 1:
            sys.exit()
        train(comm=comm)
    if when == "meanwhile":
        time.sleep(1.0 * comm.rank)
        given = {"comm": comm, "epochs": 10**9, "callbacks": [lambda report: time.sleep(0.01)]}
        thread = threading.Thread(target=train, kwargs=given, daemon=comm.rank == 1)
        thread.start()
        time.sleep(1.0)
        return
    if when == "afterwards":
        train(comm=comm)
        time.sleep(1.0 if comm.rank == 0 else 0.0)


def fails_alone(comm, folder):
    """Let rank 1 fail where nothing is exchanged; it catches that."""
    processes.TOGETHER = 1.0

    def layout(*_, **__):
        raise MemoryError("of rank 1")

    with patch.object(Plan, "__init__", layout) if comm.rank == 1 else nullcontext():
        told = outcome(lambda: train(comm=comm))
    tell("went on", comm.rank, told)


def all_fail(comm, folder):
    """Let all fail where nothing is exchanged, the last a while later; they catch that."""

    def layout(*_, **__):
        time.sleep(0.5 * comm.rank)
        raise MemoryError("of all")

    with patch.object(Plan, "__init__", layout):
        told = outcome(lambda: train(comm=comm))
    return told, train(comm=comm)[0]


def stops(comm, folder):
    """Let the last rank be stopped while the others train, as a debugger stops one."""
    pids = comm.gather(os.getpid())

    def callback(report):
        if report.epoch == 3:
            os.kill(pids[-1], signal.SIGSTOP)

    train(comm=comm, epochs=10**9, callbacks=[callback])


def ends_by_sigterm(comm, folder):
    """Train until SIGTERM, whose handler does as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return endless(comm, folder)


# ---- threads ---------------------------------------------------------------------------------


def threads(comm, folder):
    from threadpoolctl import threadpool_info

    blas = [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]
    return blas, os.environ.get("OMP_NUM_THREADS")


PROGRAMS = {
    program.__name__: program
    for program in (
        trainings,
        estimators,
        agreement,
        watching,
        write_checkpoints,
        resume_checkpoints,
        resume_with_other_data,
        endless,
        raises,
        callback_interrupts,
        signals_at_different_times,
        interrupted_before_the_first_step,
        signal_after_the_last_step,
        other_costs,
        wrong_data_on_one_rank,
        interrupted_between_epochs,
        class_is_missing_at_a_warm_start,
        raised_on_all,
        exits_in_a_callback,
        one_ends,
        fails_alone,
        all_fail,
        stops,
        ends_by_sigterm,
        threads,
    )
}


# ---- not a rank ------------------------------------------------------------------------------


def on_a_terminal(*command):
    """Run a command on a terminal of its own, and type Ctrl-C there when it says "epoch 5"."""
    import pty  # not on Windows

    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    shown, typed = b"", False
    while True:
        try:
            read = os.read(terminal, 4096)
        except OSError:  # it is over
            break
        sys.stdout.buffer.write(read)
        shown += read
        if not typed and b"epoch 5" in shown:
            os.write(terminal, b"\x03")
            typed = True
        if not read:
            break
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main():
    name, *arguments = sys.argv[1:]
    if name == "on_a_terminal":
        return on_a_terminal(*arguments)
    comm, folder = distributed.communicator(), Path(arguments[0])
    result = PROGRAMS[name](comm, folder, *arguments[1:])
    (folder / str(comm.rank)).write_bytes(pickle.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
