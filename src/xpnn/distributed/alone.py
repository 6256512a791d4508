"""`Alone`: a single process as a communicator, so that a training is written once."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from .. import _signals
from .._typing import Array
from ..exceptions import ArgumentTypeError
from .processes import Communicator


class Alone(Communicator):
    """The only process. It exchanges nothing, and raises errors and signals where they come."""

    def __init__(self) -> None:
        self.rank, self.size, self.local_rank = 0, 1, 0

    def sum(self, a: Array) -> Array:
        """Return the array."""
        return a

    def broadcast(self, value: Any = None) -> Any:
        """Return the value."""
        return value

    def gather(self, value: Any) -> list[Any]:
        """Return the value alone."""
        return [value]

    def on_all(self) -> Any:
        """Return a context that does nothing."""
        return nullcontext()

    defer_errors = training = interruptible = on_all

    def on_root(self, call: Callable[[], Any]) -> Any:
        """Return the result of the function."""
        return call()

    def synchronize(self, value: Any = None) -> list[Any]:
        """Return the value alone."""
        return [value]

    def stop_if_interrupted(self) -> None:
        """Raise the ``KeyboardInterrupt`` that was swallowed, if one was."""
        _signals.raise_if_arrived()

    def finish(self) -> None:
        """Do nothing: no error is deferred."""


ALONE = Alone()


def active_comm(communicator: Any) -> Communicator:
    """Return a communicator of several processes, or `ALONE` for None and for one process."""
    if not (communicator is None or isinstance(communicator, Communicator)):
        raise ArgumentTypeError(
            f"communicator: expected xpnn.distributed.communicator() or None, "
            f"found {communicator!r}."
        )
    return communicator if communicator is not None and communicator.size > 1 else ALONE
