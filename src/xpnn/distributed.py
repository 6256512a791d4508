"""Data-parallel training: processes that each hold some of the examples, joined by MPI.

A program that is started several times, ``mpiexec -n 4 python program.py``, asks for its
`communicator` and passes it to `xpnn.fit` or to an estimator, with its own share of the
examples. Every process (a *rank*) computes the gradient of the part of each mini-batch that it
holds; one sum over all ranks makes of these the gradient of the whole, and all make the same
update. So the training is that of all the examples in one process, whatever their number.

mpi4py does the work (``pip install 'xpnn[mpi]'`` brings it, and MPICH); on CuPy, NCCL moves the
gradients.
"""

import os
import platform
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from time import sleep
from types import FrameType
from typing import Any, Self

from ._optional import optional
from ._typing import Array
from .backends.threads import limit_threads
from .errors import ArgumentError, ArgumentTypeError, MissingLibraryError, XpnnError

__all__ = ["communicator", "Communicator"]

GRACE = 0.5
"""Seconds in which the same Ctrl-C has come to all ranks."""
INSTALL = "pip install 'xpnn[mpi]' brings mpi4py with MPICH; run it with the mpiexec beside python"
STARTED = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
"""Where MPICH, Open MPI and Slurm say how many processes they have started."""


class Communicator:
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

    def __init__(self, mpi: Any) -> None:
        self._mpi = mpi
        self.rank, self.size = mpi.Get_rank(), mpi.Get_size()
        machine = mpi.Split_type(_mpi().COMM_TYPE_SHARED)
        self.local_rank = machine.Get_rank()
        self._threads = _share_of_cores(_cores(), machine.allgather(_cores()))
        machine.Free()
        self._interrupted = self._stopped = False

    def __repr__(self) -> str:
        return f"<Communicator: rank {self.rank} of {self.size}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _made_here, ()

    def share(self, m: int) -> slice:
        """Return which of m examples are this rank's, if all are to have about as many.

        Parameters
        ----------
        m : int

        Examples
        --------
        >>> from xpnn import distributed
        >>> distributed.communicator().share(10)  # of a single process
        slice(0, 10, None)
        """
        return slice(m * self.rank // self.size, m * (self.rank + 1) // self.size)

    # ---- what is exchanged: every rank must call each of these ----------------

    def sum(self, a: Array) -> Array:
        """Return the sum over the ranks of a NumPy array each has; may overwrite it.

        Raises ``KeyboardInterrupt`` on all ranks if one has been interrupted (`interruptible`):
        the last entry of ``a`` must be 0, and tells of that.
        """
        a = a if a.flags.writeable and a.flags.c_contiguous else a.copy()
        a[-1] = self._interrupted
        self._mpi.Allreduce(_mpi().IN_PLACE, a)
        if a[-1]:
            self._stopped = True
            raise KeyboardInterrupt
        return a

    def broadcast(self, value: Any = None) -> Any:
        """Return what rank 0 has passed."""
        return self._mpi.bcast(value)

    def gather(self, value: Any) -> list[Any]:
        """Return what each rank has passed, in their order."""
        found: list[Any] = self._mpi.allgather(value)
        return found

    def place(self, m: int) -> tuple[slice, int]:
        """Return which of the examples of all ranks are the m of this one, and how many all are."""
        counts = self.gather(m)
        first = sum(counts[: self.rank])
        return slice(first, first + m), sum(counts)

    @contextmanager
    def on_all(self) -> Iterator[None]:
        """Raise on all ranks what one raises in the block, in which nothing may be exchanged."""
        try:
            yield
        except Exception as error:
            self.gather(f"{type(error).__name__}: {error}")
            raise
        for rank, found in enumerate(self.gather(None)):
            if found is not None:
                raise XpnnError(f"rank {rank}: {found}")

    def compare(self, facts: dict[str, Any]) -> None:
        """Raise `ArgumentError`, on every rank, unless all have passed the same."""
        everyone = self.gather(facts)
        for rank, theirs in enumerate(everyone):
            for name, expected in everyone[0].items():
                if theirs.get(name) != expected:
                    raise ArgumentError(
                        f"communicator: expected the same {name} on every rank, found {expected!r} "
                        f"on rank 0 and {theirs.get(name)!r} on rank {rank}."
                    )

    def calling(self, callbacks: Sequence[Callable[[Any], object]]) -> Callable[[Any], bool]:
        """Return one callback that calls those of rank 0 there, and tells all what they answer.

        It also sees whether the ranks still have the same parameters.
        """

        def call(report: Any) -> bool:
            answers: list[object] = []
            try:
                if self.rank == 0:
                    answers += [callback(report) for callback in callbacks]
            except KeyboardInterrupt:
                self._interrupted = True
            stop = any(answer is True for answer in answers)
            everyone = self.gather((report.checksum(), stop, self._interrupted))
            for rank, (found, *_) in enumerate(everyone):
                if found != everyone[0][0]:
                    raise XpnnError(
                        f"communicator: the ranks no longer agree: after epoch {report.epoch} the "
                        f"parameters of rank {rank} are not those of rank 0; run them on machines "
                        "of one kind, with the same libraries."
                    )
            self._stopped = any(interrupted for *_, interrupted in everyone)
            return bool(everyone[0][1])

        return call

    # ---- signals and errors ---------------------------------------------------

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let Ctrl-C, inside the block, wait until all ranks stop at the same step.

        ``mpiexec`` passes the first Ctrl-C on, and ends everything at the second. Of one that comes
        after the last step ``KeyboardInterrupt`` is raised at the end of the block.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGINT)
        self._interrupted = self._stopped = False

        def take_note(number: int, frame: FrameType | None) -> None:
            self._interrupted = True

        signal.signal(signal.SIGINT, take_note)
        try:
            yield
            if self._stopped:
                sleep(GRACE)
        finally:
            signal.signal(signal.SIGINT, before)
            late = self._interrupted and not self._stopped
            self._interrupted = self._stopped = False
        if late:
            raise KeyboardInterrupt

    def stop_if_interrupted(self) -> None:
        """Raise ``KeyboardInterrupt`` if the ranks have seen, after an epoch, that one was."""
        if self._stopped:
            raise KeyboardInterrupt

    def finish(self) -> None:
        """Raise ``KeyboardInterrupt`` on all ranks if one has been interrupted since."""
        self._stopped = any(self.gather(self._interrupted))
        self.stop_if_interrupted()

    def abort(self, status: int) -> None:
        """End all ranks at once, with an exit status."""
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            self._mpi.Abort(status)


@cache
def communicator() -> Communicator:
    """Return the communicator of all processes that ``mpiexec`` or ``srun`` has started together.

    From then on an error that nothing catches in one of them ends all, since the others would
    wait for it for ever; and unless ``OMP_NUM_THREADS`` or the like says otherwise, the threads
    of each are its share of the cores.

    Returns
    -------
    Communicator
        Of one process, if it was started by itself: training is then as without it.

    Raises
    ------
    MissingLibraryError
        Without mpi4py or an MPI library.
    ArgumentError
        If several processes were started, but by the ``mpiexec`` of another MPI.

    Examples
    --------
    >>> from xpnn import distributed
    >>> distributed.communicator()
    <Communicator: rank 0 of 1>
    """
    world = _mpi().COMM_WORLD
    if world.Get_size() == 1:
        _check_started_alone()
        return Communicator(world)
    found = Communicator(world.Dup())
    limit_threads(found._threads)
    _end_all_on_error(found)
    return found


def several(found: Any) -> Communicator | None:
    """Return a communicator if there are several processes, None for one; raise for others."""
    if not (found is None or isinstance(found, Communicator)):
        raise ArgumentTypeError(
            f"communicator: expected xpnn.distributed.communicator() or None, found {found!r}."
        )
    return found if found is not None and found.size > 1 else None


def raised_on_all(found: Communicator | None) -> AbstractContextManager[None]:
    """Return `Communicator.on_all`; of a single process, what does nothing."""
    return found.on_all() if found is not None else nullcontext()


def tells(found: Communicator | None) -> bool:
    """Whether this process is the one that prints and warns: rank 0, or the only one."""
    return found is None or found.rank == 0


@cache
def _mpi() -> Any:
    optional("mpi4py", "training on several processes", "mpi")
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # there is no MPI library, or one of other ABI
        raise MissingLibraryError(
            f"training on several processes needs an MPI library, which mpi4py does not find "
            f"({error}): {INSTALL}."
        ) from error
    return MPI


def _check_started_alone() -> None:
    """Raise if this process is one of several which do not see each other."""
    for name in STARTED:
        found = os.environ.get(name, "")
        if found.isdigit() and int(found) > 1:
            library = _mpi().Get_library_version().splitlines()[0].strip("\0 ")
            raise ArgumentError(
                f"communicator: expected {found} processes ({name}), found 1: they were started by "
                f"another MPI than that of mpi4py ({library}). Start them with its mpiexec; "
                f"{INSTALL}, within a Slurm job too (srun is for an mpi4py built with its MPI)."
            )


def _end_all_on_error(ranks: Communicator) -> None:
    """Let an exception that nothing catches end all ranks, after telling whose it is."""

    def tell_and_abort(kind: Any, error: Any, trace: Any) -> None:
        lines = traceback.format_exception(kind, error, trace)
        where = f"rank {ranks.rank} of {ranks.size}, on {platform.node()}"
        try:
            sys.stderr.write(f"xpnn: {where}:\n{''.join(lines)}")
        finally:
            ranks.abort(1)

    sys.excepthook = tell_and_abort


def _cores() -> set[int]:
    """Return the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def _share_of_cores(own: set[int], everyone: list[set[int]]) -> int:
    """Return how many of the cores of a machine a rank gets that may run on ``own``, at least 1."""
    return max(1, min(len(own), len(set.union(*everyone)) // len(everyone)))


def _made_here() -> Communicator | None:
    """Return the communicator if this process has asked for it: what a pickle of one becomes."""
    return communicator() if communicator.cache_info().currsize else None
