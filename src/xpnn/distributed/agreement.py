"""What several processes that make one training compare before it, and sum beside its steps."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

from .._backends.base import Backend
from .._typing import Array
from ..core.optimizers import Optimizer
from ..training.functions import describe
from .mpi import Communicator


def compare(comm: Communicator, **facts: Any) -> None:
    """Raise on every rank, and name the difference, unless all are about the same training.

    What is neither a number, a text nor a list of these is compared by its type.
    """
    facts = {"version": version("xpnn"), **facts}
    comm.compare({name: _plain(value) for name, value in facts.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, Optimizer):
        return describe(value)
    if isinstance(value, tuple | list):
        return list(map(_plain, value))
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if value is None or isinstance(value, int | float | str):
        return value
    return type(value).__name__


def summing(comm: Communicator | None, backend: Backend) -> Callable[[Array], Array]:
    """Return the function that sums an array of the backend over the ranks."""
    if comm is None:
        return lambda a: a
    xp, of_vectors = backend.xp, backend.summing(comm)

    def total(a: Array) -> Array:
        flat = xp.reshape(a, (-1,))
        flat = xp.concat([flat, xp.zeros_like(flat[:1])])
        return xp.reshape(of_vectors(flat)[:-1], a.shape)

    return total
