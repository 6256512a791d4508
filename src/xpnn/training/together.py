"""How several processes begin one training: what must agree is compared, rank 0 says the rest."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from .._typing import Array
from ..backends.base import Backend
from ..core.optimizers import Optimizer
from ..distributed import Communicator
from ..errors import XpnnError
from .checkpoint import Checkpoint, describe, restore, state
from .loop import Loop
from .trainer import Trainer


def compare(ranks: Communicator, **facts: Any) -> None:
    """Raise on every rank, and name the difference, unless all are about the same training.

    What is neither a number, a text nor a list of these is compared by its type.
    """
    facts = {"version": version("xpnn"), **facts}
    ranks.compare({name: _plain(value) for name, value in facts.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, Optimizer):
        return describe(value)
    if isinstance(value, tuple | list):
        return list(map(_plain, value))
    if value is None or isinstance(value, int | float | str):
        return value
    return type(value).__name__


def checkpoint_of(
    ranks: Communicator | None, trainer: Trainer, checkpoint: Checkpoint | None
) -> Checkpoint | None:
    """Return the checkpoint on rank 0, which writes for all; every rank must ask."""
    if ranks is None or checkpoint is None:
        return checkpoint
    trainer.sample  # noqa: B018  gathered from all ranks now, written by one later
    return checkpoint if ranks.rank == 0 else None


@contextmanager
def on_all(ranks: Communicator | None) -> Iterator[None]:
    """Let what one rank raises in the block, in which nothing is exchanged, be raised on all."""
    if ranks is None:
        yield
        return
    try:
        yield
    except Exception as error:
        ranks.gather(f"{type(error).__name__}: {error}")
        raise
    for rank, found in enumerate(ranks.gather(None)):
        if found is not None:
            raise XpnnError(f"rank {rank}: {found}")


def begin(ranks: Communicator | None, loop: Loop) -> None:
    """Give θ, the state of the optimiser, the random state and the history of rank 0 to all."""
    if ranks is not None:
        found = ranks.broadcast(state(loop) if ranks.rank == 0 else None)
        if ranks.rank > 0:
            restore(loop, *found)


def summing(ranks: Communicator | None, backend: Backend) -> Callable[[Array], Array]:
    """Return the function that sums an array of the backend over the ranks."""
    if ranks is None:
        return lambda a: a
    xp, of_vectors = backend.xp, backend.summing(ranks)

    def total(a: Array) -> Array:
        flat = xp.reshape(a, (-1,))
        flat = xp.concat([flat, xp.zeros_like(flat[:1])])
        return xp.reshape(of_vectors(flat)[:-1], a.shape)

    return total
