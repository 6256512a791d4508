"""How far a step goes: learning rates from too small to far too large."""

from collections.abc import Sequence
from itertools import cycle, pairwise
from typing import NamedTuple

from .. import optimizers, plot
from ..data import moons
from ..exceptions import DivergenceError
from ..network import Network
from ..plot._canvas import Figure, new_axes
from ..table import Table
from ..validation.numbers import positive_int
from .demonstration import Demonstration
from .descent import descend

LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)))


class Training(NamedTuple):
    """What came of one learning rate."""

    rate: float
    costs: list[float]
    """before each update, as far as they are finite"""
    accuracy: tuple[float, float] | None
    """on the examples trained on and on others; None if the training diverged"""

    @property
    def rises(self) -> int:
        """How often an update made the cost larger."""
        return sum(after > before for before, after in pairwise(self.costs))


def learning_rate(
    rates: Sequence[float] = (0.01, 0.1, 1.0, 10.0, 1000.0), iterations: int = 500
) -> Demonstration:
    """Cost curves for several learning rates.

    Gradient descent on all 300 points of the moons at once, on the selected backend, always
    from the same weights: 16 hidden relu units, cross-entropy. The accuracy is that on these
    points and on 300 others.

    Parameters
    ----------
    rates : sequence of float
        α > 0 of each training.
    iterations : int
        Steps of gradient descent.

    Returns
    -------
    Demonstration

    Examples
    --------
    >>> from xpnn.demos import learning_rate
    >>> shown = learning_rate(rates=[0.01, 1.0, 1000.0], iterations=50)
    >>> print(shown.claim)
    α = 0.01 is too small: the cost has only come down to 0.9137.
    α = 1 is best here: the cost after 50 iterations is 0.2717.
    α = 1000 is far too large: in iteration 10 the numbers stop being finite.
    """
    iterations = positive_int("iterations", iterations)
    runs = [_train(rate, iterations) for rate in rates]
    best = min((run for run in runs if run.accuracy), key=lambda run: run.costs[-1], default=None)
    claim = "\n".join(_verdict(run, best, iterations) for run in runs)
    header = ("α", "first cost", "middle", "last", "rises", "right, train", "right, test")
    table = Table(header, [_row(run, iterations) for run in runs])
    return Demonstration(claim, (table,), lambda: _draw(runs))


def _train(rate: float, iterations: int) -> Training:
    net = Network([2, 16, 1], output="sigmoid")
    train, test = moons(rng=1), moons(rng=2)
    costs: list[float] = []
    try:
        params, _ = descend(
            net,
            net.init(rng=0),
            *train,
            optimizer=optimizers.gradient_descent(rate),
            epochs=iterations,
            callbacks=[lambda report: costs.append(report.cost)],
        )
    except DivergenceError:
        return Training(rate, costs, None)
    return Training(rate, costs, (net.score(params, *train), net.score(params, *test)))


def _verdict(run: Training, best: Training | None, iterations: int) -> str:
    if run.accuracy is None or best is None:
        return (
            f"α = {run.rate:g} is far too large: in iteration {len(run.costs) + 1} the numbers "
            "stop being finite."
        )
    last = f"{run.costs[-1]:.4f}"
    if run is best:
        return f"α = {run.rate:g} is best here: the cost after {iterations:,} iterations is {last}."
    if run.rate < best.rate:
        return f"α = {run.rate:g} is too small: the cost has only come down to {last}."
    return f"α = {run.rate:g} is too large: the cost rises {run.rises} times, and ends at {last}."


def _row(run: Training, iterations: int) -> tuple[object, ...]:
    J = [f"{cost:.4f}" for cost in run.costs]
    middle = J[iterations // 2] if len(J) > iterations // 2 else "-"
    last = J[-1] if run.accuracy else "diverged"
    right = [f"{fraction:.1%}" for fraction in run.accuracy or ()] or ["-", "-"]
    return (f"{run.rate:g}", J[0], middle, last, run.rises, *right)


def _draw(runs: Sequence[Training]) -> Figure:
    ax = new_axes(7.0, 4.2)
    for run, line in zip(runs, cycle(LINES)):
        note = "" if run.accuracy else f", diverged in iteration {len(run.costs) + 1}"
        plot.cost_curve(run.costs, ax, label=f"α = {run.rate:g}{note}", every=1)
        ax.lines[-1].set(linestyle=line, marker="")
    ax.legend()
    ax.set_yscale("log")
    ends = [cost for run in runs if run.accuracy for cost in (run.costs[0], run.costs[-1])]
    if ends:  # what diverges leaves the picture
        ax.set_ylim(0.7 * min(ends), 10.0 * max(ends))
    ax.set_ylabel("cost J, logarithmic")
    return ax.figure
