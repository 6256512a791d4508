"""`communicator`: how the processes of a training find each other, and share the cores."""

import atexit
import copyreg
import os
import sys
from contextlib import suppress
from functools import cache
from typing import Any

from .._backends.threads import limit_threads
from ..exceptions import ArgumentError
from . import mpi
from .processes import Communicator

TIMEOUT = "XPNN_TIMEOUT"
"""The variable that says for how many seconds a rank waits for the others; that of rank 0 holds."""
STARTED = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
"""Where MPICH, Open MPI and Slurm say how many processes they have started."""


@cache
def communicator() -> Communicator:
    """Return the communicator of all processes that ``mpiexec`` or ``srun`` has started together.

    From then on an error that nothing catches in one of them ends all, since the others would
    wait for it for ever, and so does one that comes to its end alone. How long a rank waits for the
    others is limited by ``XPNN_TIMEOUT``, seconds, if it is set; but not where NCCL sums. Unless
    ``OMP_NUM_THREADS`` or the like says otherwise, the threads of each are its share of the cores.

    Returns
    -------
    Communicator
        Of one process, if it was started by itself: training is then as without it.

    Raises
    ------
    MissingLibraryError
        Without mpi4py or an MPI library.
    ArgumentError
        If several processes were started, but by the ``mpiexec`` of another MPI; or if
        ``XPNN_TIMEOUT`` is not a number of seconds.

    Examples
    --------
    >>> from xpnn import distributed
    >>> distributed.communicator()
    <Communicator: rank 0 of 1>
    """
    world = mpi.library().COMM_WORLD
    if world.Get_size() == 1:
        _check_started_alone()
        return Communicator(world)
    machine = world.Split_type(mpi.library().COMM_TYPE_SHARED)
    comm = Communicator(world.Dup(), machine.Get_rank())
    comm.timeout = _seconds(comm.broadcast(os.environ.get(TIMEOUT, "")))
    limit_threads(_threads(_cores(), machine.allgather(_cores())))
    machine.Free()
    sys.excepthook = lambda kind, error, trace: comm.abort_by(error, 1)
    atexit.register(comm.end)
    return comm


def _seconds(text: str) -> float | None:
    """Return the number that a variable holds, or None if it is empty."""
    if not text:
        return None
    with suppress(ValueError):
        if (seconds := float(text)) > 0.0:
            return seconds
    raise ArgumentError(f"{TIMEOUT}: expected a number of seconds above 0, found {text!r}.")


def _check_started_alone() -> None:
    """Raise if this process is one of several which do not see each other."""
    for name in STARTED:
        found = os.environ.get(name, "")
        if found.isdigit() and int(found) > 1:
            library = mpi.library().Get_library_version().splitlines()[0].strip("\0 ")
            raise ArgumentError(
                f"communicator: expected {found} processes ({name}), found 1: they were started by "
                f"another MPI than that of mpi4py ({library}). Start them with its mpiexec; "
                f"{mpi.INSTALL}, within a Slurm job too (srun is for an mpi4py built with its MPI)."
            )


def _cores() -> set[int]:
    """Return the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def _threads(own: set[int], everyone: list[set[int]]) -> int:
    """Return a rank's part of a machine's cores, at least 1; it may run on ``own``."""
    return max(1, min(len(own), len(set.union(*everyone)) // len(everyone)))


def _restored() -> Communicator | None:
    """Return the communicator if this process has one: what a pickle of one becomes."""
    return communicator() if communicator.cache_info().currsize else None


def _reduce(comm: Communicator) -> tuple[Any, ...]:
    """Return how to pickle a communicator: the process that unpickles it takes its own."""
    return _restored, ()


copyreg.pickle(Communicator, _reduce)
