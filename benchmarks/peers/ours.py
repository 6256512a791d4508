"""The side of xpnn."""

from importlib.util import find_spec
from math import inf
from tempfile import TemporaryFile

import numpy as np
from workers import UnavailableError

from xpnn.backends import fused
from xpnn.backends.selection import resolve
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
    with TemporaryFile() as file:
        mapped = np.memmap(file, X.dtype, "w+", shape=X.shape)
    mapped[:] = X
    return training(workload, OPTIMIZERS[optimizer], resolve(spec, "float32"), data=(mapped, Y))


def floor(workload, spec):
    """The matrix products of that training alone."""
    return matmul_floor(workload, resolve(spec, "float32"))
