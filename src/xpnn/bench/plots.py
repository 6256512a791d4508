"""The plot of ``xpnn bench``."""

from collections.abc import Mapping

from ..plot._canvas import COLOURS, MARKERS, SMALL, Figure, grid
from .sizes import SIZES


def plot_sizes(times: Mapping[str, Mapping[str, list[float]]]) -> Figure:
    """Draw the time of each call against its size, a panel each, a line for each backend.

    Parameters
    ----------
    times : mapping of str to mapping of str to list of float
        By operation and backend, what `times_by_size` returns.

    Examples
    --------
    >>> from xpnn.bench import plot_sizes
    >>> figure = plot_sizes({"tanh": {"numpy:cpu": [1e-6, 2e-6]}})
    >>> len(figure.axes)
    1
    """
    figure, axes = grid(len(times), 2, (4.0, 3.6), sharey=True)
    for ax, (operation, by_backend) in zip(axes, times.items(), strict=True):
        for k, (spec, seconds) in enumerate(by_backend.items()):
            ax.loglog(
                SIZES[: len(seconds)],
                [1e6 * s for s in seconds],
                color=COLOURS[k % len(COLOURS)],
                marker=MARKERS[k % len(MARKERS)],
                label=spec,
            )
        ax.set_title(f"{operation} of n numbers", fontsize="medium")
        ax.set_xlabel("n")
        ax.grid(alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("time [µs]")
    axes[0].legend(frameon=False, fontsize=SMALL)
    return figure
