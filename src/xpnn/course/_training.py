"""Gradient descent on the whole training set, and one step of any optimiser."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from .._backends.base import Backend
from .._typing import Array
from ..core.optimizers import Optimizer, gradient_descent
from ..core.parameters import Params
from ..network import Network
from ..training.step import joining
from ..training.trainer import Trainer, TrainingData
from ..validation.arrays import check_shape
from ..validation.numbers import positive_int
from ._arrays import by_layer, entries, on_one_backend


class Descent(NamedTuple):
    """What gradient descent came to."""

    params: Params
    before_last: Params
    """the parameters before the last update"""
    costs: dict[int, float]
    """iteration -> cost before its update: every so many iterations, and the last one's"""


def descend(
    net: Network,
    params: Params,
    examples: tuple[Array, Array],
    backend: Backend,
    num_iterations: int,
    learning_rate: float,
    every: int,
    print_cost: bool,
) -> Descent:
    """Repeat θ ← θ − α dJ/dθ, on checked arrays; record the cost ``every`` so many iterations."""
    num_iterations = positive_int("num_iterations", num_iterations)
    descent = gradient_descent(learning_rate)
    alpha = descent.rate(epoch=0)
    trainer = Trainer(net, backend, descent, 0.0, TrainingData(*examples, columns=True), None)
    carry = previous = trainer.start(joining(backend)(params))
    costs: dict[int, float] = {}
    starts = sorted({*range(0, num_iterations, every), num_iterations - 1})
    for start, stop in zip(starts, [*starts[1:], num_iterations], strict=True):
        previous, count = carry, stop - start
        carry, J = trainer.run(carry, start, [alpha] * count, [None] * count)
        costs[start] = J[0]
        if print_cost:
            print(f"Cost after iteration {start}: {J[0]:.6f}")
    trainer.check_finite(carry, num_iterations)
    return Descent(trainer.params(carry), trainer.params(previous), costs)


def step(
    optimizer: Optimizer,
    parameters: Mapping[str, Any],
    grads: Mapping[str, Any],
    state: tuple[Mapping[str, Any], ...] = (),
    t: int = 1,
) -> tuple[dict[str, Array], tuple[dict[str, Array], ...]]:
    """Return parameters and state after one step of an optimiser; those given stay as they are.

    ``grads``, and each of the state's dicts, hold ``dW1``, ``db1``, … for ``W1``, ``b1``, ….
    """
    parameters = by_layer(parameters)
    slopes = [f"d{name}" for name in parameters]
    grads = entries("grads", grads, slopes)
    state = tuple(entries(symbol, slot, slopes) for symbol, slot in zip("vs", state, strict=False))
    scalars = optimizer.scalars(optimizer.rate(epoch=0), t)
    slots = {
        f"{symbol}[{key}]": array
        for symbol, slot in zip("vs", state, strict=False)
        for key, array in slot.items()
    }
    moved = []
    with on_one_backend(**parameters, **grads, **slots) as (backend, *arrays):
        for i, slope in enumerate(slopes):
            theta, g, *old = (backend.xp.asarray(a, copy=True) for a in arrays[i :: len(slopes)])
            for array in (g, *old):
                check_shape(slope, array, tuple(theta.shape))
            theta, new = optimizer.update(theta, g, tuple(old), scalars, backend.xp)
            moved.append((theta, *new))
    thetas, *after = zip(*moved, strict=True)
    return (
        dict(zip(parameters, thetas, strict=True)),
        tuple(dict(zip(slopes, slot, strict=True)) for slot in after),
    )
