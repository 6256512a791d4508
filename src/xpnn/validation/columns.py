"""The boundary: what users pass becomes checked arrays on the backend of the parameters.

Lists, frames and host arrays are cast and moved once; arrays of another library or
device are refused with the call that moves them. Shapes and values are checked here
so that ``core`` may trust them.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import pairwise
from math import frexp, ldexp, prod
from pathlib import Path
from typing import Any

import numpy as np

from .._backends.base import DTYPES, Backend
from .._backends.host import device_backend
from .._backends.numpy import NumpyBackend
from .._backends.selection import backend_mismatch, common_backend, resolve
from .._typing import Array
from ..core.activations import ACTIVATIONS, Activation
from ..core.losses import LOSSES, Loss
from ..core.parameters import Layer, Params, count
from ..exceptions import ArgumentError, ArgumentTypeError

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
    arrays = {
        f"{symbol}[{l}]": array
        for l, layer in enumerate(layers, 1)
        for symbol, array in zip("Wb", layer, strict=True)
    }
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


def check_memory(name: str, sizes: Sequence[int]) -> None:
    """Raise, before memory is asked for, unless this machine has enough to draw the parameters."""
    sizes = tuple(map(int, sizes))  # NumPy's integers overflow
    needed, there = 16 * count(sizes), host_memory()  # two float64 each: drawn, and scaled
    if needed > there:
        raise ArgumentError(
            f"{name}: expected layers whose parameters fit into the memory of this machine "
            f"({there >> 30} GiB), found {list(sizes)} with {count(sizes):,} parameters, for which "
            f"{needed >> 30:,} GiB are needed; use fewer units."
        )


@cache
def host_memory() -> int:
    """Bytes that this process may use; where the system does not tell, more than any has."""
    limits = [2**50]
    with suppress(AttributeError, OSError, ValueError):  # Windows has no sysconf
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError, ValueError):  # "max" if a container is not limited
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    with suppress(ImportError):  # Windows
        import resource

        limits.append(resource.getrlimit(resource.RLIMIT_AS)[0])  # -1 without a limit, as ulimit -v
    return min(limit for limit in limits if limit >= 0)


def layers_of(weights: list[Any], backend: Backend) -> Params:
    """Return weights drawn on the host as layers on a backend, biases 0."""
    return tuple(
        Layer(
            backend.asarray(W, backend.dtype, copy=True),
            backend.asarray(np.zeros((len(W), 1)), backend.dtype),
        )
        for W in weights
    )


def place(name: str, x: Any, backend: Backend, dtype: Any = None) -> Array:
    """Return ``x`` on the backend: host data are moved, arrays of other devices refused."""
    check_dense(name, x)
    found = device_backend(x)
    if found is not None and not found.same_device(backend):
        raise backend_mismatch(name, found, "params", backend)
    try:
        return backend.asarray(x, dtype)
    except (ArgumentError, ArgumentTypeError) as error:
        raise type(error)(f"{name}: {error}") from error


def check_dense(name: str, x: Any) -> None:
    """Raise for a sparse matrix or tensor of any library."""
    if is_sparse(x):
        cure = next(name for name in ("toarray", "todense", "to_dense") if hasattr(x, name))
        raise ArgumentTypeError(
            f"{name}: expected a dense array, found a sparse one ({type(x).__name__}); call "
            f"{name}.{cure}()."
        )


def is_sparse(x: Any) -> bool:
    """Whether ``x`` is a sparse matrix of SciPy, CuPy or JAX, or a sparse tensor of PyTorch."""
    return hasattr(x, "todense") or "sparse" in str(getattr(x, "layout", ""))


def check_X(X: Any, n_x: int, backend: Backend) -> Array:
    """Return X, shape (n_x, m), as finite numbers of the backend's dtype."""
    X = place("X", X, backend, backend.dtype)
    check_columns("X", X, n_x)
    check_finite("X", X, backend)
    return X


def check_Y(Y: Any, n_y: int, m: int, output: str, loss: Loss, backend: Backend) -> Array:
    """Return Y, shape (n_y, m), as targets that suit the loss; one-hot if it came as labels."""
    Y = place("Y", Y, backend)
    of_classes = output == "softmax" or loss.canonical == "softmax"
    labels = (
        of_classes
        and n_y > 1
        and Y.ndim == 2
        and Y.shape[0] == 1
        and backend.xp.isdtype(Y.dtype, "integral")
    )
    if labels:
        check_shape("Y", Y, (1, m))
        return one_hot(Y, n_y, backend)
    labels_dtype = Y.dtype
    Y = place("Y", Y, backend, backend.dtype)
    if of_classes and n_y > 1 and (Y.ndim == 1 or Y.shape[:1] == (1,)):
        raise ArgumentError(
            f"Y: expected one-hot targets of shape {(n_y, m)} or integer labels of shape {(1, m)}, "
            f"found shape {tuple(Y.shape)} of dtype {labels_dtype}; if these are labels, cast them "
            "to an integer dtype and reshape them: Y.reshape(1, -1)."
        )
    check_columns("Y", Y, n_y)
    check_shape("Y", Y, (n_y, m))
    check_finite("Y", Y, backend)
    check_targets(Y, loss, backend)
    return Y


def one_hot(labels: Array, n_y: int, backend: Backend) -> Array:
    """Return the one-hot columns, shape (n_y, m), of labels 0 … n_y − 1, shape (1, m)."""
    xp = backend.xp
    labels = xp.astype(labels, backend.index_dtype)  # 300 classes do not fit uint8
    if not backend.all_true((labels >= 0) & (labels < n_y)):
        raise ArgumentError(
            f"Y: expected labels from 0 to {n_y - 1}, one for each output unit, found "
            f"labels from {int(xp.min(labels))} to {int(xp.max(labels))}; number the classes "
            "consecutively from 0, for example with numpy.unique(y, return_inverse=True)."
        )
    classes = xp.reshape(xp.arange(n_y, dtype=labels.dtype, device=backend.device), (n_y, 1))
    return xp.astype(classes == labels, backend.dtype)


def check_targets(Y: Array, loss: Loss, backend: Backend) -> None:
    """Raise unless every target lies in the range of the loss, and one-hot columns sum to 1."""
    xp = backend.xp
    low, high = loss.target_range
    if not backend.all_true((low <= Y) & (high >= Y)):
        raise ArgumentError(
            f"Y: expected targets from {low:g} to {high:g} for loss {loss.name!r}, found values "
            f"from {float(xp.min(Y)):g} to {float(xp.max(Y)):g}; "
            "rescale them, or choose another loss."
        )
    sums_to_1 = xp.abs(xp.sum(Y, axis=0) - 1.0) < 1e-3
    if loss.canonical == "softmax" and not backend.all_true(sums_to_1):
        raise ArgumentError(
            "Y: expected columns that sum to 1 (one-hot or probabilities), found others; "
            "pass integer labels of shape (1, m) to have them made."
        )


def check_examples(
    X: Any,
    Y: Any,
    sample_weight: Any,
    sizes: tuple[int, ...],
    activations: tuple[Activation, ...],
    loss: Loss,
    backend: Backend,
) -> tuple[Array, Array, Any]:
    """Return X, Y and the sample weights (or None), checked against each other.

    The weights are those of `check_sample_weight`: on the host, wherever X and Y are.
    """
    check_own_functions(sizes, activations, loss, backend)
    X = check_X(X, sizes[0], backend)
    Y = check_Y(Y, sizes[-1], X.shape[1], activations[-1].name, loss, backend)
    return X, Y, check_sample_weight(sample_weight, X.shape[1], backend)


def check_host_examples(
    X: Any,
    Y: Any,
    sample_weight: Any,
    sizes: tuple[int, ...],
    activations: tuple[Activation, ...],
    loss: Loss,
    backend: Backend,
) -> tuple[Array, Array, Any]:
    """Check like `check_examples`, but leave X where it is and bring Y to it."""
    check_own_functions(sizes, activations, loss, backend)
    host = NumpyBackend.create("", backend.dtype_name)
    with host.current():
        check_columns("X", X, sizes[0])
        for start in range(0, X.shape[1], HOST_COLUMNS):
            check_X(X[:, start : start + HOST_COLUMNS], sizes[0], host)
        Y = check_Y(
            on_host("Y", Y, backend), sizes[-1], X.shape[1], activations[-1].name, loss, host
        )
        return X, Y, check_sample_weight(sample_weight, X.shape[1], backend)


def on_host(name: str, x: Any, backend: Backend) -> Any:
    """Return arrays of the backend as NumPy arrays, and anything else as it is."""
    if device_backend(x) is None:
        return x
    wide = x.dtype if str(x.dtype).endswith("float64") else None  # keeps its digits and its range
    return backend.to_numpy(place(name, x, backend, wide))


def check_own_functions(
    sizes: tuple[int, ...], activations: tuple[Activation, ...], loss: Loss, backend: Backend
) -> None:
    """Raise unless activations and loss of the user's own return arrays of the right shape."""
    xp = backend.xp

    def halves(n: int) -> Array:
        return xp.full((n, n + 2), 0.5, dtype=backend.dtype, device=backend.device)

    for n, g in zip(sizes[1:], activations, strict=True):
        if g not in ACTIVATIONS.values():
            found = tuple(getattr(g.value(halves(n), xp), "shape", ()))
            if found != (n, n + 2):
                raise ArgumentError(
                    f"activation {g.name!r}: expected an array of the shape of Z, ({n}, m), found "
                    f"shape {found} for m = {n + 2}."
                )
    if loss not in LOSSES.values():
        n = sizes[-1]
        found = tuple(getattr(loss.value(halves(n), halves(n), xp), "shape", ()))
        if found not in ((n, n + 2), (1, n + 2)):
            raise ArgumentError(
                f"loss {loss.name!r}: expected an array of shape ({n}, m) or (1, m), the loss of "
                f"each example, found shape {found} for m = {n + 2}; the mean over the examples "
                "is taken afterwards."
            )


def check_sample_weight(sample_weight: Any, m: int, backend: Backend) -> Any:
    """Return the sample weights, shape (1, m): finite, not negative, not all zero; or None.

    They are NumPy arrays of float64. Only their shares of the sum matter, and a share fits into
    any dtype, even if a weight or the sum does not.
    """
    if sample_weight is None:
        return None
    host = resolve("numpy", "float64")
    s = on_host("sample_weight", sample_weight, backend)
    s = place("sample_weight", s, host, host.dtype)
    check_columns("sample_weight", s, 1)
    check_shape("sample_weight", s, (1, m))
    check_finite("sample_weight", s, host)
    if not (s.min() >= 0.0 and s.max() > 0.0):
        raise ArgumentError(
            "sample_weight: expected weights of at least 0, not all 0, found weights from "
            f"{s.min():g} to {s.max():g}."
        )
    return s


def in_units(s: Any, largest: float | None = None) -> tuple[Any, float]:
    """Return float64 weights in a unit by which the largest is from 1 to 2, and that unit.

    ``largest`` is that of all weights, where these are some of them. Neither the sum nor 1 over it
    overflows. The unit is a power of 2: no digit changes.
    """
    _, exponent = frexp(s.max(initial=0.0) if largest is None else largest)
    unit = ldexp(1.0, exponent - 1)
    s = s / unit
    return np.where(np.abs(s) < np.finfo(np.float64).tiny, 0.0, s), unit


def share_and_decay(m: int, s: Any, l2: float, backend: Backend) -> tuple[Any, float | None]:
    """Return 1/m, or s/Σs on the backend, and λ/m or λ/Σs, None if λ is 0.

    ``s`` are the weights of m examples as `check_sample_weight` returns them, or None.
    """
    if s is None:
        return 1.0 / m, l2 / m if l2 else None
    s, unit = in_units(s)
    total = float(s.sum())
    return backend.asarray(s / total, backend.dtype), l2 / total / unit if l2 else None


def check_columns(name: str, x: Array, n: int) -> None:
    """Raise unless ``x`` has two dimensions, n rows and at least one column."""
    shape = tuple(x.shape)
    cure = ""
    if len(shape) == 1:
        cure = (
            f" Reshape it: {name}.reshape({n}, -1)."
            if n > 1
            else (
                f" A rank-1 array broadcasts in surprising ways; reshape it: {name}.reshape(1, -1)."
            )
        )
    elif len(shape) == 4:
        cure = f" If these are images, make each a column: {name}.reshape({shape[0]}, -1).T / 255."
    elif len(shape) == 2 and shape[1] == n != shape[0]:
        cure = f" One example is one column: pass {name}.T."
    elif len(shape) == 2:
        cure = f" The network was made for {n} rows (sizes); the columns of {name} are examples."
    if len(shape) != 2 or shape[0] != n:
        raise ArgumentError(f"{name}: expected shape ({n}, m), found {shape}.{cure}")
    if shape[1] == 0:
        raise ArgumentError(f"{name}: expected at least one example (column), found shape {shape}.")


def check_shape(name: str, x: Array, expected: tuple[int, ...]) -> None:
    """Raise unless ``x`` has exactly this shape."""
    if tuple(x.shape) != expected:
        raise ArgumentError(
            f"{name}: expected shape {expected}, found {tuple(x.shape)}; it must fit the sizes of "
            "the network and the number of examples in X."
        )


def check_finite(name: str, x: Array, backend: Backend) -> None:
    """Raise unless every entry is finite in the backend's dtype."""
    if not backend.all_finite(x):
        xp = backend.xp
        bad = int(xp.sum(xp.astype(~xp.isfinite(x), backend.dtype)))
        raise ArgumentError(
            f"{name}: expected finite numbers, found {bad} of {prod(x.shape)} entries NaN or "
            f"infinity as {backend.dtype_name}; remove or impute them, for example with "
            "numpy.nan_to_num."
        )
