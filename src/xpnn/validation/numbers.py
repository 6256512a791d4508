"""Numbers that users pass: whole and positive, at least 0, real."""

from numbers import Real
from operator import index

from ..exceptions import ArgumentError, ArgumentTypeError


def real_number(name: str, value: object, expected: str) -> float:
    """Return ``value`` as a float if it is a real number, or raise; ``expected`` words which."""
    if isinstance(value, Real):
        return float(value)
    raise ArgumentTypeError(
        f"{name}: expected {expected}, found {value!r} ({type(value).__name__})."
    )


def at_least_0(name: str, value: object) -> float:
    """Return ``value`` as a float if it is a finite number of at least 0, or raise."""
    number = real_number(name, value, "a finite number of at least 0")
    if not 0.0 <= number < float("inf"):
        raise ArgumentError(f"{name}: expected a finite number of at least 0, found {value!r}.")
    return number


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


def fraction(name: str, value: float, or_1: bool = False) -> float:
    """Return a number in [0, 1), or in [0, 1], as a float, or raise."""
    expected = f"a number in [0, 1{']' if or_1 else ')'}"
    number = real_number(name, value, expected)
    if not (0.0 <= number < 1.0 or (or_1 and number == 1.0)):
        raise ArgumentError(f"{name}: expected {expected}, found {value!r}.")
    return number
