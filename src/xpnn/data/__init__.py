"""Data sets that come with the package.

`digits`   1,797 handwritten digits, real data
"""

from importlib.resources import files
from typing import Any

import numpy as np


def digits() -> tuple[Any, Any]:
    """Return the handwritten digits: images as rows, and which digit each shows.

    Test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak,
    UCI Machine Learning Repository, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0).

    Returns
    -------
    X : NumPy array, shape (1797, 64), float32
        8 × 8 pixels, row by row, scaled from 0…16 to 0…1.
    y : NumPy array, shape (1797,), int64
        0 to 9.

    Examples
    --------
    >>> from xpnn.data import digits
    >>> X, y = digits()
    >>> X.shape, y[:3]
    ((1797, 64), array([0, 1, 2]))
    """
    with (files(__name__) / "digits.npz").open("rb") as file, np.load(file) as arrays:
        return arrays["X"].astype(np.float32) / np.float32(16.0), arrays["y"].astype(np.int64)
