"""Examples as columns, the layout of the equations, or as rows, that of scikit-learn."""

from .._typing import Array


def arranged(X: Array, y: Array, rows: bool) -> tuple[Array, Array]:
    """Return examples that are rows, X (m, n_x) and y (m,), as they are or as columns."""
    return (X, y) if rows else (X.T, y.reshape(1, -1))
