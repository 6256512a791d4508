"""ONNX: a trained network as a graph that other programs run, without xpnn or Python.

`write_onnx` exports the equations of the forward propagation in float32, examples as rows,
weights inside; with classes, the graph ends in their labels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._optional import optional
from .._typing import Array
from ..core.parameters import Params, count
from ..exceptions import ArgumentError, ArgumentTypeError
from ..files.atomic import StrPath, write_atomically
from ..files.networks import activation_names, tensors_of
from ..network import Network
from ..validation.columns import check_params

LARGEST = 2**31 - 2**20  # a protobuf message is smaller than 2 GiB
OPSET, IR_VERSION = 17, 8  # what onnxruntime runs since 1.12
OPERATORS: dict[str, tuple[str, dict[str, float]]] = {
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("Relu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.01}),
    "identity": ("Identity", {}),
    "exp": ("Exp", {}),
    "softmax": ("Softmax", {"axis": 1}),
}
"""The ONNX operator of each activation of ``core``, and its attributes."""


def write_onnx(
    path: StrPath,
    net: Network,
    params: Params,
    classes: Sequence[Any] | Array | None = None,
    multilabel: bool = False,
) -> None:
    """Export a trained network to ONNX.

    The input is ``X``, float32, shape (m, n_x): one example a **row**, for any m. There is one
    output, ``Y``: A[L], float32, shape (m, n_y). With ``classes`` or ``multilabel`` there are two:

    ``probabilities``
        float32, shape (m, K), where K is the number of classes, or of units.
    ``label``
        The likeliest class, shape (m,); with ``multilabel``, 1 where a > 0.5 and else 0, int64,
        shape (m, K).

    The file is written atomically, and the same network gives the same bytes.

    Parameters
    ----------
    path : str or path
        By custom it ends in ``.onnx``.
    net : Network
    params : tuple of Layer
        On any backend.
    classes : sequence of int, str, bool or float, optional
        The K labels: one a unit of softmax; of one sigmoid unit, the label of 0 and that of 1,
        or the only one there is.
    multilabel : bool
        Whether every sigmoid unit decides for itself; ``classes`` has no part in it then.

    Raises
    ------
    MissingLibraryError
        If onnx is not installed.
    ArgumentTypeError
        If an activation is a function of your own, or the labels are of another type or of two.
    ArgumentError
        If the output, or the number of its units, does not suit ``classes`` or ``multilabel``.

    Examples
    --------
    >>> import onnx, tempfile, xpnn
    >>> from xpnn.interop.onnx import write_onnx
    >>> net = xpnn.Network([4, 3], output="softmax")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_onnx(f"{folder}/iris.onnx", net, net.init(rng=0), classes=["a", "b", "c"])
    ...     model = onnx.load(f"{folder}/iris.onnx")
    >>> [node.op_type for node in model.graph.node]
    ['Gemm', 'Softmax', 'ArgMax', 'Gather']
    """
    onnx = optional("onnx", "exporting to ONNX", "onnx")
    params, _ = check_params(params, net.sizes)
    names = activation_names(net)
    _check_size(net)
    graph = _Graph(onnx, net.sizes[0])
    if multilabel:
        _check_multilabel(net)
        _decide_each(graph, _layers(graph, params, names, "probabilities"), net.sizes[-1])
    elif classes is not None:
        _choose(graph, params, names, _check_classes(classes, net))
    else:
        graph.output(_layers(graph, params, names, "Y"), onnx.TensorProto.FLOAT, net.sizes[-1])
    write_atomically(path, graph.model().SerializeToString(deterministic=True))


# ---- the graph --------------------------------------------------------------


class _Graph:
    """An ONNX graph under construction: nodes, constants and outputs, known by name."""

    def __init__(self, onnx: Any, n_x: int) -> None:
        self.onnx = onnx
        self.inputs = [self._described("X", onnx.TensorProto.FLOAT, n_x)]
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.outputs: list[Any] = []

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add an operator, and return the name of what it computes."""
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, name: str, a: Array) -> str:
        """Add a NumPy array, and return its name."""
        self.constants.append(self.onnx.numpy_helper.from_array(a, name))
        return name

    def output(self, name: str, type_: int, *columns: int) -> None:
        """Let the graph return what has this name, shape (m, *columns)."""
        self.outputs.append(self._described(name, type_, *columns))

    def model(self) -> Any:
        """Return the model, checked by onnx itself."""
        helper = self.onnx.helper
        graph = helper.make_graph(self.nodes, "xpnn", self.inputs, self.outputs, self.constants)
        model = helper.make_model(
            graph,
            producer_name="xpnn",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        self.onnx.checker.check_model(model, full_check=True)
        return model

    def _described(self, name: str, type_: int, *columns: int) -> Any:
        return self.onnx.helper.make_tensor_value_info(name, type_, ["m", *columns])


def _layers(graph: _Graph, params: Params, names: list[str], output: str) -> str:
    """Z = A_prev Wᵀ + bᵀ, A = g(Z) of each layer, examples as rows; the last A is ``output``."""
    A = "X"
    arrays = {name: a.astype(np.float32) for name, a in tensors_of(params).items()}
    for l, name in enumerate(names, 1):
        W = graph.constant(f"W{l}", arrays[f"W{l}"])
        b = graph.constant(f"b{l}", arrays[f"b{l}"][:, 0])
        Z = graph.node("Gemm", [A, W, b], f"Z{l}", transB=1)
        operator, attributes = OPERATORS[name]
        A = graph.node(operator, [Z], output if l == len(names) else f"A{l}", **attributes)
    return A


def _decide_each(graph: _Graph, probabilities: str, n_y: int) -> None:
    """label = 1 where a > 0.5, else 0."""
    types = graph.onnx.TensorProto
    half = graph.constant("half", np.asarray(0.5, np.float32))
    above = graph.node("Greater", [probabilities, half], "above_half")
    label = graph.node("Cast", [above], "label", to=types.INT64)
    graph.output(probabilities, types.FLOAT, n_y)
    graph.output(label, types.INT64, n_y)


def _choose(graph: _Graph, params: Params, names: list[str], labels: Array) -> None:
    """label = the class with the largest probability; of two that are equal, the first."""
    if len(labels) == 1:  # softmax of one unit is always 1: so likely is the only class
        names = [*names[:-1], "softmax"]
    if names[-1] == "softmax":
        probabilities = _layers(graph, params, names, "probabilities")
    else:  # 1 − a is exact from a = ½ on, so that a is the larger one exactly where a > ½
        A = _layers(graph, params, names, "A")
        not_A = graph.node("Sub", [graph.constant("one", np.asarray(1.0, np.float32)), A], "not_A")
        probabilities = graph.node("Concat", [not_A, A], "probabilities", axis=1)
    index = graph.node("ArgMax", [probabilities], "index", axis=1, keepdims=0)
    label = graph.node("Gather", [graph.constant("classes", labels), index], "label")
    graph.output(probabilities, graph.onnx.TensorProto.FLOAT, len(labels))
    graph.output(label, graph.constants[-1].data_type)


# ---- the arguments ----------------------------------------------------------


def _check_size(net: Network) -> None:
    size = 4 * count(net.sizes)
    if size > LARGEST:
        raise ArgumentError(
            f"net: expected parameters of at most {LARGEST >> 20:,} MiB, as an ONNX file holds no "
            f"more, found {size >> 20:,} MiB; use fewer units, or keep it with xpnn.save."
        )


def _check_multilabel(net: Network) -> None:
    if net.output != "sigmoid":
        raise ArgumentError(
            f"multilabel: expected a network with the output 'sigmoid', found {net.output!r}, "
            "whose units do not decide for themselves; pass classes= instead."
        )


def _check_classes(classes: Any, net: Network) -> Array:
    """Return the labels as a NumPy array, if they suit the output of the network."""
    labels = _labels(classes)
    n_y, K = net.sizes[-1], len(labels)
    if (net.output, n_y) != ("sigmoid", 1) and net.output != "softmax":
        raise ArgumentError(
            f"classes: expected a network with the output 'softmax' or one 'sigmoid' unit, found "
            f"{n_y} of {net.output!r}; leave classes= out, or pass multilabel=True if each sigmoid "
            "unit decides for itself."
        )
    if K not in ((1, 2) if n_y == 1 else (n_y,)):
        expected = "2 labels (or 1)" if n_y == 1 else f"{n_y} labels"
        raise ArgumentError(
            f"classes: expected {expected}, as the output is {net.output} of {n_y} "
            f"unit{'s' if n_y > 1 else ''}, found {K}."
        )
    return labels


def _labels(classes: Any) -> Array:
    """Return labels as int64, float64, bool, or objects for str: what ONNX makes tensors of."""
    one = np.ndim(classes) != 1
    listed = [classes] if one else list(classes)
    values = [value.item() if isinstance(value, np.generic) else value for value in listed]
    found = {type(value) for value in values}
    dtypes = {bool: np.bool_, int: np.int64, float: np.float64, str: np.object_}
    if one or len(found) != 1 or not found <= dtypes.keys():
        names = ", ".join(sorted(type_.__name__ for type_ in found)) or "none"
        raise ArgumentTypeError(
            "classes: expected a list of labels that are all int, all str, all bool or all float, "
            f"found {'one ' if one else ''}{names}."
        )
    return np.asarray(values, dtypes[found.pop()])
