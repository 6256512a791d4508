"""A communicator without MPI: its signals and errors, its shards, its copies; a single process."""

import copy
import copyreg
import os
import signal
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

import xpnn
from tests.fakes.fake_mpi import FakeMPI
from tests.fakes.fake_ranks import FakeCommunicator
from tests.programs import mpi_programs as programs
from xpnn import _signals
from xpnn.distributed import Communicator, startup
from xpnn.distributed import mpi as ours
from xpnn.distributed.processes import ALONE, active_comm

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs signals and fork")


# ---- signals and errors ------------------------------------------------------------------------


@pytest.fixture
def lone():
    """A rank of one, without MPI."""
    return FakeCommunicator(0, 1, [None], Barrier(1))


@pytest.fixture(params=_signals.DEFAULTS, ids=str)
def handled(request):
    """A signal, and the function that gives it a handler for the test."""
    before = signal.getsignal(request.param)
    yield request.param, lambda handler: signal.signal(request.param, handler)
    signal.signal(request.param, before)


@needs_fork
def test_signals_wait_for_the_next_exchange(handled, lone):
    number, handle = handled
    called = []

    def handler(*_):
        called.append(number)
        raise raised

    handle(handler)
    for raised in (KeyboardInterrupt, SystemExit):
        with pytest.raises(raised), lone.interruptible():  # noqa: PT012  that is the point
            signal.raise_signal(number)
            called.append("later")
            lone.finish()
        assert signal.getsignal(number) is handler
    assert called == [number, "later"] * 2


def test_a_child_that_a_callback_forks_is_no_rank(lone):
    """Its exceptions leave at once: the ranks do not know of it."""
    with lone.defer_errors():
        raise ValueError
    assert lone._failed is not None
    lone._process = -1
    with pytest.raises(SystemExit), lone.defer_errors():
        raise SystemExit


@needs_fork
def test_what_a_handler_raises_after_the_last_exchange_is_not_lost(handled, lone):
    number, handle = handled

    def handler(*_):
        raise SystemExit(4)

    handle(handler)
    with pytest.raises(SystemExit), lone.interruptible():  # noqa: PT012  that is the point
        lone.finish()
        signal.raise_signal(number)


@needs_fork
def test_a_handler_that_raises_nothing_ends_nothing(handled, lone):
    number, handle = handled
    called = []
    handle(lambda *_: called.append(number))
    with lone.interruptible():
        signal.raise_signal(number)
        lone.finish()
    assert called == [number]


@needs_fork
def test_a_signal_that_is_ignored_stays_ignored(handled, lone):
    number, handle = handled
    handle(signal.SIG_IGN)
    with lone.interruptible():
        signal.raise_signal(number)
        lone.finish()
    assert signal.getsignal(number) is signal.SIG_IGN


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), 130),
        (SystemExit(143), 143),
        (SystemExit(), 0),
        (SystemExit("why"), 1),
        (MemoryError(), 1),
    ],
    ids=repr,
)
def test_the_status_by_which_all_end(error, status):
    assert _signals.exit_status(error) == status


def test_the_status_by_which_all_end_after_sigterm(monkeypatch):
    monkeypatch.setattr(_signals, "arrived", [signal.SIGTERM])
    assert _signals.exit_status(KeyboardInterrupt()) == 143


# ---- one rank of several -----------------------------------------------------------------------


@pytest.fixture
def rank_of(monkeypatch):
    monkeypatch.setattr(ours, "library", lambda: FakeMPI)
    return lambda rank, size: Communicator(FakeMPI(rank, size))


@given(m=st.integers(0, 300), size=st.integers(1, 40))
def test_shares_cover_all_examples_once(m, size):
    shares = []
    for rank in range(size):
        comm = Communicator.__new__(Communicator)
        comm.rank, comm.size = rank, size
        shares.append(range(m)[comm.shard(m)])
    assert [i for share in shares for i in share] == list(range(m))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_communicator_is_one_of_a_kind(rank_of, monkeypatch):
    comm = rank_of(2, 3)
    assert repr(comm) == "<Communicator: rank 2 of 3>"
    assert copy.copy(comm) is copy.deepcopy(comm) is comm
    assert copyreg.dispatch_table[Communicator](comm) == (startup._restored, ())


def test_the_end_of_a_forked_child_is_not_that_of_the_rank(rank_of, monkeypatch):
    comm = rank_of(0, 2)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    comm.end()  # exchanges nothing: the fake cannot


def test_several(rank_of):
    comm = rank_of(0, 2)
    assert active_comm(comm) is comm
    assert active_comm(rank_of(0, 1)) is ALONE
    assert active_comm(None) is ALONE


@pytest.mark.parametrize(
    "other",
    ["mpi", 4, object(), FakeMPI(0, 2), Communicator, False],
    ids=["str", "int", "object", "mpi4py", "class", "False"],
)
def test_other_objects_are_no_communicator(other):
    expected = r"communicator: expected xpnn\.distributed\.communicator\(\) or None, found "
    with pytest.raises(xpnn.ArgumentTypeError, match=expected):
        active_comm(other)
    with pytest.raises(xpnn.ArgumentTypeError, match=expected):
        programs.train(comm=other, share=lambda comm: slice(None))
    with pytest.raises(ValueError, match="The 'communicator' parameter"):
        xpnn.LogisticRegression(communicator=other).fit(programs.ROWS, programs.NAMES)
