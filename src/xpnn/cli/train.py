"""``xpnn train DATA``: train a network on data and say how well it does."""

import argparse
from statistics import median
from typing import Any

from ..backends import get_backend, set_backend
from ..core.optimizers import OPTIMIZERS, Optimizer
from ..data import digits
from ..errors import ArgumentError, positive_int, unknown_name
from ..network import Network
from ..training.fit import fit

TEST_SHARE = 0.2


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "train",
        help="train a network on data",
        description="Train a network on part of the data, and test it on the rest.",
    )
    add = parser.add_argument
    add("data", metavar="DATA", help="digits: 1,797 handwritten digits, 8 x 8 pixels")
    add("--backend", help="numpy, cupy, torch:cuda, jax, ... (default: XPNN_BACKEND, else numpy)")
    add("--epochs", type=int, default=50, help="passes over the data (default: %(default)s)")
    add(
        "--hidden",
        type=_sizes,
        default="128,64",
        help="units of each hidden layer, '' for none (default: %(default)s)",
    )
    add("--batch-size", type=int, default=32, help="examples a step (default: %(default)s)")
    add(
        "--learning-rate",
        type=float,
        help="(default: 0.001 for adam and rmsprop, 0.1 for the others)",
    )
    add("--optimizer", default="adam", help=f"{', '.join(OPTIMIZERS)} (default: %(default)s)")
    add(
        "--seed",
        type=int,
        default=0,
        help="for the split, the weights and the mini-batches (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> bool:
    """Train, and print what was done; return whether Ctrl-C cut it short."""
    if arguments.data != "digits":
        raise unknown_name("data set", arguments.data, ["digits"])
    epochs = positive_int("--epochs", arguments.epochs)
    batch_size = positive_int("--batch-size", arguments.batch_size)
    if not 0 <= arguments.seed < 2**32:
        raise ArgumentError(f"--seed: expected 0 to 4294967295, found {arguments.seed}.")
    optimizer = _optimizer(arguments.optimizer, arguments.learning_rate)
    backend = set_backend(arguments.backend) if arguments.backend else get_backend()

    from sklearn.model_selection import train_test_split

    X, y = digits(rows=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=TEST_SHARE, stratify=y, random_state=arguments.seed
    )
    # one example a column; X_train.T is a view
    train, test = (X_train.T, y_train.reshape(1, -1)), (X_test.T, y_test.reshape(1, -1))
    net = Network([X.shape[1], *arguments.hidden, 10], hidden="relu", output="softmax")

    print(
        f"data      digits: {len(X)} images of 8 x 8 pixels, 10 classes; "
        f"{len(X_train)} to train, {len(X_test)} to test"
    )
    print(f"backend   {backend.spec}, {backend.dtype_name}")
    print(f"\n{net.table(min(batch_size, len(X_train)))}\n", flush=True)
    params, history = fit(
        net,
        net.init(rng=arguments.seed),
        *train,
        optimizer=optimizer,
        epochs=epochs,
        batch_size=batch_size,
        rng=arguments.seed,
    )
    if history.stopped == "interrupted":
        print(f"stopped by Ctrl-C after {len(history)} complete epochs")
    if history.cost:
        print(f"cost      {history.cost[-1]:.4g} (first epoch {history.cost[0]:.4g})")
    print(f"accuracy  {net.score(params, *train):.4f} train, {net.score(params, *test):.4f} test")
    if history.seconds:
        print(
            f"time      {sum(history.seconds):.2f} s for {len(history)} epochs, "
            f"{median(history.seconds) * 1e3:.2f} ms an epoch (median)"
        )
    return history.stopped == "interrupted"


def _sizes(text: str) -> list[int]:
    try:
        return [int(size) for size in text.split(",")] if text.strip() else []
    except ValueError:
        message = f"expected numbers of units like 128,64, found {text!r}"
        raise argparse.ArgumentTypeError(message) from None


def _optimizer(name: str, learning_rate: float | None) -> Optimizer:
    if name not in OPTIMIZERS:
        raise unknown_name("optimizer", name, OPTIMIZERS)
    optimizer = OPTIMIZERS[name]() if learning_rate is None else OPTIMIZERS[name](learning_rate)
    optimizer.rate(epoch=0)  # complain before anything is printed
    return optimizer
