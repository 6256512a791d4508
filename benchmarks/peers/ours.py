"""The side of xpnn."""

import warnings
from contextlib import contextmanager
from importlib.util import find_spec
from math import inf
from tempfile import TemporaryFile

import numpy as np
from workers import UnavailableError, available

import xpnn
from xpnn._backends import fused
from xpnn._backends.selection import resolve
from xpnn.bench import OPTIMIZERS, matmul_floor, training


def fit(workload, optimizer, spec):
    return training(workload, OPTIMIZERS[optimizer], resolve(spec, "float32"))


def fit_without_numba(workload, optimizer, spec):
    """That training in a process where updates are never compiled."""
    if find_spec("numba") is None:
        raise UnavailableError("Numba is not installed, so that nothing differs without it")
    fused.WORTH_COMPILING = inf
    return fit(workload, optimizer, spec)


def fit_file(workload, optimizer, spec):
    """That training with X in a memory-mapped file, an example after the other."""
    X, Y = workload.rows()
    data = (in_a_file(X), Y)
    return training(workload, OPTIMIZERS[optimizer], resolve(spec, "float32"), data=data)


def in_a_file(X):
    """Return X as a window of a memory-mapped file that goes when the window does."""
    with TemporaryFile() as file:
        mapped = np.memmap(file, X.dtype, "w+", shape=X.shape)
    mapped[:] = X
    return mapped


def floor(workload, spec):
    """The matrix products of that training alone."""
    return matmul_floor(workload, resolve(spec, "float32"))


def waits(workload, spec):
    """Return how often an epoch of that training makes the host wait, by what looks on.

    What a training does once is left out: the count of one epoch is taken from that of more.
    """
    backend = available(resolve, spec, "float32")
    X, Y = (a.T for a in workload.rows())
    epochs = max(workload.epochs, 4)
    ways = {"nothing": {}, "a callback": {"callbacks": [lambda report: None]}}
    with xpnn.use_backend(backend.spec), backend.current():
        on_device = backend.asarray(X)

        def count(counter, X, epochs, **options):
            params = workload.net.init(rng=0)
            with counter(backend) as number:
                xpnn.fit(
                    workload.net,
                    params,
                    X,
                    Y,
                    epochs=epochs,
                    batch_size=workload.batch_size,
                    progress=False,
                    **options,
                )
            return number()

        def an_epoch(*given, **options):
            once = count(*given, 1, **options)
            return (count(*given, epochs, **options) - once) / (epochs - 1)

        found = {name: an_epoch(audited, on_device, **options) for name, options in ways.items()}
        if workload.batch_size is not None:
            found["nothing, X in a file"] = an_epoch(audited, in_a_file(X.T).T)
        if spec.startswith("torch:cuda"):
            found["nothing, by PyTorch's count"] = an_epoch(warned, on_device)
    return found


@contextmanager
def audited(backend):
    """Yield a function that says how often xpnn has made the host wait."""
    with xpnn.audit() as audit:
        yield lambda: audit.times("to host", "read", "wait")


@contextmanager
def warned(backend):
    """Yield a function that says how often PyTorch warned that the host waits for the GPU."""
    import torch

    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield lambda: sum(
                "called a synchronizing" in str(warning.message) for warning in caught
            )
        finally:
            torch.cuda.set_sync_debug_mode(before)
