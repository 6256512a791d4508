"""`Communicator`: the processes that train together; an error or a signal on one reaches all.

`ALONE` is that of a single process, so that a training is written once.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from time import sleep
from typing import Any, Self

from .. import _signals
from .._typing import Array
from ..exceptions import ArgumentTypeError, XpnnError
from .mpi import ENDED, GRACE, ProcessGroup, library

TOGETHER = 5.0
"""Seconds within which all ranks leave a training that one has left by an exception."""


class Communicator(ProcessGroup):
    """The processes that train together, seen from one of them; made by `communicator`.

    Attributes
    ----------
    rank : int
        The number of this process, from 0.
    size : int
        How many there are.
    local_rank : int
        The number of this process among those of its machine: that of its GPU.
    """

    __module__ = "xpnn.distributed"  # where users import it from, as messages say

    _interrupted = _stopped = _training = False
    _failed: BaseException | None = None

    def __repr__(self) -> str:
        return f"<Communicator: rank {self.rank} of {self.size}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def sum(self, a: Array) -> Array:
        """Return the sum over the ranks of a NumPy array each has; may overwrite it.

        Raises ``KeyboardInterrupt`` on all ranks if one was interrupted (`interruptible`), and
        a deferred error of any rank. The last entry of ``a`` must be 0; it carries that flag.
        """
        a = a if a.flags.writeable and a.flags.c_contiguous else a.copy()
        a[-1] = self._interrupted or self._failed is not None
        self.allreduce(a)
        if a[-1]:
            self.finish()
        return a

    # ---- errors -----------------------------------------------------------------

    def gather_or_raise(self, value: Any, error: BaseException | None = None) -> list[Any]:
        """Return the value of each rank, or raise the error of one rank on all."""
        everyone = self.gather((value, None if error is None else _packed(error)))
        if error is not None:
            raise error
        for rank, (_, packed) in enumerate(everyone):
            if packed is not None:
                raise _unpacked(rank, *packed)
        return [value for value, _ in everyone]

    @contextmanager
    def on_all(self) -> Iterator[None]:
        """Raise on all ranks what one raises in the block, in which nothing may be exchanged."""
        errors: list[BaseException] = []
        with _catching(errors.append):
            yield
        self.gather_or_raise(None, *errors)

    def on_root(self, call: Callable[[], Any]) -> Any:
        """Return the result of a function on rank 0, or raise its error on all ranks."""
        result, errors = None, list[BaseException]()
        with _catching(errors.append):
            result = call() if self.is_root else None
        return self.gather_or_raise(result, *errors)[0]

    @contextmanager
    def defer_errors(self) -> Iterator[None]:
        """Raise an error in the block on all ranks, at the next sum or the end of the epoch.

        This costs no exchange of its own.
        """
        with _catching(self.defer):
            yield

    def defer(self, error: BaseException) -> None:
        """Keep an error, which the next exchange raises on all; a forked child is no rank."""
        if os.getpid() != self._process:
            raise error
        if isinstance(error, KeyboardInterrupt):
            self._interrupted = True
        else:
            self._failed = error if self._failed is None else self._failed

    def synchronize(self, value: Any = None) -> list[Any]:
        """Return the value of each rank, or raise a deferred error on all.

        An interrupt is only noted, for `stop_if_interrupted`.
        """
        failed, self._failed = self._failed, None
        everyone = self.gather_or_raise((value, self._interrupted), failed)
        self._stopped = any(interrupted for _, interrupted in everyone)
        return [value for value, _ in everyone]

    # ---- how a training ends ----------------------------------------------------

    @contextmanager
    def training(self) -> Iterator[None]:
        """Let no rank leave the block alone by an exception: the others would wait for it.

        If all ranks leave it so within `TOGETHER`, they go on, whatever catches the exceptions;
        else all are ended.
        """
        self._training, self._failed = True, None
        try:
            yield
        except BaseException as error:
            here = os.getpid() == self._process
            if here and self._training and not self._completes(self._aside.Ibarrier(), TOGETHER):
                self.abort_by(error, _signals.exit_status(error))
            raise
        finally:
            self._training = False

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let Ctrl-C, inside the block, wait until all ranks stop at the same step.

        So do SIGTERM and SIGHUP if Python handles them, and what their handlers raise.
        ``mpiexec`` passes the first Ctrl-C on, and ends everything at the second. If one comes
        after the last step, the end of the block raises ``KeyboardInterrupt``. After the block
        there is nothing more to exchange.
        """
        self._interrupted = self._stopped = False
        try:
            with _signals.deferring(self.defer_errors):
                try:
                    yield
                    self._training = False
                finally:
                    if self._stopped:
                        sleep(GRACE)
        finally:
            late, failed = self._interrupted and not self._stopped, self._failed
            self._interrupted = self._stopped = False
            self._failed = None
        if failed is not None:
            raise failed
        if late:
            raise KeyboardInterrupt

    def stop_if_interrupted(self) -> None:
        """Raise ``KeyboardInterrupt`` if `synchronize` has found that a rank was interrupted."""
        if self._stopped:
            raise KeyboardInterrupt

    def finish(self) -> None:
        """Raise a deferred error on all ranks, or ``KeyboardInterrupt`` if one was interrupted."""
        self.synchronize()
        self.stop_if_interrupted()

    def end(self) -> None:
        """Wait until all processes end, before this one does: others may still wait for it."""
        if os.getpid() != self._process or library().Is_finalized():
            return
        if self._training:  # in another thread
            self.log(" this process ends in the midst of a training.")
            self.abort(1)
        self._lengths(ENDED)


@contextmanager
def _catching(keep: Callable[[BaseException], None]) -> Iterator[None]:
    """Pass an exception in the block to a function."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001  an exchange raises it
        keep(error)


def _packed(error: BaseException) -> tuple[type | None, Any]:
    """Return an exception as it is sent: with its type if the other ranks raise the same."""
    if isinstance(error, SystemExit):
        code: Any = error.code
        return SystemExit, code if code is None or isinstance(code, int | str) else 1
    if isinstance(error, KeyboardInterrupt):
        return KeyboardInterrupt, None
    text = ""
    with suppress(Exception):  # a user's own may not be able to say what it is
        text = str(error)
    return None, f"{type(error).__name__}: {text}"


def _unpacked(rank: int, kind: type | None, argument: Any) -> BaseException:
    """Return the exception that a rank raises for the exception of another."""
    if kind is None:
        return XpnnError(f"rank {rank}: {argument}")
    found: BaseException = kind(argument) if argument is not None else kind()
    return found


# ---- a single process --------------------------------------------------------


class Alone(Communicator):
    """The only process. It exchanges nothing, and raises errors and signals where they come."""

    def __init__(self) -> None:
        self.rank, self.size, self.local_rank = 0, 1, 0

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
