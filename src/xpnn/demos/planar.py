"""The flower: what a line cannot separate, a few hidden units can."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from .. import optimizers, plot
from ..core.parameters import Params, count
from ..data import flower
from ..network import Network
from ..table import Table
from ..validation.numbers import positive_int
from .demonstration import Demonstration
from .descent import descend

OPTIMIZER = optimizers.gradient_descent(1.2)
CLOSE = 0.01  # an accuracy so near the best is as good


class Model(NamedTuple):
    """A trained network."""

    net: Network
    params: Params
    cost: float
    accuracy: float

    @property
    def units(self) -> int:
        """Hidden units."""
        return sum(self.net.sizes[1:-1])

    @property
    def title(self) -> str:
        """What the model is, and how good."""
        name = f"{self.units} units" if self.units > 1 else "1 unit"
        return f"{name if self.units else 'logistic regression'}: {self.accuracy:.1%}"


def planar(units: Sequence[int] = (1, 2, 3, 4, 5, 20, 50), iterations: int = 5000) -> Demonstration:
    """Logistic regression and hidden layers on the flower.

    Gradient descent with α = 1.2 on all 400 points at once, on the selected backend, from
    weights 0.01 N(0, 1): a network without a hidden layer, and networks with one hidden layer
    of tanh units. Accuracy is that on the points trained on.

    Parameters
    ----------
    units : sequence of int
        Hidden units of each network.
    iterations : int
        Steps of gradient descent.

    Returns
    -------
    Demonstration

    Examples
    --------
    >>> from xpnn.demos import planar
    >>> (table,) = planar(units=[4], iterations=1000).tables
    >>> [row[:2] + row[3:] for row in table.rows]
    [('none', 3, '47.0%'), ('4', 17, '88.0%')]
    """
    iterations = positive_int("iterations", iterations)
    line, *networks = (
        _train([2, *hidden, 1], iterations) for hidden in [[], *([n] for n in units)]
    )
    best = max(model.accuracy for model in networks)
    enough = min(
        (model for model in networks if model.accuracy >= best - CLOSE), key=lambda m: m.units
    )
    widest = max(networks, key=lambda model: model.units)
    claim = (
        "No line separates the petals of the flower: logistic regression gets "
        f"{line.accuracy:.1%} right.\n"
        f"A hidden layer of {enough.units} tanh units gets {enough.accuracy:.1%}; "
        f"{widest.units} units, {widest.accuracy:.1%}."
    )
    models = [line, *networks]
    table = Table(
        ("hidden units", "parameters", "cost", "right"),
        [
            (
                str(model.units or "none"),
                count(model.net.sizes),
                f"{model.cost:.4f}",
                f"{model.accuracy:.1%}",
            )
            for model in models
        ],
    )

    def draw() -> Any:
        predictions = {m.title: partial(m.net.predict, m.params) for m in models}
        return plot.decision_boundaries(predictions, *flower(), columns=4)

    return Demonstration(claim, (table,), draw)


def _train(sizes: Sequence[int], iterations: int) -> Model:
    X, Y = flower()
    net = Network(sizes, hidden="tanh", output="sigmoid")
    params = net.init(rng=3, weights="small")
    params, _ = descend(net, params, X, Y, optimizer=OPTIMIZER, epochs=iterations)
    return Model(net, params, float(net.cost(params, X, Y)), net.score(params, X, Y))
