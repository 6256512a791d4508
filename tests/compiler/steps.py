"""One step of training, as a function of flat arrays that `trace` takes."""

from typing import NamedTuple

import numpy as np

import xpnn
from xpnn.compiler.program import Symbol
from xpnn.compiler.trace import Spec, trace
from xpnn.core.activations import ACTIVATIONS
from xpnn.core.losses import LOSSES
from xpnn.core.parameters import count, ravel, unravel
from xpnn.core.propagation import Objective
from xpnn.training import objective

SIZES = [4, 5, 3]
OUTPUTS = [(output, loss) for loss in sorted(LOSSES) for output in LOSSES[loss].outputs]
HIDDEN = sorted(set(ACTIVATIONS) - {"softmax"})
OPTIMIZERS = [make() for make in xpnn.optimizers.OPTIMIZERS.values()]


class Case(NamedTuple):
    """A network with what it is trained by."""

    net: xpnn.Network
    optimizer: xpnn.optimizers.Optimizer = OPTIMIZERS[0]
    l2: bool = False
    weighted: bool = False


def cases():
    """Return every network, optimiser, penalty and weighting, each at least once."""
    nets = [xpnn.Network(SIZES, hidden=h, output=o, loss=l) for h in HIDDEN for o, l in OUTPUTS]
    found = [Case(net) for net in nets]
    net = xpnn.Network([4, 5, 6, 3], hidden="tanh")
    found += [Case(net, optimizer) for optimizer in OPTIMIZERS[1:]]
    return [*found, Case(net, l2=True), Case(net, OPTIMIZERS[-1], l2=True, weighted=True)]


def name_of(case):
    """Name a case for the list of tests."""
    net, optimizer, l2, weighted = case
    extras = ["l2"] * l2 + ["weights"] * weighted
    return "-".join([net.activations[0].name, net.output, net.loss.name, optimizer.name, *extras])


def step_of(case):
    """Return the function (θ, *state, X, Y, share, decay, *scalars) -> (θ, *state, J)."""
    net, optimizer, l2, _ = case

    def step(theta, *rest):
        state, (X, Y, share, decay, *scalars) = rest[: optimizer.slots], rest[optimizer.slots :]
        xp = theta.__array_namespace__()
        made_of = Objective(net.activations, net.loss, share, decay if l2 else None)
        layers = unravel(theta, net.sizes, xp)
        J, grads = objective.cost_and_gradients(layers, X.T, Y.T, made_of, xp)
        theta, state = optimizer.update(theta, ravel(grads, xp), state, tuple(scalars), xp)
        return (theta, *state, J)

    return step


def specs_of(case, dtype="float32"):
    """Return the shapes and dtypes of what a step gets."""
    net, optimizer, _, weighted = case
    m = Symbol("m")
    vector, number = Spec((count(net.sizes),), dtype), Spec((), dtype)
    share = Spec((1, m), dtype) if weighted else number
    scalars = len(optimizer.scalars(0.1, 1))
    data = [Spec((m, net.sizes[0]), dtype), Spec((m, net.sizes[-1]), dtype)]
    return [*[vector] * (1 + optimizer.slots), *data, share, number, *[number] * scalars]


def program_of(case, dtype="float32"):
    """Return the program of a step."""
    return trace(step_of(case), specs_of(case, dtype))


def arrays_of(case, m, dtype="float32"):
    """Return NumPy arrays for a step with m examples."""
    net, optimizer, _, weighted = case
    rng = np.random.default_rng(m)
    n = count(net.sizes)
    theta = rng.uniform(-1.0, 1.0, n)
    state = [rng.uniform(0.0, 0.01, n) for _ in range(optimizer.slots)]
    Y = np.eye(net.sizes[-1])[rng.integers(0, net.sizes[-1], m)]
    share = rng.dirichlet(np.ones(m))[None, :] if weighted else 1.0 / m
    scalars = optimizer.scalars(0.1, 3)
    X = rng.standard_normal((m, net.sizes[0]))
    return [np.asarray(a, dtype=dtype) for a in (theta, *state, X, Y, share, 0.01, *scalars)]
