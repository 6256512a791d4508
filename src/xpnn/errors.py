"""The exceptions of the library, and helpers that check and word them.

Every message says what was expected, what was found, and what cures it.
"""

from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from inspect import signature
from numbers import Real
from operator import index

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


def real_number(name: str, value: object, expected: str) -> float:
    """Return ``value`` as a float if it is a real number, or raise; ``expected`` words which."""
    if isinstance(value, Real):
        return float(value)
    raise ArgumentTypeError(
        f"{name}: expected {expected}, found {value!r} ({type(value).__name__})."
    )


def check_function(name: str, value: object, call: str) -> None:
    """Raise unless ``value`` can be called as in ``call``, such as ``(Z, xp) -> A``."""
    wanted = call.partition(")")[0].count(",") + 1
    fits = callable(value)
    if callable(value):
        with suppress(ValueError):  # some built-in functions do not tell
            try:
                signature(value).bind(*[None] * wanted)
            except TypeError:
                fits = False
    if not fits:
        raise ArgumentTypeError(f"{name}: expected a function {call}, found {value!r}.")


def at_least_0(name: str, value: object) -> float:
    """Return ``value`` as a float if it is a finite number of at least 0, or raise."""
    number = real_number(name, value, "a finite number of at least 0")
    if not 0.0 <= number < float("inf"):
        raise ArgumentError(f"{name}: expected a finite number of at least 0, found {value!r}.")
    return number


def function_name(function: object) -> str:
    """Return the name of a function, or of its type if it has none."""
    return getattr(function, "__name__", type(function).__name__)


def positive_int(name: str, value: object) -> int:
    """Return ``value`` as an int if it is a whole number of at least 1, or raise."""
    try:
        number = index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise ArgumentTypeError(
            f"{name}: expected a positive integer, found {value!r} ({type(value).__name__})."
        )
    if number < 1:
        raise ArgumentError(f"{name}: expected a positive integer, found {value!r}.")
    return number
