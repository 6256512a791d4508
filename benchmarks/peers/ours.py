"""The side of xpnn."""

from xpnn.backends.selection import resolve
from xpnn.bench import OPTIMIZERS, matmul_floor, training


def fit(workload, optimizer, spec):
    return training(workload, OPTIMIZERS[optimizer], resolve(spec, "float32"))


def floor(workload, spec):
    """The matrix products of that training alone."""
    return matmul_floor(workload, resolve(spec, "float32"))
