"""The step of training as a program, traced from the core."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

from .._typing import Array
from ..compiler.program import Symbol
from ..compiler.steps import Steps, StepsRun
from ..compiler.trace import Spec, trace
from ..core.optimizers import Optimizer
from ..core.parameters import count, ravel, unravel
from ..core.propagation import Objective
from ..network import Network
from . import objective
from .functions import is_ours


def compiles(net: Network, optimizer: Optimizer) -> bool:
    """Whether steps can run as a program: all functions are of this library."""
    functions: list[Any] = [net.loss.value, net.loss.derivative, net.loss.from_logits]
    functions += [f for g in net.activations for f in (g.value, g.derivative)]
    return all(f is None or is_ours(f) for f in [*functions, optimizer.update])


def compiled_steps(net: Network, optimizer: Optimizer, dtype: str, **kind: bool) -> StepsRun:
    """Return the run of compiled steps; ``kind`` is that of `program_of_step`."""
    return StepsRun(program_of_step(net, replace(optimizer, learning_rate=1.0), dtype, **kind))


@lru_cache(maxsize=64)
def program_of_step(
    net: Network, optimizer: Optimizer, dtype: str, *, gather: bool, weighted: bool, l2: bool
) -> Steps:
    """Return the program of a step, for mini-batches of any size and any learning rate."""
    n_scalars = len(optimizer.scalars(1.0, 1))
    m, M = Symbol("m"), Symbol("M")
    theta, number, share = Spec((count(net.sizes),), dtype), Spec((), dtype), Spec((1, m), dtype)
    n_x, n_y = net.sizes[0], net.sizes[-1]
    if gather:
        examples = [Spec((M, n_x), dtype), Spec((M, n_y), dtype), Spec((m,), "int64")]
    else:
        examples = [Spec((n_x, m), dtype), Spec((n_y, m), dtype)]
    carry = [theta] * (1 + optimizer.slots)

    def step(*inputs: Array) -> tuple[Array, ...]:
        theta, *state = inputs[: len(carry)]
        X, Y, *indices = inputs[len(carry) : len(carry) + len(examples)]
        *shares, share, decay = inputs[len(carry) + len(examples) : -n_scalars]
        xp = theta.__array_namespace__()
        if gather:
            X, Y = (xp.take(a, indices[0], axis=0).T for a in (X, Y))
        of_each = shares[0] if weighted else share
        made_of = Objective(net.activations, net.loss, of_each, decay if l2 else None)
        params = unravel(theta, net.sizes, xp)
        J, grads = objective.cost_and_gradients(params, X, Y, made_of, xp)
        scalars = inputs[-n_scalars:]
        theta, new_state = optimizer.update(theta, ravel(grads, xp), tuple(state), scalars, xp)
        return (theta, *new_state, J)

    specs = [*carry, *examples, *[share] * weighted, *[number] * (2 + n_scalars)]
    return Steps(trace(step, specs), len(carry))
