"""What is drawn on: figures, grids of axes, and the colours and markers of the classes."""

from textwrap import fill
from typing import Any, TypeAlias

from .._optional import optional

Axes: TypeAlias = Any
Figure: TypeAlias = Any

# The palette of Okabe and Ito (2008), "Color Universal Design", which people with any of the
# common colour deficiencies can tell apart; in an order that keeps neighbours far apart.
COLOURS = (
    "#0072B2",  # blue
    "#D55E00",  # vermillion
    "#009E73",  # bluish green
    "#CC79A7",  # reddish purple
    "#E69F00",  # orange
    "#000000",  # black
    "#56B4E9",  # sky blue
    "#F0E442",  # yellow
)
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")
SMALL = 8.0  # points: the smallest print


def pyplot() -> Any:
    """Return ``matplotlib.pyplot``, or raise the error that says how to install it."""
    return optional("matplotlib.pyplot", "drawing", "plot")


def new_axes(width: float, height: float) -> Axes:
    """Return the Axes of a new figure, sized in inches."""
    _, ax = pyplot().subplots(figsize=(width, height), layout="compressed")
    return ax


def grid(
    n: int,
    columns: int,
    cell: tuple[float, float],
    extra: tuple[float, float] = (0.0, 0.0),
    layout: str = "constrained",
    **shared: bool,
) -> tuple[Figure, list[Axes]]:
    """Return a figure and its n axes, row by row.

    Each has a cell of (width, height) inches; the figure is ``extra`` inches larger than all.
    ``shared`` is pyplot's ``sharex`` and ``sharey``, ``layout`` a layout engine's name:
    "compressed" moves axes of one scale together, and takes no heed of wide titles.
    """
    columns = min(n, columns)
    rows = -(-n // columns)
    figure, axes = pyplot().subplots(
        rows,
        columns,
        figsize=(columns * cell[0] + extra[0], rows * cell[1] + extra[1]),
        layout=layout,
        squeeze=False,
        **shared,
    )
    for unused in axes.flat[n:]:
        unused.remove()
    return figure, list(axes.flat[:n])


def wrapped(title: object, width: float) -> str:
    """Break a title into lines that fit so many inches."""
    return fill(str(title), max(8, int(width * 11)))


def show_image(ax: Axes, image: Any, title: str, **how: Any) -> Any:
    """Show a picture without ticks, under a small title."""
    ax.set_axis_off()
    ax.set_title(title, fontsize=SMALL)
    return ax.imshow(image, **how)
