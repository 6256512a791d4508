"""Broadcasting: axes of length 1 are stretched, and what happens to arrays without two axes."""

from typing import Any

from .._backends.base import Backend
from .._backends.selection import get_backend
from .._typing import Array
from ..course import basics
from ..exceptions import ArgumentError
from ..network import Network
from ..plot._canvas import COLOURS, SMALL, Axes, Figure, pyplot
from ..table import Table
from .demonstration import Demonstration

FOODS = ("apples", "beef", "eggs", "potatoes")
SOURCES = ("carbohydrate", "protein", "fat")
# calories in 100 g of each food from each source
CALORIES = [[56.0, 0.0, 4.4, 68.0], [1.2, 104.0, 52.0, 8.0], [1.8, 135.0, 99.0, 0.9]]

COLUMN = [[1.0], [2.0], [3.0], [4.0]]
MATRIX = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
SUMS: tuple[tuple[Any, Any], ...] = (
    (COLUMN, 100.0),
    (MATRIX, [[100.0, 200.0, 300.0]]),
    (MATRIX, [[100.0], [200.0]]),
    ([[1.0], [2.0]], [[100.0, 200.0, 300.0]]),
)
HATCHES = ("", "//", "..")
PALE = ("#CFE3F1", "#FBE3D0", "#D3EDE5")  # of the first three colours


def broadcasting() -> Demonstration:
    """Which shapes meet, and the trap of rank-1 arrays.

    Computed on the selected backend.

    Returns
    -------
    Demonstration

    Examples
    --------
    >>> from xpnn.demos import broadcasting
    >>> food, shapes, rank_1, answer = broadcasting().tables
    >>> food
    % of calories  apples  beef   eggs   potatoes
    carbohydrate   94.9    0.0    2.8    88.4
    protein        2.0     43.5   33.5   10.4
    fat            3.1     56.5   63.7   1.2
    sum            100.0   100.0  100.0  100.0
    >>> rank_1
    a of shape  a.T     a @ a.T  a - c, c of shape (5, 1)
    (5,)        (5,)    ()       (5, 5)
    (5, 1)      (1, 5)  (5, 5)   (5, 1)
    """
    backend = get_backend()
    with backend.current():
        shares = _shares(backend)
        sums = [_stretched(A, B, backend) for A, B in SUMS]
        tables = (
            _food_table(shares),
            Table(("A", "B", "A + B", "values of A + B"), list(map(_sum_row, sums))),
            _rank_1_table(backend),
            _answer_table(backend),
        )
    claim = (
        "An axis of length 1 is stretched to the length of its partner, so that one expression "
        "does for a loop.\nAn array of shape (m,) is neither row nor column: with a column of m "
        "it silently gives an (m, m) matrix.\nA network takes two-dimensional arrays alone, and "
        "says how to reshape others."
    )
    return Demonstration(claim, tables, lambda: _draw(shares[:-1], sums))


def _shares(backend: Backend) -> Any:
    """Return the percentages of each food by source, and below them their sums, on the host."""
    percentages = basics.percentages(backend.asarray(CALORIES))
    sums = backend.xp.sum(percentages, axis=0, keepdims=True)
    return backend.to_numpy(backend.xp.concat([percentages, sums])).tolist()


def _stretched(A: Any, B: Any, backend: Backend) -> list[tuple[Any, Any]]:
    """Return A, B and A + B stretched to the shape of A + B, each beside its own shape."""
    xp, A, B = backend.xp, backend.asarray(A), backend.asarray(B)
    return [
        (backend.to_numpy(xp.broadcast_to(x, (A + B).shape)).tolist(), tuple(x.shape))
        for x in (A, B, A + B)
    ]


# ---- tables -----------------------------------------------------------------


def _food_table(shares: Any) -> Table:
    rows = zip((*SOURCES, "sum"), shares, strict=True)
    percents = [(name, *(f"{percent:.1f}" for percent in row)) for name, row in rows]
    return Table(("% of calories", *FOODS), percents)


def _sum_row(arrays: list[tuple[Any, Any]]) -> tuple[str, ...]:
    """Return the shapes of A, B and A + B, and the values of A + B."""
    values = [[int(x) for x in row] for row in arrays[2][0]]
    return *(str(shape) for _, shape in arrays), str(values)


def _shape(a: Array) -> str:
    return str(tuple(a.shape))


def _rank_1_table(backend: Backend) -> Table:
    a = backend.asarray([1.0, 2.0, 3.0, 4.0, 5.0])
    c = a[:, None]
    rows = [
        (_shape(x), _shape(x_T), _shape(x @ x_T), _shape(x - c))
        for x, x_T in ((a, _transposed(a, backend)), (c, _transposed(c, backend)))
    ]
    return Table(("a of shape", "a.T", "a @ a.T", "a - c, c of shape (5, 1)"), rows)


def _transposed(a: Array, backend: Backend) -> Array:
    """Return what ``a.T`` is in NumPy; the standard has ``.T`` for matrices alone."""
    return backend.xp.permute_dims(a, tuple(reversed(range(a.ndim))))


def _answer_table(backend: Backend) -> Table:
    net = Network([2, 1], output="sigmoid")
    params = net.init(weights="zeros")
    X = backend.asarray([[0.0, 1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 1.0, 0.0, 1.0]])
    row = backend.asarray([[0.0, 1.0, 1.0, 0.0, 1.0]])
    answers = []
    for Y in (row, row[0, :]):
        try:
            answer = f"{float(net.cost(params, X, Y)):.4f}"
        except ArgumentError as error:
            answer = f"{type(error).__name__}: {error}"
        answers.append((_shape(Y), answer))
    return Table(("Y of shape", "Network.cost(params, X, Y)"), answers)


# ---- picture ----------------------------------------------------------------


def _draw(shares: Any, sums: list[list[tuple[Any, Any]]]) -> Figure:
    figure, (left, right) = pyplot().subplots(
        1, 2, figsize=(10.0, 5.3), width_ratios=(1.0, 1.1), layout="constrained"
    )
    _draw_food(left, shares)
    top = 0.0
    for arrays in sums:
        _draw_sum(right, arrays, top)
        top += len(arrays[0][0]) + 1.2
    right.set(xlim=(-0.1, 11.9), ylim=(top - 1.1, -0.7), aspect="equal")
    right.set_axis_off()
    right.set_title("A + B: dashed copies stretch A and B to one shape", fontsize="medium")
    return figure


def _draw_food(ax: Axes, shares: Any) -> None:
    bottom = [0.0] * len(FOODS)
    for k, row in enumerate(shares):
        bars = ax.bar(
            FOODS,
            row,
            bottom=bottom,
            color=COLOURS[k],
            hatch=HATCHES[k],
            edgecolor="white",
            label=SOURCES[k],
        )
        ax.bar_label(
            bars,
            [f"{percent:.0f} %" if percent >= 5.0 else "" for percent in row],
            label_type="center",
            fontsize=SMALL,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )
        bottom = [below + percent for below, percent in zip(bottom, row, strict=True)]
    ax.set_ylabel("% of calories")
    ax.set_title("columns divided by their sums: (3, 4) / (1, 4)", fontsize="medium")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=3, frameon=False)


def _draw_sum(ax: Axes, arrays: list[tuple[Any, Any]], top: float) -> None:
    """Draw A, B and A + B beside each other, a cell an entry, copies pale and dashed."""
    from matplotlib.patches import Rectangle

    for k, (values, shape) in enumerate(arrays):
        left = 4.4 * k
        ax.text(left, top - 0.15, str(shape), fontsize=SMALL)
        rows, columns = shape or (1, 1)
        for i, row in enumerate(values):
            for j, value in enumerate(row):
                copy = i >= rows or j >= columns
                ax.add_patch(
                    Rectangle(
                        (left + j, top + i),
                        1.0,
                        1.0,
                        facecolor="white" if copy else PALE[k],
                        edgecolor="0.6" if copy else "black",
                        linestyle="--" if copy else "-",
                        zorder=1 if copy else 2,
                    )
                )
                ax.text(
                    left + j + 0.5,
                    top + i + 0.5,
                    f"{value:.0f}",
                    ha="center",
                    va="center",
                    fontsize=SMALL,
                    color="0.45" if copy else "black",
                    zorder=3,
                )
        if k < 2:
            ax.text(left + 3.7, top + len(values) / 2, "+="[k], ha="center", va="center")
