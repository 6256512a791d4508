"""`ProcessGroup`: the processes that MPI has started together, and what they exchange."""

import os
import pickle
import platform
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import pairwise
from time import monotonic, sleep
from typing import Any, NoReturn

import numpy as np

from .._optional import optional
from .._typing import Array
from ..exceptions import MissingLibraryError

GRACE = 0.5
"""Seconds within which the same Ctrl-C, or the same error, reaches all ranks."""
ANSWERING = 2.0
"""Seconds within which all ranks that wait for the others notice that time is up."""
SPIN = 0.1
"""Seconds for which a rank polls for an answer without a pause, as MPI itself does."""
ENDED = -1
"""What a rank that ends sends instead of the length of a message."""
INSTALL = "pip install 'xpnn[mpi]' brings mpi4py with MPICH; run it with the mpiexec beside python"


class ProcessGroup:
    """The processes that MPI has started together, seen from one of them.

    Every rank must call each of the methods that exchange something.
    """

    rank: int
    size: int
    local_rank: int
    timeout: float | None = None
    """Seconds that a rank waits for the others"""

    def __init__(self, mpi: Any, local_rank: int = 0) -> None:
        self._mpi = mpi
        self.rank, self.size, self.local_rank = mpi.Get_rank(), mpi.Get_size(), local_rank
        self._aside = mpi.Dup()  # for messages that must not wait behind an exchange
        self._process = os.getpid()

    @property
    def is_root(self) -> bool:
        """Whether this is rank 0, which prints, warns and writes files."""
        return self.rank == 0

    def shard(self, m: int) -> slice:
        """Return which of m examples are this rank's, if all ranks get about as many.

        Parameters
        ----------
        m : int

        Examples
        --------
        >>> from xpnn import distributed
        >>> distributed.communicator().shard(10)  # of a single process
        slice(0, 10, None)
        """
        return slice(m * self.rank // self.size, m * (self.rank + 1) // self.size)

    def locate(self, m: int) -> tuple[slice, int]:
        """Return where this rank's m examples are among those of all, and how many all are."""
        counts = self.gather(m)
        first = sum(counts[: self.rank])
        return slice(first, first + m), sum(counts)

    def allreduce(self, a: Array) -> None:
        """Replace a NumPy array by its sum over the ranks."""
        if self.timeout is None:
            self._mpi.Allreduce(library().IN_PLACE, a)
        else:
            self._wait(self._mpi.Iallreduce(library().IN_PLACE, a))

    def broadcast(self, value: Any = None) -> Any:
        """Return the value that rank 0 passes."""
        message = pickle.dumps(value) if self.is_root else b""
        buffer = np.empty(self._lengths(len(message))[0], dtype=np.uint8)
        if self.is_root:
            buffer[:] = np.frombuffer(message, dtype=np.uint8)
        self._wait(self._mpi.Ibcast(buffer))
        return value if self.is_root else pickle.loads(buffer.tobytes())

    def gather(self, value: Any) -> list[Any]:
        """Return the value that each rank passes, in the order of ranks."""
        message = pickle.dumps(value)
        lengths = self._lengths(len(message))
        buffer = np.empty(sum(lengths), dtype=np.uint8)
        self._wait(self._mpi.Iallgatherv(np.frombuffer(message, np.uint8), (buffer, lengths)))
        ends = np.cumsum([0, *lengths]).tolist()
        return [pickle.loads(buffer[start:stop].tobytes()) for start, stop in pairwise(ends)]

    def _lengths(self, own: int) -> list[int]:
        """Return the length of each rank's message in bytes; abort if only some ranks ended."""
        mine, lengths = np.asarray([own], dtype=np.int64), np.empty(self.size, dtype=np.int64)
        request = self._mpi.Iallgather(mine, lengths)
        if own == ENDED:
            self._completes(request, None)  # others may have work to do for hours
        else:
            self._wait(request)
        ended = np.flatnonzero(lengths == ENDED).tolist()
        if 0 < len(ended) < self.size:
            self._abort_without(ended, "came to an end, for which the others would wait")
        found: list[int] = lengths.tolist()
        return found

    # ---- waiting ----------------------------------------------------------------

    def _wait(self, request: Any) -> None:
        """Wait for an answer of all ranks; abort if it takes longer than `timeout`."""
        if self.timeout is None:
            request.Wait()
        elif not self._completes(request, self.timeout):
            what = f"did not answer within {self.timeout:g} s"
            self._abort_without(self._unresponsive(), what)

    def _completes(self, request: Any, seconds: float | None) -> bool:
        """Whether a request completes within some seconds, or None for any number."""
        began, pause = monotonic(), 0.0
        while not request.Test():
            passed = monotonic() - began
            if seconds is not None and passed > seconds:
                return False
            if passed > SPIN:
                pause = min(pause + 1e-5, 0.01)
                sleep(pause)
        return True

    def _unresponsive(self) -> list[int]:
        """Return the ranks that do not say that they wait, too."""
        others = [rank for rank in range(self.size) if rank != self.rank]
        sent = [self._aside.isend(None, rank) for rank in others]
        asked = {rank: self._aside.irecv(source=rank) for rank in others}
        until = monotonic() + ANSWERING
        while asked and monotonic() < until:
            asked = {rank: word for rank, word in asked.items() if not word.test()[0]}
            sleep(0.01)
        del sent
        return list(asked)

    def _abort_without(self, absent: Sequence[int], what: str) -> NoReturn:
        """End all ranks; the first that is not absent says what the absent ones did."""
        if self.rank == min(set(range(self.size)) - set(absent)):
            listed = ", ".join(map(str, absent)) or "unknown"
            self.log(f" rank{'s' * (len(absent) > 1)} {listed} {what}.")
        else:
            sleep(GRACE)
        self.abort(1)

    def log(self, text: str) -> None:
        """Write a message to standard error, with the number of this rank and its machine."""
        where = f"rank {self.rank} of {self.size}, on {platform.node()}"
        with suppress(AttributeError, OSError, ValueError):  # there may be nowhere to write
            sys.stderr.write(f"xpnn: {where}:{text}\n")

    def abort_by(self, error: BaseException, status: int) -> NoReturn:
        """Print an exception with its traceback, and end all ranks with an exit status."""
        try:
            self.log("\n" + "".join(traceback.format_exception(error)))
        finally:
            self.abort(status)

    def abort(self, status: int) -> NoReturn:
        """End all ranks at once, with an exit status."""
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            self._mpi.Abort(status)
        raise SystemExit(status)  # not reached


@cache
def library() -> Any:
    """Return the module ``mpi4py.MPI``."""
    optional("mpi4py", "training on several processes", "mpi")
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # there is no MPI library, or one of other ABI
        raise MissingLibraryError(
            f"training on several processes needs an MPI library, which mpi4py does not find "
            f"({error}): {INSTALL}."
        ) from error
    return MPI
