"""`ImageEncoder`: images as rows of numbers, from 0 to 1."""

from math import prod
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from .._typing import Array
from ..exceptions import ArgumentError
from ..files import container


class ImageEncoder(TransformerMixin, BaseEstimator):
    """Turns images of bytes into rows of numbers from 0 to 1, float32: pixel by pixel, row by row.

    Parameters
    ----------
    shape : tuple of int
        (h, w) for grey levels, (h, w, 3) for red, green and blue.

    Examples
    --------
    >>> import numpy as np
    >>> from xpnn.preprocessing.images import ImageEncoder
    >>> ImageEncoder((1, 2)).fit_transform(np.array([[[0, 255]], [[51, 0]]], dtype=np.uint8))
    array([[0. , 1. ],
           [0.2, 0. ]], dtype=float32)
    """

    kind = "images"

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Do nothing: there is nothing to learn."""
        return self

    def transform(self, X: Any) -> Array:
        """Return images, shape (m, h, w) or (m, h, w, 3), as rows, shape (m, n_features)."""
        X = np.asarray(X)
        if X.dtype != np.uint8 or X.shape[1:] != tuple(self.shape):
            raise ArgumentError(
                f"expected images of bytes (uint8), shape (m, {', '.join(map(str, self.shape))}), "
                f"found {X.dtype} of shape {X.shape}."
            )
        return X.reshape(len(X), -1) / np.float32(255.0)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def n_features_out(self) -> int:
        """How many numbers a row has."""
        return prod(self.shape)

    def describe(self) -> dict[str, Any]:
        """Return what `from_description` makes it from, as plain values."""
        return {"kind": self.kind, "shape": list(self.shape)}

    @classmethod
    def from_description(cls, described: dict[str, Any]) -> Self:
        """Make it from what `describe` returned; trust nothing in it."""
        container.expect("rows", described.keys() == {"kind", "shape"})
        shape = described["shape"]
        whole = isinstance(shape, list) and all(type(n) is int and n > 0 for n in shape)
        container.expect("shape", whole and len(shape) in (2, 3))
        return cls(tuple(shape))
