"""Targets and labels: in the range of the loss, one-hot, 0 and 1, or numbers of classes."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from .._backends.base import Backend
from .._typing import Array
from ..core.losses import Loss
from ..exceptions import ArgumentError, ArgumentTypeError
from .arrays import check_finite, numbers_on_host


def one_hot(labels: Array, n_y: int, backend: Backend) -> Array:
    """Return the one-hot columns, shape (n_y, m), of labels 0 … n_y − 1, shape (1, m)."""
    xp = backend.xp
    labels = xp.astype(labels, backend.index_dtype)  # 300 classes do not fit uint8
    if not backend.all_true((labels >= 0) & (labels < n_y)):
        raise ArgumentError(
            f"Y: expected labels from 0 to {n_y - 1}, one for each output unit, found "
            f"labels from {int(xp.min(labels))} to {int(xp.max(labels))}; number the classes "
            "consecutively from 0, for example with numpy.unique(y, return_inverse=True)."
        )
    classes = xp.reshape(xp.arange(n_y, dtype=labels.dtype, device=backend.device), (n_y, 1))
    return xp.astype(classes == labels, backend.dtype)


def check_targets(Y: Array, loss: Loss, backend: Backend) -> None:
    """Raise unless every target lies in the range of the loss, and one-hot columns sum to 1."""
    xp = backend.xp
    low, high = loss.target_range
    if not backend.all_true((low <= Y) & (high >= Y)):
        raise ArgumentError(
            f"Y: expected targets from {low:g} to {high:g} for loss {loss.name!r}, found values "
            f"from {float(xp.min(Y)):g} to {float(xp.max(Y)):g}; "
            "rescale them, or choose another loss."
        )
    sums_to_1 = xp.abs(xp.sum(Y, axis=0) - 1.0) < 1e-3
    if loss.canonical == "softmax" and not backend.all_true(sums_to_1):
        raise ArgumentError(
            "Y: expected columns that sum to 1 (one-hot or probabilities), found others; "
            "pass integer labels of shape (1, m) to have them made."
        )


def check_binary(name: str, Y: Array, backend: Backend) -> None:
    """Raise for targets that are not finite, and for whole numbers other than 0 and 1."""
    check_finite(name, Y, backend)
    xp = backend.xp
    # the notes try their functions on targets drawn from N(0, 1) too
    whole = backend.all_true(xp.floor(Y) == Y)
    if whole and not backend.all_true((Y == 0.0) | (Y == 1.0)):
        raise ArgumentError(
            f"{name}: expected labels 0 and 1, found {float(xp.min(Y)):g} to "
            f"{float(xp.max(Y)):g}; for more classes use xpnn.Network with output='softmax'."
        )


def class_labels(name: str, y: Any, m: int | None = None) -> Any:
    """Return integer labels, shape (1, m) or (m,), as a NumPy array of shape (m,)."""
    y = numbers_on_host(name, y)
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
