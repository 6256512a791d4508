"""The functions that every network is made of, against Python's own and a product without BLAS."""

import math
from collections.abc import Iterator

import numpy as np

from .._backends.base import Backend
from .finding import Finding

ELEMENTWISE, PRODUCT = 64, 32  # times ε of the dtype
REMEDY = "That library, or its build for this device, is at fault: try another version of it."
SEED = 7


def functions(backend: Backend) -> Iterator[Finding]:
    """Compare elementwise functions and a matrix product with float64 on the host."""
    dtype = backend.dtype_name
    epsilon = float(np.finfo(dtype).eps)
    for name, points in (
        ("exp", np.linspace(-20.0, 20.0, 201)),
        ("tanh", np.geomspace(0.01, 10.0, 200)),
        ("log", np.geomspace(2.0, 1e6, 200)),
        ("log1p", np.geomspace(1e-6, 1.0, 200)),
    ):
        error = _elementwise(name, points.astype(dtype), backend)
        yield Finding(f"{name}, {dtype}", error, ELEMENTWISE * epsilon, REMEDY)
    allowed = PRODUCT * epsilon
    yield Finding(f"matrix product, {dtype}", _product(backend), allowed, backend.full_precision)


def _elementwise(name: str, points: np.ndarray, backend: Backend) -> float:
    """Return the largest relative error of a function."""
    found = backend.to_numpy(getattr(backend.xp, name)(backend.asarray(points)))
    right = np.asarray([getattr(math, name)(x) for x in points.tolist()])
    return float(np.max(np.abs(found.astype(np.float64) / right - 1.0)))


def _product(backend: Backend) -> float:
    """Return the relative error of a matrix product, in norm, against one without the BLAS."""
    rng = np.random.default_rng(SEED)
    A, B = (rng.standard_normal((256, 256)).astype(backend.dtype_name) for _ in range(2))
    found = backend.to_numpy(backend.asarray(A) @ backend.asarray(B))
    right = np.einsum("ij,jk->ik", A, B, dtype=np.float64)
    return float(np.linalg.norm(found - right) / np.linalg.norm(right))
