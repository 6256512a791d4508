"""The boundary of the plots: whatever library an array is from, it is checked on the host."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from .._backends.host import host_array
from ..exceptions import ArgumentError, ArgumentTypeError


def host(name: str, x: Any) -> Any:
    """Return ``x`` as a NumPy array of finite numbers."""
    try:
        a = host_array(x)
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"{name}: {error}") from error
    bad = a.size - np.count_nonzero(np.isfinite(a))
    if bad:
        raise ArgumentError(
            f"{name}: expected finite numbers, found {bad} of {a.size} entries NaN or infinity; "
            "remove them first."
        )
    return a


def class_labels(name: str, y: Any, m: int | None = None) -> Any:
    """Return integer labels, shape (1, m) or (m,), as a NumPy array of shape (m,)."""
    y = host(name, y)
    shape = y.shape
    if y.ndim == 2 and shape[0] == 1:
        y = y[0]
    if y.ndim != 1 or y.size == 0:
        cure = ""
        if len(shape) == 2 and shape[0] > 1:
            column = shape[1] == 1
            cure = (
                f" Reshape it: {name}.reshape(1, -1)."
                if column
                else f" If these are one-hot columns or probabilities: {name}.argmax(axis=0)."
            )
        raise ArgumentError(
            f"{name}: expected labels of shape (1, m) or (m,), found {shape}.{cure}"
        )
    if not np.array_equal(y, np.rint(y)):
        raise ArgumentError(
            f"{name}: expected integer labels, found {y[y != np.rint(y)][0]:g}; "
            f"turn probabilities of one class into labels first: {name} > 0.5."
        )
    if m is not None and y.size != m:
        raise ArgumentError(f"{name}: expected {m} labels, one an example, found {y.size}.")
    return y.astype(np.int64)


def check_names(classes: Any, *labels: Any) -> list[str]:
    """Return the names of the classes 0, 1, …, if every label has one."""
    if isinstance(classes, str) or not isinstance(classes, Iterable):
        raise ArgumentTypeError(
            f"classes: expected a sequence of names like ['cat', 'dog'], found {classes!r}."
        )
    names = [str(name) for name in classes]
    low = min(y.min() for y in labels)
    high = max(y.max() for y in labels)
    if low < 0 or high >= len(names):
        raise ArgumentError(
            f"classes: expected a name for each label, found {len(names)} names for labels from "
            f"{low} to {high}; name the classes 0, 1, … in order."
        )
    return names
