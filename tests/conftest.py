"""One `backend` fixture over every installed namespace, its devices among them.

``--backend NAME`` keeps to the backends whose names begin so; it may be given several times.
``--require-backend NAME`` makes a missing backend or device an error instead of a skip,
``--require-mpi`` the same of what several processes need.
"""

import os
import shutil
import signal
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from threading import local

import numpy as np
import pytest

import xpnn
from xpnn._backends import selection

SPECS = (
    "numpy",
    "array_api_strict:CPU_DEVICE",
    "array_api_strict:device1",
    "array_api_strict:device2",
    "array_api_strict:no_float64",
    "array_api_strict:no_x64",
    "torch",
    "torch:cuda",
    "jax",
    "jax:gpu",
    "cupy",
)
NO_FLOAT64 = ("array_api_strict:no_float64", "array_api_strict:no_x64")
REQUIRABLE = {"array_api_strict": "array_api_strict:CPU_DEVICE"}


def unusable(spec, dtype="float32"):
    """Return why a backend cannot be used here, or None."""
    try:
        xpnn.set_backend(spec, dtype)
    except (xpnn.BackendError, xpnn.ArgumentError) as error:
        return str(error)
    finally:
        selection._default = None
    return None


def mpiexec():
    """Return the mpiexec beside this Python, or the one of the system, or None."""
    beside = str(Path(sys.executable).parent)
    return shutil.which("mpiexec", path=os.pathsep.join([beside, os.environ.get("PATH", "")]))


@cache
def missing_mpi():
    """Return why programs of several processes cannot be run here, or None."""
    if find_spec("mpi4py") is None:
        return "mpi4py is not installed: pip install 'xpnn[mpi]'"
    if mpiexec() is None:
        return "there is no mpiexec: pip install 'xpnn[mpi]'"
    program = "from mpi4py import MPI; import os; os.write(1, b'%d' % MPI.COMM_WORLD.Get_size())"
    command = [mpiexec(), "-n", "2", sys.executable, "-c", program]
    tried = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if tried.stdout.strip() != "22":
        return f"{mpiexec()} starts no processes that see each other: {tried.stdout}{tried.stderr}"
    return None


def pytest_addoption(parser):
    parser.addoption("--backend", action="append", default=[], metavar="NAME")
    parser.addoption("--require-backend", action="append", default=[], metavar="NAME")
    parser.addoption("--require-mpi", action="store_true")


def pytest_configure(config):
    # a shell lets what it starts in the background ignore Ctrl-C, and that would be inherited
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # JAX's float64 is a matter of the whole process: tests that need it off start their own
    unusable("jax", "float64")
    for name in config.getoption("--require-backend"):
        reason = unusable(REQUIRABLE.get(name, name))
        if reason:
            raise pytest.UsageError(f"--require-backend {name}: {reason}")
    if config.getoption("--require-mpi") and missing_mpi():
        raise pytest.UsageError(f"--require-mpi: {missing_mpi()}")


def pytest_collection_modifyitems(items):
    """Keep a test to one thread if several would disturb each other."""
    for item in items:
        reason = shared(item) if isinstance(item, pytest.Function) else ""
        if reason:
            item.add_marker(pytest.mark.thread_unsafe(reason=reason))


def shared(item):
    """Say what threads of this test would share, but for what pytest-run-parallel knows itself."""
    if "set_backend" in item.function.__code__.co_names:
        return "it chooses the backend of the process"
    if "tmp_path" in set(item.fixturenames) - set(signature(item.function).parameters):
        return "a fixture makes its folder"
    return ""


def pytest_report_header():
    lines = []
    for status in xpnn.backends():
        where = ", ".join(status.devices) if status.usable else status.reason
        lines.append(f"xpnn {status.name} {status.installed or ''}: {where}")
    return lines


@pytest.fixture(autouse=True)
def numpy_by_default():
    """Every test starts with no backend chosen, and leaves none chosen."""
    # not the fixture monkeypatch: no test that asks for it runs in threads
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("XPNN_BACKEND", raising=False)
        patch.setattr(selection, "_default", None)
        yield


def pytest_generate_tests(metafunc):
    """Make tests of the usable backends only, or of those that ``--backend`` names."""
    wanted = tuple(metafunc.config.getoption("--backend")) or ("",)
    own = str([mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")])
    for fixture, dtype in (("backend", "float32"), ("backend64", "float64")):
        if fixture in metafunc.fixturenames and f"'{fixture}'" not in own:
            specs = [spec for spec in usable(dtype) if spec.startswith(wanted)]
            metafunc.parametrize(fixture, specs, indirect=True)


@cache
def usable(dtype):
    """Return the backends that have this dtype here."""
    specs = [spec for spec in SPECS if dtype == "float32" or spec not in NO_FLOAT64]
    return [spec for spec in specs if unusable(spec, dtype) is None]


@pytest.fixture
def backend(request):
    """Each backend in float32, selected for the test."""
    yield from _use(request.param, "float32")


@pytest.fixture
def backend64(request):
    """Each backend that has float64, in float64, selected for the test."""
    yield from _use(request.param, "float64")


def _use(spec, dtype):
    reason = unusable(spec, dtype)
    if reason:
        pytest.skip(reason)
    backend = xpnn.set_backend(spec, dtype)  # for the process: a test may run in threads
    with backend.current():
        yield backend


@pytest.fixture(scope="session")
def mpi():
    """Skip where programs of several processes cannot be run."""
    if missing_mpi():
        pytest.skip(missing_mpi())


class RngOfThread(local):
    """A generator of random numbers that starts anew in each thread of a test."""

    def __init__(self):
        self.own = np.random.default_rng(20261120)

    def __getattr__(self, name):
        return getattr(self.own, name)


@pytest.fixture
def rng():
    return RngOfThread()


def read_only(a, dtype=None):
    """Return a NumPy copy that cannot be written to: nothing may alter its input."""
    a = np.array(a, dtype=dtype)
    a.flags.writeable = False
    return a


def to_numpy(backend, tree):
    """Return an array, or a tuple of `Layer`, on the host."""
    if isinstance(tree, tuple):
        return tuple(xpnn.Layer(*map(backend.to_numpy, layer)) for layer in tree)
    return backend.to_numpy(tree)
