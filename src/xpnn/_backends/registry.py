"""The backends by name, and the one that an array belongs to.

Five are built in; other packages add theirs through the entry-point group ``xpnn.backends``.
A backend is imported when its name is looked up, a plug-in also for an array of no other backend.
"""

from functools import cache
from importlib import import_module
from typing import Any, TypeAlias

from .._signals import EndedBySignal
from ..exceptions import BackendError, XpnnError, first_line

BUILT_IN = {
    "numpy": "xpnn._backends.numpy:NumpyBackend",
    "cupy": "xpnn._backends.cupy:CupyBackend",
    "torch": "xpnn._backends.torch:TorchBackend",
    "jax": "xpnn._backends.jax:JaxBackend",
    "array_api_strict": "xpnn._backends.strict:StrictBackend",
}

HOST = ("builtins", "numpy", "pandas", "polars", "scipy")
"""Libraries whose lists, arrays, columns and sparse matrices belong to no plug-in."""

ENDING = (KeyboardInterrupt, EndedBySignal)
"""What ends the work, and is never taken for an error of a library."""

BackendClass: TypeAlias = type[Any]
"""A class derived from `xpnn.Backend`, which this module does not import."""

_in_use: set[str] = set()
"""Plug-ins that have been loaded."""


class Registrable:
    """The root of `xpnn.Backend`, which tells a plug-in's class from any other."""


class AsBackendError:
    """A context that raises `BackendError` for whatever a library or plug-in raises in it.

    A plug-in that calls ``sys.exit`` does not end the process.
    """

    # no generator: one that Ctrl-C leaves behind is closed by an exception of its own

    def __init__(self, failure: str) -> None:
        self.failure = failure

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if not (error is None or isinstance(error, (XpnnError, *ENDING))):
            raise BackendError(f"{self.failure}: {first_line(error)}") from error


@cache
def known_names() -> tuple[str, ...]:
    """Return the built-in names and those of installed plug-ins."""
    return (*BUILT_IN, *(name for name in sorted(_plugins()) if name not in BUILT_IN))


@cache
def backend_class(name: str) -> BackendClass:
    """Import the class of a backend, which imports no array library yet."""
    if name not in BUILT_IN:
        return _plug_in(name)
    module, _, attribute = BUILT_IN[name].partition(":")
    found: BackendClass = getattr(import_module(module), attribute)
    return found


def _plug_in(name: str) -> BackendClass:
    found = _loaded(name)
    if isinstance(found, XpnnError):
        raise found.with_traceback(None)  # or it would grow with every call
    _in_use.add(name)
    return found


@cache
def _loaded(name: str) -> BackendClass | XpnnError:
    """Return the class of a plug-in, or why it does not load: it is tried once."""
    try:
        with AsBackendError(f"the plug-in {name!r} does not load"):
            found = _plugins()[name].load()
            if not (isinstance(found, type) and issubclass(found, Registrable)):
                raise TypeError(f"expected a class derived from xpnn.Backend, found {found!r}")
    except XpnnError as error:
        return error
    return found


def _plugins() -> dict[str, Any]:
    """Return the entry points through which other packages join, by name."""
    from importlib.metadata import entry_points  # which takes 50 ms

    return {point.name: point for point in entry_points(group="xpnn.backends")}


def find_backend(x: Any) -> Any:
    """Return the `Backend` that ``x`` is an array of, or None."""
    owner = backend_class_of(x)
    if owner is None:
        return None
    with AsBackendError(f"backend {owner.name!r} does not know its own array"):
        return owner.of(x)


def backend_class_of(x: Any) -> BackendClass | None:
    """Return the class of the backend that ``x`` is an array of, or None."""
    for name in known_names():
        if name in BUILT_IN or name in _in_use or _is_foreign_array(x):
            try:
                found = backend_class(name)
                if found.owns(x):
                    return found
            except ENDING:
                raise
            except BaseException:  # a plug-in that does not load, or a broken CuPy, owns nothing
                continue
    return None


def _is_foreign_array(x: Any) -> bool:
    """Whether ``x`` may be an array of a plug-in, which is then imported to look."""
    library = type(x).__module__.partition(".")[0]
    return library not in HOST and {"dtype", "shape"} <= set(dir(x))
