"""What the notes' functions share: bringing arrays together, and dicts of parameters."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from .._backends.base import Backend
from .._backends.numpy import NumpyBackend
from .._backends.registry import find_backend
from .._backends.selection import backend_mismatch, get_backend
from .._typing import Array, Rng
from ..core.losses import LOSSES
from ..core.parameters import by_name, initial_weights
from ..data.rng import legacy_rng
from ..exceptions import ArgumentError, ArgumentTypeError, unknown_name
from ..validation.arrays import check_shape, is_sparse, to_backend
from ..validation.columns import layers_of
from ..validation.memory import check_layers_fit
from ..validation.numbers import positive_int, real_number

CROSS_ENTROPY = LOSSES["binary_cross_entropy"]
SCALES = {"small": "small", "sqrt": "lecun", "he": "he", "zeros": "zeros"}


@contextmanager
def on_one_backend(**named: Any) -> Iterator[tuple[Backend, *tuple[Any, ...]]]:
    """Bring the arrays of one call to one library, device and floating dtype.

    Yields the backend and the arrays, in a context in which its device is the current one.
    """
    found = owners(named)
    backend = meeting_place(found)
    with backend.current():
        yield backend, *(_joined(name, x, found.get(name), backend) for name, x in named.items())


def owners(named: Mapping[str, Any]) -> dict[str, Backend]:
    """Return the backend of every argument that is an array."""
    found = {name: find_backend(x) for name, x in named.items()}
    return {name: backend for name, backend in found.items() if backend is not None}


def meeting_place(found: Mapping[str, Backend]) -> Backend:
    """Return where arrays meet: on the one device among them, else on the host.

    The arrays there decide the dtype, float32 if none of them is wider, else float64; the
    labels Y have no say unless they are alone.
    """
    on_devices = {name: b for name, b in found.items() if not isinstance(b, NumpyBackend)}
    for name, backend in on_devices.items():
        first, *_ = on_devices
        if not backend.same_device(on_devices[first]):
            raise backend_mismatch(name, backend, first, on_devices[first])
    there = on_devices or found
    deciding = [b for name, b in there.items() if name[:1] not in "Yy"] or list(there.values())
    floating = {b.dtype_name for b in deciding if b.xp.isdtype(b.dtype, "real floating")}
    meeting = deciding[0] if deciding else NumpyBackend.of(np.zeros(()))
    return with_dtype(meeting, "float32" if floating == {"float32"} else "float64")


def _joined(name: str, x: Any, found: Backend | None, backend: Backend) -> Array:
    if found == backend and _is_plain(x):  # 7 µs less for each array
        return x
    return to_backend(name, x, backend, backend.dtype)


def _is_plain(x: Any) -> bool:
    """Whether an array needs no looking into: not masked, no matrix, no scalar, not sparse."""
    plain = type(x) is np.ndarray or not isinstance(x, np.ndarray | np.generic)
    return plain and not is_sparse(x)


@contextmanager
def on_one_device(**named: Any) -> Iterator[tuple[Any, ...]]:
    """Bring arrays together that are only moved about, each in its own dtype."""
    found = owners(named)
    backend = meeting_place(found)
    with backend.current():
        yield backend, *(_moved(name, x, found.get(name), backend) for name, x in named.items())


def _moved(name: str, x: Any, found: Backend | None, backend: Backend) -> Array:
    if found is None:
        return to_backend(name, x, with_dtype(backend, "float64"))
    if found.same_device(backend) and _is_plain(x):
        return x
    return to_backend(name, x, with_dtype(backend, found.dtype_name))


def with_dtype(backend: Backend, name: str) -> Backend:
    """Return a backend with this dtype, or with float32 where it has no float64."""
    supported = backend.dtypes("real floating")
    dtype = supported.get(name, supported["float32"])
    return replace(backend, dtype=backend.native_dtype(dtype))


# ---- parameters -------------------------------------------------------------


def by_layer(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters W1, b1, W2, b2, … in this order; raise if one is missing."""
    _check_dict("parameters", parameters, "W1, b1, W2, b2, …")
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
    _check_dict(argument, given, ", ".join(names))
    if not all(name in given for name in names):
        raise ArgumentError(
            f"{argument}: expected {', '.join(names)}, found "
            f"{', '.join(map(str, given)) or 'none'}."
        )
    return {name: given[name] for name in names}


def _check_dict(argument: str, given: Any, wanted: str) -> None:
    if not isinstance(given, Mapping):
        raise ArgumentTypeError(
            f"{argument}: expected a dict of {wanted}, found {type(given).__name__}; mind the "
            "order of the arguments."
        )


def initial_parameters(
    sizes: Sequence[int], scale: str | float, rng: Rng, X: Any = None
) -> dict[str, Array]:
    """Draw W1, W2, … in this order on the host, and move them to where X is.

    Without X, or if X is host data, that is the selected backend. The dtype is X's, else
    float64, the notes'.
    """
    backend = meeting_place(owners({"X": X}))
    if isinstance(backend, NumpyBackend):
        backend = with_dtype(get_backend(), backend.dtype_name)
    rng = legacy_rng(rng)
    sizes = tuple(positive_int(f"n[{l}]", n) for l, n in enumerate(sizes))
    if len(sizes) < 2:
        raise ArgumentError(
            f"layers_dims: expected at least inputs and outputs, like (64, 10), found {sizes}."
        )
    check_layers_fit("layers_dims", sizes)
    if isinstance(scale, str):
        if scale not in SCALES:
            raise unknown_name("scale", scale, SCALES)
        weights = initial_weights(sizes, SCALES[scale], rng)
    else:
        factor = real_number("scale", scale, "a number, or one of small, sqrt, he, zeros")
        weights = [factor * rng.standard_normal((n, n_prev)) for n_prev, n in pairwise(sizes)]
    return by_name(layers_of(weights, backend))


def accuracy(predicted: Any, Y: Any) -> float:
    """Return the share of predictions that equal Y."""
    with on_one_backend(Y=Y, predicted=predicted) as (backend, Y, predicted):
        check_shape("Y", Y, tuple(predicted.shape))
        right = backend.xp.astype(predicted == Y, backend.dtype)
        return backend.number(backend.xp.sum(right)) / int(prod(right.shape))
