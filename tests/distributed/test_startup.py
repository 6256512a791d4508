"""How processes find each other: MPI that is missing, or another; a limit of time; threads."""

import pickle
import re
import sys
import types
from functools import cache

import pytest

import xpnn
from tests.fakes.fake_mpi import FakeMPI
from tests.programs.launching import finish, launch, start
from xpnn import distributed
from xpnn._backends.threads import SETTINGS
from xpnn.distributed import Communicator, startup
from xpnn.distributed import mpi as ours


@pytest.mark.parametrize(("text", "seconds"), [("", None), ("30", 30.0), ("0.5", 0.5)])
def test_seconds(text, seconds):
    assert startup._seconds(text) == seconds


@pytest.mark.parametrize("text", ["0", "-1", "nan", "a minute"])
def test_no_seconds(text):
    with pytest.raises(xpnn.ArgumentError, match=f"XPNN_TIMEOUT: expected .* found '{text}'"):
        startup._seconds(text)


# ---- MPI that is missing, or another ---------------------------------------------------------


@pytest.fixture
def fresh(monkeypatch):
    """Nothing is known of MPI, before and after."""
    monkeypatch.setattr(ours, "library", cache(ours.library.__wrapped__))
    monkeypatch.setattr(startup, "communicator", cache(distributed.communicator.__wrapped__))


CURE = r"pip install 'xpnn\[mpi\]'"


def test_without_mpi4py(fresh, monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(xpnn.MissingLibraryError, match=f"several processes needs mpi4py.*{CURE}"):
        distributed.communicator()


@pytest.mark.parametrize("kind", [ImportError, RuntimeError])
def test_mpi4py_without_an_mpi_library(kind, fresh, monkeypatch):
    def absent(name):
        raise kind("cannot load MPI library")

    module = types.ModuleType("mpi4py")
    module.__getattr__ = absent
    monkeypatch.setitem(sys.modules, "mpi4py", module)
    pattern = rf"needs an MPI library, .*\(cannot load MPI library\): {CURE}.*mpiexec beside python"
    with pytest.raises(xpnn.MissingLibraryError, match=pattern) as caught:
        distributed.communicator()
    assert isinstance(caught.value.__cause__, kind)


def test_a_pickle_of_one_asks_for_no_mpi(fresh, monkeypatch):
    written = pickle.dumps(Communicator(FakeMPI(0, 1)))
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    assert pickle.loads(written) is None


PROGRAM = """
import xpnn
try:
    print(xpnn.distributed.communicator())
except xpnn.XpnnError as error:
    print(type(error).__name__, error)
"""


def alone(**variables):
    """Ask for the communicator in a process of its own; return what it says."""
    asked = start([sys.executable, "-c", PROGRAM], **variables)
    job = finish(asked, None)
    assert job.status == 0, job.err
    return job.out


def test_a_process_started_by_itself(mpi):
    assert alone() == "<Communicator: rank 0 of 1>\n"
    assert alone(PMI_SIZE="1") == "<Communicator: rank 0 of 1>\n"


def test_a_real_mpi4py_without_an_mpi_library(mpi):
    told = alone(MPI4PY_LIBMPI="/there/is/none.so")
    if "rank 0 of 1" in told:
        pytest.skip("this mpi4py belongs to one MPI library")
    assert re.match(rf"MissingLibraryError .*none\.so.*{CURE}", told, re.DOTALL)


@pytest.mark.parametrize("name", startup.STARTED)
def test_several_processes_that_another_mpi_has_started(name, mpi):
    told = alone(**{name: "4"})
    assert re.match(
        rf"ArgumentError communicator: expected 4 processes \({name}\), found 1: they were "
        rf"started by another MPI than that of mpi4py \(\S.*\)\. .*{CURE}",
        told,
    )


# ---- threads ---------------------------------------------------------------------------------


def test_each_rank_has_its_share_of_the_cores(mpi, tmp_path):
    job = launch(2, "threads", tmp_path, **dict.fromkeys(SETTINGS))
    n = startup._threads(startup._cores(), [startup._cores()] * 2)
    for blas, variable in job.returned:
        assert blas
        assert set(blas) == {n}
        assert variable == str(n)


@pytest.mark.parametrize("name", SETTINGS[:2])
def test_threads_that_the_environment_has_chosen(name, mpi, tmp_path):
    job = launch(2, "threads", tmp_path, **dict.fromkeys(SETTINGS) | {name: "2"})
    chosen = "2" if name == "OMP_NUM_THREADS" else None
    for blas, variable in job.returned:
        assert set(blas) == {2}
        assert variable == chosen


def test_a_single_rank_has_all_threads(mpi, tmp_path):
    job = launch(1, "threads", tmp_path, **dict.fromkeys(SETTINGS))
    ((_, variable),) = job.returned
    assert variable is None


@pytest.mark.parametrize(
    ("cores", "n"),
    [
        ([{0, 1, 2, 3}] * 2, 2),
        ([{0, 1, 2, 3}] * 4, 1),
        ([set(range(8))] * 3, 2),
        ([{0}] * 4, 1),  # more ranks than cores
        ([{0}, {1}], 1),  # bound by mpiexec
        ([{0, 1}, {2, 3}], 2),
    ],
)
def test_share_of_cores(cores, n):
    assert startup._threads(cores[0], cores) == n
