"""The options of ``xpnn train``, and what they ask for: what to read, how to train, what to write.

`settings` is the only one that sees the arguments. It hands on a `Source`, a `Training` and
`Outputs`, checked as far as that is possible before anything is read.
"""

import argparse
import os
from collections.abc import Callable
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

from ..core.activations import ACTIVATIONS
from ..exceptions import ArgumentError, unknown_name
from ..training.checkpoint import Checkpoint
from ..validation.numbers import at_least_0, positive_int
from .dataset import Source
from .fitting import Training
from .outputs import Outputs
from .reading import MADE, OF_SKLEARN
from .targets import CLASSIFICATION, REGRESSION

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
    _add_data(parser)
    _add_training(parser)
    _add_files(parser)


def settings(arguments: argparse.Namespace) -> tuple[Source, Training, Outputs]:
    """Return what to read, how to train and what to write, or raise for what is wrong."""
    training = _training(arguments)
    name = Path(os.path.realpath(arguments.data)).name.removesuffix(".gz") or "model"
    model = arguments.output or Path(f"{Path(name).stem}.safetensors")
    outputs = Outputs(model, arguments.checkpoint, arguments.plot, arguments.json)
    source = Source(*(getattr(arguments, name) for name in Source._fields))
    return source, training, outputs


# ---- the options ------------------------------------------------------------


def _add_data(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data")
    add = group.add_argument
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
    what = "share of the rows to test on; 0 for none"
    _add_with_default(group, "--test-size", "SHARE", float, 0.2, what)


def _add_training(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("network and training")
    add = partial(_add_with_default, group)
    add("--hidden", "SIZES", _sizes, "128,64", "units of each hidden layer, '' for none")
    add("--activation", "NAME", str, "relu", ", ".join(HIDDEN))
    add("--optimizer", "NAME", str, "adam", ", ".join(OPTIMIZERS))
    group.add_argument(
        "--learning-rate", type=float, metavar="RATE", help="(default: 0.001; sgd 0.01)"
    )
    add("--batch-size", "ROWS", int, 32, "rows a step")
    add("--l2", "WEIGHT", float, 1e-4, "of the penalty on the squares of W")
    most = "passes over the data at most; fewer if the cost no longer falls"
    add("--epochs", "N", int, 200, most)
    add("--seed", "N", int, 0, "of all that is random")
    group.add_argument(
        "--backend",
        metavar="NAME",
        help="numpy, cupy, torch:cuda, jax, ... (default: XPNN_BACKEND, else numpy)",
    )
    group.add_argument(
        "--distributed",
        action="store_true",
        help="train on all the processes that mpiexec or srun has started, each on its share",
    )


def _add_with_default(
    group: Any, option: str, metavar: str, kind: Callable[[str], Any], default: object, what: str
) -> None:
    group.add_argument(
        option, metavar=metavar, type=kind, default=default, help=f"{what} (default: %(default)s)"
    )


def _add_files(parser: argparse.ArgumentParser) -> None:
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


# ---- what they ask for ------------------------------------------------------


def _training(arguments: argparse.Namespace) -> Training:
    optimizer, rate = arguments.optimizer, arguments.learning_rate
    if optimizer not in OPTIMIZERS:
        raise unknown_name("optimizer", optimizer, OPTIMIZERS)
    if arguments.activation not in HIDDEN:
        raise unknown_name("activation", arguments.activation, HIDDEN)
    if rate is None:
        rate = OPTIMIZERS[optimizer]
    elif not (isfinite(rate) and rate > 0.0):
        raise ArgumentError(f"--learning-rate: expected a finite number above 0, found {rate:g}.")
    if not 0 <= arguments.seed < 2**32:
        raise ArgumentError(f"--seed: expected 0 to 4294967295, found {arguments.seed}.")
    if not 0.0 <= arguments.test_size < 1.0:
        raise ArgumentError(f"--test-size: expected 0 to 1, found {arguments.test_size:g}.")
    parameters = {
        "hidden_layer_sizes": tuple(positive_int("--hidden", n) for n in arguments.hidden),
        "activation": arguments.activation,
        "solver": optimizer,
        "learning_rate_init": rate,
        "batch_size": positive_int("--batch-size", arguments.batch_size),
        "alpha": at_least_0("--l2", arguments.l2),
        "max_iter": positive_int("--epochs", arguments.epochs),
        "random_state": arguments.seed,
        "checkpoint": _checkpoint(arguments.checkpoint, optimizer, resume=arguments.resume),
    }
    return Training(parameters, arguments.standardize, arguments.backend)


def _checkpoint(path: Path | None, optimizer: str, *, resume: bool) -> Checkpoint | None:
    if path is not None and optimizer == "lbfgs":
        raise ArgumentError("--checkpoint: expected another --optimizer than lbfgs.")
    if path is None:
        if resume:
            raise ArgumentError("--resume: expected --checkpoint FILE, found none.")
        return None
    if path.is_file() and not resume:
        raise ArgumentError(
            f"--checkpoint: {path} exists already; pass --resume to go on from it, or remove it."
        )
    return Checkpoint(path, EVERY, resume)
