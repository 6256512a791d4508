"""What tells an optimiser, and functions of the user's own, from others.

A function is told by a digest, as well as can be: code with its constants and names, defaults, and
the numbers, texts, arrays and functions that closures, partials, global names and attributes of
objects stand for. Dicts and other objects count by their type alone. In another version of Python a
function has another digest.
"""

from collections.abc import Iterator
from contextlib import suppress
from dis import get_instructions
from functools import partial
from hashlib import sha256
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..core.activations import ACTIVATIONS
from ..core.losses import LOSSES
from ..core.optimizers import Optimizer
from ..core.schedules import Decay
from ..exceptions import function_name
from ..network import Network
from .stopping import AdaptiveRate

PLAIN = (bool, int, float, complex, str, bytes, type(None))


def describe(optimizer: Optimizer) -> list[Any]:
    """Return what tells an optimiser from others, as plain values."""
    rate: Any = optimizer.learning_rate
    if callable(rate):
        rate = repr(rate) if isinstance(rate, Decay | AdaptiveRate) else type(rate).__name__
    return [optimizer.name, rate, *optimizer.hyperparameters]


def own_functions(net: Network, optimizer: Optimizer) -> dict[str, str]:
    """Return a digest of each function that is not of this library, by its role."""
    rate, loss = optimizer.learning_rate, net.loss
    found: dict[str, tuple[Any, ...]] = {
        "optimizer": ("", optimizer.formula, optimizer.update),
        "learning rate": ("", rate.formula if isinstance(rate, Decay) else rate),
    }
    for l, g in enumerate(net.activations, 1):
        if g not in ACTIVATIONS.values():
            found[f"activation {g.name!r} of layer {l}"] = (g.name, g.value, g.derivative)
    if loss not in LOSSES.values():
        functions = (loss.value, loss.derivative, loss.from_logits)
        found[f"cost {loss.name!r}"] = (loss.name, *functions)
    return {what: digest(parts) for what, parts in found.items() if not _known(*parts)}


def _known(name: str, *functions: Any) -> bool:
    """Whether functions are this library's, and not under another's name."""
    return all(map(is_ours, functions)) and name in ("", function_name(functions[0]))


def is_ours(value: Any) -> bool:
    """Whether this is of this library, or no function."""
    return not callable(value) or str(getattr(value, "__module__", "")).startswith("xpnn.")


def digest(value: Any) -> str:
    """Return the SHA-256, in hexadecimal, of a function or of a tuple of functions."""
    return sha256(repr(_told(value, {})).encode()).hexdigest()


def _told(value: Any, met: dict[int, Any]) -> Any:
    """Return a value as plain values that tell it from others; a value met before, as a mark."""
    if isinstance(value, PLAIN):
        return value
    if id(value) in met:
        return "…"
    if not isinstance(value, tuple | CodeType):  # of two that are equal the compiler may make one
        met[id(value)] = value
    return [_told(part, met) for part in _parts(value)]


def _parts(value: Any) -> list[Any]:
    if isinstance(value, CodeType):
        return [value.co_code, *value.co_names, *value.co_consts]
    if isinstance(value, FunctionType):
        return [value.__qualname__] if is_ours(value) else list(_parts_of_function(value))
    if isinstance(value, MethodType):
        return [value.__func__, *_used(value.__self__, value.__func__)]
    if isinstance(value, partial):
        return [value.func, value.args, *value.keywords.items()]
    if isinstance(value, np.ndarray | np.generic):
        return _parts_of_array(value)
    if isinstance(value, tuple | list):
        return list(value)
    if isinstance(value, frozenset):
        return sorted(value, key=repr)
    return list(_parts_of_object(value))


def _parts_of_array(value: Any) -> list[Any]:
    """Return a digest of the numbers, not the numbers: they may be hundreds of megabytes."""
    if value.dtype.hasobject or not value.dtype.itemsize:
        return [value.dtype.str, value.shape, value.tolist()]
    numbers = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
    return [value.dtype.str, value.shape, sha256(numbers.data).hexdigest()]


def _parts_of_function(function: FunctionType) -> Iterator[Any]:
    yield from (function.__code__, function.__defaults__)
    yield from (function.__kwdefaults__ or {}).items()
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # it is empty as yet
            yield cell.cell_contents
            yield from _used(cell.cell_contents, function)
    for step in get_instructions(function):
        value = function.__globals__.get(step.argval) if step.opname == "LOAD_GLOBAL" else None
        if isinstance(value, int | float | FunctionType):
            yield value


def _used(value: Any, function: Any) -> list[tuple[str, Any]]:
    """Return the attributes of an object that a function names: others may be of the day."""
    names = getattr(getattr(function, "__code__", None), "co_names", ())
    own = {} if isinstance(value, type | ModuleType) else getattr(value, "__dict__", {})
    return [(name, own[name]) for name in names if name in own]


def _parts_of_object(value: Any) -> Iterator[Any]:
    yield getattr(value, "__name__", type(value).__qualname__)
    if callable(value) and isinstance(type(value).__call__, FunctionType):
        yield MethodType(type(value).__call__, value)
    yield getattr(value, "__wrapped__", None)  # compiled by others
