"""``xpnn train DATA``: train a network on data, say how well it does, and write the model."""

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from math import isfinite
from pathlib import Path
from signal import SIGINT
from time import perf_counter
from typing import Any

import numpy as np

from .. import _signals, plot
from .._backends.selection import widest
from ..core.activations import ACTIVATIONS
from ..distributed.mpi import active_comm, communicator
from ..exceptions import ArgumentError, XpnnError, unknown_name
from ..training.checkpoint import Checkpoint
from ..validation.numbers import at_least_0, positive_int
from . import describe, fitting, one_line
from .demo import check_picture
from .examples import Examples
from .outputs import check_distinct, check_file, kept
from .progress import Progress
from .ranks import ALONE, Ranks
from .reading import MADE, OF_SKLEARN, read, with_target
from .streams import say, say_json
from .targets import CLASSIFICATION, REGRESSION, classes_or_numbers, task_of

OPTIMIZERS = {"adam": 0.001, "rmsprop": 0.001, "sgd": 0.01, "lbfgs": 1.0}
"""The solvers of the estimators, and their learning rates; lbfgs looks for its own."""
HIDDEN = sorted(set(ACTIVATIONS) - {"softmax", "exp"})
DATA = (
    "a table (.csv, .tsv, .parquet), arrays (.npz with X and y, .npy), images (a folder with a "
    "sub-folder for each class, .h5, IDX files as MNIST's), or one of "
    + ", ".join([*MADE, *OF_SKLEARN])
)
LABELS = "the file of labels, if DATA is a .npy or an IDX file"
EVERY = 10  # epochs from one checkpoint to the next


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.description = (
        "Train a network on part of the data, test it on the rest, and write the model to a file."
    )
    add = parser.add_argument_group("data").add_argument
    parser.add_argument("data", metavar="DATA", help=DATA)
    parser.add_argument("labels", metavar="LABELS", nargs="?", help=LABELS)
    add("--target", metavar="COLUMN", help="the column of a table to learn")
    add("--drop", metavar="COLUMNS", type=_names, default=[], help="leave these out: id,name")
    add("--task", choices=(CLASSIFICATION, REGRESSION), help="(default: by what the target holds)")
    add(
        "--impute",
        action="store_true",
        help="fill a missing number with the median of its column, a missing text with the most "
        "frequent one",
    )
    add(
        "--standardize",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="take numbers from their mean, in units of their deviation (default: yes)",
    )
    add("--image-size", metavar="HxW", type=_size, help="of a folder of images (default: 64x64)")
    add(
        "--test-size",
        metavar="SHARE",
        type=float,
        default=0.2,
        help="share of the rows to test on; 0 for none (default: %(default)s)",
    )
    add = parser.add_argument_group("network and training").add_argument
    add(
        "--hidden",
        metavar="SIZES",
        type=_sizes,
        default="128,64",
        help="units of each hidden layer, '' for none (default: %(default)s)",
    )
    add(
        "--activation",
        metavar="NAME",
        default="relu",
        help=f"{', '.join(HIDDEN)} (default: %(default)s)",
    )
    add(
        "--optimizer",
        metavar="NAME",
        default="adam",
        help=f"{', '.join(OPTIMIZERS)} (default: %(default)s)",
    )
    add("--learning-rate", type=float, metavar="RATE", help="(default: 0.001; sgd 0.01)")
    add(
        "--batch-size",
        metavar="ROWS",
        type=int,
        default=32,
        help="rows a step (default: %(default)s)",
    )
    add(
        "--l2",
        metavar="WEIGHT",
        type=float,
        default=1e-4,
        help="of the penalty on the squares of W (default: %(default)s)",
    )
    add(
        "--epochs",
        metavar="N",
        type=int,
        default=200,
        help="passes over the data at most; fewer if the cost no longer falls (default: "
        "%(default)s)",
    )
    add(
        "--seed",
        metavar="N",
        type=int,
        default=0,
        help="of all that is random (default: %(default)s)",
    )
    add(
        "--backend",
        metavar="NAME",
        help="numpy, cupy, torch:cuda, jax, ... (default: XPNN_BACKEND, else numpy)",
    )
    add(
        "--distributed",
        action="store_true",
        help="train on all the processes that mpiexec or srun has started, each on its share",
    )
    add = parser.add_argument_group("files").add_argument
    add(
        "-o",
        "--output",
        metavar="MODEL",
        type=Path,
        help="the model's file (default: DATA's name with .safetensors)",
    )
    add("--checkpoint", metavar="FILE", type=Path, help="write the state down every 10 epochs")
    add("--resume", action="store_true", help="go on from the checkpoint, if there is one")
    add("--plot", metavar="FILE", type=Path, help="draw the cost curve: png, svg, pdf")
    add("--json", action="store_true", help="print one JSON object, nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Train, and print what was done; return the exit status."""
    if not arguments.distributed:
        return _run(arguments, ALONE)
    ranks = Ranks(active_comm(communicator()))
    return ranks.run(lambda: _run(arguments, ranks))


def _run(arguments: argparse.Namespace, ranks: Ranks) -> int:
    settings = _settings(arguments)
    output = _output(arguments)
    if ranks.rank == 0:
        _check_files(arguments, output)
    backend = ranks.backend(arguments.backend)
    examples, y, task = _read(arguments, ranks)
    everywhere = fitting.split(y, task, arguments.test_size, arguments.seed)
    train, test = (examples.take(ranks.own(rows, len(examples))) for rows in everywhere)
    if not len(train):
        raise ArgumentError(f"expected rows to train on for each of {ranks.size} ranks, found none")
    rows = fitting.rows_for(examples, train, arguments.drop, ranks, impute=arguments.impute)
    X = fitting.numbers(train, rows)
    if len(test) and examples.kind != "images":  # of which each is read already
        fitting.numbers(test, rows)  # whatever is wrong with a row is told before the training
    place = widest(backend.spec, fitting.dtype_of(examples))
    net = fitting.network(train, rows, y, task, arguments.hidden, arguments.activation)
    m, m_test = map(len, everywhere)
    settings["batch_size"] = min(settings["batch_size"], m)
    report = describe.understood(examples, y, task, rows, m, m_test, ranks)
    report |= {
        "standardize": arguments.standardize,
        "backend": place.spec,
        "dtype": place.dtype_name,
        "sizes": list(net.sizes),
        "ranks": ranks.size,
    }
    if not arguments.json:
        say(*describe.lines(report), "", net.table(settings["batch_size"]), "")

    progress = Progress(arguments.epochs, lines=not arguments.json, shown=ranks.rank == 0)
    began = perf_counter()
    fitted = fitting.fit(
        X, train.y, task, rows, settings, progress, ranks, standardize=arguments.standardize
    )
    report |= {
        "epochs": len(fitted.costs),
        "epochs_now": len(progress.costs),
        "seconds": perf_counter() - began,
        "cost": fitted.costs,
        "interrupted": fitted.interrupted,
    }
    problem = None
    if fitted.costs:
        model, where = fitted.model, output
        if ranks.rank == 0:  # before the scores, for which a scheduler may not leave the time
            where, problem = kept(model.save, output)
        report |= {
            "train": model.scores(train, ranks),
            "test": model.scores(test, ranks) if m_test else None,
            "model": str(where),
        }
    if arguments.json:
        say_json(report)
    else:
        say(*_results(report, arguments, fitted.notes))
    if problem is not None:
        raise XpnnError(
            f"{output}: the model cannot be written there ({one_line(problem)}); it is in {where}."
        ) from problem
    if fitted.costs and arguments.plot and ranks.rank == 0:
        plot.cost_curve(fitted.costs).figure.savefig(arguments.plot)
    return _signals.status() if fitted.interrupted else 0


def _read(arguments: argparse.Namespace, ranks: Ranks) -> tuple[Examples, Any, str]:
    """Return this rank's examples, what is to be learnt of all as an array, and the task."""
    where = arguments.data
    found = read(where, arguments.labels, arguments.target, arguments.image_size, ranks)
    examples = with_target(found)
    whole = replace(examples, y=ranks.whole(examples.y))
    task = task_of(whole, arguments.task)
    y = classes_or_numbers(whole, task)
    if task == CLASSIFICATION and y.ndim == 1 and len(np.unique(y)) < 2:
        raise ArgumentError(
            f"{where}: expected at least two classes, found only {y.tolist()[0]!r}."
        )
    examples = replace(examples, y=y[ranks.place(len(examples))])
    if examples.kind == "table":
        return fitting.typed(examples, arguments.drop, ranks), y, task
    for name in ("drop", "impute"):
        if getattr(arguments, name):
            raise ArgumentError(f"--{name}: expected a table, found {where}.")
    return examples.loaded(), y, task


def _results(
    report: dict[str, Any], arguments: argparse.Namespace, notes: list[str]
) -> Iterator[str]:
    """Say how the training went."""
    epochs, costs = report["epochs"], report["cost"]
    if report["interrupted"]:
        by = _signals.interrupted_by()
        name = "Ctrl-C" if by == SIGINT else by.name
        yield f"stopped by {name} after {epochs} complete epochs"
    if not costs:
        return
    yield f"cost      {costs[-1]:.4g} after {epochs} epochs (after the first {costs[0]:.4g})"
    yield _scores(report)
    now, seconds = report["epochs_now"], report["seconds"]
    yield f"time      {seconds:.2f} s for {now} epochs"
    yield f"model     {report['model']}"
    if arguments.plot:
        yield f"picture   {arguments.plot}"
    for note in notes:
        yield f"note      {note}"


def _scores(report: dict[str, Any]) -> str:
    parts = [(scores, part) for part in ("train", "test") if (scores := report[part])]
    if "accuracy" in report["train"]:
        return "accuracy  " + ", ".join(f"{s['accuracy']:.4f} {part}" for s, part in parts)
    return (
        "R²        "
        + ", ".join(f"{_number(s['r2'])} {part}" for s, part in parts)
        + ("; typical error (RMSE) " + ", ".join(f"{s['rmse']:.4g} {part}" for s, part in parts))
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


# ---- what is asked for ------------------------------------------------------


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of the estimator, or raise for what is wrong with them."""
    if arguments.optimizer not in OPTIMIZERS:
        raise unknown_name("optimizer", arguments.optimizer, OPTIMIZERS)
    if arguments.activation not in HIDDEN:
        raise unknown_name("activation", arguments.activation, HIDDEN)
    rate = arguments.learning_rate
    if rate is None:
        rate = OPTIMIZERS[arguments.optimizer]
    elif not (isfinite(rate) and rate > 0.0):
        raise ArgumentError(f"--learning-rate: expected a finite number above 0, found {rate:g}.")
    if not 0 <= arguments.seed < 2**32:
        raise ArgumentError(f"--seed: expected 0 to 4294967295, found {arguments.seed}.")
    if not 0.0 <= arguments.test_size < 1.0:
        raise ArgumentError(f"--test-size: expected 0 to 1, found {arguments.test_size:g}.")
    return {
        "hidden_layer_sizes": tuple(positive_int("--hidden", n) for n in arguments.hidden),
        "activation": arguments.activation,
        "solver": arguments.optimizer,
        "learning_rate_init": rate,
        "batch_size": positive_int("--batch-size", arguments.batch_size),
        "alpha": at_least_0("--l2", arguments.l2),
        "max_iter": positive_int("--epochs", arguments.epochs),
        "random_state": arguments.seed,
        "checkpoint": _checkpoint(arguments),
    }


def _checkpoint(arguments: argparse.Namespace) -> Checkpoint | None:
    path = arguments.checkpoint
    if path is not None and arguments.optimizer == "lbfgs":
        raise ArgumentError("--checkpoint: expected another --optimizer than lbfgs.")
    if path is None:
        if arguments.resume:
            raise ArgumentError("--resume: expected --checkpoint FILE, found none.")
        return None
    if path.is_file() and not arguments.resume:
        raise ArgumentError(
            f"--checkpoint: {path} exists already; pass --resume to go on from it, or remove it."
        )
    return Checkpoint(path, EVERY, arguments.resume)


def _output(arguments: argparse.Namespace) -> Path:
    """Return where the model goes."""
    name = Path(os.path.realpath(arguments.data)).name.removesuffix(".gz") or "model"
    return arguments.output or Path(f"{Path(name).stem}.safetensors")


def _check_files(arguments: argparse.Namespace, output: Path) -> None:
    """Raise, before the training, if something that is written after it cannot be."""
    checkpoint, picture = arguments.checkpoint, arguments.plot
    check_distinct(
        {"--output": output, "--checkpoint": checkpoint, "--plot": picture},
        {"DATA": arguments.data, "LABELS": arguments.labels},
    )
    check_file("--output", output, ".safetensors")
    if checkpoint:
        check_file("--checkpoint", checkpoint, ".safetensors")
    if picture:
        check_picture(picture)


def _sizes(text: str) -> list[int]:
    try:
        return [int(size) for size in text.split(",")] if text.strip() else []
    except ValueError:
        message = f"expected numbers of units like 128,64, found {text!r}"
        raise argparse.ArgumentTypeError(message) from None


def _size(text: str) -> tuple[int, int]:
    try:
        height, width = (int(size) for size in text.lower().split("x"))
    except ValueError:
        message = f"expected height x width like 64x64, found {text!r}"
        raise argparse.ArgumentTypeError(message) from None
    return positive_int("--image-size", height), positive_int("--image-size", width)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]
