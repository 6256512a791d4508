"""The cost over the training."""

from collections.abc import Iterable
from typing import Any

from ..exceptions import ArgumentError, ArgumentTypeError
from ..training.history import History
from ..validation.numbers import positive_int
from ._canvas import COLOURS, Axes, new_axes


def cost_curve(
    costs: History | Iterable[Any],
    ax: Axes = None,
    label: str | None = None,
    every: int | None = None,
) -> Axes:
    """Draw the cost J over the epochs, or over the iterations.

    Parameters
    ----------
    costs : History or sequence of numbers
        A history is drawn by its ``cost``.
    ax : matplotlib.axes.Axes, optional
        A further curve in the same Axes gets the next colour.
    label : str, optional
        Names the curve in the legend, as "α = 0.01" does when learning rates are compared.
    every : int, optional
        The costs were recorded at iterations 0, ``every``, 2 ``every``, …, as a loop writes that
        keeps one cost every 100 iterations. By default there is one for each epoch 1, 2, ….

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For costs that are not numbers, or none at all.

    Examples
    --------
    >>> from xpnn import plot
    >>> ax = plot.cost_curve([0.69, 0.64, 0.48], every=100)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('iteration', 'cost J')
    >>> ax.lines[0].get_xdata()
    array([  0., 100., 200.])
    """
    y = _numbers(costs)
    if every is None:
        x = [float(i) for i in range(1, len(y) + 1)]
    else:
        x = [float(i * positive_int("every", every)) for i in range(len(y))]
    if ax is None:
        ax = new_axes(5.5, 3.8)
        ax.xaxis.get_major_locator().set_params(integer=True)
    ax.plot(
        x,
        y,
        color=COLOURS[len(ax.lines) % len(COLOURS)],
        marker="." if len(y) < 20 else "",  # a single cost would not be seen otherwise
        label=label,
    )
    ax.set_xlabel("epoch" if every is None else "iteration")
    ax.set_ylabel("cost J")
    if label is not None:
        ax.legend()
    return ax


def _numbers(costs: Any) -> list[float]:
    if isinstance(costs, History):
        costs = costs.cost
    try:
        numbers = [float(J) for J in costs]
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(
            f"costs: expected a History or a sequence of numbers, found {type(costs).__name__} "
            f"({error}); pass what xpnn.fit returns second."
        ) from error
    if not numbers:
        raise ArgumentError("costs: expected at least one cost, found none; train first.")
    return numbers
