"""`Communicator`: the processes that train together, and what they exchange."""

import atexit
import os
import pickle
import platform
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from itertools import pairwise
from time import monotonic, sleep
from types import FrameType
from typing import Any, NoReturn, Self

import numpy as np

from .. import _signals
from .._backends.threads import limit_threads
from .._optional import optional
from .._typing import Array
from ..exceptions import ArgumentError, ArgumentTypeError, MissingLibraryError, XpnnError

GRACE = 0.5
"""Seconds in which the same Ctrl-C has come to all ranks."""
TOGETHER = 5.0
"""Seconds in which all ranks have left a training that one has left by an exception."""
ANSWERING = 2.0
"""Seconds in which all ranks that wait for the others have found that it takes too long."""
SPIN = 0.1
"""Seconds for which an answer is asked for without a pause, as MPI itself does."""
SIGNALS = tuple(_signals.DEFAULTS)
"""What ends a training, on all ranks at the same step."""
TIMEOUT = "XPNN_TIMEOUT"
"""The variable that says for how many seconds a rank waits for the others; that of rank 0 holds."""
ENDED = -1
"""What a rank that has ended says instead of how many bytes it has to tell."""
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
        self._aside = mpi.Dup()  # for what must not wait behind an exchange
        self._process = os.getpid()

    _interrupted = _stopped = _training = False
    _failed: BaseException | None = None
    _timeout: float | None = None

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

        Raises ``KeyboardInterrupt`` on all ranks if one has been interrupted (`interruptible`),
        and what one has met (`told_later`): the last entry of ``a`` must be 0, and tells of that.
        """
        a = a if a.flags.writeable and a.flags.c_contiguous else a.copy()
        a[-1] = self._interrupted or self._failed is not None
        if self._timeout is None:
            self._mpi.Allreduce(_mpi().IN_PLACE, a)
        else:
            self._wait(self._mpi.Iallreduce(_mpi().IN_PLACE, a))
        if a[-1]:
            self._raise_on_all()
            self._stopped = True
            raise KeyboardInterrupt
        return a

    def broadcast(self, value: Any = None) -> Any:
        """Return what rank 0 has passed."""
        told = pickle.dumps(value) if self.rank == 0 else b""
        buffer = np.empty(self._lengths(len(told))[0], dtype=np.uint8)
        if self.rank == 0:
            buffer[:] = np.frombuffer(told, dtype=np.uint8)
        self._wait(self._mpi.Ibcast(buffer))
        return value if self.rank == 0 else pickle.loads(buffer.tobytes())

    def gather(self, value: Any) -> list[Any]:
        """Return what each rank has passed, in their order."""
        told = pickle.dumps(value)
        lengths = self._lengths(len(told))
        buffer = np.empty(sum(lengths), dtype=np.uint8)
        self._wait(self._mpi.Iallgatherv(np.frombuffer(told, dtype=np.uint8), (buffer, lengths)))
        ends = np.cumsum([0, *lengths]).tolist()
        return [pickle.loads(buffer[start:stop].tobytes()) for start, stop in pairwise(ends)]

    def _lengths(self, own: int) -> list[int]:
        """Return the length of each rank's message in bytes; end all if only some have ended."""
        mine, lengths = np.asarray([own], dtype=np.int64), np.empty(self.size, dtype=np.int64)
        request = self._mpi.Iallgather(mine, lengths)
        if own == ENDED:
            self._comes(request, None)  # others may have work to do for hours
        else:
            self._wait(request)
        ended = np.flatnonzero(lengths == ENDED).tolist()
        if 0 < len(ended) < self.size:
            self._give_up(f"{_ranks(ended)} came to an end, for which the others would wait", ended)
        found: list[int] = lengths.tolist()
        return found

    def place(self, m: int) -> tuple[slice, int]:
        """Return which of the examples of all ranks are the m of this one, and how many all are."""
        counts = self.gather(m)
        first = sum(counts[: self.rank])
        return slice(first, first + m), sum(counts)

    def gather_or_raise(self, value: Any, error: BaseException | None = None) -> list[Any]:
        """Return the value of each rank, or raise the error of one rank on all."""
        everyone = self.gather((value, None if error is None else _told(error)))
        if error is not None:
            raise error
        for rank, (_, told) in enumerate(everyone):
            if told is not None:
                raise _as_told(rank, *told)
        return [value for value, _ in everyone]

    @contextmanager
    def on_all(self) -> Iterator[None]:
        """Raise on all ranks what one raises in the block, in which nothing may be exchanged."""
        error = None
        try:
            yield
        except BaseException as caught:  # noqa: BLE001  which is raised below
            error = caught
        self.gather_or_raise(None, error)

    def of_first(self, call: Callable[[], Any]) -> Any:
        """Return the result of a function on rank 0, or raise its error on all ranks."""
        found, error = None, None
        try:
            found = call() if self.rank == 0 else None
        except BaseException as caught:  # noqa: BLE001  which is raised below
            error = caught
        return self.gather_or_raise(found, error)[0]

    @contextmanager
    def told_later(self) -> Iterator[None]:
        """Raise an error in the block on all ranks, at the next sum or the end of the epoch.

        This costs no exchange of its own.
        """
        try:
            yield
        except BaseException as error:  # noqa: BLE001  which the next exchange raises
            self.note(error)

    def note(self, error: BaseException) -> None:
        """Remember an error, which the next exchange raises on all; a forked child is no rank."""
        if os.getpid() != self._process:
            raise error
        if isinstance(error, KeyboardInterrupt):
            self._interrupted = True
        else:
            self._failed = error if self._failed is None else self._failed

    def _raise_on_all(self) -> None:
        failed, self._failed = self._failed, None
        self.gather_or_raise(None, failed)

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
            checksum = None
            with self.told_later():
                if self.rank == 0:
                    answers += [callback(report) for callback in callbacks]
            with self.told_later():
                checksum = report.checksum()
            stop = any(answer is True for answer in answers)
            failed, self._failed = self._failed, None
            everyone = self.gather_or_raise((checksum, stop, self._interrupted), failed)
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
    def training(self) -> Iterator[None]:
        """Let no rank leave the block alone by an exception: the others would wait for it.

        All that leave it so within `TOGETHER` go on, whatever catches it; else all are ended.
        """
        self._training, self._failed = True, None
        try:
            yield
        except BaseException as error:
            here = os.getpid() == self._process
            if here and self._training and not self._comes(self._aside.Ibarrier(), TOGETHER):
                self.tell("\n" + "".join(traceback.format_exception(error)))
                self.abort(exit_status(error))
            raise
        finally:
            self._training = False

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let Ctrl-C, inside the block, wait until all ranks stop at the same step.

        So do SIGTERM and SIGHUP if Python handles them, and what their handlers raise.
        ``mpiexec`` passes the first Ctrl-C on, and ends everything at the second. Of one that comes
        after the last step ``KeyboardInterrupt`` is raised at the end of the block. Once it is left
        there is nothing more to exchange.
        """
        self._interrupted = self._stopped = False
        try:
            with self._signals_noted():
                yield
                self._training = False
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

    @contextmanager
    def _signals_noted(self) -> Iterator[None]:
        """Note the exceptions that signal handlers raise."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        present = {number: signal.getsignal(number) for number in SIGNALS}
        handlers = {number: found for number, found in present.items() if callable(found)}

        def take_note(number: int, frame: FrameType | None) -> None:
            with self.told_later():
                handlers[number](number, frame)

        for number in handlers:
            signal.signal(number, take_note)
        try:
            yield
        finally:
            for number, found in handlers.items():
                signal.signal(number, found)

    def stop_if_interrupted(self) -> None:
        """Raise ``KeyboardInterrupt`` if the ranks have seen, after an epoch, that one was."""
        if self._stopped:
            raise KeyboardInterrupt

    def finish(self) -> None:
        """Raise on all ranks an error that one has met since, such as ``KeyboardInterrupt``."""
        failed, self._failed = self._failed, None
        self._stopped = any(self.gather_or_raise(self._interrupted, failed))
        self.stop_if_interrupted()

    def end(self) -> None:
        """Wait until all processes end, before this one does: others may still wait for it."""
        if os.getpid() != self._process or _mpi().Is_finalized():
            return
        if self._training:  # in another thread
            self.tell(" this process ends in the midst of a training.")
            self.abort(1)
        self._lengths(ENDED)

    def _wait(self, request: Any) -> None:
        """Wait for an answer of all ranks, but no longer than there is time."""
        if self._timeout is None:
            request.Wait()
        elif not self._comes(request, self._timeout):
            silent = self._silent()
            self._give_up(f"{_ranks(silent)} did not answer within {self._timeout:g} s", silent)

    def _silent(self) -> list[int]:
        """Return the ranks of which there is no word that they wait, too."""
        others = [rank for rank in range(self.size) if rank != self.rank]
        sent = [self._aside.isend(None, rank) for rank in others]
        asked = {rank: self._aside.irecv(source=rank) for rank in others}
        until = monotonic() + ANSWERING
        while asked and monotonic() < until:
            asked = {rank: word for rank, word in asked.items() if not word.test()[0]}
            sleep(0.01)
        del sent
        return list(asked)

    def _give_up(self, why: str, absent: Sequence[int] = ()) -> NoReturn:
        """End all ranks; the first that is still there says why."""
        there = [rank for rank in range(self.size) if rank not in absent]
        if self.rank == there[0]:
            self.tell(f" {why}.")
        else:
            sleep(GRACE)
        self.abort(1)

    def _comes(self, request: Any, seconds: float | None) -> bool:
        """Whether an answer comes within some seconds, which may be any number; waits in pauses."""
        began, pause = monotonic(), 0.0
        while not request.Test():
            passed = monotonic() - began
            if seconds is not None and passed > seconds:
                return False
            if passed > SPIN:
                pause = min(pause + 1e-5, 0.01)
                sleep(pause)
        return True

    def tell(self, text: str) -> None:
        """Write a message to standard error, with the number of this rank and its machine."""
        where = f"rank {self.rank} of {self.size}, on {platform.node()}"
        with suppress(AttributeError, OSError, ValueError):  # there may be nowhere to write
            sys.stderr.write(f"xpnn: {where}:{text}\n")

    def abort(self, status: int) -> NoReturn:
        """End all ranks at once, with an exit status."""
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            self._mpi.Abort(status)
        raise SystemExit(status)  # not reached


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
    world = _mpi().COMM_WORLD
    if world.Get_size() == 1:
        _check_started_alone()
        return Communicator(world)
    found = Communicator(world.Dup())
    found._timeout = _seconds(found.broadcast(os.environ.get(TIMEOUT, "")))
    limit_threads(found._threads)
    _end_all_on_error(found)
    atexit.register(found.end)
    return found


def _seconds(text: str) -> float | None:
    """Return the number that a variable holds, or None if it is empty."""
    if not text:
        return None
    with suppress(ValueError):
        if (seconds := float(text)) > 0.0:
            return seconds
    raise ArgumentError(f"{TIMEOUT}: expected a number of seconds above 0, found {text!r}.")


def _ranks(numbers: Sequence[int]) -> str:
    """Name some ranks."""
    listed = ", ".join(map(str, numbers)) or "unknown"
    return f"rank {listed}" if len(numbers) < 2 else f"ranks {listed}"


def _told(error: BaseException) -> tuple[type | None, Any]:
    """Return an exception as the other ranks get it: with its type if they raise the same."""
    if isinstance(error, SystemExit):
        code: Any = error.code
        return SystemExit, code if code is None or isinstance(code, int | str) else 1
    if isinstance(error, KeyboardInterrupt):
        return KeyboardInterrupt, None
    text = ""
    with suppress(Exception):  # a user's own may not be able to say what it is
        text = str(error)
    return None, f"{type(error).__name__}: {text}"


def _as_told(rank: int, kind: type | None, what: Any) -> BaseException:
    """Return the exception that a rank raises for the exception of another."""
    if kind is None:
        return XpnnError(f"rank {rank}: {what}")
    found: BaseException = kind(what) if what is not None else kind()
    return found


def exit_status(error: BaseException) -> int:
    """Return the exit status of a process that an exception ends."""
    if isinstance(error, KeyboardInterrupt):
        return _signals.status()
    code = error.code if isinstance(error, SystemExit) else 1
    return code if isinstance(code, int) else int(code is not None)


def active_comm(found: Any) -> Communicator | None:
    """Return a communicator if there are several processes, None for one; raise for others."""
    if not (found is None or isinstance(found, Communicator)):
        raise ArgumentTypeError(
            f"communicator: expected xpnn.distributed.communicator() or None, found {found!r}."
        )
    return found if found is not None and found.size > 1 else None


def raised_on_all(found: Communicator | None) -> AbstractContextManager[None]:
    """Return `Communicator.on_all`; of a single process, what does nothing."""
    return found.on_all() if found is not None else nullcontext()


def told_later(found: Communicator | None) -> AbstractContextManager[None]:
    """Return `Communicator.told_later`, or a context that does nothing for a single process."""
    return found.told_later() if found is not None else nullcontext()


def training(found: Communicator | None) -> AbstractContextManager[None]:
    """Return `Communicator.training`, or a context that does nothing for a single process."""
    return found.training() if found is not None else nullcontext()


def is_root(found: Communicator | None) -> bool:
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


def _end_all_on_error(comm: Communicator) -> None:
    """Let an exception that nothing catches end all ranks, after telling whose it is."""

    def tell_and_abort(kind: Any, error: Any, trace: Any) -> None:
        try:
            comm.tell("\n" + "".join(traceback.format_exception(kind, error, trace)))
        finally:
            comm.abort(1)

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
