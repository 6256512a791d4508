"""One `backend` fixture over every installed namespace, its devices among them.

Without ``--whole``, tests that are marked slow are left out, all but one of the devices of
array-api-strict, and PyTorch and JAX outside the rooms where libraries differ. ``-n 2`` runs the
files in two processes.
``--backend NAME`` keeps to the backends whose names begin so; it may be given several times.
Tests on a backend that is not asked for, or not usable here, are not collected.
``--require-backend NAME`` makes a missing backend or device an error,
``--require-mpi`` the same of what several processes need.
"""

import os
import signal
from inspect import signature
from threading import local

IN_WORKER = "PYTEST_XDIST_WORKER" in os.environ
if IN_WORKER:  # before NumPy and PyTorch are loaded: the workers share the cores
    os.environ |= {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}

import hypothesis
import numpy as np
import pytest

import xpnn
from tests.helpers import SPECS, chosen, missing_mpi, specs_of, unusable, wanted
from xpnn._backends import selection

hypothesis.settings.register_profile("busy", deadline=None)  # others may use the machine, too
hypothesis.settings.load_profile("busy")

WHERE_LIBRARIES_DIFFER = {"backends", "core", "graph"}
OTHERS = {"jax", "torch"}
"""What the quick run asks in those rooms only; NumPy and array-api-strict it asks everywhere."""
REQUIRABLE = {"array_api_strict": "array_api_strict:CPU_DEVICE"}


def pytest_addoption(parser):
    parser.addoption("--whole", action="store_true", help="run the slow tests, too")
    parser.addoption("--backend", action="append", default=[], metavar="NAME")
    parser.addoption("--require-backend", action="append", default=[], metavar="NAME")
    parser.addoption("--require-mpi", action="store_true")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Keep the tests of a file in one process: they share what is compiled and started."""
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "loadfile"


def pytest_configure(config):
    # a shell lets what it starts in the background ignore Ctrl-C, and that would be inherited
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # JAX's float64 is a matter of the whole process: tests that need it off start their own
    if unusable("jax", "float64") is None and hasattr(config, "cache"):
        keep_what_jax_compiles(config.cache.mkdir("jax"))
    for name in config.getoption("--backend"):
        reasons = [unusable(spec) for spec in SPECS if spec.startswith(name)]
        if all(reasons):
            reason = next(iter(reasons), f"expected the beginning of one of {', '.join(SPECS)}")
            raise pytest.UsageError(f"--backend {name}: {reason}")
    for name in config.getoption("--require-backend"):
        reason = unusable(REQUIRABLE.get(name, name))
        if reason:
            raise pytest.UsageError(f"--require-backend {name}: {reason}")
    if config.getoption("--require-mpi") and missing_mpi():
        raise pytest.UsageError(f"--require-mpi: {missing_mpi()}")


def keep_what_jax_compiles(folder):
    """Let JAX find what it has compiled in this run or another; child processes do not."""
    import jax

    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def pytest_collection_modifyitems(config, items):
    """Leave out what is not asked for; keep a test to one thread if several would disturb it."""
    chosen_or_not = [(item, is_chosen(item)) for item in items]
    config.hook.pytest_deselected(items=[item for item, is_in in chosen_or_not if not is_in])
    items[:] = [item for item, is_in in chosen_or_not if is_in]
    for item in items:
        reason = shared(item) if isinstance(item, pytest.Function) else ""
        if reason:
            item.add_marker(pytest.mark.thread_unsafe(reason=reason))


def is_chosen(item):
    """Whether a test's backends are usable and asked for, and the test if it is slow."""
    specs = specs_of(item)
    if any(map(unusable, specs)) or (specs and not wanted(item.config, specs)):
        return False
    return item.config.getoption("--whole") or not is_slow(item, specs)


def is_slow(item, specs):
    """Whether a test is marked slow, for all or for its backend, or starts several processes."""
    families = {spec.partition(":")[0] for spec in specs}
    if families & OTHERS and item.path.parent.name not in WHERE_LIBRARIES_DIFFER:
        return True
    marks = [set(mark.args) for mark in item.iter_markers("slow")]
    several = "mpi" in getattr(item, "fixturenames", ())
    return several or any(not names or names & families for names in marks)


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
    """Make tests of the backends only that are usable and asked for."""
    marks = metafunc.definition.iter_markers("parametrize")
    own = {name.strip() for mark in marks for name in names_of(mark.args[0])}
    for fixture, dtype in (("backend", "float32"), ("backend64", "float64")):
        if fixture in metafunc.fixturenames and fixture not in own:
            metafunc.parametrize(fixture, chosen(metafunc.config, dtype), indirect=True)


def names_of(argnames):
    """Return the names of a parametrization, one text or several."""
    return argnames.split(",") if isinstance(argnames, str) else argnames


@pytest.fixture
def backend(request):
    """Each backend in float32, selected for the test."""
    yield from _use(request.param, "float32")


@pytest.fixture
def backend64(request):
    """Each backend that has float64, in float64, selected for the test."""
    yield from _use(request.param, "float64")


def _use(spec, dtype):
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
