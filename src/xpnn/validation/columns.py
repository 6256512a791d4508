"""X, Y and parameters in the core's convention: one example is one column.

Shapes and values are checked here so that ``core`` may trust them. ``net`` is a `Network`, whose
room lies above this one.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from .._backends.base import DTYPES, Backend
from .._backends.numpy import NumpyBackend
from .._backends.selection import common_backend
from .._typing import Array
from ..core.activations import ACTIVATIONS
from ..core.losses import LOSSES
from ..core.parameters import Layer, Params, by_name
from ..exceptions import ArgumentError, ArgumentTypeError
from .arrays import check_columns, check_device, check_finite, check_shape, on_host, to_backend
from .targets import check_binary, check_targets, one_hot
from .weights import check_sample_weight

HOST_COLUMNS = 2**14  # so many examples of data that stay on the host are looked at together


def check_params(params: Any, sizes: tuple[int, ...]) -> tuple[Params, Backend]:
    """Return the parameters as a tuple of `Layer`, and the backend they are on."""
    if isinstance(params, Mapping):
        raise ArgumentTypeError(
            "params: expected a tuple of Layer(W, b), found dict; make one with net.init(), or of "
            "the notes' W1, b1, …: tuple(Layer(p[f'W{l}'], p[f'b{l}']) for l in range(1, L + 1))."
        )
    try:
        layers = tuple(Layer(*layer) for layer in params)
    except TypeError as error:
        raise ArgumentTypeError(
            f"params: expected a tuple of Layer(W, b), found {type(params).__name__} "
            f"({error}); make them with net.init()."
        ) from error
    if len(layers) != len(sizes) - 1:
        raise ArgumentError(
            f"params: expected {len(sizes) - 1} layers for sizes {list(sizes)}, "
            f"found {len(layers)}; make them with net.init()."
        )
    arrays = by_name(layers, "{}[{}]")
    backend = common_backend(arrays)
    for name, array in arrays.items():
        if isinstance(array, np.ma.MaskedArray | np.matrix):  # whose * is another
            cure = "numpy.asarray(x)" if isinstance(array, np.matrix) else "x.filled(0.0)"
            raise ArgumentTypeError(
                f"{name}: expected a plain array, found {type(array).__name__}; pass {cure}."
            )
    if backend.dtype_name not in DTYPES:
        raise ArgumentTypeError(
            f"params: expected real floating arrays, float32 or float64, found {backend.dtype}; "
            "cast them, or make them with net.init()."
        )
    for l, (n_prev, n) in enumerate(pairwise(sizes), 1):
        check_shape(f"W[{l}]", arrays[f"W[{l}]"], (n, n_prev))
        check_shape(f"b[{l}]", arrays[f"b[{l}]"], (n, 1))
    return layers, backend


def layers_of(weights: list[Any], backend: Backend) -> Params:
    """Return weights drawn on the host as layers on a backend, biases 0."""
    return tuple(
        Layer(
            backend.asarray(W, backend.dtype, copy=True),
            backend.asarray(np.zeros((len(W), 1)), backend.dtype),
        )
        for W in weights
    )


def check_X(X: Any, n_x: int, backend: Backend) -> Array:
    """Return X, shape (n_x, m), as finite numbers of the backend's dtype."""
    X = to_backend("X", X, backend, backend.dtype)
    check_columns("X", X, n_x)
    check_finite("X", X, backend)
    return X


def check_Y(Y: Any, m: int, net: Any, backend: Backend) -> Array:
    """Return Y, shape (n_y, m), as targets that suit the network's loss; one-hot if labels came."""
    n_y = net.sizes[-1]
    Y = to_backend("Y", Y, backend)
    classes = n_y > 1 and "softmax" in (net.output, net.loss.canonical)
    if classes and (Y.ndim == 1 or Y.shape[:1] == (1,)):
        if Y.ndim == 2 and backend.xp.isdtype(Y.dtype, "integral"):
            check_shape("Y", Y, (1, m))
            return one_hot(Y, n_y, backend)
        raise ArgumentError(
            f"Y: expected one-hot targets of shape {(n_y, m)} or integer labels of shape {(1, m)}, "
            f"found shape {tuple(Y.shape)} of dtype {Y.dtype}; if these are labels, cast them "
            "to an integer dtype and reshape them: Y.reshape(1, -1)."
        )
    Y = backend.asarray(Y, backend.dtype)
    check_columns("Y", Y, n_y, m)
    check_finite("Y", Y, backend)
    check_targets(Y, net.loss, backend)
    return Y


def check_examples(
    net: Any, X: Any, Y: Any, sample_weight: Any, backend: Backend, *, stays: bool = False
) -> tuple[Array, Array, Any]:
    """Return X, Y and the sample weights (or None), checked against each other and the network.

    The weights are those of `check_sample_weight`: on the host, wherever X and Y are. With
    ``stays`` X stays where it is, a host array, and Y is brought to it.
    """
    check_own_functions(net, backend)
    if stays:
        host = NumpyBackend.create("", backend.dtype_name)
        with host.current():
            check_columns("X", X, net.sizes[0])
            for start in range(0, X.shape[1], HOST_COLUMNS):
                check_X(X[:, start : start + HOST_COLUMNS], net.sizes[0], host)
            check_device("Y", Y, backend)
            Y = check_Y(on_host(Y), X.shape[1], net, host)
    else:
        X = check_X(X, net.sizes[0], backend)
        Y = check_Y(Y, X.shape[1], net, backend)
    return X, Y, check_sample_weight(sample_weight, X.shape[1], backend)


def check_own_functions(net: Any, backend: Backend) -> None:
    """Raise unless activations and loss of the user's own return arrays of the right shape."""
    xp, loss = backend.xp, net.loss

    def halves(n: int) -> Array:
        return xp.full((n, n + 2), 0.5, dtype=backend.dtype, device=backend.device)

    for n, g in zip(net.sizes[1:], net.activations, strict=True):
        if g not in ACTIVATIONS.values():
            found = tuple(getattr(g.value(halves(n), xp), "shape", ()))
            if found != (n, n + 2):
                raise ArgumentError(
                    f"activation {g.name!r}: expected an array of the shape of Z, ({n}, m), found "
                    f"shape {found} for m = {n + 2}."
                )
    if loss not in LOSSES.values():
        n = net.sizes[-1]
        found = tuple(getattr(loss.value(halves(n), halves(n), xp), "shape", ()))
        if found not in ((n, n + 2), (1, n + 2)):
            raise ArgumentError(
                f"loss {loss.name!r}: expected an array of shape ({n}, m) or (1, m), the loss of "
                f"each example, found shape {found} for m = {n + 2}; the mean over the examples "
                "is taken afterwards."
            )


# ---- the notes' functions, which have no Network ----------------------------


def check_training_set(X: Array, Y: Array, backend: Backend, part: str = "") -> None:
    """Raise unless X and Y can train a model."""
    check_columns(f"X{part}", X)
    check_columns(f"Y{part}", Y)
    m = X.shape[1]
    if X.shape[0] == Y.shape[1] != m:
        raise ArgumentError(
            f"X{part}: expected {Y.shape[1]} columns, one an example as in Y{part}, found shape "
            f"{tuple(X.shape)}; pass X{part}.T."
        )
    if Y.shape[1] != m:
        cure = f"; pass Y{part}.T" if Y.shape[0] == m else ""
        raise ArgumentError(
            f"Y{part}: expected {m} columns, one an example as in X{part}, found shape "
            f"{tuple(Y.shape)}{cure}."
        )
    check_finite(f"X{part}", X, backend)
    check_binary(f"Y{part}", Y, backend)


def check_layers(layers: Params, X: Array, backend: Backend) -> None:
    """Raise unless X is finite and fits the first W, and each W[l] and b[l] the layer before."""
    check_columns("X", X)
    check_finite("X", X, backend)
    W1 = layers[0].W
    n_prev = W1.shape[1] if W1.ndim == 2 else X.shape[0]
    check_columns("X", X, n_prev)
    for l, (W, b) in enumerate(layers, 1):
        check_layer(W, b, n_prev, f"layer {l - 1} has {n_prev} units", l)
        n_prev = W.shape[0]


def check_layer(W: Array, b: Array, n_prev: int, reason: str, l: int | str = "") -> None:
    """Raise unless W has n_prev columns, for this reason, and b an entry a row of W."""
    if W.ndim != 2 or W.shape[1] != n_prev:
        raise ArgumentError(
            f"W{l}: expected shape (n, {n_prev}), as {reason}, found {tuple(W.shape)}."
        )
    check_shape(f"b{l}", b, (W.shape[0], 1))
