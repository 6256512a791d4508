"""What the notes' functions share: bringing arrays together, and dicts of parameters."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from .. import _boundary as boundary
from .._typing import Array, Rng
from ..backends import get_backend
from ..backends.base import Backend
from ..backends.numpy import NumpyBackend
from ..backends.selection import backend_class_of, mixed
from ..core.losses import LOSSES
from ..core.parameters import Layer, Params, initial_weights
from ..data.rng import legacy_rng
from ..errors import ArgumentError, positive_int, real_number, unknown_name

CROSS_ENTROPY = LOSSES["binary_cross_entropy"]
SCALES = {"small": "small", "sqrt": "lecun", "he": "he", "zeros": "zeros"}


@contextmanager
def together(**named: Any) -> Iterator[tuple[Any, ...]]:
    """Bring the arrays of one call to one library, device and floating dtype.

    Yields the backend and the arrays, in a context in which its device is the current one.
    None stays None.
    """
    backend = common_backend(named)
    with backend.current():
        yield (
            backend,
            *(
                None if x is None else boundary.place(name, x, backend, backend.dtype)
                for name, x in named.items()
            ),
        )


def common_backend(named: Mapping[str, Any]) -> Backend:
    """Return the backend at which arrays meet: the one device among them, else the host."""
    found: dict[str, Backend] = {}
    for name, x in named.items():
        owner = backend_class_of(x)
        if owner is not None:
            found[name] = owner.of(x)
    on_devices = {name: b for name, b in found.items() if not isinstance(b, NumpyBackend)}
    for name, backend in on_devices.items():
        first, *_ = on_devices
        if not backend.same_place(on_devices[first]):
            raise mixed(name, backend, first, on_devices[first])
    meeting = next(iter((on_devices or found).values()), None) or NumpyBackend.of(np.zeros(()))
    floating = {b.dtype_name for b in found.values() if b.xp.isdtype(b.dtype, "real floating")}
    return with_dtype(meeting, "float32" if floating == {"float32"} else "float64")


def with_dtype(backend: Backend, name: str) -> Backend:
    """Return a backend with this dtype, or with float32 where it has no float64."""
    info = backend.xp.__array_namespace_info__()
    supported = info.dtypes(device=backend.device, kind="real floating")
    dtype = supported.get(name, supported["float32"])
    return replace(backend, dtype=backend.native_dtype(dtype))


# ---- parameters -------------------------------------------------------------


def to_layers(arrays: Sequence[Array]) -> Params:
    """Return W1, b1, W2, b2, … as layers."""
    return tuple(Layer(W, b) for W, b in zip(arrays[::2], arrays[1::2], strict=True))


def to_dict(layers: Params, prefix: str = "") -> dict[str, Array]:
    """Return layers as ``{"W1": …, "b1": …, …}``, gradients (``prefix="d"``) as ``{"dW1": …}``."""
    return {
        f"{prefix}{symbol}{l}": array
        for l, layer in enumerate(layers, 1)
        for symbol, array in zip("Wb", layer, strict=True)
    }


def by_layer(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters W1, b1, W2, b2, … in this order; raise if one is missing."""
    layers = (len(parameters) + 1) // 2  # an odd one out is an error, not left out
    names = [f"{symbol}{l}" for l in range(1, layers + 1) for symbol in "Wb"]
    missing = [name for name in names if name not in parameters]
    if missing or not names:
        raise ArgumentError(
            "parameters: expected W1, b1, W2, b2, …, one pair a layer, found "
            f"{', '.join(map(str, parameters)) or 'none'}."
        )
    return {name: parameters[name] for name in names}


def entries(argument: str, given: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return these entries of a dict; raise if one is missing."""
    names = list(names)
    if not all(name in given for name in names):
        raise ArgumentError(
            f"{argument}: expected {', '.join(names)}, found "
            f"{', '.join(map(str, given)) or 'none'}."
        )
    return {name: given[name] for name in names}


def initial_parameters(
    sizes: Sequence[int], scale: str | float, rng: Rng, X: Any = None
) -> dict[str, Array]:
    """Draw W1, W2, … in this order on the host, and move them to where X is.

    Without X, or if X is host data, that is the selected backend. The dtype is X's, else
    float64, the notes'.
    """
    backend = common_backend({"X": X})
    if isinstance(backend, NumpyBackend):
        backend = with_dtype(get_backend(), backend.dtype_name)
    rng = legacy_rng(rng)
    sizes = tuple(positive_int(f"n[{l}]", n) for l, n in enumerate(sizes))
    if len(sizes) < 2:
        raise ArgumentError(
            f"layer_dims: expected at least inputs and outputs, like (64, 10), found {sizes}."
        )
    if isinstance(scale, str):
        if scale not in SCALES:
            raise unknown_name("scale", scale, SCALES)
        weights = initial_weights(sizes, SCALES[scale], rng)
    else:
        factor = real_number("scale", scale, "a number, or one of small, sqrt, he, zeros")
        weights = [factor * rng.standard_normal((n, n_prev)) for n_prev, n in pairwise(sizes)]
    return to_dict(
        tuple(
            Layer(
                backend.asarray(W, backend.dtype, copy=True),
                backend.asarray(np.zeros((W.shape[0], 1)), backend.dtype),
            )
            for W in weights
        )
    )


def accuracy(predicted: Any, Y: Any) -> float:
    """Return the share of predictions that equal Y."""
    with together(Y=Y, predicted=predicted) as (backend, Y, predicted):
        boundary.check_shape("Y", Y, tuple(predicted.shape))
        right = backend.xp.astype(predicted == Y, backend.dtype)
        return float(backend.xp.sum(right)) / int(prod(right.shape))


# ---- shapes -----------------------------------------------------------------


def check_examples(name: str, x: Array) -> None:
    """Raise unless ``x`` has two dimensions and at least one column."""
    if x.ndim != 2:
        raise ArgumentError(
            f"{name}: expected shape (n, m), a column an example, found {tuple(x.shape)}; "
            f"reshape it, labels with {name}.reshape(1, -1)."
        )
    boundary.check_columns(name, x, x.shape[0])


def check_layers(layers: Params, X: Array) -> None:
    """Raise unless X fits the first W, and every W[l] and b[l] the layer before it."""
    check_examples("X", X)
    W1 = layers[0].W
    n_prev = W1.shape[1] if W1.ndim == 2 else X.shape[0]
    boundary.check_columns("X", X, n_prev)
    for l, (W, b) in enumerate(layers, 1):
        check_layer(W, b, n_prev, f"layer {l - 1} has {n_prev} units", l)
        n_prev = W.shape[0]


def check_layer(W: Array, b: Array, n_prev: int, reason: str, l: int | str = "") -> None:
    """Raise unless W has n_prev columns, for this reason, and b an entry a row of W."""
    if W.ndim != 2 or W.shape[1] != n_prev:
        raise ArgumentError(
            f"W{l}: expected shape (n, {n_prev}), as {reason}, found {tuple(W.shape)}."
        )
    boundary.check_shape(f"b{l}", b, (W.shape[0], 1))
