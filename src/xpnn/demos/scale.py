"""How accuracy grows with the amount of data, for three sizes of network."""

from collections.abc import Sequence
from statistics import mean
from typing import Any

import numpy as np

from .. import optimizers
from .._typing import Array
from ..data import digits
from ..network import Network
from ..plot._canvas import COLOURS, MARKERS, Figure, new_axes
from ..table import Table
from ..training.fit import fit
from ..validation.numbers import positive_int
from .demonstration import Demonstration

LEARNING_RATE = 3e-3
BATCH = 25
TEST = 360


def scale(
    amounts: Sequence[int] = (50, 100, 200, 400, 800, 1400),
    units: Sequence[int] = (4, 8, 128),
    epochs: int = 20,
    seeds: int = 3,
) -> Demonstration:
    """Accuracy against the amount of data, by network size.

    Networks with one hidden layer of tanh units learn so many of the digits by Adam on the
    selected backend, and are tested on 360 others, the same each time. Less data are gone
    through more often, so that every training takes the same number of steps: that of
    ``epochs`` passes over the largest amount. Accuracies are means over the seeds; a seed
    chooses the images, the initial weights and the mini-batches.

    Parameters
    ----------
    amounts : sequence of int
        Images to train on, increasing, at most 1,437.
    units : sequence of int
        Hidden units, increasing.
    epochs : int
        Passes over the largest amount.
    seeds : int
        Trainings for each amount and size.

    Returns
    -------
    Demonstration

    Examples
    --------
    >>> from xpnn.demos import scale
    >>> (table,) = scale(amounts=[50, 400], units=[4, 32], epochs=5, seeds=1).tables
    >>> table.header
    ('images', 'right, 4 units', 'right, 32 units')
    """
    epochs, seeds = positive_int("epochs", epochs), positive_int("seeds", seeds)
    steps = epochs * _batches(amounts[-1])
    parts = _parts()
    accuracy = {
        n: [mean(_train(n, m, steps, seed, *parts) for seed in range(seeds)) for m in amounts]
        for n in units
    }
    left = {n: (1.0 - shares[-1]) / (1.0 - shares[0]) for n, shares in accuracy.items()}
    claim = (
        f"More data help every network, the larger ones more: from {amounts[0]:,} to "
        f"{amounts[-1]:,} images\nthe error with {units[0]} hidden units falls to "
        f"{left[units[0]]:.0%} of what it was, with {units[-1]} to {left[units[-1]]:.0%}."
    )
    table = Table(
        ("images", *(f"right, {n} units" for n in units)),
        [(m, *(f"{accuracy[n][i]:.1%}" for n in units)) for i, m in enumerate(amounts)],
    )
    return Demonstration(claim, (table,), lambda: _draw(amounts, accuracy))


def _batches(m: int) -> int:
    """Return the steps of one pass over m images."""
    return -(-m // BATCH)


def _parts() -> tuple[Any, ...]:
    """Return X and y, images as rows, to train on and to test on."""
    from sklearn.model_selection import train_test_split

    X, y = digits(rows=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=TEST, stratify=y, random_state=0
    )
    return X_train, y_train, X_test, y_test


def _train(
    units: int, m: int, steps: int, seed: int, X: Array, y: Array, X_test: Array, y_test: Array
) -> float:
    """Return the accuracy on the test part after training on m images."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(X))[:m]
    net = Network([X.shape[1], units, 10], hidden="tanh")
    params, _ = fit(
        net,
        net.init(rng=rng, weights="glorot"),
        X[chosen].T,
        y[chosen].reshape(1, -1),
        optimizer=optimizers.adam(LEARNING_RATE),
        epochs=max(1, round(steps / _batches(m))),
        batch_size=BATCH,
        rng=rng,
        progress=False,
    )
    return net.score(params, X_test.T, y_test.reshape(1, -1))


def _draw(amounts: Sequence[int], accuracy: dict[int, list[float]]) -> Figure:
    ax = new_axes(6.0, 4.0)
    for k, (n, shares) in enumerate(accuracy.items()):
        ax.plot(
            amounts,
            [100.0 * share for share in shares],
            color=COLOURS[k % len(COLOURS)],
            marker=MARKERS[k % len(MARKERS)],
            label=f"{n} hidden units",
        )
    ax.set_xscale("log")
    ax.set_xticks(amounts, [f"{m:,}" for m in amounts])
    ax.minorticks_off()
    ax.grid(color="0.9")
    ax.set(xlabel="images trained on, logarithmic", ylabel="accuracy on the test part, %")
    ax.legend(loc="lower right")
    return ax.figure
