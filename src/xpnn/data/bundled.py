"""Data that come with the package."""

from importlib.resources import files

import numpy as np

from .._typing import Array
from ._layout import arranged


def digits(*, rows: bool = False) -> tuple[Array, Array]:
    """Return images of handwritten digits, and which digit each shows.

    Test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak,
    UCI Machine Learning Repository, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0).

    Parameters
    ----------
    rows : bool
        Examples as rows: X (1797, 64) and y (1797,).

    Returns
    -------
    X : NumPy array, shape (64, 1797), float32
        8 × 8 pixels, row by row, scaled from 0…16 to 0…1.
    Y : NumPy array, shape (1, 1797), int64
        0 to 9.

    Examples
    --------
    >>> from xpnn.data import digits
    >>> X, Y = digits()
    >>> X.shape, Y[:, :3]
    ((64, 1797), array([[0, 1, 2]]))
    """
    with (files("xpnn.data") / "digits.npz").open("rb") as file, np.load(file) as arrays:
        X = arrays["X"].astype(np.float32) / np.float32(16.0)
        return arranged(X, arrays["y"].astype(np.int64), rows)
