"""The weights of each unit, laid out like the pictures they look at."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..exceptions import ArgumentError
from ..validation.arrays import numbers_on_host
from ..validation.numbers import positive_int
from ._canvas import Figure, grid, show_image


def weights(W: Any, shape: Sequence[int], columns: int = 8) -> Figure:
    """Show each row of a W as a picture.

    Weights of grey pixels are red where positive, blue where negative and white at 0, by one
    scale for all. Weights w of coloured pixels become colours ``1/2 + w / (2 max |w|)``: grey is 0.

    Parameters
    ----------
    W : array_like, shape (n, n_x)
        As a rule ``params[0].W``, whose row i holds what unit i, counted from 0, looks for.
    shape : sequence of int
        (h, w) or (h, w, 3), the shape that a column of X had as a picture.
    columns : int
        Pictures beside each other.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For a ``W`` without two dimensions, and a ``shape`` that its rows do not fill.

    Examples
    --------
    >>> import xpnn
    >>> from xpnn import plot
    >>> params = xpnn.Network([64, 10]).init()
    >>> figure = plot.weights(params[0].W, (8, 8), columns=5)
    >>> figure.axes[0].get_title()
    'unit 0'
    """
    W = numbers_on_host("W", W).astype(np.float64)
    shape = _check_shape(shape)
    if W.ndim != 2 or W.shape[0] == 0 or W.shape[1] != prod(shape):
        raise ArgumentError(
            f"W: expected shape (n, {prod(shape)}), a row for each picture of shape {shape}, "
            f"found {W.shape}; pass params[0].W, or w.T of logistic regression, and the shape "
            "that its inputs had as pictures."
        )
    columns = positive_int("columns", columns)
    bound = float(np.abs(W).max()) or 1.0
    coloured = len(shape) == 3
    pictures = W.reshape(-1, *shape)
    if coloured:
        pictures = 0.5 + pictures / (2.0 * bound)
    height = 0.8 * min(3.0, max(0.8, shape[0] / shape[1])) + 0.25  # room for the bar's numbers
    bar = 0.0 if coloured else 0.9
    figure, axes = grid(len(pictures), columns, (0.9, height), extra=(bar, 0.1))
    for i, (ax, picture) in enumerate(zip(axes, pictures, strict=True)):
        image = show_image(ax, picture, f"unit {i}", cmap="RdBu_r", vmin=-bound, vmax=bound)
    if not coloured:
        figure.colorbar(image, ax=axes, label="weight")
    return figure


def _check_shape(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, Sequence) or not (len(shape) == 2 or tuple(shape[2:]) == (3,)):
        raise ArgumentError(f"shape: expected (h, w) or (h, w, 3), found {shape!r}.")
    return tuple(positive_int(f"shape[{i}]", n) for i, n in enumerate(shape))
