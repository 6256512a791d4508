"""Which classes are taken for which: counted, and looked at."""

from collections.abc import Sequence
from math import ceil, sqrt
from typing import Any

import numpy as np

from ..exceptions import ArgumentError
from ..validation.arrays import numbers_on_host
from ..validation.numbers import positive_int
from ..validation.targets import check_names, class_labels
from ._canvas import SMALL, Axes, Figure, grid, new_axes, show_image


def confusion_matrix(
    y_true: Any, y_pred: Any, classes: Sequence[str] | None = None, ax: Axes = None
) -> Axes:
    """Draw how often each class is predicted as each: true classes down, predicted across.

    Parameters
    ----------
    y_true, y_pred : array_like of int, shape (1, m) or (m,)
    classes : sequence of str, optional
        The name of class 0, 1, …, which is then the whole list: every one gets a row and a
        column. By default the labels that occur do.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For labels that are not integers, not equally many, or without a name.

    Examples
    --------
    >>> from xpnn import plot
    >>> ax = plot.confusion_matrix([[0, 0, 1, 1]], [[0, 1, 1, 1]], classes=["cat", "dog"])
    >>> [cell.get_text() for cell in ax.texts]
    ['1', '1', '0', '2']
    """
    from sklearn import metrics

    y_true = class_labels("y_true", y_true)
    y_pred = class_labels("y_pred", y_pred, y_true.size)
    if classes is None:
        labels = np.union1d(y_true, y_pred)
        names = [str(label) for label in labels]
    else:
        names = check_names(classes, y_true, y_pred)
        labels = np.arange(len(names))
    counts = metrics.confusion_matrix(y_true, y_pred, labels=labels)
    if ax is None:
        cell = 0.36 + 0.07 * max(0, len(str(counts.max())) - 3)
        label = 0.07 * max(map(len, names))
        ax = new_axes(cell * len(names) + label + 1.0, cell * len(names) + label + 0.8)
    image = ax.imshow(counts, cmap="cividis", vmin=0)
    for (i, j), number in np.ndenumerate(counts):
        colour = _legible(image.to_rgba(number))
        ax.text(j, i, str(number), ha="center", va="center", color=colour, fontsize=SMALL)
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    if max(map(len, names)) > 3:
        ax.tick_params("x", rotation=90)
    return ax


def _legible(background: Sequence[float]) -> str:
    """Return black or white, whichever contrasts more with an RGB colour."""
    luminance = np.power(background[:3], 2.2) @ (0.2126, 0.7152, 0.0722)
    return "black" if luminance > 0.18 else "white"


def misclassified(
    images: Any,
    y_true: Any,
    y_pred: Any,
    classes: Sequence[str] | None = None,
    limit: int = 16,
) -> Figure:
    """Show the first pictures that are predicted wrong, each titled "true → predicted".

    Parameters
    ----------
    images : array_like, shape (m, h, w) or (m, h, w, 3)
        Greys from the smallest number (black) to the largest (white); colours as integers from
        0 to 255 or as floats from 0 to 1.
    y_true, y_pred : array_like of int, shape (1, m) or (m,)
    classes : sequence of str, optional
        The name of class 0, 1, …; by default its number.
    limit : int
        The most pictures to show.

    Returns
    -------
    matplotlib.figure.Figure
        Says so if no picture is predicted wrong.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For arrays of other shapes, colours out of range, and labels that are not integers, not
        one a picture, or without a name.

    Examples
    --------
    >>> import numpy as np
    >>> from xpnn import plot
    >>> figure = plot.misclassified(np.eye(4).reshape(4, 2, 2), [[3, 1, 4, 1]], [[3, 7, 4, 2]])
    >>> [ax.get_title() for ax in figure.axes]
    ['1 → 7', '1 → 2']
    """
    limit = positive_int("limit", limit)
    images = _check_images(images)
    m = images.shape[0]
    y_true = class_labels("y_true", y_true, m)
    y_pred = class_labels("y_pred", y_pred, m)
    name: Any = str if classes is None else check_names(classes, y_true, y_pred).__getitem__
    wrong = np.flatnonzero(y_true != y_pred)
    shown = wrong[:limit]
    summary = f"{wrong.size} of {m} predicted wrong"
    if not wrong.size:
        ax = new_axes(3.0, 1.0)
        ax.set_axis_off()
        ax.text(0.5, 0.5, summary, ha="center", va="center", transform=ax.transAxes)
        return ax.figure
    titles = [f"{name(y_true[i])} → {name(y_pred[i])}" for i in shown]
    columns = ceil(sqrt(shown.size))
    width = max(0.9, 0.08 * max(map(len, titles)), 3.4 / columns)  # the summary is 3.4 wide
    height = 0.82 * min(3.0, images.shape[1] / images.shape[2]) + 0.27
    figure, axes = grid(shown.size, columns, (width, height), extra=(0.0, 0.4))
    for ax, image, title in zip(axes, images[shown], titles, strict=True):
        show_image(ax, image, title, cmap="gray", vmin=images.min(), vmax=images.max())
    more = f", the first {shown.size}" if shown.size < wrong.size else ""
    figure.suptitle(summary + more, fontsize="medium")
    return figure


def _check_images(images: Any) -> Any:
    images = numbers_on_host("images", images)
    shape = images.shape
    colour = len(shape) == 4 and shape[3] == 3
    if not (len(shape) == 3 or colour) or 0 in shape:
        cure = ""
        if len(shape) == 2:
            cure = "; columns of pixels become pictures by X.T.reshape(-1, h, w)"
        elif len(shape) == 4 and shape[1] == 3:
            cure = "; move the channels last: numpy.moveaxis(images, 1, -1)"
        raise ArgumentError(
            f"images: expected shape (m, h, w) or (m, h, w, 3), found {shape}{cure}."
        )
    largest = 1.0 if images.dtype.kind == "f" else 255
    if colour and (images.min() < 0 or images.max() > largest):
        raise ArgumentError(
            f"images: expected colours from 0 to {largest:g} for dtype {images.dtype}, found "
            f"{images.min():g} to {images.max():g}; rescale them, for example images / 255."
        )
    return images
