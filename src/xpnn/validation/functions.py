"""Functions that users pass."""

from contextlib import suppress
from inspect import signature
from typing import Any

from ..exceptions import ArgumentTypeError


def check_function(name: str, value: Any, call: str) -> None:
    """Raise unless ``value`` can be called as in ``call``, such as ``(Z, xp) -> A``."""
    wanted = call.partition(")")[0].count(",") + 1
    try:
        with suppress(ValueError):  # some built-in functions do not tell
            signature(value).bind(*[None] * wanted)
    except TypeError:
        raise ArgumentTypeError(f"{name}: expected a function {call}, found {value!r}.") from None
