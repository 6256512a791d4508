"""The estimators' door: where work runs, and what users pass as checked rows on that backend.

One example is a row here. X decides; y and the weights follow it through the host. Host data are
checked by scikit-learn's own functions. Arrays on a device stay there, and are checked by the few
lines below, because without its array-API dispatch scikit-learn turns them into NumPy arrays.
"""

from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, validate_data

from .._backends import selection
from .._backends.base import Backend
from .._backends.numpy import NumpyBackend
from .._typing import Array
from ..exceptions import ArgumentError, ArgumentTypeError
from .arrays import check_finite, check_kind, check_range, converted, on_host
from .weights import check_not_negative

FLOATS = (np.float64, np.float32)
DATES = ("date", "time", "duration")
"""How the names of the dtypes of dates and times begin, in NumPy, pandas and polars."""


def spec_of(home: Backend | None) -> str:
    """Name the library and device that X is on: ``numpy`` for host data."""
    return "numpy" if home is None else home.spec


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


def refuse_dates(X: Any) -> None:
    """Raise for columns of dates, which scikit-learn would take for numbers, and of records."""
    dtypes = X.dtypes if hasattr(X, "columns") else [getattr(X, "dtype", None)]
    for dtype in dtypes:
        name = str(dtype).lower()
        if name.startswith(DATES) or getattr(dtype, "names", None):
            raise ArgumentTypeError(
                f"X: expected real numbers, found dtype {dtype}; convert it first, a date for "
                "example to the days since another one."
            )


def where(estimator: Any, home: Backend | None, dtype: str) -> Backend:
    """Return the backend to fit on: ``backend=``, else X's own, else the selected one.

    ``dtype=`` changes only the dtype. Without it that is X's, or float32 where the device, or JAX
    as it is set, has no float64.
    """
    name = estimator.backend or (home or selection.get_backend()).spec
    if estimator.dtype is None:
        return selection.resolve_or_float32(name, dtype)
    return selection.resolve_for_process(name, estimator.dtype)


def check_fit(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    dtype: str | None = None,
    *,
    reset: bool,
    **y_checks: Any,
) -> tuple[Any, Any, Any, Backend, Backend | None]:
    """Return X, y, the weights, the backend to fit on, and that of X, None for the host.

    X stays where it is, y and the weights become host arrays. ``dtype`` is that of the parameters,
    where there are some; else X decides.
    """
    home = check_kind("X", X, scipy_sparse=True)
    check_kind("y", y, scipy_sparse=True)
    refuse_dates(X)
    y = on_host(y)
    refuse_missing(y)
    if home is None:
        X, y = validate_data(
            estimator, X, y, accept_sparse=["csr", "csc"], dtype=FLOATS, reset=reset, **y_checks
        )
    else:
        y = validate_data(estimator, y=y, reset=reset, **y_checks)
        check_device_rows(estimator, X, reset=reset)
        check_consistent_length(np.empty((X.shape[0], 0)), y)
    backend = where(estimator, home, dtype or dtype_of(X))
    return X, y, check_weights(sample_weight, X.shape[0]), backend, home


def predict_rows(estimator: Any, X: Any) -> Any:
    """Check what a fitted estimator is given."""
    home = check_kind("X", X, scipy_sparse=True)
    refuse_dates(X)
    if home is None:
        return validate_data(estimator, X, accept_sparse=["csr", "csc"], reset=False)
    check_device_rows(estimator, X, reset=False)
    return X


def check_weights(sample_weight: Any, m: int) -> Any:
    """Return the sample weights in float64 on the host, shape (1, m), or None.

    They are finite, not negative, and not all zero.
    """
    if sample_weight is None:
        return None
    check_kind("sample_weight", sample_weight, scipy_sparse=True)
    s = _check_sample_weight(on_host(sample_weight), np.empty((m, 0)))
    check_not_negative(s)
    return np.asarray(s, dtype=np.float64)[None, :]


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
            check_range("X", X.data, backend.dtype_name)
            return X.tocsr().astype(backend.dtype, copy=False)
        X = X.toarray()
    narrowed = not isinstance(X, np.ndarray) or np.dtype(X.dtype).itemsize > (
        4 if backend.dtype_name == "float32" else 8
    )
    if hasattr(X, "detach"):  # a tensor of PyTorch, perhaps in the midst of its differentiation
        X = X.detach()
    X = converted("X", X, backend, backend.dtype)
    if narrowed:  # host data have been checked in the dtype they came in
        check_finite("X", X, backend)
    return X


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
    own = None if dtype is None else selection.resolve_or_float32(home.spec, dtype).dtype
    return home.asarray(a, own)
