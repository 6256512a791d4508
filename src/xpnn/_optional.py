"""Import a library that may not be installed, or say what would install it."""

from importlib import import_module
from typing import Any

from .errors import MissingLibraryError

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
        If the library is not installed. A library that is there but broken raises what
        it raises.

    Examples
    --------
    >>> from xpnn._optional import optional
    >>> optional("h6py", "reading HDF6 files", "data")
    Traceback (most recent call last):
    xpnn.errors.MissingLibraryError: reading HDF6 files needs h6py, which is not installed: ...
    """
    library = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != library:
            raise
    name = PIP_NAME.get(library, library)
    raise MissingLibraryError(
        f"{purpose} needs {name}, which is not installed: "
        f"pip install 'xpnn[{extra}]' (or pip install {name})"
    )
