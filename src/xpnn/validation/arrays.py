"""Arrays that users pass: of which kind they are, where, of which shape, and whether finite.

Lists, frames and host arrays are cast and moved once; arrays of another library or device are
refused with the call that moves them.
"""

from math import prod
from typing import Any

import numpy as np

from .._backends.base import Backend
from .._backends.host import device_backend, is_masked, to_host
from .._backends.selection import backend_mismatch, resolve
from .._typing import Array
from ..exceptions import ArgumentError, ArgumentTypeError


def to_backend(name: str, x: Any, backend: Backend, dtype: Any = None) -> Array:
    """Return ``x`` on the backend: host data are moved, arrays of other devices refused."""
    check_device(name, x, backend)
    return converted(name, x, backend, dtype)


def converted(name: str, x: Any, backend: Backend, dtype: Any = None) -> Array:
    """Return ``x``, wherever it is, as an array of the backend; an error names ``x``."""
    try:
        return backend.asarray(x, dtype)
    except (ArgumentError, ArgumentTypeError) as error:
        raise type(error)(f"{name}: {error}") from error


def on_host(x: Any) -> Any:
    """Return an array of any library as a NumPy array; anything else as it is."""
    return x if device_backend(x) is None else to_host(x)


def numbers_on_host(name: str, x: Any) -> Any:
    """Return ``x``, from whatever library, as a NumPy array of finite numbers."""
    host = resolve("numpy", "float64")
    a = converted(name, x, host)
    check_finite(name, a, host)
    return a


# ---- kind and place ---------------------------------------------------------


def check_device(name: str, x: Any, backend: Backend) -> None:
    """Raise unless ``x`` is dense, without a mask, and on the backend's device or the host."""
    found = check_kind(name, x)
    if found is not None and not found.same_device(backend):
        raise backend_mismatch(name, found, "params", backend)


def check_kind(name: str, x: Any, *, scipy_sparse: bool = False) -> Backend | None:
    """Return the backend of a device's array, None for host data; raise for masked and sparse ones.

    NumPy, scikit-learn and other libraries drop masks. ``scipy_sparse`` lets SciPy's pass.
    """
    of_scipy = any(base.__module__.startswith("scipy.") for base in type(x).__mro__)
    if is_sparse(x) and not (scipy_sparse and of_scipy):
        cure = next(name for name in ("toarray", "todense", "to_dense") if hasattr(x, name))
        raise ArgumentTypeError(
            f"{name}: expected a dense array, found a sparse one ({type(x).__name__}); call "
            f"{name}.{cure}()."
        )
    if is_masked(x):
        raise ArgumentTypeError(
            f"{name}: expected an array without a mask, found a masked array; fill it first: "
            f"{name}.filled(0.0)."
        )
    found: Backend | None = device_backend(x)
    return found


def is_sparse(x: Any) -> bool:
    """Whether ``x`` is a sparse matrix of SciPy, CuPy or JAX, or a sparse tensor of PyTorch."""
    return hasattr(x, "todense") or "sparse" in str(getattr(x, "layout", ""))


# ---- shapes -----------------------------------------------------------------


def check_columns(name: str, x: Array, n: int | None = None, m: int | None = None) -> None:
    """Raise unless ``x`` has two dimensions, a column or more, and n rows, m columns if given."""
    shape = tuple(x.shape)
    if len(shape) != 2 or n not in {None, shape[0]}:
        expected = "(n, m), a column an example" if n is None else f"({n}, m)"
        raise ArgumentError(
            f"{name}: expected shape {expected}, found {shape}.{_turned(name, shape, n)}"
        )
    if shape[1] == 0:
        raise ArgumentError(f"{name}: expected at least one example (column), found shape {shape}.")
    if m is not None:
        check_shape(name, x, (shape[0], m))


def _turned(name: str, shape: tuple[int, ...], n: int | None) -> str:
    """Word what makes columns of an array of this shape."""
    if len(shape) == 4:
        return f" If these are images, make each a column: {name}.reshape({shape[0]}, -1).T / 255."
    if n is None:
        return f" Reshape it, labels with {name}.reshape(1, -1)."
    if len(shape) == 1 and n > 1:
        return f" Reshape it: {name}.reshape({n}, -1)."
    if len(shape) == 1:
        return f" A rank-1 array broadcasts in surprising ways; reshape it: {name}.reshape(1, -1)."
    if len(shape) == 2 and shape[1] == n:
        return f" One example is one column: pass {name}.T."
    if len(shape) == 2:
        return f" The network was made for {n} rows (sizes); the columns of {name} are examples."
    return ""


def check_shape(
    name: str,
    x: Array,
    expected: tuple[int, ...],
    to_fit: str = "the sizes of the network and the number of examples in X",
) -> None:
    """Raise unless ``x`` has exactly this shape."""
    if tuple(x.shape) != expected:
        raise ArgumentError(
            f"{name}: expected shape {expected}, found {tuple(x.shape)}; it must fit {to_fit}."
        )


# ---- values -----------------------------------------------------------------


def check_finite(name: str, x: Array, backend: Backend) -> None:
    """Raise unless every entry is finite in the backend's dtype."""
    if not backend.all_finite(x):
        xp = backend.xp
        bad = int(xp.sum(xp.astype(~xp.isfinite(x), backend.dtype)))
        raise ArgumentError(
            f"{name}: expected finite numbers, found {bad} of {prod(x.shape)} entries NaN or "
            f"infinity as {backend.dtype_name}; remove or impute them, for example with "
            "numpy.nan_to_num."
        )


def check_range(name: str, x: Any, dtype: str) -> None:
    """Raise if a finite number of a host array is too large for a dtype."""
    with np.errstate(over="ignore"):
        finite = np.isfinite(x.astype(dtype, copy=False)).all()
    if not finite:
        raise ArgumentError(
            f"{name}: expected finite numbers, found some that are too large for {dtype}; rescale "
            "them, or use dtype='float64'."
        )
