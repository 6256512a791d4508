"""Choosing a backend: for the process, for a block, or by the arrays at hand."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import lru_cache
from threading import Lock
from typing import Any

from .._typing import Array
from ..exceptions import ArgumentError, ArgumentTypeError, BackendError, unknown_name
from . import registry
from .base import DTYPES, Backend

GPU_BACKENDS = "'cupy', 'torch:cuda' or 'jax:gpu'"
MISTAKEN = {
    "pytorch": "'torch'",
    "np": "'numpy'",
    "cpu": "'numpy'",
    "gpu": GPU_BACKENDS,
    "cuda": GPU_BACKENDS,
    "strict": "'array_api_strict'",
}

_lock = Lock()
_default: Backend | None = None
_override: ContextVar[Backend | None] = ContextVar("xpnn_backend", default=None)


def set_backend(name: str | Backend, dtype: str | None = None) -> Backend:
    """Choose the backend of this process, in every thread.

    Parameters
    ----------
    name : str or Backend
        ``numpy``, ``cupy``, ``torch``, ``jax``, ``array_api_strict``, a plug-in's name, or
        ``auto``: the first usable of cupy, torch on CUDA, jax on a GPU, then numpy. A
        device may follow a colon: ``torch:cuda:1``, ``cupy:0``, ``jax:cpu``. Or a `Backend`,
        as `xpnn.backend_of` returns it.
    dtype : {"float32", "float64"}, optional
        The dtype of parameters. Default: that of a `Backend`, float32 for a name. With jax,
        float64 switches 64-bit arrays on for the whole process.

    Returns
    -------
    Backend

    Raises
    ------
    ArgumentError
        If there is no such backend or device.
    BackendError
        If it cannot be used on this machine: the message says why.

    Examples
    --------
    >>> import xpnn
    >>> xpnn.set_backend("numpy")
    Backend('numpy:cpu', dtype='float32')
    """
    global _default
    chosen = _choose(name, dtype, resolve_for_process)
    with _lock:
        _default = chosen
    return chosen


@contextmanager
def use_backend(name: str | Backend, dtype: str | None = None) -> Iterator[Backend]:
    """Choose the backend inside a ``with`` block, for this thread or task only.

    Takes what `set_backend` takes.

    Examples
    --------
    >>> import xpnn
    >>> with xpnn.use_backend("numpy", dtype="float64") as backend:
    ...     print(backend, xpnn.get_backend() == backend)
    Backend('numpy:cpu', dtype='float64') True
    """
    backend = _choose(name, dtype, resolve)
    token = _override.set(backend)
    try:
        yield backend
    finally:
        _override.reset(token)


def _choose(
    name: str | Backend, dtype: str | None, resolve_name: Callable[[str, str], Backend]
) -> Backend:
    """Return the backend that a name stands for, or a `Backend`, by default in its own dtype."""
    if not isinstance(name, Backend):
        return resolve_name(name, "float32" if dtype is None else dtype)
    if name.dtype_name in DTYPES and dtype in (None, name.dtype_name):
        return name
    if dtype is None:
        raise ArgumentTypeError(
            f"expected a backend of float32 or float64, found {name!r}; pass dtype='float32', too."
        )
    return resolve_name(name.spec, dtype)


def get_backend() -> Backend:
    """Return the backend at work here: of the innermost `use_backend`, else of the process.

    Before the first `set_backend` that is what the environment variable XPNN_BACKEND
    names, else NumPy.

    Examples
    --------
    >>> import xpnn
    >>> xpnn.get_backend().name
    'numpy'
    """
    global _default
    override = _override.get()
    if override is not None:
        return override
    if _default is None:
        name = os.environ.get("XPNN_BACKEND") or "numpy"
        try:
            chosen = resolve(name, "float32")
        except (ArgumentError, BackendError) as error:
            raise type(error)(f"environment variable XPNN_BACKEND={name!r}: {error}") from None
        with _lock:  # another thread may have called set_backend meanwhile
            if _default is None:
                _default = chosen
    return _default


def resolve(name: str, dtype: str) -> Backend:
    """Return the backend that ``name`` and ``dtype`` stand for."""
    if not isinstance(name, str):
        raise ArgumentTypeError(
            f"backend: expected a name such as 'torch:cuda', found {name!r} "
            f"({type(name).__name__})."
        )
    if dtype not in DTYPES or type(dtype) is not str:  # a NumPy dtype equals its name
        raise unknown_name("dtype", dtype, DTYPES)
    return _made(first_usable() if name == "auto" else name, dtype)


def resolve_for_process(name: str, dtype: str) -> Backend:
    """Return `resolve`, after JAX has been told to make 64-bit arrays if dtype is float64."""
    if dtype == "float64":
        resolve(name, "float32").enable_float64()
    return resolve(name, dtype)


def resolve_or_float32(name: str, dtype: str) -> Backend:
    """Return the backend with this dtype, or float32 where a device or JAX has no float64."""
    with suppress(BackendError):
        return resolve(name, dtype)
    return resolve(name, "float32")


@lru_cache(maxsize=64)
def _made(name: str, dtype: str) -> Backend:
    """Make a backend and try it out, once."""
    library, _, device = name.partition(":")
    if library in MISTAKEN:
        raise ArgumentError(f"unknown backend {name!r}: did you mean {MISTAKEN[library]}?")
    if library not in registry.known_names():
        raise unknown_name("backend", name, ("auto", *registry.known_names()))
    with registry.AsBackendError(f"backend {library!r} cannot be used"):
        made: Backend = registry.backend_class(library).create(device, dtype)
    return made


def first_usable() -> str:
    """Return what ``auto`` stands for here: the first GPU backend that works, else NumPy."""
    for name in ("cupy", "torch:cuda", "jax:gpu"):
        with suppress(ArgumentError, BackendError):
            _made(name, "float32")
            return name
    return "numpy"


def backend_of(*arrays: Array) -> Backend:
    """Return the backend to which all arrays belong: their library, device and dtype.

    Parameters
    ----------
    *arrays : array of any library

    Returns
    -------
    Backend
        Pass it to `xpnn.set_backend` or `xpnn.use_backend` to make new arrays there.

    Raises
    ------
    ArgumentTypeError
        If one is not an array, or if two differ in library, device or dtype; names both.

    Examples
    --------
    >>> import numpy as np
    >>> import xpnn
    >>> xpnn.backend_of(np.zeros(3), np.ones((2, 2)))
    Backend('numpy:cpu', dtype='float64')
    """
    if not arrays:
        raise ArgumentTypeError("expected at least one array, found none.")
    return common_backend({f"array {n}": x for n, x in enumerate(arrays, 1)})


def common_backend(arrays: dict[str, Any]) -> Backend:
    """Return `backend_of` of arrays whose names the errors quote."""
    found: dict[str, Backend] = {}
    for name, x in arrays.items():
        backend = registry.find_backend(x)
        if backend is None:
            raise ArgumentTypeError(
                f"{name}: expected an array, found {type(x).__name__}; "
                "make one with xpnn.get_backend().asarray(...)."
            )
        found[name] = backend
    (first, expected), *others = found.items()
    for name, backend in others:
        if not (backend.same_device(expected) and backend.dtype == expected.dtype):
            raise backend_mismatch(name, backend, first, expected)
    return expected


def backend_mismatch(
    name: str, backend: Backend, other: str, expected: Backend
) -> ArgumentTypeError:
    """Word the error for arrays of two libraries, devices or dtypes."""
    cure = (
        f" Or make the parameters there: xpnn.set_backend({backend.spec!r}) before net.init()."
        if other == "params"
        else ""
    )
    return ArgumentTypeError(
        f"{name} is on {backend.spec} ({backend.dtype_name}), but {other} on {expected.spec} "
        f"({expected.dtype_name}): one computation needs one library, device and dtype. Move it: "
        f"with xpnn.use_backend({expected.spec!r}, dtype={expected.dtype_name!r}) as backend: "
        f"x = backend.asarray(x).{cure}"
    )
