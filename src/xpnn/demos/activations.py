"""The activations that work entry by entry, and where their derivatives vanish."""

from typing import Any, NamedTuple

import numpy as np

from .. import graph
from .._backends.selection import get_backend
from ..core.activations import ACTIVATIONS, Activation
from ..plot._canvas import COLOURS, Figure, grid
from ..table import Table
from .demonstration import Demonstration

Z = np.linspace(-5.0, 5.0, 1001)
SHOWN = [0, 300, 500, 700, 1000]  # entries of Z: −5, −2, 0, 2 and 5


class Curves(NamedTuple):
    """g(z) and g′(z) at every z of Z, on the host."""

    g: Any
    derivative: Any
    by_graph: Any
    """g′ found by the computation graph"""


def activations() -> Demonstration:
    """The activations g and their derivatives g′.

    Computed on the selected backend; g′ both as it stands beside g in the core, and by the
    computation graph.

    Returns
    -------
    Demonstration

    Examples
    --------
    >>> from xpnn.demos import activations
    >>> g, derivative = activations().tables
    >>> g.rows[2]
    ('relu', '0', '0', '0', '2', '5')
    >>> derivative.rows[0][:6]
    ('sigmoid', '0.006648', '0.105', '0.25', '0.105', '0.006648')
    """
    found = {name: _curves(g) for name, g in ACTIVATIONS.items() if g.derivative is not None}
    largest = {name: float(curves.derivative.max()) for name, curves in found.items()}
    relu = found["relu"].derivative[Z > 0.0]
    claim = (
        "Where g′ is next to 0 no gradient comes through. "
        f"σ′ is at most {largest['sigmoid']:.4g}, and {found['sigmoid'].derivative[-1]:.2g} at "
        f"z = ±5; tanh′ at most {largest['tanh']:.4g}, and {found['tanh'].derivative[-1]:.2g} at "
        f"z = ±5.\nrelu′ is {relu.min():.4g} for every z > 0."
    )
    at = [f"z = {z:g}" for z in Z[SHOWN]]
    tables = (
        Table(
            ("g(z)", *at),
            [(name, *(f"{a:.4g}" for a in curves.g[SHOWN])) for name, curves in found.items()],
        ),
        Table(
            ("g′(z)", *at, "largest here", "largest difference from the graph's"),
            [
                (
                    name,
                    *(f"{slope:.4g}" for slope in curves.derivative[SHOWN]),
                    f"{largest[name]:.4g}",
                    f"{np.max(np.abs(curves.derivative - curves.by_graph)):.1g}",
                )
                for name, curves in found.items()
            ],
        ),
    )
    return Demonstration(claim, tables, lambda: _draw(found))


def _curves(activation: Activation) -> Curves:
    backend = get_backend()
    assert activation.derivative is not None
    with backend.current():
        z = backend.asarray(Z)
        a = activation.value(z, backend.xp)
        derivative = activation.derivative(z, a, backend.xp)
        # the sum's derivative by z_i is g′(z_i), as g works entry by entry
        by_graph = graph.grad(lambda z: graph.sum(activation.value(z, graph)))(z)
    return Curves(*map(backend.to_numpy, (a, derivative, by_graph)))


def _draw(found: dict[str, Curves]) -> Figure:
    figure, axes = grid(len(found), columns=3, cell=(3.3, 2.7))
    for ax, (name, curves) in zip(axes, found.items(), strict=True):
        ax.axhline(0.0, color="0.8", linewidth=0.8)
        ax.axvline(0.0, color="0.8", linewidth=0.8)
        ax.plot(Z, curves.g, color=COLOURS[0], linewidth=2.0, label="g")
        ax.plot(Z, curves.derivative, color=COLOURS[1], linewidth=2.0, linestyle="--", label="g′")
        ax.set_title(name, fontsize="medium")
        ax.set_xlabel("z")
        ax.legend(loc="upper left")
    return figure
