"""Choosing a backend: for the process, for a block, or by the arrays at hand."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache, lru_cache
from importlib import import_module
from threading import Lock
from typing import Any

from .._signals import EndedBySignal
from ..exceptions import ArgumentError, ArgumentTypeError, BackendError, XpnnError, unknown_name
from .base import DTYPES, Backend, BackendStatus, translate_errors

BUILT_IN = {
    "numpy": "xpnn._backends.numpy:NumpyBackend",
    "cupy": "xpnn._backends.cupy:CupyBackend",
    "torch": "xpnn._backends.torch:TorchBackend",
    "jax": "xpnn._backends.jax:JaxBackend",
    "array_api_strict": "xpnn._backends.strict:StrictBackend",
}

GPU_BACKENDS = "'cupy', 'torch:cuda' or 'jax:gpu'"
MISTAKEN = {
    "pytorch": "'torch'",
    "np": "'numpy'",
    "cpu": "'numpy'",
    "gpu": GPU_BACKENDS,
    "cuda": GPU_BACKENDS,
    "strict": "'array_api_strict'",
}

HOST = ("builtins", "numpy", "pandas", "polars", "scipy")
"""Whose lists, arrays, columns and sparse matrices are no plug-in's."""

_in_use: set[str] = set()
"""Plug-ins that have been loaded."""
_lock = Lock()
_default: Backend | None = None
_override: ContextVar[Backend | None] = ContextVar("xpnn_backend", default=None)


def set_backend(name: str, dtype: str = "float32") -> Backend:
    """Choose the backend of this process, in every thread.

    Parameters
    ----------
    name : str
        ``numpy``, ``cupy``, ``torch``, ``jax``, ``array_api_strict``, a plug-in's name, or
        ``auto``: the first usable of cupy, torch on CUDA, jax on a GPU, then numpy. A
        device may follow a colon: ``torch:cuda:1``, ``cupy:0``, ``jax:cpu``.
    dtype : {"float32", "float64"}
        What parameters are made of. With jax, float64 switches 64-bit arrays on for
        the whole process.

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
    if name == "auto":
        name = first_usable()
    allow(name, dtype)
    chosen = resolve(name, dtype)
    with _lock:
        _default = chosen
    return chosen


def allow(name: str, dtype: str) -> None:
    """Let JAX make 64-bit arrays, in the whole process, if that is what name and dtype ask for."""
    if dtype == "float64" and resolve(name, "float32").name == "jax":
        from .jax import enable_x64

        enable_x64()


@contextmanager
def use_backend(name: str, dtype: str = "float32") -> Iterator[Backend]:
    """Choose the backend inside a ``with`` block, for this thread or task only.

    Takes what `set_backend` takes.

    Examples
    --------
    >>> import xpnn
    >>> with xpnn.use_backend("numpy", dtype="float64") as backend:
    ...     print(backend, xpnn.get_backend() == backend)
    Backend('numpy:cpu', dtype='float64') True
    """
    backend = resolve(name, dtype)
    token = _override.set(backend)
    try:
        yield backend
    finally:
        _override.reset(token)


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


def backends() -> tuple[BackendStatus, ...]:
    """Return the status of every known backend: imports each, and tries it out.

    Examples
    --------
    >>> import xpnn
    >>> [status.usable for status in xpnn.backends() if status.name == "numpy"]
    [True]
    """
    return tuple(_status(name) for name in known_names())


def usable_specs(*, testing: bool = False) -> list[str]:
    """Name the first device of each kind of every usable backend.

    array-api-strict, whose devices are make-believe and slow, is one of them for testing only.
    """
    found = []
    for status in backends():
        first: dict[str, str] = {}
        for device in status.devices:
            first.setdefault(device.partition(":")[0], device)
        if status.name == "array_api_strict":
            first = {"": "CPU_DEVICE"} if testing else {}
        if status.usable:
            found += [f"{status.name}:{device}" for device in first.values()]
    return found


def _status(name: str) -> BackendStatus:
    try:
        return translate_errors(_no_plug_in(name), lambda: backend_class(name).status())
    except XpnnError as error:
        return BackendStatus(name, None, False, (), str(error))


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


def widest(name: str, dtype: str) -> Backend:
    """Return the backend with this dtype, or float32 where a device or JAX has no float64."""
    if dtype == "float64":
        with suppress(BackendError):
            return resolve(name, dtype)
        dtype = "float32"
    return resolve(name, dtype)


@lru_cache(maxsize=64)
def _made(name: str, dtype: str) -> Backend:
    """Make a backend and try it out, once."""
    library, _, device = name.partition(":")
    if library in MISTAKEN:
        raise ArgumentError(f"unknown backend {name!r}: did you mean {MISTAKEN[library]}?")
    if library not in known_names():
        raise unknown_name("backend", name, ("auto", *known_names()))
    found = translate_errors(_no_plug_in(library), backend_class, library)
    return translate_errors(f"backend {library!r} cannot be used", found.create, device, dtype)


def _no_plug_in(name: str) -> str:
    return f"the plug-in {name!r} does not load"


def first_usable() -> str:
    """Return what ``auto`` stands for here: the first GPU backend that works, else NumPy."""
    for name in ("cupy", "torch:cuda", "jax:gpu"):
        try:
            _made(name, "float32")
        except (ArgumentError, BackendError):
            continue
        return name
    return "numpy"


@cache
def known_names() -> tuple[str, ...]:
    """Return the built-in names and those of installed plug-ins."""
    return (*BUILT_IN, *(name for name in sorted(_plugins()) if name not in BUILT_IN))


@cache
def backend_class(name: str) -> type[Backend]:
    """Import the class of a backend, which imports no array library yet."""
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        found: type[Backend] = getattr(import_module(module), attribute)
    else:
        found = _plug_in(name)
    return found


@cache
def _loaded(name: str) -> Any:
    """Return what a plug-in's entry point holds, or the exception it raises: it is tried once."""
    try:
        return _plugins()[name].load()
    except (KeyboardInterrupt, EndedBySignal):
        raise
    except BaseException as error:  # sys.exit, too
        return error


def _plug_in(name: str) -> type[Backend]:
    found = _loaded(name)
    if isinstance(found, BaseException):
        raise found.with_traceback(None)  # or it would grow with every call
    if not (isinstance(found, type) and issubclass(found, Backend)):
        raise TypeError(f"expected a class derived from xpnn.Backend, found {found!r}")
    _in_use.add(name)
    return found


def _plugins() -> dict[str, Any]:
    """Return the entry points through which other packages join, by name."""
    from importlib.metadata import entry_points  # which takes 50 ms

    return {point.name: point for point in entry_points(group="xpnn.backends")}


def backend_class_of(x: Any) -> type[Backend] | None:
    """Return the class of the backend whose array ``x`` is, or None."""
    for name in known_names():
        if name in BUILT_IN or name in _in_use or _is_foreign_array(x):
            # a plug-in that does not load, or a broken CuPy, owns nothing
            with suppress(XpnnError):
                found = translate_errors(name, backend_class, name)
                if translate_errors(name, found.owns, x):
                    return found
    return None


def _is_foreign_array(x: Any) -> bool:
    """Whether ``x`` may belong to a plug-in, so that one is imported to be asked."""
    library = type(x).__module__.partition(".")[0]
    return library not in HOST and {"dtype", "shape"} <= set(dir(x))


def backend_of(arrays: dict[str, Any]) -> Backend:
    """Return the one backend to which all named arrays belong.

    Raises
    ------
    ArgumentTypeError
        If one is not an array, or if they come from two libraries or devices; names both.
    """
    found: dict[str, Backend] = {}
    for argument, x in arrays.items():
        owner = backend_class_of(x)
        if owner is None:
            raise ArgumentTypeError(
                f"{argument}: expected an array, found {type(x).__name__}; "
                "make one with xpnn.get_backend().asarray(...)."
            )
        found[argument] = owner.at(x)
    first, *others = found
    for other in others:
        same_device = found[other].same_device(found[first])
        if not (same_device and found[other].dtype == found[first].dtype):
            raise backend_mismatch(other, found[other], first, found[first])
    return found[first]


def backend_mismatch(
    name: str, backend: Backend, other: str, expected: Backend
) -> ArgumentTypeError:
    """Word the error for arrays of two libraries, devices or dtypes."""
    return ArgumentTypeError(
        f"{name} is on {backend.spec} ({backend.dtype_name}), but {other} on {expected.spec} "
        f"({expected.dtype_name}): one computation needs one library, device and dtype. Move it: "
        f"with xpnn.use_backend({expected.spec!r}, dtype={expected.dtype_name!r}) as backend: "
        f"x = backend.asarray(x). Or make the parameters there: xpnn.set_backend({backend.spec!r}) "
        "before net.init()."
    )
