"""What several processes that make one training compare before it, and sum beside its steps."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from .._backends.base import Backend
from .._typing import Array
from ..exceptions import ArgumentError, XpnnError
from .processes import Communicator


def compare(comm: Communicator, **facts: Any) -> None:
    """Raise on every rank, and name the difference, unless all are about the same training.

    What is neither a number, a text nor a list of these is compared by its type.
    """
    facts = {"version": version("xpnn"), **facts}
    everyone = comm.gather({name: _plain(value) for name, value in facts.items()})
    for rank, theirs in enumerate(everyone):
        for name, expected in everyone[0].items():
            if theirs.get(name) != expected:
                raise ArgumentError(
                    f"communicator: expected the same {name} on every rank, found {expected!r} "
                    f"on rank 0 and {theirs.get(name)!r} on rank {rank}."
                )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return list(map(_plain, value))
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if value is None or isinstance(value, int | float | str):
        return value
    return type(value).__name__


def callbacks_on_root(
    comm: Communicator, callbacks: Sequence[Callable[[Any], object]]
) -> Sequence[Callable[[Any], object]]:
    """Return one callback that calls those of rank 0 there; what they answer holds for all.

    It also checks that the ranks still have the same parameters. Of a single process, return the
    callbacks.
    """
    if comm.size == 1:
        return callbacks

    def call(report: Any) -> bool:
        checksum, stop = None, False
        with comm.defer_errors():
            if comm.is_root:
                answers = [callback(report) for callback in callbacks]
                stop = any(answer is True for answer in answers)
        with comm.defer_errors():
            checksum = report.checksum()
        everyone = comm.synchronize((checksum, stop))
        for rank, (found, _) in enumerate(everyone):
            if found != everyone[0][0]:
                raise XpnnError(
                    f"communicator: the ranks no longer agree: after epoch {report.epoch} the "
                    f"parameters of rank {rank} are not those of rank 0; run them on machines "
                    "of one kind, with the same libraries."
                )
        return bool(everyone[0][1])

    return [call]


def make_sum(comm: Communicator, backend: Backend) -> Callable[[Array], Array]:
    """Return the function that sums an array of the backend over the ranks."""
    if comm.size == 1:
        return lambda a: a
    xp, allreduce = backend.xp, backend.make_allreduce(comm)

    def total(a: Array) -> Array:
        flat = xp.reshape(a, (-1,))
        flat = xp.concat([flat, xp.zeros_like(flat[:1])])
        return xp.reshape(allreduce(flat)[:-1], a.shape)

    return total
