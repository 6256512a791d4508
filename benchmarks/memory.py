"""The peak of a process's memory, as Linux tells it, and that of its arrays."""

import re
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest
import workers

PEAK_IS_READ = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="the peak is read from Linux's /proc"
)


def in_own_process(function, *arguments):
    """Return what "module:function" returns in a process that has done nothing else."""
    with closing(workers.Worker("1")) as worker:
        return worker.call(function, *arguments)


def peak_of(function):
    """Return by how many bytes this process grows, at most, while the function runs."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak so far is forgotten
    before = resident("VmRSS")
    function()
    return resident("VmHWM") - before


def resident(field):
    """Return the memory of this process in bytes: VmRSS now, VmHWM at its peak."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) * 1024


def peak_of_arrays():
    """Return the peak of what NumPy and Python allocate while the worker runs what it has ready."""
    tracemalloc.start()
    try:
        workers.prepared["run"]()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def of_classifier(library, dtype):
    """Return the peak as a classifier fits and predicts 60,000 images."""
    from peers.classifiers import classifier, fitted, noise

    X, y = noise(60_000, dtype)
    model = classifier(library, (100,), 2)
    fitted(model, X[:400], y[:400]).predict(X[:400])  # what is loaded once does not count
    return peak_of(lambda: fitted(model, X, y).predict(X))
