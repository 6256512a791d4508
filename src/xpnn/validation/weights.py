"""Sample weights: checked, in a unit in which no sum overflows, and as shares of the cost."""

from math import frexp, ldexp
from typing import Any

import numpy as np

from .._backends.base import Backend
from .._backends.selection import resolve
from ..exceptions import ArgumentError
from .arrays import check_columns, check_device, check_finite, converted, on_host


def check_sample_weight(sample_weight: Any, m: int, backend: Backend) -> Any:
    """Return the sample weights, shape (1, m): finite, not negative, not all zero; or None.

    They are NumPy arrays of float64. Only their shares of the sum matter, and a share fits into
    any dtype, even if a weight or the sum does not.
    """
    if sample_weight is None:
        return None
    host = resolve("numpy", "float64")
    check_device("sample_weight", sample_weight, backend)
    s = converted("sample_weight", on_host(sample_weight), host, host.dtype)
    check_columns("sample_weight", s, 1, m)
    check_finite("sample_weight", s, host)
    check_not_negative(s)
    return s


def check_not_negative(s: Any) -> None:
    """Raise unless every weight of a host array is at least 0, and one of them above."""
    if not s.min() >= 0.0:
        raise ArgumentError(
            f"sample_weight: expected weights of at least 0, found {s.min():g}; leave such "
            "examples out."
        )
    if not s.any():
        raise ArgumentError(
            "sample_weight: expected weights of at least 0 and at least one non-zero weight, "
            "found only 0."
        )


def scaled(s: Any, largest: float | None = None) -> tuple[Any, float]:
    """Return float64 weights in a unit in which the largest is from 1 to 2, and that unit.

    ``largest`` is that of all weights, where these are some of them. Neither the sum nor 1 over it
    overflows. The unit is a power of 2: no digit changes.
    """
    _, exponent = frexp(s.max(initial=0.0) if largest is None else largest)
    unit = ldexp(1.0, exponent - 1)
    s = s / unit
    return np.where(np.abs(s) < np.finfo(np.float64).tiny, 0.0, s), unit


def score_weights(sample_weight: Any) -> Any:
    """Return the weights of a score for scikit-learn, whose sums they may not overflow; or None."""
    if sample_weight is None:
        return None
    return scaled(np.asarray(on_host(sample_weight), dtype=np.float64))[0]


def share_and_decay(m: int, s: Any, l2: float, backend: Backend) -> tuple[Any, float | None]:
    """Return 1/m, or s/Σs on the backend, and λ/m or λ/Σs, None if λ is 0.

    ``s`` are the weights of m examples as `check_sample_weight` returns them, or None.
    """
    if s is None:
        return 1.0 / m, l2 / m if l2 else None
    s, unit = scaled(s)
    total = float(s.sum())
    return backend.asarray(s / total, backend.dtype), l2 / total / unit if l2 else None
