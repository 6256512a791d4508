"""What the first four demonstrations claim, read from the numbers that they show."""

import subprocess
import sys
from math import exp, log, tanh

import numpy as np
import pytest

import xpnn
from xpnn.course import basics
from xpnn.demos import activations, broadcasting, symmetry, vectorization

SMALL = {
    "vectorization": lambda: vectorization(n=10_000),
    "broadcasting": broadcasting,
    "symmetry": lambda: symmetry(iterations=20),
    "activations": activations,
}


def column(table, name):
    return [row[table.header.index(name)] for row in table.rows]


def by_name(table):
    return {row[0]: row[1:] for row in table.rows}


def first_and_last(cell):
    return tuple(float(number) for number in cell.split(" → "))


def percent(cell):
    return float(cell.removesuffix("%"))


# ---- vectorization -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def timed():
    return vectorization(n=200_000)


def test_every_loop_is_slower_than_numpy(timed):
    (table,) = timed.tables
    loops = [float(ms) for ms in column(table, "loop [ms]")]
    calls = [float(cell.split()[0]) for cell in column(table, "numpy float64 [ms]")]
    assert all(loop > 2.0 * call for loop, call in zip(loops, calls, strict=True))


def test_every_usable_backend_has_a_column(timed):
    (table,) = timed.tables
    libraries = {name.split()[0].partition(":")[0] for name in table.header[2:]}
    usable = {status.name for status in xpnn.backends() if status.usable}
    assert libraries == usable - {"array_api_strict"}


def test_ratio_is_that_of_the_times(timed):
    (table,) = timed.tables
    for _, loop, *cells in table.rows:
        for cell in cells:
            ms, ratio = cell.replace(",", "").strip("×)").split(" (")
            assert float(ratio) == pytest.approx(float(loop) / float(ms), rel=0.16)  # two digits


def test_wrong_result_is_an_error(monkeypatch):
    monkeypatch.setattr(basics, "exp", lambda v: v)
    with pytest.raises(ArithmeticError, match="exp on numpy float64: expected the loop's result"):
        vectorization(n=100)


@pytest.mark.slow
def test_float64_is_not_switched_on():
    pytest.importorskip("jax")
    code = (
        "import jax; from xpnn.demos import vectorization; print(vectorization(n=10_000)); "
        "assert not jax.config.jax_enable_x64"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "numpy float64 [ms]" in shown.stdout
    assert " float32 [ms]" in shown.stdout


def test_n_is_checked():
    with pytest.raises(xpnn.ArgumentError, match="n: expected a positive integer, found 0"):
        vectorization(n=0)


# ---- broadcasting --------------------------------------------------------------------------------


def test_columns_sum_to_100(backend):
    foods = broadcasting().tables[0]
    shares = np.array([row[1:] for row in foods.rows[:3]], dtype=float)
    assert np.allclose(shares.sum(axis=0), 100.0, atol=0.16)  # three numbers rounded to 0.1
    assert by_name(foods)["sum"] == ("100.0",) * 4
    assert shares[0, 0] == 94.9  # 56 of 59 calories


def test_shapes_are_those_of_the_standard(backend):
    shapes = broadcasting().tables[1]
    for A, B, C, _ in shapes.rows:
        assert str(np.broadcast_shapes(eval(A), eval(B))) == C
    assert column(shapes, "values of A + B") == [
        "[[101], [102], [103], [104]]",
        "[[101, 202, 303], [104, 205, 306]]",
        "[[101, 102, 103], [204, 205, 206]]",
        "[[101, 201, 301], [102, 202, 302]]",
    ]


def test_rank_1_is_a_trap(backend):
    rank_1 = by_name(broadcasting().tables[2])
    assert rank_1["(5,)"] == ("(5,)", "()", "(5, 5)")
    assert rank_1["(5, 1)"] == ("(1, 5)", "(5, 5)", "(5, 1)")


def test_network_refuses_rank_1(backend):
    answers = by_name(broadcasting().tables[3])
    assert float(*answers["(1, 5)"]) == pytest.approx(log(2.0), abs=1e-4)
    assert "expected shape (1, m), found (5,)" in answers["(5,)"][0]
    assert "Y.reshape(1, -1)" in answers["(5,)"][0]


# ---- symmetry ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained():
    with xpnn.use_backend("numpy"):
        return symmetry()


def start(shown, weights):
    (table,) = shown.tables
    return dict(zip(table.header[1:], by_name(table)[weights], strict=True))


@pytest.mark.slow("jax")
def test_equal_units_stay_equal_to_the_last_bit(backend):
    shown = symmetry(iterations=20)
    for weights in ("0", "0.5"):
        assert start(shown, weights)["rows of W1 apart, first → last"] == "0 → 0"


def test_zero_weights_learn_nothing(trained):
    zero = start(trained, "0")
    assert first_and_last(zero["cost, first → last"]) == pytest.approx((log(2.0),) * 2, abs=1e-4)
    assert zero["‖dW1‖, first"] == "0"
    assert zero["right"] == "50.0%"


def test_equal_weights_move_but_together(trained):
    equal = start(trained, "0.5")
    first, last = first_and_last(equal["cost, first → last"])
    assert last < first
    assert last > 0.6
    assert equal["rows of W1 apart, first → last"] == "0 → 0"


def test_tiny_weights_break_the_symmetry(trained):
    tiny = start(trained, "0.01 N(0, 1)")
    apart, further = first_and_last(tiny["rows of W1 apart, first → last"])
    assert further > 100.0 * apart > 0.0
    assert first_and_last(tiny["cost, first → last"])[1] < 0.35
    assert percent(tiny["right"]) > 85.0
    assert tiny["|a| > 0.99, first"] == "0.0%"


def test_large_weights_saturate(trained):
    large = start(trained, "100 N(0, 1)")
    assert percent(large["|a| > 0.99, first"]) > 90.0
    assert float(large["mean g′, first"]) < 0.05
    apart, still = first_and_last(large["rows of W1 apart, first → last"])
    assert still == pytest.approx(apart, rel=0.05)
    assert percent(large["right"]) < percent(start(trained, "0.01 N(0, 1)")["right"]) - 10.0


# ---- activations ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def curves():
    with xpnn.use_backend("numpy", dtype="float64"):
        return activations()


def test_values_of_g_and_its_derivative(curves):
    g, derivative = map(by_name, curves.tables)
    points = (-5.0, -2.0, 0.0, 2.0, 5.0)

    def sigmoid(z):
        return 1.0 / (1.0 + exp(-z))

    expected = {
        "sigmoid": (sigmoid, lambda z: sigmoid(z) * sigmoid(-z)),
        "tanh": (tanh, lambda z: 1.0 - tanh(z) ** 2),
        "relu": (lambda z: max(0.0, z), lambda z: float(z > 0.0)),
        "leaky_relu": (lambda z: max(0.01 * z, z), lambda z: 1.0 if z >= 0.0 else 0.01),
        "identity": (lambda z: z, lambda z: 1.0),
        "exp": (exp, exp),
    }
    assert list(g) == list(derivative) == list(expected)
    for name, (f, f_prime) in expected.items():
        assert [float(x) for x in g[name]] == pytest.approx([f(z) for z in points], rel=1e-3)
        slopes = [float(x) for x in derivative[name][:5]]
        assert slopes == pytest.approx([f_prime(z) for z in points], rel=1e-3)


def test_where_gradients_vanish(curves):
    _, derivative = curves.tables
    largest = dict(
        zip(column(derivative, "g′(z)"), column(derivative, "largest here"), strict=True)
    )
    assert largest["sigmoid"] == "0.25"
    assert by_name(derivative)["sigmoid"][2] == "0.25"
    for name in ("sigmoid", "tanh"):
        for z in ("z = -5", "z = 5"):
            i = derivative.header.index(z) - 1
            assert float(by_name(derivative)[name][i]) < 0.01
    assert "relu′ is 1 for every z > 0." in curves.claim


def test_derivatives_are_those_of_the_graph(curves):
    assert all(
        float(cell) < 1e-12
        for cell in column(curves.tables[1], "largest difference from the graph's")
    )


@pytest.mark.slow("jax")
def test_activations_on_every_backend(backend):
    assert all(
        float(cell) < 1e-4
        for cell in column(activations().tables[1], "largest difference from the graph's")
    )


# ---- all -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_prints_claim_and_tables(name):
    shown = SMALL[name]()
    assert repr(shown).startswith(shown.claim)
    for table in shown.tables:
        assert repr(table) in repr(shown)


@pytest.mark.parametrize("function", [vectorization, broadcasting, symmetry, activations])
def test_first_line_fits_a_help(function):
    assert len(function.__doc__.partition("\n")[0]) < 60


@pytest.mark.parametrize("name", SMALL)
def test_picture(name, tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.text import Text

    shown = SMALL[name]()
    try:
        shown.save(tmp_path / "picture.png")
        height, width, _ = plt.imread(tmp_path / "picture.png").shape
        assert 700 < width < 2000
        assert 500 < height < 2000
        figure = plt.gcf()
        assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 8.0
        whole = figure.get_tightbbox().padded(-0.01)  # inches
        assert whole.x0 >= 0.0
        assert whole.y0 >= 0.0
        assert whole.x1 <= figure.get_figwidth()
        assert whole.y1 <= figure.get_figheight()
    finally:
        plt.close("all")
