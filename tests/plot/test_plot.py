"""What is drawn: lines, regions, points, cells and titles, and that all of it fits the canvas."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

import xpnn

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.collections import PathCollection  # noqa: E402
from matplotlib.colors import to_rgb  # noqa: E402
from matplotlib.text import Text  # noqa: E402

from xpnn import plot  # noqa: E402

X = np.array([[0.0, 0.0, 1.0, 2.0], [0.0, 1.0, 1.0, 0.0]])
Y = np.array([[0, 0, 1, 2]])


def right_half(X):
    return X[:1] > 1.0


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def points(ax):
    return [c for c in ax.collections if isinstance(c, PathCollection)]


def titles(figure):
    return [ax.get_title() for ax in figure.axes]


def assert_legible(figure):
    """All lies on the canvas, print has at least 8 points, and titles do not touch."""
    figure.canvas.draw()
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 8.0
    boxes = [ax.title.get_window_extent() for ax in figure.axes if ax.get_title()]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    whole = figure.get_tightbbox().padded(-0.01)  # inches
    assert whole.x0 >= 0.0
    assert whole.y0 >= 0.0
    assert whole.x1 <= figure.get_figwidth()
    assert whole.y1 <= figure.get_figheight()


# ---- cost ----------------------------------------------------------------------------------------


def test_cost_of_a_history_by_epoch():
    history = xpnn.History(cost=[0.7, 0.5, 0.4])
    ax = plot.cost_curve(history)
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xydata(), [[1, 0.7], [2, 0.5], [3, 0.4]])
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_legend()) == ("epoch", "cost J", None)
    assert_legible(ax.figure)


def test_costs_every_100_iterations(backend):
    costs = [backend.asarray(0.7), backend.asarray(0.5)]
    ax = plot.cost_curve(costs, every=100)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[0, 0.7], [100, 0.5]], rtol=1e-6)
    assert ax.get_xlabel() == "iteration"


def test_curves_in_one_axes_differ_in_colour_and_name():
    _, ax = plt.subplots()
    for alpha in (0.1, 0.01):
        assert plot.cost_curve([2.0, alpha], ax=ax, label=f"α = {alpha}") is ax
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["α = 0.1", "α = 0.01"]
    assert ax.lines[0].get_color() != ax.lines[1].get_color()
    assert len(plt.get_fignums()) == 1


# ---- decision boundaries -------------------------------------------------------------------------


def test_points_carry_the_colour_and_the_marker_of_their_class():
    ax = plot.decision_boundary(right_half, X, Y, title="halves")
    drawn = points(ax)
    for k, collection in enumerate(drawn):
        np.testing.assert_array_equal(collection.get_offsets(), X[:, Y[0] == k].T)
    assert len({tuple(c.get_facecolor()[0]) for c in drawn}) == 3
    assert len({c.get_paths()[0].vertices.tobytes() for c in drawn}) == 3
    (legend,) = ax.figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["class 0", "class 1", "class 2"]
    assert (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == ("halves", "$x_1$", "$x_2$")
    assert ax.get_aspect() == 1.0
    assert_legible(ax.figure)


def test_regions_are_pale_and_change_where_the_prediction_does():
    ax = plot.decision_boundary(right_half, X, Y, resolution=60)
    (image,) = ax.images
    np.testing.assert_allclose(image.get_extent(), [-0.2, 2.2, -0.1, 1.1])  # a tenth of the range
    pixels = np.asarray(image.get_array())
    assert (pixels[:, :30] == pixels[0, 0]).all()
    assert (pixels[:, 30:] == pixels[0, 59]).all()
    for corner, collection in ((pixels[0, 0], points(ax)[0]), (pixels[0, 59], points(ax)[1])):
        strong = np.array(to_rgb(collection.get_facecolor()[0]))
        ratios = (1.0 - corner) / (1.0 - strong)  # the same hue with white
        np.testing.assert_allclose(ratios, ratios[0])
        assert ratios[0] < 0.5


def test_predict_gets_an_array_like_X(backend):
    net = xpnn.Network([2, 1], output="sigmoid")
    params = net.init()
    X_there = backend.asarray(X)

    def predict(X):
        assert type(X) is type(X_there)
        assert X.dtype == X_there.dtype
        return net.predict(params, X)

    ax = plot.decision_boundary(predict, X_there, backend.asarray(Y), resolution=20)
    assert len(points(ax)) == 3


def test_integer_X_asks_with_fractions():
    seen = []
    plot.decision_boundary(lambda X: seen.append(X) or X[:1] > 1, X.astype(int), Y, resolution=4)
    np.testing.assert_allclose(seen[0][0, :4], [0.1, 0.7, 1.3, 1.9])


def test_a_given_ax_keeps_its_figure_and_unlike_ranges_their_scales():
    figure, ax = plt.subplots()
    assert plot.decision_boundary(right_half, X * [[1.0], [100.0]], Y, ax=ax) is ax
    assert not figure.legends
    assert ax.get_aspect() == "auto"
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize("scale", [0.4, 1.0, 5.0])
def test_boundaries_in_a_grid(scale):
    names = [f"a network with a title that is long, number {i}" for i in range(5)]
    figure = plot.decision_boundaries(dict.fromkeys(names, right_half), X * [[1], [scale]], Y)
    assert [title.replace("\n", " ") for title in titles(figure)] == names
    assert all(len(points(ax)) == 3 for ax in figure.axes)
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
    assert_legible(figure)
    one_row = plot.decision_boundaries(dict.fromkeys("abc", right_half), X, Y)
    assert figure.get_figheight() > one_row.get_figheight()


# ---- classes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [None, ["T-shirt", "ankle boot", "bag", "coat"]])
def test_cells_are_those_of_scikit_learn(backend, rng, names):
    y_true, y_pred = rng.integers(0, 4, (2, 2000))
    ax = plot.confusion_matrix(backend.asarray(y_true[None]), backend.asarray(y_pred), names)
    cells = np.array([int(cell.get_text()) for cell in ax.texts]).reshape(4, 4)
    np.testing.assert_array_equal(cells, confusion_matrix(y_true, y_pred))
    np.testing.assert_array_equal(ax.images[0].get_array(), cells)
    assert [t.get_text() for t in ax.get_xticklabels()] == (names or ["0", "1", "2", "3"])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
    assert_legible(ax.figure)


def test_numbers_are_white_on_dark_and_black_on_light_cells():
    _, ax = plt.subplots()
    assert plot.confusion_matrix([0, 0, 1, 1], [0, 0, 1, 1], ax=ax) is ax
    assert [cell.get_color() for cell in ax.texts] == ["black", "white", "white", "black"]


@pytest.mark.parametrize("shape", [(6, 8, 8), (6, 5, 9, 3)])
def test_misclassified_shows_the_first_wrong_ones(rng, shape):
    images = rng.random(shape)
    names = ["cat", "ankle boot"]
    figure = plot.misclassified(images, [[0, 1, 1, 1, 1, 0]], [0, 0, 1, 0, 0, 1], names, limit=3)
    assert titles(figure) == ["ankle boot → cat"] * 3
    for ax, i in zip(figure.axes, (1, 3, 4), strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), images[i])
    assert figure.get_suptitle() == "4 of 6 predicted wrong, the first 3"
    assert_legible(figure)


def test_misclassified_says_that_none_is_wrong():
    figure = plot.misclassified(np.zeros((2, 4, 4)), [0, 1], [0, 1])
    assert [text.get_text() for text in figure.axes[0].texts] == ["0 of 2 predicted wrong"]
    assert_legible(figure)


# ---- weights -------------------------------------------------------------------------------------


@pytest.mark.slow("jax")
def test_grey_weights_share_a_scale_symmetric_about_0(backend):
    W = xpnn.Network([12, 5]).init()[0].W
    figure = plot.weights(W, (3, 4), columns=2)
    *pictures, bar = figure.axes
    W = backend.to_numpy(W)
    assert [ax.get_title() for ax in pictures] == [f"unit {i}" for i in range(5)]
    for ax, row in zip(pictures, W, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), row.reshape(3, 4))
        assert ax.images[0].get_clim() == (-abs(W).max(), abs(W).max())
    assert bar.get_ylabel() == "weight"
    assert_legible(figure)


def test_coloured_weights_lie_about_grey():
    W = np.zeros((2, 12))
    W[0, 3], W[1, 0] = 4.0, -2.0
    figure = plot.weights(W, (2, 2, 3))
    first, second = (ax.images[0].get_array() for ax in figure.axes)
    assert (first[0, 1, 0], second[0, 0, 0], first[0, 0, 0]) == (1.0, 0.25, 0.5)
    assert_legible(figure)


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("draw", "arguments", "message"),
    [
        (plot.cost_curve, ([],), "costs: expected at least one cost, found none"),
        (plot.cost_curve, (0.5,), "costs: expected a History .* found float"),
        (plot.cost_curve, ([0.5], None, None, 0), "every: expected a positive integer"),
        (plot.decision_boundary, (right_half, X.T, Y), r"\(2, m\).* found \(4, 2\); .*pass X\.T"),
        (plot.decision_boundary, (right_half, X[[0, 0, 1]], Y), r"found \(3, 4\); choose two"),
        (plot.decision_boundary, (right_half, X * np.nan, Y), "X: .*found 8 of 8 entries NaN"),
        (plot.decision_boundary, (right_half, X, Y[:, :3]), "Y: expected 4 labels.* found 3"),
        (plot.decision_boundary, (right_half, X, Y + 6), "Y: .*from 0 to 7.* from 6 to 8"),
        (plot.decision_boundary, (right_half, X, np.eye(3)[:, Y[0]]), r"Y\.argmax\(axis=0\)"),
        (plot.decision_boundary, (lambda X: X[:1], X, Y), r"predict\(X\): .*integer.*found -0\.1"),
        (plot.decision_boundary, (lambda X: [[1]], X, Y), r"predict\(X\): expected 90000 labels"),
        (plot.decision_boundaries, ({}, X, Y), "predictions: expected a dict"),
        (plot.confusion_matrix, ([0, 1], [0, 1, 1]), "y_pred: expected 2 labels.* found 3"),
        (plot.confusion_matrix, ([0.5, 1], [0, 1]), "y_true: expected integer labels, found 0.5"),
        (
            plot.confusion_matrix,
            ([0, 2], [0, 1], ["a", "b"]),
            "found 2 names for labels from 0 to 2",
        ),
        (plot.confusion_matrix, ([0], [0], "cat"), "classes: expected a sequence of names"),
        (plot.misclassified, (np.zeros((64, 2)), [0], [1]), r"X\.T\.reshape\(-1, h, w\)"),
        (plot.misclassified, (np.zeros((1, 3, 8, 8)), [0], [1]), r"\(1, 3, 8, 8\); .*moveaxis"),
        (
            plot.misclassified,
            (np.full((1, 8, 8, 3), 255.0), [0], [1]),
            r"from 0 to 1 .*images / 255",
        ),
        (plot.weights, (np.zeros((2, 12)), (8, 8)), r"W: expected shape \(n, 64\).*\(2, 12\)"),
        (plot.weights, (np.zeros((2, 12)), (3, 4, 1)), r"shape: expected \(h, w\) or"),
        (plot.weights, (np.zeros((2, 12)), 12), r"shape: expected \(h, w\) or"),
    ],
)
def test_errors_come_before_any_figure(draw, arguments, message):
    with pytest.raises((xpnn.ArgumentError, xpnn.ArgumentTypeError), match=message):
        draw(*arguments)
    assert not plt.get_fignums()


# ---- matplotlib itself ---------------------------------------------------------------------------


def test_matplotlib_is_loaded_by_drawing_and_its_absence_is_told():
    code = (
        "import sys, xpnn; from xpnn import plot; assert 'matplotlib' not in sys.modules\n"
        "sys.modules['matplotlib'] = None\n"
        "try: plot.cost_curve([1.0])\n"
        "except xpnn.XpnnError as error: print(error)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("drawing needs matplotlib")
    assert "pip install 'xpnn[plot]'" in told.stdout
