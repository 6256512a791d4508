"""The exceptions of the library, and helpers that word them.

Every message says what was expected, what was found, and what cures it.
"""

from collections.abc import Iterable
from difflib import get_close_matches

from ._terminal import escaped_lines


class XpnnError(Exception):
    """Whatever this library raises on purpose."""

    def __str__(self) -> str:
        return escaped_lines(super().__str__())  # it may quote names of strangers


class ArgumentError(XpnnError, ValueError):
    """An argument has the right type and a wrong value: a shape, a name, a number."""


class ArgumentTypeError(XpnnError, TypeError):
    """An argument has the wrong type, or comes from another library or device."""


class BackendError(XpnnError, RuntimeError):
    """A backend is known but cannot be used on this machine."""


class OutOfMemoryError(XpnnError, MemoryError):
    """A device has too little memory."""


class MissingLibraryError(XpnnError, ImportError):
    """An optional library is needed and is not installed, or does not import."""


class DivergenceError(XpnnError, ArithmeticError, ValueError):
    """Training produced numbers that are not finite."""


class FileFormatError(XpnnError, ValueError):
    """A model file is damaged, or not one of ours."""


def first_line(error: BaseException) -> str:
    """Return the type and the first line of an exception's message, which may stand in a frame."""
    first, _, original = str(error).partition("Original error:")  # as CuPy tells of an import
    lines = [line.strip() for text in (first, original) for line in text.splitlines()]
    told = [line for line in lines if any(map(str.isalnum, line))]
    text = f"{told[0]} ({told[-1]})" if original and told else "".join(told[:1])
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def unknown_name(kind: str, name: object, known: Iterable[str]) -> ArgumentError:
    """Word the error for a name that is not in a table, with the nearest one that is."""
    names = sorted(known)
    nearest = get_close_matches(str(name).lower(), names, n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return ArgumentError(f"unknown {kind} {name!r}: expected one of {', '.join(names)}.{hint}")


def function_name(function: object) -> str:
    """Return the name of a function, or of its type if it has none."""
    return getattr(function, "__name__", type(function).__name__)
