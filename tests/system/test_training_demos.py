"""What the demonstrations of training claim, asserted from the numbers that they print."""

from math import ceil, log2

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from xpnn.data import flower
from xpnn.demos import depth, learning_rate, planar, scale

pytestmark = pytest.mark.slow


def column(table, name):
    return [row[table.header.index(name)] for row in table.rows]


def share(cell):
    return float(cell.removesuffix("%")) / 100.0


def shares(table, name):
    return [share(cell) for cell in column(table, name)]


# ---- planar --------------------------------------------------------------------------------------


def test_a_line_does_not_separate_the_petals_and_four_units_do():
    (table,) = planar(units=[1, 4, 20], iterations=5000).tables
    line, one, four, twenty = shares(table, "right")
    assert line < 0.6
    assert one < 0.7
    assert four >= 0.85
    assert abs(twenty - four) < 0.03
    assert column(table, "parameters") == [3, 5, 17, 81]


def test_planar_on_every_backend(backend):
    (table,) = planar(units=[2], iterations=50).tables
    assert column(table, "hidden units") == ["none", "2"]
    X, y = flower(rows=True)
    line = LogisticRegression(C=1e10, solver="newton-cholesky").fit(X, y)  # next to no penalty
    at_the_minimum = log_loss(y, line.predict_proba(X))
    assert float(column(table, "cost")[0]) == pytest.approx(at_the_minimum, abs=1e-4)


# ---- depth ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parities():
    return depth(bits=range(2, 9), trained=(2, 3, 5, 6), seeds=4)


def test_networks_made_by_hand_are_right_on_every_row(parities):
    made, _ = parities.tables
    assert column(made, "n") == list(range(2, 9))
    assert set(column(made, "right")) == {"100%"}


def test_one_layer_of_gates_grows_exponentially_and_a_tree_does_not(parities):
    made, _ = parities.tables
    bits = column(made, "n")
    layers = column(made, "layers, deep")
    assert layers == [ceil(log2(n)) for n in bits]
    assert column(made, "gates, 1 layer") == [2 ** (n - 1) for n in bits]
    deep = column(made, "gates, deep")
    for n, units, depth_of_tree in zip(bits, deep, layers, strict=True):
        if n in (2, 4, 8):
            assert units == 2 * (n - 1)
        else:  # at most one value waits in each layer but the last
            assert 2 * (n - 1) < units < 2 * (n - 1) + depth_of_tree


def test_units_that_count_need_n_in_one_layer_and_two_a_layer_when_deep(parities):
    made, _ = parities.tables
    bits = column(made, "n")
    assert column(made, "counting, 1 layer") == bits
    assert column(made, "counting, deep") == [2 * ceil(log2(n)) for n in bits]


def test_trained_relu_units_do_without_exponentially_many(parities):
    _, learnt = parities.tables
    found = zip(*(column(learnt, name) for name in learnt.header), strict=True)
    for n, one, two in found:
        assert two % 2 == 0
        if n >= 5:
            assert max(one, two) < 2 ** (n - 1)


def test_networks_made_by_hand_on_every_backend(backend):
    made, _ = depth(bits=[2, 3, 6], trained=[2], seeds=5).tables
    assert set(column(made, "right")) == {"100%"}


# ---- learning rate -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def curves():
    return learning_rate(iterations=400)


def test_small_rates_fall_slowly_the_best_fast_and_the_large_one_oscillates(curves):
    (table,) = curves.tables
    too_small, small, best, large = map(float, column(table, "last")[:4])
    assert best < small < too_small
    assert best < large
    rises = column(table, "rises")
    assert rises[:3] == [0, 0, 0]
    assert rises[3] > 20
    assert len(set(column(table, "first cost"))) == 1  # all start from the same weights
    right = [share(cell) for cell in column(table, "right, test")[:4]]
    assert max(right) == right[2]


def test_far_too_large_a_rate_diverges_and_is_said_to(curves):
    (table,) = curves.tables
    last = table.rows[-1]
    assert last[table.header.index("last")] == "diverged"
    assert last[-2:] == ("-", "-")
    assert "α = 1000 is far too large: in iteration" in curves.claim


def test_rates_that_all_diverge():
    shown = learning_rate(rates=[1e4], iterations=100)
    assert "far too large" in shown.claim


# ---- scale ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def amounts():
    return scale(amounts=(50, 200, 1400), units=(4, 128), epochs=12, seeds=2)


def test_more_data_help_every_network_and_the_larger_more(amounts):
    (table,) = amounts.tables
    small, large = shares(table, "right, 4 units"), shares(table, "right, 128 units")
    assert small == sorted(small)
    assert large == sorted(large)
    assert large[-1] > 0.94
    assert large[-1] > small[-1] + 0.03
    assert (1.0 - large[-1]) / (1.0 - large[0]) < 0.6 * (1.0 - small[-1]) / (1.0 - small[0])


# ---- printing and drawing ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def boundaries():
    return planar(units=[3], iterations=100)


@pytest.mark.parametrize("name", ["boundaries", "parities", "curves", "amounts"])
def test_claim_and_tables_are_printed(name, request):
    shown = request.getfixturevalue(name)
    printed = repr(shown)
    assert shown.claim in printed
    assert all(repr(table) in printed for table in shown.tables)
    assert max(map(len, printed.splitlines())) <= 100


@pytest.mark.parametrize("name", ["boundaries", "parities", "curves", "amounts"])
def test_picture_is_written(name, request, tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    shown = request.getfixturevalue(name)
    shown.save(tmp_path / "picture.png")
    plt.close("all")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
