"""Import a library that may not be installed, or say what would install it."""

from importlib import import_module
from typing import Any

from .exceptions import MissingLibraryError, first_line

PIP_NAME = {"PIL": "pillow"}  # where it is not the name that is imported


def optional(module: str, purpose: str, extra: str) -> Any:
    """Return a module of an optional library.

    Parameters
    ----------
    module : str
        Dotted name, such as ``"PIL.Image"``.
    purpose : str
        What needs it; the error opens with it.
    extra : str
        The extra of this package that installs it.

    Raises
    ------
    MissingLibraryError
        If the library is not installed, or does not import: whatever a broken one raises, or one
        whose import Ctrl-C has cut short before.

    Examples
    --------
    >>> from xpnn._optional import optional
    >>> optional("h6py", "reading HDF6 files", "data")
    Traceback (most recent call last):
    xpnn.exceptions.MissingLibraryError: reading HDF6 files needs h6py, which is not installed: ...
    """
    library = module.partition(".")[0]
    name = PIP_NAME.get(library, library)
    try:
        return import_module(module)
    except Exception as error:  # noqa: BLE001  a broken library may raise anything
        missing = isinstance(error, ModuleNotFoundError) and _is_of(library, error.name)
        broken = (
            f"which does not import ({first_line(error)}); start Python anew, or install it anew"
        )
        raise MissingLibraryError(
            f"{purpose} needs {name}, {'which is not installed' if missing else broken}: "
            f"pip install 'xpnn[{extra}]' (or pip install {name})"
        ) from (None if missing else error)


def _is_of(library: str, module: str | None) -> bool:
    """Whether a module is the library, or a part of it."""
    return module is not None and module.partition(".")[0] == library
