"""The estimators' door: where work runs, and what users pass as checked rows on that backend.

One example is a row here. X decides; y and the weights follow it through the host. Host data are
checked by scikit-learn's own functions. Arrays on a device stay there, and are checked by the few
lines below, because without its array-API dispatch scikit-learn turns them into NumPy arrays.
"""

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    validate_data,
)

from .._backends import selection
from .._backends.base import Backend
from .._backends.host import device_backend, is_masked, to_host
from .._backends.numpy import NumpyBackend
from .._typing import Array
from ..exceptions import ArgumentError, ArgumentTypeError
from . import columns as boundary

FLOATS = (np.float64, np.float32)
DATES = ("date", "time", "duration")
"""How the names of the dtypes of dates and times begin, in NumPy, pandas and polars."""


def home_of(X: Any) -> Backend | None:
    """Return the library and device that X is on; None for host data, frames and lists."""
    found: Backend | None = device_backend(X)
    return found


def spec_of(home: Backend | None) -> str:
    """Name the library and device that X is on: ``numpy`` for host data."""
    return "numpy" if home is None else home.spec


def refuse_mask(name: str, x: Any) -> None:
    """Raise for masked arrays, whose mask scikit-learn would drop."""
    if is_masked(x):
        raise ArgumentTypeError(
            f"{name}: expected an array without a mask, found a masked array; fill it first: "
            f"{name}.filled(0.0)."
        )


def refuse_missing(y: Any) -> None:
    """Raise for None and NaN among objects, of which scikit-learn says something else."""
    if isinstance(y, list | tuple) or getattr(getattr(y, "dtype", None), "kind", "") == "O":
        objects = np.ravel(np.asarray(y, dtype=object))
        missing = sum(v is None or (isinstance(v, float) and np.isnan(v)) for v in objects)
        if missing:
            raise ArgumentError(
                f"y: expected a label or a number for every example, found {missing} of "
                f"{len(objects)} missing; leave those examples out."
            )


def refuse_other_sparse(name: str, x: Any) -> None:
    """Raise for sparse arrays of other libraries than SciPy."""
    if not issparse(x):
        boundary.check_dense(name, x)


def refuse_kinds(X: Any) -> None:
    """Raise for what scikit-learn would take for numbers, or not say clearly that it is none."""
    refuse_mask("X", X)
    refuse_other_sparse("X", X)
    dtypes = X.dtypes if hasattr(X, "columns") else [getattr(X, "dtype", None)]
    for dtype in dtypes:
        name = str(dtype).lower()
        if name.startswith(DATES) or getattr(dtype, "names", None):
            raise ArgumentTypeError(
                f"X: expected real numbers, found dtype {dtype}; convert it first, a date for "
                "example to the days since another one."
            )


def on_host(x: Any) -> Any:
    """Return an array of any library as a NumPy array; anything else as it is."""
    return x if device_backend(x) is None else to_host(x)


def where(estimator: Any, home: Backend | None, dtype: str) -> Backend:
    """Return the backend to fit on: ``backend=``, else X's own, else the selected one.

    ``device=`` and ``dtype=`` change only that. Without ``dtype=`` it is X's, or float32 where
    the device, or JAX as it is set, has no float64.
    """
    name = estimator.backend or (home or selection.get_backend()).spec
    if estimator.device is not None:
        name = f"{name.partition(':')[0]}:{estimator.device}"
    if estimator.dtype is None:
        return selection.widest(name, dtype)
    return selection.resolve_for_process(name, estimator.dtype)


def fit_rows(estimator: Any, X: Any, y: Any, *, reset: bool, **y_checks: Any) -> tuple[Any, Any]:
    """Check what `fit` is given: X stays where it is, y becomes a host array."""
    refuse_mask("y", y)
    refuse_other_sparse("y", y)
    refuse_kinds(X)
    y = on_host(y)
    refuse_missing(y)
    if home_of(X) is None:
        X, y = validate_data(
            estimator,
            X,
            y,
            accept_sparse=["csr", "csc"],
            dtype=FLOATS,
            reset=reset,
            **y_checks,
        )
        return X, y
    y = validate_data(estimator, y=y, reset=reset, **y_checks)
    check_device_rows(estimator, X, reset=reset)
    check_consistent_length(np.empty((X.shape[0], 0)), y)
    return X, y


def predict_rows(estimator: Any, X: Any) -> Any:
    """Check what a fitted estimator is given."""
    refuse_kinds(X)
    if home_of(X) is None:
        return validate_data(estimator, X, accept_sparse=["csr", "csc"], reset=False)
    check_device_rows(estimator, X, reset=False)
    return X


def check_weights(sample_weight: Any, m: int) -> Any:
    """Return the sample weights in float64 on the host, shape (1, m), or None.

    They are finite, not negative, and not all zero.
    """
    if sample_weight is None:
        return None
    refuse_mask("sample_weight", sample_weight)
    s = _check_sample_weight(on_host(sample_weight), np.empty((m, 0)))
    if not s.min() >= 0.0:
        raise ArgumentError(
            f"sample_weight: expected weights of at least 0, found {s.min():g}; leave such "
            "examples out."
        )
    if not s.any():  # scikit-learn 1.6 takes them
        raise ArgumentError("sample_weight: expected at least one non-zero weight, found only 0.")
    return np.asarray(s, dtype=np.float64)[None, :]


def score_weights(sample_weight: Any) -> Any:
    """Return the weights of a score for scikit-learn, whose sums they may not overflow; or None."""
    if sample_weight is None:
        return None
    return boundary.in_units(np.asarray(on_host(sample_weight), dtype=np.float64))[0]


def check_device_rows(estimator: Any, X: Array, *, reset: bool) -> None:
    """Raise unless X is a matrix of real numbers with the features that were fitted."""
    shape = tuple(X.shape)
    if len(shape) != 2:
        raise ArgumentError(
            f"X: expected 2D array, one example a row, found shape {shape}. "
            "Reshape your data: X.reshape(-1, 1) if it has a single feature, X.reshape(1, -1) if "
            "it is a single example."
        )
    for size, what in zip(shape, ("sample", "feature"), strict=True):
        if size == 0:
            raise ArgumentError(
                f"X: found array with 0 {what}(s) (shape={shape}) while a minimum of 1 is required."
            )
    validate_data(estimator, X, reset=reset, skip_check_array=True)  # names and n_features_in_


def dtype_of(X: Any) -> str:
    """Return the dtype to compute in: float32 for float32, else float64."""
    return "float32" if str(X.dtype).rpartition(".")[2] == "float32" else "float64"


def move_rows(X: Any, backend: Backend) -> Array:
    """Return checked rows on a backend, finite in its dtype; sparse ones stay sparse on NumPy."""
    if hasattr(X, "tocsr"):
        if isinstance(backend, NumpyBackend):
            check_finite("X", X.data, backend)
            return X.tocsr().astype(backend.dtype, copy=False)
        X = X.toarray()
    narrowed = not isinstance(X, np.ndarray) or np.dtype(X.dtype).itemsize > (
        4 if backend.dtype_name == "float32" else 8
    )
    if hasattr(X, "detach"):  # a tensor of PyTorch, perhaps in the midst of its differentiation
        X = X.detach()
    try:
        X = backend.asarray(X, backend.dtype)
    except (ArgumentError, ArgumentTypeError) as error:
        raise type(error)(f"X: {error}") from error
    if narrowed:  # host data have been checked in the dtype they came in
        boundary.check_finite("X", X, backend)
    return X


def check_finite(name: str, x: Any, backend: Backend) -> None:
    """Raise unless every entry of a host array is finite in the dtype of a backend."""
    with np.errstate(over="ignore"):
        finite = np.isfinite(x.astype(backend.dtype_name, copy=False)).all()
    if not finite:
        raise ArgumentError(
            f"{name}: expected finite numbers, found some that are too large for "
            f"{backend.dtype_name}; rescale them, or use dtype='float64'."
        )


def send(a: Array, backend: Backend, home: Backend | None) -> Any:
    """Return a result to where X came from."""
    if home is None:
        a = backend.to_numpy(a)
        return a if a.flags.writeable else a.copy()
    if home.same_device(backend):
        return a
    floating = backend.xp.isdtype(a.dtype, "real floating")
    return on_home(a, backend.dtype_name if floating else None, home)


def on_home(a: Any, dtype: str | None, home: Backend) -> Array:
    """Return an array where X came from, in a dtype of that name or the next it has.

    X may have come in integers: its own dtype is none for results.
    """
    return home.asarray(a, None if dtype is None else selection.widest(home.spec, dtype).dtype)
