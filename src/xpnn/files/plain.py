"""Plain values as JSON: sorted, strict, and reversible for numbers that are not finite.

JSON has no infinity and no NaN. They stand as ``{"float": "inf"}``, and a dict that would look
like that, ``{"float": x}``, as ``{"float": [x]}``.
"""

import json
import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, TypeAlias

import numpy as np

from ..exceptions import ArgumentTypeError, FileFormatError

Hook: TypeAlias = Callable[[dict[str, Any]], Any]

NON_FINITE = ("inf", "-inf", "nan")
STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"(\s*+:)?')
"""A string in valid JSON, and the colon behind it if it is a key."""


def to_json(record: Mapping[str, Any]) -> str:
    """Return plain values as JSON: the same values give the same text."""
    return json.dumps(_encoded("", record), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _encoded(name: str, value: Any) -> Any:
    """Return a plain value as JSON can hold it; ``name`` says where it stands."""
    if isinstance(value, np.generic) and value.dtype.kind in "biufU":
        value = value.item()
    if isinstance(value, float) and not isfinite(value):
        return {"float": str(float(value))}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_encoded(f"{name}[{i}]", each) for i, each in enumerate(value)]
    if isinstance(value, Mapping):
        return _encoded_dict(name, value)
    raise ArgumentTypeError(
        f"{name}: expected None, a bool, a number, a str, or lists and dicts of these, found "
        f"{type(value).__name__}; a file holds plain values and arrays, nothing else."
    )


def _encoded_dict(name: str, value: Mapping[Any, Any]) -> dict[str, Any]:
    for key in value:
        if not isinstance(key, str):
            raise ArgumentTypeError(
                f"{name or 'content'}: expected keys that are str, found {key!r} "
                f"({type(key).__name__})."
            )
    encoded = {key: _encoded(f"{name}.{key}".lstrip("."), each) for key, each in value.items()}
    return {"float": [encoded["float"]]} if encoded.keys() == {"float"} else encoded


def from_json(text: str, what: str) -> Any:
    """Return what `to_json` was given, or raise; ``what`` says whose text it is."""
    return parse(text, what, _decoded)


def parse(text: bytes | str, what: str, hook: Hook | None = None) -> Any:
    """Parse JSON of any program, strictly: UTF-8, no key twice, no NaN."""
    keys = 0

    def counting(found: dict[str, Any]) -> Any:
        nonlocal keys
        keys += len(found)
        return found if hook is None else hook(found)

    try:
        text = text if isinstance(text, str) else text.decode("utf-8")
        value = json.loads(text, object_hook=counting, parse_constant=_no_constant)
        if keys < sum(match[1] is not None for match in STRING.finditer(text)):
            raise ValueError("a key stands twice in one object")
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        reason = f"damaged, or of another format: {what} is not JSON ({error})."
        raise FileFormatError(reason) from error
    return value


def _decoded(found: dict[str, Any]) -> Any:
    """Undo what `_encoded` does to a dict, or to a number that is not finite."""
    if found.keys() != {"float"}:
        return found
    value = found["float"]
    if isinstance(value, str) and value in NON_FINITE:
        return float(value)
    if isinstance(value, list) and len(value) == 1:
        return {"float": value[0]}
    raise ValueError(f"{{'float': …}} holds {shown(value)}")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def shown(value: Any) -> str:
    """Return a value in at most 80 characters."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
