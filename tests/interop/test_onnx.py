"""ONNX: what onnxruntime computes from the exported graph is what the network computes."""

import os
import sys

import numpy as np
import pytest

import xpnn
from tests.helpers import to_numpy
from xpnn.core.activations import ACTIVATIONS
from xpnn.core.parameters import count
from xpnn.exceptions import ArgumentError, ArgumentTypeError, MissingLibraryError
from xpnn.interop import onnx as module
from xpnn.interop.onnx import write_onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

ATOL = 1e-5  # float32; every value below is of the order of 1
HIDDEN = sorted(set(ACTIVATIONS) - {"softmax"})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a model.onnx"


def run(path, rows):
    """Return what onnxruntime computes, by the name of the output."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = session.run(names, {"X": np.asarray(rows, np.float32)})
    return dict(zip(names, found, strict=True))


def examples(rng, n_x=3, m=40):
    """Columns, as the network takes them; give onnxruntime their transpose."""
    return rng.standard_normal((n_x, m)).astype(np.float32)


def with_biases(params, rng):
    """Return the parameters with biases that are not 0."""
    return tuple(
        xpnn.Layer(W, (0.1 * rng.standard_normal(b.shape)).astype(b.dtype)) for W, b in params
    )


def test_every_operator_is_there():
    assert module.OPERATORS.keys() == ACTIVATIONS.keys()


@pytest.mark.parametrize("m", [1, 40])
@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("output", sorted(ACTIVATIONS))
def test_every_activation(hidden, output, m, path, rng):
    net = xpnn.Network([3, 5, 4, 2], hidden=[hidden, "tanh"], output=output)
    params = with_biases(net.init(rng=1), rng)
    write_onnx(path, net, params)
    X = examples(rng, m=m)
    found = run(path, X.T)
    assert list(found) == ["Y"]
    assert (found["Y"].shape, found["Y"].dtype) == ((m, 2), np.float32)
    np.testing.assert_allclose(found["Y"], net.forward(params, X)[0].T, rtol=ATOL, atol=ATOL)


def test_no_hidden_layer(path, rng):
    net = xpnn.Network([3, 1], output="identity")
    params = with_biases(net.init(rng=1), rng)
    write_onnx(path, net, params)
    X = examples(rng)
    np.testing.assert_allclose(run(path, X.T)["Y"], net.forward(params, X)[0].T, atol=ATOL)


def test_large_inputs_stay_finite(path):
    net = xpnn.Network([1, 2], output="softmax")
    params = (xpnn.Layer(np.float32([[500.0], [-500.0]]), np.float32([[0.0], [0.0]])),)
    write_onnx(path, net, params)
    np.testing.assert_array_equal(run(path, [[1.0], [-1.0]])["Y"], [[1.0, 0.0], [0.0, 1.0]])


def test_parameters_of_every_backend(backend, path, rng):
    net = xpnn.Network([3, 4, 2], hidden="relu", output="softmax")
    params = net.init(rng=1)
    write_onnx(path, net, params)
    X = examples(rng)
    expected = backend.to_numpy(net.forward(params, X)[0]).T
    np.testing.assert_allclose(run(path, X.T)["Y"], expected, atol=ATOL)
    write_onnx(path.with_name("numpy"), net, to_numpy(backend, params))
    assert path.with_name("numpy").read_bytes() == path.read_bytes()


def test_float64_is_exported_as_float32(path, rng):
    with xpnn.use_backend("numpy", dtype="float64"):
        net = xpnn.Network([3, 4, 2], hidden="relu", output="softmax")
        params = net.init(rng=1)
    write_onnx(path, net, params)
    X = examples(rng)
    np.testing.assert_allclose(run(path, X.T)["Y"], net.forward(params, X)[0].T, atol=ATOL)


LABELS = {
    "int": ([7, -2, 2**40], np.int64),
    "str": (["cat", "dög", ""], object),
    "float": ([0.5, 1e-300, -1.0], np.float64),
    "np_int32": (np.array([7, -2, 3], np.int32), np.int64),
    "np_str": (np.array(["cat", "dog", "eel"]), object),
    "np_object": (np.array(["cat", "dog", np.str_("eel")], object), object),
    "np_float32": (np.array([0.5, 1.5, 2.5], np.float32), np.float64),
    "np_scalars": ([np.int64(1), np.int32(2), 3], np.int64),
}


@pytest.mark.parametrize("name", LABELS)
def test_softmax_with_labels(name, path, rng):
    labels, dtype = LABELS[name]
    net = xpnn.Network([3, 6, 3], hidden="tanh", output="softmax")
    params = with_biases(net.init(rng=1), rng)
    write_onnx(path, net, params, classes=labels)
    X = examples(rng)
    found = run(path, X.T)
    assert list(found) == ["probabilities", "label"]
    np.testing.assert_allclose(found["probabilities"], net.forward(params, X)[0].T, atol=ATOL)
    index = net.predict(params, X)[0]
    assert set(index) == {0, 1, 2}
    assert found["label"].dtype == dtype
    np.testing.assert_array_equal(found["label"], np.asarray(labels, dtype)[index], strict=True)
    assert run(path, X.T[:1])["label"].shape == (1,)


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param([False, True], id="bool"),
        pytest.param(np.array([False, True]), id="np_bool"),
        pytest.param(["no", "yes"], id="str"),
        pytest.param([-1, 1], id="int"),
    ],
)
def test_one_sigmoid_unit_with_labels(labels, path, rng):
    net = xpnn.Network([3, 6, 1], hidden="tanh", output="sigmoid")
    params = with_biases(net.init(rng=1), rng)
    write_onnx(path, net, params, classes=labels)
    X = examples(rng)
    found = run(path, X.T)
    a = net.forward(params, X)[0]
    np.testing.assert_allclose(found["probabilities"], np.vstack([1.0 - a, a]).T, atol=ATOL)
    index = net.predict(params, X)[0]
    assert set(index) == {0, 1}
    np.testing.assert_array_equal(found["label"], np.asarray(labels)[index])
    assert found["label"].shape == (40,)


def test_one_half_is_the_first_class(path):
    """The rule is a > ½: at a = ½ the first, and one step of float32 on the second."""
    net = xpnn.Network([1, 1], output="sigmoid")
    params = (xpnn.Layer(np.float32([[1.0]]), np.float32([[0.0]])),)
    write_onnx(path, net, params, classes=["no", "yes"])
    above = 3e-7
    assert float(net.forward(params, [[above]])[0][0, 0]) > 0.5
    assert list(run(path, [[0.0], [above], [-above]])["label"]) == ["no", "yes", "no"]


def test_the_only_class_is_always_it(path, rng):
    net = xpnn.Network([3, 4, 1], hidden="relu", output="sigmoid")
    write_onnx(path, net, net.init(rng=1), classes=["it"])
    found = run(path, examples(rng).T)
    np.testing.assert_array_equal(found["probabilities"], np.ones((40, 1), np.float32), strict=True)
    assert set(found["label"]) == {"it"}


@pytest.mark.parametrize("n_y", [1, 3])
@pytest.mark.parametrize("classes", [None, ["a", "b", "c"]])
def test_multilabel(classes, n_y, path, rng):
    net = xpnn.Network([3, 6, n_y], hidden="tanh", output="sigmoid")
    params = with_biases(net.init(rng=1), rng)
    write_onnx(path, net, params, classes=classes, multilabel=True)
    X = examples(rng)
    found = run(path, X.T)
    assert list(found) == ["probabilities", "label"]
    np.testing.assert_allclose(found["probabilities"], net.forward(params, X)[0].T, atol=ATOL)
    expected = net.predict(params, X).T.astype(np.int64)
    assert set(expected.ravel()) == {0, 1}
    np.testing.assert_array_equal(found["label"], expected, strict=True)


# ---- the file ---------------------------------------------------------------


def test_what_the_file_says_of_itself(path):
    net = xpnn.Network([3, 4, 2])
    write_onnx(str(path), net, net.init())
    model = onnx.load(path)
    assert (model.ir_version, model.producer_name) == (8, "xpnn")
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
    session = onnxruntime.InferenceSession(path)
    (given,) = session.get_inputs()
    assert (given.name, given.type, given.shape) == ("X", "tensor(float)", ["m", 3])


def test_the_same_network_gives_the_same_bytes(path):
    net = xpnn.Network([3, 4, 2])
    write_onnx(path, net, net.init(rng=1), classes=["a", "b"])
    first = path.read_bytes()
    write_onnx(path, net, net.init(rng=1), classes=["a", "b"])
    assert path.read_bytes() == first


def test_the_old_file_survives(path, monkeypatch):
    path.write_bytes(b"old")
    net = xpnn.Network([3, 2])
    monkeypatch.setattr(os, "replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_onnx(path, net, net.init())
    assert [file.read_bytes() for file in path.parent.iterdir()] == [b"old"]


# ---- refusals ---------------------------------------------------------------


def softmax(n_y):
    return xpnn.Network([2, n_y], output="softmax")


def sigmoid(n_y):
    return xpnn.Network([2, n_y], output="sigmoid")


@pytest.mark.parametrize(
    ("net", "arguments", "error", "message"),
    [
        (softmax(3), {"classes": [1, 2]}, ArgumentError, "expected 3 labels, .* found 2"),
        (sigmoid(1), {"classes": [1, 2, 3]}, ArgumentError, r"expected 2 labels \(or 1\), .* 3"),
        (
            sigmoid(2),
            {"classes": [1, 2]},
            ArgumentError,
            "found 2 of 'sigmoid'; leave classes= out",
        ),
        (
            xpnn.Network([2, 1], output="identity"),
            {"classes": [1, 2]},
            ArgumentError,
            "found 1 of 'identity'",
        ),
        (softmax(2), {"multilabel": True}, ArgumentError, "output 'sigmoid', found 'softmax'"),
        (softmax(2), {"classes": [1, "a"]}, ArgumentTypeError, "found int, str"),
        (softmax(2), {"classes": [1, True]}, ArgumentTypeError, "found bool, int"),
        (softmax(2), {"classes": [None, None]}, ArgumentTypeError, "found NoneType"),
        (
            softmax(2),
            {"classes": np.array([[1, 2]])},
            ArgumentTypeError,
            "expected a list of labels .* found one ndarray",
        ),
        (softmax(2), {"classes": []}, ArgumentTypeError, "found none"),
        (softmax(2), {"classes": "ab"}, ArgumentTypeError, "found one str"),
        (
            softmax(2),
            {"classes": 2},
            ArgumentTypeError,
            "expected a list of labels .* found one int",
        ),
    ],
)
def test_refusals(net, arguments, error, message, path):
    with pytest.raises(error, match=message):
        write_onnx(path, net, net.init(), **arguments)
    assert not path.exists()


def test_what_onnx_has_no_room_for_is_refused_before(path, monkeypatch):
    """onnx itself raises an error of protobuf, after it has copied all."""
    net = sigmoid(3)
    monkeypatch.setattr(module, "LARGEST", 4 * count(net.sizes) - 1)
    with pytest.raises(ArgumentError, match=r"expected parameters of at most .* use fewer units"):
        write_onnx(path, net, net.init())
    monkeypatch.setattr(module, "LARGEST", 4 * count(net.sizes))
    write_onnx(path, net, net.init())


def test_functions_of_ones_own(path):
    own = xpnn.Activation(lambda Z, xp: Z * 2.0, name="tanh")
    net = xpnn.Network([2, 3, 1], hidden=own, output="sigmoid")
    with pytest.raises(ArgumentTypeError, match="activation of layer 1, 'tanh', is a function of"):
        write_onnx(path, net, net.init())
    loss = xpnn.Loss(lambda A, Y, xp: (A - Y) ** 2)  # no part of what is exported
    net = xpnn.Network([2, 1], output="identity", loss=loss)
    write_onnx(path, net, net.init())
    assert run(path, [[1.0, 2.0]])["Y"].shape == (1, 1)


def test_without_onnx(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    net = xpnn.Network([2, 1], output="identity")
    with pytest.raises(MissingLibraryError, match=r"exporting to ONNX needs onnx, .*xpnn\[onnx\]"):
        write_onnx(path, net, net.init())
