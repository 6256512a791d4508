"""Exclusive or of n bits: the units that it takes in one layer and in many."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import NamedTuple, TypeAlias

import numpy as np

from .. import optimizers
from .._backends.selection import get_backend
from .._typing import Array
from ..core.parameters import Layer
from ..data import parity
from ..network import Network
from ..plot._canvas import COLOURS, MARKERS, Figure, new_axes
from ..table import Table
from ..validation.numbers import positive_int
from .demonstration import Demonstration
from .descent import descend

OPTIMIZER = optimizers.adam(0.05)
EPOCHS = 500

Weights: TypeAlias = list[tuple[Array, Array]]
"""W and b of each layer, on the host"""


class Circuit(NamedTuple):
    """A network that computes parity."""

    units: int
    """in all hidden layers"""
    layers: int
    """hidden ones"""
    right: float
    """the share of the 2ⁿ rows"""


Made: TypeAlias = dict[int, dict[str, Circuit]]
Learnt: TypeAlias = dict[int, list[int]]


def depth(
    bits: Sequence[int] = range(2, 13), trained: Sequence[int] = range(2, 7), seeds: int = 5
) -> Demonstration:
    """Units that parity takes, deep and shallow.

    First four networks of relu units with weights set by hand, each run on all 2ⁿ rows on the
    selected backend. Of gates:

    - one hidden layer of ANDs, one for each of the 2ⁿ⁻¹ rows with an odd count of ones (an OR
      of ANDs needs as many: an AND of fewer than n inputs is true on rows of both kinds);
    - a tree of exclusive ors of two inputs, ``|a − b|`` = relu(a − b) + relu(b − a), ⌈log₂ n⌉
      layers deep: 2 (n − 1) units, and one more for each value that waits a layer for a partner.

    Of units that count, with s = Σ x:

    - one hidden layer, relu(s − k) for k = 0 … n − 1, whose sum with weights 1, −2, 2, −2, …
      is a zigzag: 0 at every even s, 1 at every odd;
    - the same zigzag by folding: s ← ``|s − c|`` for c = 2^(⌈log₂ n⌉ − 1), …, 4, 2, 1 keeps s even
      or odd down to c = 2, and c = 1 leaves 0 for odd and 1 for even; 2 ⌈log₂ n⌉ units (M.
      Telgarsky, "Benefits of depth in neural networks", COLT 2016).

    Then networks with one and two hidden layers of h relu units each learn the 2ⁿ rows, inputs
    −1 and 1, for h = 2, 3, … until one of the seeds gets all rows right.

    Parameters
    ----------
    bits : sequence of int
        Every n ≥ 2 for which networks are made by hand; the ANDs and their outputs take
        memory by 4ⁿ.
    trained : sequence of int
        Every n ≥ 2 for which networks are trained.
    seeds : int
        Trainings for each size of network, at most.

    Returns
    -------
    Demonstration

    Examples
    --------
    >>> from xpnn.demos import depth
    >>> made, learnt = depth(bits=[4, 8], trained=[2], seeds=3).tables
    >>> made
    n  rows  gates, 1 layer  gates, deep  counting, 1 layer  counting, deep  layers, deep  right
    4  16    8               6            4                  4               2             100%
    8  256   128             14           8                  6               3             100%
    >>> learnt.header
    ('n', 'trained, 1 layer', 'trained, 2 layers')
    """
    seeds = positive_int("seeds", seeds)
    made = {n: {name: _check(make(n), n) for name, make in BY_HAND.items()} for n in bits}
    learnt = {n: [_fewest(n, layers, seeds) for layers in (1, 2)] for n in trained}
    return Demonstration(
        _claim(made, learnt),
        (_made_table(made), Table(("n", *LEARNT), [(n, *units) for n, units in learnt.items()])),
        lambda: _draw(made, learnt),
    )


# ---- weights set by hand ----------------------------------------------------


def _ands(n: int) -> Weights:
    """Return a layer of relu(w·x − (k − 1)), w = ±1, for each row with an odd count k of ones."""
    X, Y = parity(n, rows=True)
    rows = X[Y == 1]
    k = rows.sum(axis=1, keepdims=True)
    return [(2.0 * rows - 1.0, 1.0 - k), (np.ones((1, len(rows))), np.zeros((1, 1)))]


def _tree(n: int) -> Weights:
    """Return layers that halve the values: the exclusive or of each pair, any last one kept."""
    layers = []
    values = np.eye(n)  # the values are this times the activations before
    while len(values) > 1:
        pairs, rest = len(values) // 2, len(values) % 2
        left, right = values[: 2 * pairs : 2], values[1 : 2 * pairs : 2]
        W = np.concatenate((left - right, right - left, values[2 * pairs :]))
        layers.append((W, np.zeros((len(W), 1))))
        both = np.tile(np.eye(pairs), 2)  # |a − b| is the sum of its two units
        values = np.zeros((pairs + rest, len(W)))
        values[:pairs, : 2 * pairs] = both
        values[pairs:, 2 * pairs :] = np.eye(rest)
    return [*layers, (values, np.zeros((1, 1)))]


def _count(n: int) -> Weights:
    """Return a layer of relu(s − k), k = 0 … n − 1."""
    k = np.arange(n, dtype=np.float64)
    zigzag = np.where(k == 0, 1.0, 2.0 * (-1.0) ** k)
    return [(np.ones((n, n)), -k[:, None]), (zigzag[None], np.zeros((1, 1)))]


def _fold(n: int) -> Weights:
    """Return layers s ← |s − c|, c halving down to 1."""
    layers = []
    s = np.ones((1, n))
    for power in reversed(range((n - 1).bit_length())):
        c = 2.0**power
        layers.append((np.concatenate((s, -s)), np.asarray([[-c], [c]])))
        s = np.ones((1, 2))
    return [*layers, (-s, np.ones((1, 1)))]


ANDS, TREE = "gates, 1 layer", "gates, deep"
COUNT, FOLD = "counting, 1 layer", "counting, deep"
LEARNT = ("trained, 1 layer", "trained, 2 layers")
BY_HAND: dict[str, Callable[[int], Weights]] = {
    ANDS: _ands,
    TREE: _tree,
    COUNT: _count,
    FOLD: _fold,
}


def _check(weights: Weights, n: int) -> Circuit:
    """Run a network on all 2ⁿ rows; its output is parity, which is 1 if above ½."""
    backend = get_backend()
    W, b = weights[-1]
    weights = [*weights[:-1], (W, b - 0.5)]
    params = tuple(Layer(*(backend.asarray(a, backend.dtype) for a in layer)) for layer in weights)
    net = Network([n, *(len(W) for W, _ in weights)], output="sigmoid")
    return Circuit(sum(net.sizes[1:-1]), len(net.sizes) - 2, net.score(params, *parity(n)))


# ---- weights learnt ---------------------------------------------------------


def _fewest(n: int, layers: int, seeds: int) -> int:
    """Return the fewest hidden units, equally many a layer, with which a training succeeded."""
    for h in count(2):
        net = Network([n, *[h] * layers, 1], output="sigmoid")
        if any(_learns(net, seed) for seed in range(seeds)):
            break
    return layers * h


def _learns(net: Network, seed: int) -> bool:
    bits, Y = parity(net.sizes[0])
    X = 2.0 * bits - 1.0
    params, _ = descend(net, net.init(rng=seed), X, Y, optimizer=OPTIMIZER, epochs=EPOCHS)
    return net.score(params, X, Y) == 1.0


# ---- what is shown ----------------------------------------------------------


def _claim(made: Made, learnt: Learnt) -> str:
    n, m = max(made), max(learnt)
    circuits = made[n]
    one, two = learnt[m]
    return (
        f"Depth saves hidden units. For the parity of {n} bits, one layer of AND gates takes "
        f"{circuits[ANDS].units:,},\na tree of XOR gates in {circuits[TREE].layers} layers "
        f"{circuits[TREE].units}; one layer of units that count the ones takes "
        f"{circuits[COUNT].units},\nand {circuits[FOLD].layers} layers that fold the count "
        f"{circuits[FOLD].units}. Only gates in one layer grow exponentially.\n"
        f"Training finds more than gates: for {m} bits one layer of {one} relu units got every "
        f"row right\n(two layers took {two} in all), where one layer of gates takes {2 ** (m - 1)}."
    )


def _made_table(made: Made) -> Table:
    header = ("n", "rows", *BY_HAND, "layers, deep", "right")
    rows = [
        (
            n,
            2**n,
            *(circuit.units for circuit in circuits.values()),
            circuits[FOLD].layers,
            f"{min(circuit.right for circuit in circuits.values()):.0%}",
        )
        for n, circuits in made.items()
    ]
    return Table(header, rows)


def _draw(made: Made, learnt: Learnt) -> Figure:
    ax = new_axes(8.0, 4.4)
    for k, name in enumerate(BY_HAND):
        units = [circuits[name].units for circuits in made.values()]
        line = "--" if k % 2 else "-"
        ax.plot(list(made), units, line, color=COLOURS[k // 2], marker=MARKERS[k], label=name)
    for k, label in enumerate(LEARNT):
        units = [both[k] for both in learnt.values()]
        ax.scatter(
            list(learnt),
            units,
            s=100.0,
            facecolors="none",  # what lies below is seen
            edgecolors=COLOURS[2 + k],
            linewidths=1.8,
            marker=MARKERS[4 + k],
            label=label,
            zorder=3,
        )
    ax.set_yscale("log", base=2)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(color="0.9")
    ax.set(xlabel="n, bits", ylabel="hidden units, logarithmic")
    ax.figure.legend(loc="outside right upper", frameon=False)
    return ax.figure
