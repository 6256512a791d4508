"""Where gradient descent starts: from equal weights, from tiny ones, from large ones."""

from typing import Any, NamedTuple

import numpy as np

from .. import optimizers
from .._backends.selection import get_backend
from ..core.parameters import Layer, Params
from ..data import flower
from ..network import Network
from ..plot._canvas import COLOURS, Figure, pyplot
from ..table import Table
from ..training.history import Report
from ..validation.numbers import positive_int
from .demonstration import Demonstration
from .descent import descend

OPTIMIZER = optimizers.gradient_descent(1.2)
RECORDS = 100
SATURATED = 0.99
COSTS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # ticks


class Training(NamedTuple):
    """What gradient descent made of one start; host arrays and numbers."""

    iterations: list[int]
    W1: list[Any]
    """at these iterations, each of shape (4, 2)"""
    saturated: float
    """the share of the hidden activations beyond ±0.99, at first"""
    slope: float
    """the mean of tanh′ at first"""
    dW1: float
    """‖dW1‖ at first"""
    costs: list[float]
    accuracy: float

    @property
    def apart(self) -> tuple[float, float]:
        """How far apart the rows of W1 are, max − min over the units, first and last."""
        first, last = (float(np.ptp(W, axis=0).max()) for W in (self.W1[0], self.W1[-1]))
        return first, last


def symmetry(iterations: int = 2000) -> Demonstration:
    """Zero, equal, tiny and large initial weights.

    A network of four hidden tanh units learns the flower by gradient descent, on the selected
    backend, from four starts: W = 0; every weight 0.5; W = 0.01 N(0, 1); and the same random
    numbers as W = 100 N(0, 1).

    Parameters
    ----------
    iterations : int
        Steps of gradient descent from each start.

    Returns
    -------
    Demonstration

    Examples
    --------
    >>> from xpnn.demos import symmetry
    >>> (table,) = symmetry(iterations=100).tables
    >>> table.header[:2]
    ('weights', 'rows of W1 apart, first → last')
    >>> [row[:2] for row in table.rows[:2]]
    [('0', '0 → 0'), ('0.5', '0 → 0')]
    """
    iterations = positive_int("iterations", iterations)
    net = Network([2, 4, 1], hidden="tanh", output="sigmoid")
    runs = {name: _train(net, params, iterations) for name, params in _starts(net).items()}
    zero, equal, tiny, large = runs.values()
    claim = (
        f"Units that start equal get equal gradients and stay equal: after {iterations:,} "
        f"iterations the rows of W1 are {max(zero.apart[1], equal.apart[1]):.3g} apart, and the "
        f"four units do what one could ({zero.accuracy:.1%} and {equal.accuracy:.1%} right).\n"
        f"Tiny random weights break the symmetry ({tiny.accuracy:.1%}).\n"
        f"Large ones saturate tanh: {large.saturated:.1%} of the activations lie beyond "
        f"±{SATURATED}, the mean slope is {large.slope:.2g} ({large.accuracy:.1%})."
    )
    header = (
        "weights",
        "rows of W1 apart, first → last",
        f"|a| > {SATURATED}, first",
        "mean g′, first",
        "‖dW1‖, first",
        "cost, first → last",
        "right",
    )
    rows = [
        (
            name,
            f"{run.apart[0]:.3g} → {run.apart[1]:.3g}",
            f"{run.saturated:.1%}",
            f"{run.slope:.2g}",
            f"{run.dW1:.2g}",
            f"{run.costs[0]:.4g} → {run.costs[-1]:.4g}",
            f"{run.accuracy:.1%}",
        )
        for name, run in runs.items()
    ]
    return Demonstration(claim, (Table(header, rows),), lambda: _draw(runs))


def _starts(net: Network) -> dict[str, Params]:
    backend = get_backend()
    small = net.init(rng=3, weights="small")
    with backend.current():
        return {
            "0": net.init(weights="zeros"),
            "0.5": tuple(Layer(backend.xp.full_like(W, 0.5), b) for W, b in small),
            "0.01 N(0, 1)": small,
            "100 N(0, 1)": tuple(Layer(1e4 * W, b) for W, b in small),
        }


def _train(net: Network, params: Params, iterations: int) -> Training:
    backend = get_backend()
    X, Y = flower()
    _, caches = net.forward(params, X)
    A1 = backend.to_numpy(caches[0].A)
    dW1 = backend.to_numpy(net.gradients(params, X, Y)[0].W)
    steps, W1 = [0], [backend.to_numpy(params[0].W)]

    def record(report: Report) -> None:
        if report.epoch % max(1, iterations // RECORDS) == 0 or report.epoch == iterations:
            steps.append(report.epoch)
            W1.append(backend.to_numpy(report.params[0].W))

    trained, history = descend(
        net, params, X, Y, optimizer=OPTIMIZER, epochs=iterations, callbacks=[record]
    )
    return Training(
        steps,
        W1,
        float((abs(A1) > SATURATED).mean()),
        float((1.0 - A1**2).mean()),
        float((dW1**2).sum()) ** 0.5,
        history.cost,
        net.score(trained, X, Y),
    )


def _draw(runs: dict[str, Training]) -> Figure:
    figure, axes = pyplot().subplots(
        2, len(runs), figsize=(11.0, 5.2), sharex=True, layout="constrained"
    )
    for k, (name, run) in enumerate(runs.items()):
        weights, cost = axes[0, k], axes[1, k]
        for j in range(4):
            weights.plot(
                run.iterations,
                [W[j, 0] for W in run.W1],
                color=COLOURS[j],
                linewidth=(5.5, 4.0, 2.5, 1.0)[j],  # so that all are seen where they coincide
                label=f"unit {j + 1}",
            )
        weights.set_title(f"W = {name}", fontsize="medium")
        cost.plot(range(len(run.costs)), run.costs, color=COLOURS[5])
        cost.set_title(f"{run.accuracy:.1%} right", fontsize="medium")
        cost.set_xlabel("iteration")
        cost.set_yscale("log")
        cost.sharey(axes[1, 0])
    axes[0, 0].set_ylabel("first column of W1")
    axes[1, 0].set_ylabel("cost J, logarithmic")
    axes[1, 0].set_yticks(COSTS, [f"{J:g}" for J in COSTS])
    axes[1, 0].minorticks_off()
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False)
    return figure
