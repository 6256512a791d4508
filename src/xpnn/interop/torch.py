"""Networks as PyTorch modules: an ``nn.Sequential`` of Linear and activation modules, both ways.

`to_sequential`     layers and the names of their activations become modules
`from_sequential`   modules become sizes, names and layers
`from_torch`        modules become a fitted estimator

A Linear holds W as we do, shape (n[l], n[l-1]), and b as a vector; it takes one example a row.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import isclose
from typing import Any

import numpy as np

from .._backends.base import DTYPES
from .._backends.host import to_host
from .._optional import optional
from ..core.parameters import Layer, Params
from ..estimators.registry import ESTIMATORS, ITS_NAMES
from ..exceptions import ArgumentError, ArgumentTypeError
from ..network import Network

MODULES: dict[str, tuple[str, dict[str, Any]]] = {
    # activation: its class in torch.nn, and what to make one with; identity has no module
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("ReLU", {}),
    "leaky_relu": ("LeakyReLU", {"negative_slope": 0.01}),
    "softmax": ("Softmax", {"dim": 1}),
}
PERMANENT = (
    "Make it permanent (torch.nn.utils.prune.remove, remove_weight_norm, remove_spectral_norm, "
    "parametrize.remove_parametrizations), or take it off: handle.remove()"
)
"""What cures a hook: pruning and norms work the weights out in one, before each call."""
DEEPEST = 100
"""Sequentials inside one another: PyTorch itself runs out of stack at 300."""
SUPPORTED = (
    "Linear, Sigmoid, Tanh, ReLU, LeakyReLU(0.01), Softmax(dim=1), Identity, Dropout, "
    "Flatten before the first Linear, and Sequential of these"
)


def to_sequential(activations: Sequence[str], params: Params) -> Any:
    """Return the ``torch.nn.Sequential`` that computes what the layers do, of rows.

    Parameters
    ----------
    activations : sequence of str
        Name of the activation of each layer, the output included.
    params : tuple of Layer
        Of any backend. Weights are copied, in their dtype.

    Returns
    -------
    torch.nn.Sequential
        On the CPU, in evaluation mode; (m, n_x) goes in, (m, n_y) comes out.

    Raises
    ------
    ArgumentError
        For an activation that has no module in ``torch.nn``.
    MissingLibraryError
        If PyTorch is not installed.
    """
    torch = optional("torch", "making a PyTorch module", "torch")
    modules: list[Any] = []
    for l, (name, layer) in enumerate(zip(activations, params, strict=True), 1):
        modules.append(_linear(layer, torch))
        if name != "identity":
            kind, options = _module(name, l)
            modules.append(getattr(torch.nn, kind)(**options))
    return torch.nn.Sequential(*modules).eval()


def from_sequential(sequential: Any) -> tuple[tuple[int, ...], tuple[str, ...], Params]:
    """Read an ``nn.Sequential`` of Linear and activation modules, as it is in evaluation mode.

    Dropout and Identity do nothing there, nor does Flatten to rows; a Sequential inside
    another is read in its place.

    Parameters
    ----------
    sequential : torch.nn.Sequential

    Returns
    -------
    sizes : tuple of int
        n[0], n[1], …, n[L].
    activations : tuple of str
        Name of the activation of each layer, ``identity`` where no module follows the Linear.
    params : tuple of Layer
        Copies on the host, in their dtype; b is 0 where the Linear has none.

    Raises
    ------
    ArgumentTypeError
        If it is not a Sequential.
    ArgumentError
        For a module that is not among those supported, or not in its place.
    """
    nn = optional("torch.nn", "reading a PyTorch module", "torch")
    hooks = nn.modules.module
    if hooks._global_forward_hooks or hooks._global_forward_pre_hooks:
        raise ArgumentError(
            "expected no forward hook of all modules, since it may change what they compute, found "
            "one; take it off: handle.remove()."
        )
    if not _is_sequential(sequential, nn):
        raise ArgumentTypeError(
            f"expected a torch.nn.Sequential, found {type(sequential).__name__}; put the modules "
            "in the order in which they run: torch.nn.Sequential(linear_1, relu, linear_2)."
        )
    activations: list[str] = []
    layers: list[tuple[str, Layer]] = []
    for path, module in _leaves("sequential", sequential, nn):
        name = _name(module, nn)
        if type(module) is nn.Linear:
            layers.append((path, _layer(path, module)))
            activations.append("identity")
        elif name and activations and activations[-1] == "identity":
            activations[-1] = name
        elif name:
            before = f"after {activations[-1]}" if activations else "before any Linear"
            raise ArgumentError(
                f"{path}: expected each activation after a Linear, found {module!r} {before}."
            )
        elif not _does_nothing(module, not activations, nn):
            cure = f" {PERMANENT}." if hasattr(module, "parametrizations") else ""
            raise ArgumentError(f"{path}: expected one of {SUPPORTED}; found {module!r}.{cure}")
        _check_untouched(path, module)
    return _sizes(layers), tuple(activations), tuple(layer for _, layer in layers)


# ---- to modules ------------------------------------------------------------------------------


def _module(name: str, l: int) -> tuple[str, dict[str, Any]]:
    if name not in MODULES:
        raise ArgumentError(
            f"layer {l}: expected an activation that torch.nn has a module for, one of identity, "
            f"{', '.join(MODULES)}, found {name!r}. If it is the output's, put 'identity' in its "
            "place and apply it to what the module returns."
        )
    return MODULES[name]


def _linear(layer: Layer, torch: Any) -> Any:
    W, b = (np.array(to_host(a), order="C") for a in layer)
    n, n_prev = W.shape
    # without memory until it gets ours: drawing weights would move the caller's random numbers
    linear = torch.nn.Linear(n_prev, n, device="meta")
    linear.weight = torch.nn.Parameter(torch.from_numpy(W))
    linear.bias = torch.nn.Parameter(torch.from_numpy(b[:, 0]))
    return linear


# ---- from modules ----------------------------------------------------------------------------


def _is_sequential(module: Any, nn: Any) -> bool:
    """Whether it runs its modules one after the other: a class derived from it may do more."""
    return isinstance(module, nn.Sequential) and all(
        getattr(type(module), name) is getattr(nn.Sequential, name)
        for name in ("forward", "__call__", "_call_impl")
    )


def _leaves(path: str, sequential: Any, nn: Any, above: tuple[Any, ...] = ()) -> Iterator[Any]:
    """Yield each module that is no Sequential, with its path, such as ``sequential[1][0]``."""
    if any(sequential is outer for outer in above) or len(above) == DEEPEST:
        raise ArgumentError(
            f"{path}: expected a Sequential not inside itself, and in at most {DEEPEST} others; "
            "put all modules in one."
        )
    _check_untouched(path, sequential)
    for i, module in enumerate(sequential):
        if _is_sequential(module, nn):
            yield from _leaves(f"{path}[{i}]", module, nn, (*above, sequential))
        else:
            yield f"{path}[{i}]", module


def _check_untouched(path: str, module: Any) -> None:
    """Raise if a module computes something else than its class and its weights say."""
    hooks = [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]
    if hooks:
        names = ", ".join(map(_hook_name, hooks))
        raise ArgumentError(
            f"{path}: expected a module without forward hooks, found {type(module).__name__} with "
            f"{names}. {PERMANENT}."
        )
    for name in {"forward", "_call_impl"} & vars(module).keys():
        raise ArgumentError(
            f"{path}: expected the {name} of its class, found {type(module).__name__} with one of "
            f"its own; take it off: del module.{name}."
        )


def _hook_name(hook: Any) -> str:
    return str(getattr(hook, "__qualname__", type(hook).__name__))


def _name(module: Any, nn: Any) -> str | None:
    """Return the name of the activation that a module is, or None."""
    for name, (kind, _) in MODULES.items():
        if type(module) is getattr(nn, kind):
            if name == "leaky_relu" and not isclose(module.negative_slope, 0.01, rel_tol=1e-6):
                return None
            if name == "softmax" and module.dim not in (1, -1):
                return None
            return name
    return None


def _does_nothing(module: Any, first: bool, nn: Any) -> bool:
    """Whether a module leaves rows as they are in evaluation mode."""
    if type(module) is nn.Flatten:
        return first and (module.start_dim, module.end_dim) == (1, -1)
    return type(module) in (nn.Dropout, nn.Identity)


def _layer(path: str, linear: Any) -> Layer:
    W = _host(path, linear.weight)
    b = np.zeros(len(W), W.dtype) if linear.bias is None else _host(path, linear.bias)
    if W.ndim != 2 or b.shape != W.shape[:1] or b.dtype != W.dtype:
        raise ArgumentError(
            f"{path}: expected a weight of two dimensions and, in its dtype, one bias an output, "
            f"found shapes {W.shape} in {W.dtype} and {b.shape} in {b.dtype}."
        )
    return Layer(W, b[:, None])


def _host(path: str, parameter: Any) -> Any:
    """Return a parameter as a NumPy array of its own."""
    found = str(getattr(parameter, "dtype", None)).removeprefix("torch.")
    if found not in DTYPES:
        raise ArgumentError(
            f"{path}: expected weights in {' or '.join(DTYPES)}, found {found}; "
            "convert them first: sequential.float()."
        )
    kind, layout = type(parameter).__name__, parameter.layout
    if parameter.is_meta or kind not in ("Parameter", "Tensor") or str(layout) != "torch.strided":
        raise ArgumentError(
            f"{path}: expected weights with numbers in a dense array, found a {kind} of layout "
            f"{layout} on device {parameter.device}; load them, or make them dense: to_dense()."
        )
    return np.array(to_host(parameter))


def _sizes(layers: list[tuple[str, Layer]]) -> tuple[int, ...]:
    if not layers:
        raise ArgumentError("expected at least one Linear in the Sequential, found none.")
    for (_, before), (path, layer) in pairwise(layers):
        n, n_prev = len(before.W), layer.W.shape[1]
        if n_prev != n:
            raise ArgumentError(
                f"{path}: expected a Linear with {n} inputs, as many as the Linear before it has "
                f"outputs, found {n_prev}."
            )
    return (layers[0][1].W.shape[1], *(len(layer.W) for _, layer in layers))


# ---- from modules to an estimator -------------------------------------------------------------


def from_torch(sequential: Any, classes: Sequence[Any] | None = None) -> Any:
    """Return a PyTorch network as a fitted estimator.

    Parameters
    ----------
    sequential : torch.nn.Sequential
        Linear modules, each with an activation after it or without: ReLU, Tanh, Sigmoid,
        LeakyReLU(0.01); the same one after every hidden Linear. Dropout is left out.
    classes : sequence, optional
        The labels of the outputs, for a classifier: two for a single output. A network that ends
        in a Linear, as one does that was trained on logits, gets the sigmoid or softmax then.
        Without them, one that ends in Sigmoid or Softmax is a classifier of 0, 1, …, any other a
        regressor.

    Returns
    -------
    MLPClassifier or MLPRegressor
        On the host, in the dtype of the modules, with the same weights.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For modules that have no counterpart, or that forward hooks change (pruning and norms
        until they are made permanent); names them, and the cure.
    """
    sizes, names, params = from_sequential(sequential)
    *hidden, output = names
    if len(set(hidden)) > 1:
        raise ArgumentError(
            f"sequential: expected one activation after all hidden Linears, found {hidden}; "
            "an xpnn.Network can have one a layer."
        )
    classifies = classes is not None or output in {"sigmoid", "softmax"}
    model = ESTIMATORS["MLPClassifier" if classifies else "MLPRegressor"]()
    model.hidden_layer_sizes = tuple(sizes[1:-1])
    if hidden:
        model.activation = ITS_NAMES.get(hidden[0], hidden[0])
    model.coefs_ = [np.ascontiguousarray(W.T) for W, _ in params]
    model.intercepts_ = [b[:, 0] for _, b in params]
    model._start_counting()
    if classifies:
        output = _classifying(output, sizes[-1], classes, model)
    if output not in {"identity", "exp", "sigmoid", "softmax"}:
        raise ArgumentError(
            "sequential: expected no activation after the last Linear of a regressor, "
            f"found {output!r}."
        )
    model._set_network(Network(sizes, hidden, output))
    return model


def _classifying(output: str, n: int, classes: Sequence[Any] | None, model: Any) -> str:
    """Give a classifier its classes; return its output activation."""
    expected = max(n, 2)
    labels = np.asarray(range(expected) if classes is None else classes)
    multilabel = output == "sigmoid" and n > 1
    if len(labels) != expected or len(set(labels.tolist())) != expected:
        raise ArgumentError(
            f"classes: expected {expected} different labels for {n} outputs, found {classes!r}."
        )
    if output == "identity":
        output = "sigmoid" if n == 1 else "softmax"
    if not multilabel:
        labels = _sorted(labels, model)
    model._set_classes(labels, multilabel=multilabel)
    return output


def _sorted(labels: Any, model: Any) -> Any:
    """Return the labels sorted, as scikit-learn holds them, and the outputs with them."""
    order = np.argsort(labels)
    W, b = model.coefs_[-1], model.intercepts_[-1]
    if len(b) > 1:
        model.coefs_[-1], model.intercepts_[-1] = np.ascontiguousarray(W[:, order]), b[order]
    elif order[0] == 1:  # σ(−z) = 1 − σ(z)
        model.coefs_[-1], model.intercepts_[-1] = -W, -b
    return labels[order]
