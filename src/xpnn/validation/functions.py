"""Functions that users pass."""

from contextlib import suppress
from inspect import signature

from ..exceptions import ArgumentTypeError


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
