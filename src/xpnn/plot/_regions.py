"""The regions into which a classifier of two inputs divides the plane."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from .._backends.registry import find_backend
from ..exceptions import ArgumentError, ArgumentTypeError
from ..validation.arrays import numbers_on_host
from ..validation.numbers import positive_int
from ..validation.targets import class_labels
from ._canvas import COLOURS, MARKERS, Axes, Figure, grid, new_axes, wrapped

Extent: TypeAlias = tuple[float, float, float, float]
"""Left, right, bottom and top of a plot."""
MARGIN = 0.1  # of the range of the data, on each side
PALE = 0.35  # how much colour a region has; the rest is white
STRETCHED = 3.0  # ranges that differ more are drawn to different scales


def decision_boundary(
    predict: Callable[[Any], Any],
    X: Any,
    Y: Any,
    ax: Axes = None,
    title: str | None = None,
    resolution: int = 300,
) -> Axes:
    """Draw what a classifier predicts all over the plane, and the examples on top.

    A region has the pale colour of the class predicted there, an example the strong colour and
    the marker of its own class: one that lies in a region of another colour is predicted wrong.
    x₁ and x₂ are drawn to one scale unless one ranges over more than three times the other.

    Parameters
    ----------
    predict : callable (X) -> labels
        From columns, shape (2, n), to labels, shape (1, n) or (n,):
        ``lambda X: net.predict(params, X)``. It is called once, with an array of the library,
        device and floating dtype of ``X``. A notebook's ``lambda x: predict(parameters, x.T)``
        is ``lambda X: predict(parameters, X)`` here.
    X : array_like, shape (2, m)
    Y : array_like, shape (1, m) or (m,)
        Labels from 0 to 7.
    ax : matplotlib.axes.Axes, optional
        In an Axes of your own, ``ax.legend()`` names the classes.
    title : str, optional
    resolution : int
        Points along each axis at which ``predict`` is asked; fewer are faster and coarser.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For ``X`` without exactly two rows, and labels, given or predicted, that are not integers
        from 0 to 7.

    Examples
    --------
    >>> from xpnn import plot
    >>> ax = plot.decision_boundary(lambda X: X[:1] > X[1:], [[0, 0, 2], [0, 2, 1]], [[0, 0, 1]])
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('$x_1$', '$x_2$')
    """
    points, y, extent = _checked(X, Y)
    regions = _regions(predict, X, extent, positive_int("resolution", resolution))
    own = ax is None
    if own:
        width, height = _size(extent, 4.3)
        ax = new_axes(width + 1.3, height + 0.8)
    _draw(ax, points, y, regions, extent)
    if title is not None:
        ax.set_title(title)
    if own:
        _legend(ax.figure, [ax])
    return ax


def decision_boundaries(
    predictions: Mapping[str, Callable[[Any], Any]],
    X: Any,
    Y: Any,
    columns: int = 3,
    resolution: int = 300,
) -> Figure:
    """Draw a `decision_boundary` for each of several classifiers of the same examples.

    Parameters
    ----------
    predictions : dict of str to callable
        ``predict`` of `decision_boundary` for each title, row by row.
    X, Y, resolution
        As `decision_boundary` takes them.
    columns : int
        Plots beside each other.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ArgumentError, ArgumentTypeError
        As `decision_boundary` does, and for ``predictions`` without an entry.

    Examples
    --------
    >>> from xpnn import plot
    >>> predictions = {"first": lambda X: X[:1] > 0.5, "second": lambda X: X[1:] > 0.5}
    >>> figure = plot.decision_boundaries(predictions, [[0, 0, 1], [0, 1, 1]], [[0, 0, 1]])
    >>> [ax.get_title() for ax in figure.axes]
    ['first', 'second']
    """
    _check_predictions(predictions)
    columns = positive_int("columns", columns)
    points, y, extent = _checked(X, Y)
    resolution = positive_int("resolution", resolution)
    regions = [_regions(predict, X, extent, resolution) for predict in predictions.values()]
    n = len(regions)
    width, height = _size(extent, 2.8)
    titles = [wrapped(title, width) for title in predictions]
    height += 0.1 + 0.2 * max(len(title.splitlines()) for title in titles)
    figure, axes = grid(
        n, columns, (width, height), extra=(1.5, 0.5), layout="compressed", sharex=True, sharey=True
    )
    for i, ax in enumerate(axes):
        _draw(ax, points, y, regions[i], extent)
        ax.set_title(titles[i], fontsize="medium")
        bottom, left = i + columns >= n, i % columns == 0
        ax.tick_params(labelbottom=bottom, labelleft=left)
        ax.xaxis.label.set_visible(bottom)
        ax.yaxis.label.set_visible(left)
    _legend(figure, axes)
    return figure


def _check_predictions(predictions: Any) -> None:
    if not isinstance(predictions, Mapping) or not predictions:
        raise ArgumentTypeError(
            "predictions: expected a dict like {'n_h = 4': lambda X: net.predict(params, X)}, "
            f"found {predictions!r}."
        )


def _checked(X: Any, Y: Any) -> tuple[Any, Any, Extent]:
    """Return X, shape (2, m), and Y, shape (m,), on the host, and how far X extends."""
    points = numbers_on_host("X", X).astype(np.float64)
    shape = points.shape
    if points.ndim != 2 or shape[0] != 2 or shape[1] == 0:
        cure = "choose two of the inputs: X[[0, 1], :]."
        if shape[1:] == (2,):
            cure = "one example is one column: pass X.T."
        raise ArgumentError(f"X: expected shape (2, m), a point a column, found {shape}; {cure}")
    return points, _check_colours("Y", class_labels("Y", Y, shape[1])), _extent(points)


def _check_colours(name: str, y: Any) -> Any:
    if y.min() < 0 or y.max() >= len(COLOURS):
        raise ArgumentError(
            f"{name}: expected labels from 0 to {len(COLOURS) - 1}, one for each colour that can "
            f"be told apart, found labels from {y.min()} to {y.max()}; number the classes from 0, "
            "for example with numpy.unique(y, return_inverse=True), or join some."
        )
    return y


def _extent(points: Any) -> Extent:
    """Return left, right, bottom, top of the data with a margin."""
    low, high = points.min(axis=1), points.max(axis=1)
    span = np.where(high > low, high - low, 1.0)
    low, high = low - MARGIN * span, high + MARGIN * span
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])


def _ratio(extent: Extent) -> float | None:
    """Return height over width at one scale, or None where two scales are better."""
    left, right, bottom, top = extent
    ratio = (top - bottom) / (right - left)
    return ratio if 1.0 / STRETCHED <= ratio <= STRETCHED else None


def _size(extent: Extent, inches: float) -> tuple[float, float]:
    """Return width and height of a plot that is so wide, or narrower if it is tall."""
    ratio = _ratio(extent) or 0.8
    width = inches / max(1.0, ratio) ** 0.5
    return width, width * ratio


def _regions(predict: Callable[[Any], Any], X: Any, extent: Any, resolution: int) -> Any:
    """Return the labels predicted on a grid, shape (resolution, resolution), from the bottom up."""
    left, right, bottom, top = extent
    x1, x2 = np.meshgrid(_centres(left, right, resolution), _centres(bottom, top, resolution))
    columns: Any = np.stack((x1.ravel(), x2.ravel()))
    backend = find_backend(X)
    if backend is not None:
        real = backend.xp.isdtype(X.dtype, "real floating")
        columns = backend.asarray(columns, X.dtype if real else "float32")
    y = class_labels("predict(X)", predict(columns), resolution**2)
    return _check_colours("predict(X)", y).reshape(x1.shape)


def _centres(low: float, high: float, n: int) -> Any:
    """Return the centres of n pixels side by side."""
    return low + (high - low) * (np.arange(n) + 0.5) / n


def _draw(ax: Axes, points: Any, y: Any, regions: Any, extent: Any) -> None:
    from matplotlib.colors import to_rgb

    left, right, bottom, top = extent
    pale = 1.0 - PALE * (1.0 - np.asarray([to_rgb(colour) for colour in COLOURS]))
    ax.imshow(pale[regions], extent=extent, origin="lower", interpolation="nearest")
    for k in np.unique(regions)[1:]:  # one less: a border has two sides
        x1 = _centres(left, right, regions.shape[1])
        x2 = _centres(bottom, top, regions.shape[0])
        ax.contour(x1, x2, regions == k, levels=[0.5], colors="0.3", linewidths=0.8)
    for k in np.unique(y):
        ax.scatter(
            *points[:, y == k],
            s=min(28.0, max(6.0, 8000.0 / y.size)),
            color=COLOURS[k],
            marker=MARKERS[k],
            edgecolors="black",
            linewidths=0.4,
            label=f"class {k}",
        )
    ax.set(xlim=(left, right), ylim=(bottom, top), xlabel="$x_1$", ylabel="$x_2$")
    ax.set_aspect("equal" if _ratio(extent) else "auto")


def _legend(figure: Figure, axes: list[Axes]) -> None:
    """Name the classes beside the plots, where no example is covered."""
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right upper", frameon=False)
