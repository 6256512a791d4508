"""Trainings of the notes from beginning to end: points in the plane, and images from a file."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import xpnn
from xpnn.course import deep, logistic, shallow
from xpnn.data import flower, read_h5

pytestmark = pytest.mark.slow

PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text())
SHORT = 2001  # iterations where every operation is checked, which is slow


def test_points_in_the_plane(backend64, capsys):
    """The costs to 6 decimals up to iteration 6,000; later rounding has grown to 1e-4."""
    published = PUBLISHED["shallow.nn_model"]
    arguments, expected = published["in"], published["out"]
    whole = backend64.name != "array_api_strict"
    if not whole:
        arguments = arguments | {"num_iterations": SHORT}
    X, Y = map(backend64.asarray, flower())
    parameters = shallow.nn_model(X, Y, **arguments, print_cost=True)
    printed = re.findall(r"Cost after iteration (\d+): (\d\.\d{6})\n", capsys.readouterr().out)
    costs = {int(iteration): float(J) for iteration, J in printed}
    thousands = range(0, arguments["num_iterations"], 1000)
    assert costs.keys() == {*thousands, arguments["num_iterations"] - 1}
    for iteration, J in zip(thousands, expected["costs"], strict=whole):
        assert costs[iteration] == pytest.approx(
            J, rel=0.0, abs=published["atol"] if iteration <= 6000 else 2e-4
        )
    if whole:
        right = backend64.to_numpy(shallow.predict(parameters, X) == Y)
        assert 100.0 * right.mean() == pytest.approx(expected["accuracy"], abs=0.5)


# ---- images from a file ---------------------------------------------------------------------

SIZES = (8 * 8 * 3, 7, 1)


@pytest.fixture
def images(tmp_path, backend64, rng):
    """X and Y for training and for testing: class 1 is brighter in its upper half."""
    h5py = pytest.importorskip("h5py")
    read = []
    for part, m in (("train", 40), ("test", 20)):
        labels = rng.permutation(np.arange(m) % 2)
        pictures = rng.integers(0, 150, (m, 8, 8, 3), np.uint8)
        pictures[labels == 1, :4] += 80
        path = tmp_path / f"{part}.h5"
        with h5py.File(path, "w") as file:
            file[f"{part}_set_x"], file[f"{part}_set_y"] = pictures, labels
            file["list_classes"] = [b"dark", b"bright"]
        read += map(backend64.asarray, read_h5(path).examples())
    return read


def share(backend, predicted, Y):
    return backend.to_numpy(predicted == backend.xp.astype(Y, backend.dtype)).mean()


def test_images_by_logistic_regression(backend64, images):
    X, Y, X_test, Y_test = images
    d = logistic.model(X, Y, X_test, Y_test, 300, 0.05)
    assert d["costs"][0] == pytest.approx(np.log(2.0))
    assert d["costs"] == sorted(d["costs"], reverse=True)
    assert share(backend64, d["Y_prediction_train"], Y) >= 0.9
    assert share(backend64, d["Y_prediction_test"], Y_test) >= 0.9


def test_images_by_a_deep_network(backend64, images, capsys):
    X, Y, X_test, Y_test = images
    parameters, costs = deep.L_layer_model(X, Y, SIZES, 0.05, 300, rng=1)
    assert len(costs) == 4
    for x, y in ((X, Y), (X_test, Y_test)):
        predicted = deep.predict(x, y, parameters)
        accuracy = share(backend64, predicted, y)
        assert accuracy >= 0.9
        assert capsys.readouterr().out == f"Accuracy: {accuracy}\n"


def test_images_by_fit(backend64, images):
    X, Y, X_test, Y_test = images
    net = xpnn.Network(SIZES, hidden="relu", output="sigmoid")
    params, _ = xpnn.fit(net, net.init(rng=0), X, Y, epochs=40, batch_size=8)
    assert net.score(params, X, Y) >= 0.9
    assert net.score(params, X_test, Y_test) >= 0.9


def test_the_model_of_the_notes_is_fit_with_gradient_descent(backend64, images):
    """From the same parameters, with the whole training set at every step."""
    X, Y, *_ = images
    sizes = (*SIZES[:1], 5, 4, 1)
    parameters, costs = deep.L_layer_model(X, Y, sizes, 0.05, 60, rng=1)
    start = deep.initialize_parameters_deep(sizes, "sqrt", rng=1)
    layers = tuple(xpnn.Layer(start[f"W{l}"], start[f"b{l}"]) for l in (1, 2, 3))
    net = xpnn.Network(sizes, hidden="relu", output="sigmoid")
    descent = xpnn.optimizers.gradient_descent(0.05)
    layers, history = xpnn.fit(net, layers, X, Y, optimizer=descent, epochs=60, batch_size=None)
    for l, layer in enumerate(layers, 1):
        for symbol, array in zip("Wb", layer, strict=True):
            found, expected = map(backend64.to_numpy, (parameters[f"{symbol}{l}"], array))
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert costs == pytest.approx([history.cost[0], history.cost[-1]], rel=1e-12)
