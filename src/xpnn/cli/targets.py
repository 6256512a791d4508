"""What is to be learnt: classes or numbers, and how well they are predicted."""

from typing import Any

import numpy as np

from .._typing import Array
from ..exceptions import ArgumentError
from .examples import Examples

CLASSIFICATION, REGRESSION = "classification", "regression"
LETTERS = 1000
"""The name of a class has at most so many."""
MANY = 20
"""So many different whole numbers may be classes; more are quantities."""


def task_of(examples: Examples, asked: str | None) -> str:
    """Return the task: as asked, or by what y holds.

    Texts, few different whole numbers, and any whole numbers of images are classes.
    """
    y = _present(examples)
    if y.ndim == 2:
        guessed = CLASSIFICATION if set(np.unique(y).tolist()) <= {0, 1} else REGRESSION
    elif y.dtype.kind not in "iuf":
        guessed = CLASSIFICATION
    else:
        different = np.unique(y)
        few = len(different) <= min(MANY, max(2, len(y) // 2)) or examples.kind == "images"
        guessed = CLASSIFICATION if few and (different == np.floor(different)).all() else REGRESSION
    if asked == REGRESSION and y.dtype.kind not in "iufb":
        raise ArgumentError(
            f"--task: expected classification, as {_named(examples)} is text, found regression."
        )
    return asked or guessed


def classes_or_numbers(examples: Examples, task: str) -> Array:
    """Return y as an array for the task: texts (object), bool or int; or float64."""
    y = _present(examples)
    if task == REGRESSION:
        return y.astype(np.float64)
    if y.dtype.kind == "f":
        y = y.astype(np.float64)
        if (y != np.floor(y)).any():
            raise ArgumentError(
                f"{_named(examples)}: expected classes, found numbers that are not whole, such as "
                f"{y[y != np.floor(y)].flat[0]:g}; pass --task regression."
            )
        if (np.abs(y) >= 2.0**53).any():
            raise ArgumentError(
                f"{_named(examples)}: expected classes, found {y[np.abs(y).argmax()]:g}; number "
                "the classes, or pass --task regression."
            )
        y = y.astype(np.int64)
    return y


def scores(y: Array, predicted: Array, probabilities: Array | None, classes: Any) -> dict[str, Any]:
    """Return how well y is predicted: accuracy and log loss; or R² and errors in units of y."""
    from sklearn import metrics

    if classes is None:
        return {
            "r2": float(metrics.r2_score(y, predicted)) if len(y) > 1 else None,
            "rmse": float(metrics.root_mean_squared_error(y, predicted)),
            "mae": float(metrics.mean_absolute_error(y, predicted)),
        }
    found = {"accuracy": float(metrics.accuracy_score(y, predicted))}
    if y.ndim == 1:
        found["log_loss"] = float(metrics.log_loss(y, probabilities, labels=classes))
    return found


def _present(examples: Examples) -> Array:
    """Return y as a NumPy array of texts (object), bool or numbers, or raise if some is missing."""
    y: Any = examples.y
    if hasattr(y, "isna"):
        missing = y.isna()
        if missing.any():
            raise ArgumentError(
                f"{_named(examples)}: expected a value in every row, found {int(missing.sum())} "
                f"missing (the first in row {int(np.argmax(missing)) + 1}); remove such rows."
            )
        y = y.to_numpy()
    y = np.asarray(y)
    if y.dtype.kind in "OU":
        y = np.frompyfunc(str, 1, 1)(y)
        longest = max(map(len, y.flat), default=0)
        if longest > LETTERS:  # NumPy keeps each text as if it were as long as the longest
            raise ArgumentError(
                f"{_named(examples)}: expected names of classes of at most {LETTERS:,} letters, "
                f"found one of {longest:,}."
            )
        if any("\0" in text for text in y.flat):  # which NumPy drops at the end of a text
            raise ArgumentError(f"{_named(examples)}: expected names without NUL characters.")
    if y.dtype.kind == "f" and not (finite := np.isfinite(y)).all():
        raise ArgumentError(
            f"{_named(examples)}: expected finite numbers, found {int(np.sum(~finite))} NaN or "
            "infinite; remove such rows."
        )
    if y.dtype.kind not in "iufbO":
        raise ArgumentError(f"{_named(examples)}: expected numbers or text, found {y.dtype}.")
    return y


def _named(examples: Examples) -> str:
    return examples.name if examples.target is None else f"target {examples.target!r}"
