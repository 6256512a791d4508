"""`TracedArray`: an array without entries, and the operations that it can be used in.

It has a shape, a dtype, the operators of the standard's array object, and `namespace` for its
functions. What it cannot have is a value: ``if Z.sum() > 0`` raises.

``Z += b`` makes a new value, which the array stands for from then on; a view of the array (a slice,
a transpose, a reshape) is refused afterwards, for NumPy's would have changed.
"""

import operator
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .._typing import Namespace
from ..exceptions import ArgumentError, TraceError
from .program import Shape, Size, Value
from .recorder import Recorder, present

NUMBERS = (bool, int, float)


class Storage:
    """What an array and its views share: how often it has been changed."""

    def __init__(self) -> None:
        self.changes = 0


def _operator(function: str) -> Callable[[Any, Any], Any]:
    return lambda self, other: _binary(function, self, other)


def _reflected(function: str) -> Callable[[Any, Any], Any]:
    return lambda self, other: _binary(function, other, self)


def _in_place(function: str) -> Callable[[Any, Any], Any]:
    return lambda self, other: self._change(_binary(function, self, other))


def _binary(function: str, a: Any, b: Any) -> Any:
    known = all(isinstance(x, (TracedArray, *NUMBERS)) or is_array(x) for x in (a, b))
    if not known:  # a node of the graph, for example, has operators of its own
        return NotImplemented
    return matmul(a, b) if function == "matmul" else entrywise(function, a, b)


class TracedArray:
    """An array of a known shape and dtype, without entries."""

    __slots__ = ("_recorder", "_seen", "_storage", "_value")
    __array_ufunc__ = None  # NumPy's arrays leave operators to it

    def __init__(self, value: Value, recorder: Recorder, storage: Storage | None = None) -> None:
        self._value, self._recorder = value, recorder
        self._storage = storage or Storage()
        self._seen = self._storage.changes

    def __array_namespace__(self, api_version: str | None = None) -> Namespace:
        return sys.modules[f"{__package__}.namespace"]

    def __repr__(self) -> str:
        return f"TracedArray({self._value!r})"

    shape = property(lambda self: self._value.shape)
    dtype = property(lambda self: np.dtype(self._value.dtype))
    ndim = property(lambda self: len(self.shape))
    device = property(lambda self: "cpu")

    @property
    def size(self) -> int:
        """The number of entries."""
        if not all(isinstance(n, int) for n in self.shape):
            raise TraceError(f"size: expected a shape of numbers, found {self.shape}.")
        return int(np.prod(self.shape, dtype=int))

    @property
    def T(self) -> "TracedArray":
        """The transpose of a matrix."""
        return permute_dims(self, tuple(range(self.ndim))[::-1])

    @property
    def mT(self) -> "TracedArray":
        """The transposes of a stack of matrices."""
        *stack, rows, columns = range(self.ndim)
        return permute_dims(self, (*stack, columns, rows))

    def value(self) -> Value:
        """Return the value that the array stands for; raise if it views what has been changed."""
        if self._seen != self._storage.changes:
            raise TraceError(
                f"expected arrays that are not changed under their views, found {self._value!r} "
                "read after an in-place change; write x = x + y instead of x += y."
            )
        return self._value

    def _change(self, result: Any) -> Any:
        """Stand for another value from now on."""
        if result is NotImplemented:
            return result
        if (result.shape, result.dtype) != (self.shape, self.dtype):
            raise TraceError(
                f"expected an in-place change that keeps {self._value!r}, found one that makes "
                f"{result._value!r}; write x = x + y instead of x += y."
            )
        self._value = result.value()
        self._storage.changes += 1
        self._seen = self._storage.changes
        return self

    def _no_value(self) -> Any:
        raise TraceError(
            f"expected a function whose course does not depend on the entries of arrays, found one "
            f"that asks for the value of {self._value!r}; write xp.where(condition, a, b) instead "
            "of if, and xp.sum(x) instead of a loop."
        )

    __bool__ = __float__ = __int__ = __complex__ = __index__ = _no_value

    def __array__(self, *args: Any, **options: Any) -> Any:
        return self._no_value()

    def __len__(self) -> int:
        if not self.shape or not isinstance(self.shape[0], int):
            raise TraceError(f"len: expected a first size that is a number, found {self._value!r}.")
        return self.shape[0]

    def __getitem__(self, key: Any) -> "TracedArray":
        return getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TraceError(
            "x[...] = y: expected a function that assigns to no part of an array; use "
            "xp.where(condition, y, x) or xp.concat."
        )

    __lt__, __le__ = _operator("less"), _operator("less_equal")
    __gt__, __ge__ = _operator("greater"), _operator("greater_equal")
    __eq__, __ne__ = _operator("equal"), _operator("not_equal")
    __hash__ = object.__hash__

    def __neg__(self) -> "TracedArray":
        return entrywise("negative", self)

    def __pos__(self) -> "TracedArray":
        return self

    def __abs__(self) -> "TracedArray":
        return entrywise("abs", self)

    def __invert__(self) -> "TracedArray":
        return entrywise("bitwise_invert", self)


OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "pow",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}
for _name, _function in OPERATORS.items():
    setattr(TracedArray, f"__{_name}__", _operator(_function))
    setattr(TracedArray, f"__r{_name}__", _reflected(_function))
    setattr(TracedArray, f"__i{_name}__", _in_place(_function))


def is_array(x: Any) -> bool:
    """Whether ``x`` is an array with entries that a program can hold."""
    return isinstance(x, np.ndarray | np.generic)


def recorder_of(*args: Any) -> Recorder:
    """Return the recorder of the traced arrays among some arguments, or the present one."""
    found = next((x._recorder for x in args if isinstance(x, TracedArray)), None)
    return found or present()


def as_value(x: Any, recorder: Recorder) -> Value:
    """Return an array or number as a value of the program."""
    if isinstance(x, TracedArray):
        if x._recorder is not recorder:
            raise TraceError(f"expected arrays of one trace, found {x!r} of another.")
        return x.value()
    if is_array(x) or isinstance(x, NUMBERS):
        return recorder.constant(np.asarray(x))
    raise TraceError(f"expected arrays and numbers, found {type(x).__name__}.")


def record(
    function: str, args: Sequence[Any], shape: Shape, dtype: str = "", /, **options: Any
) -> TracedArray:
    """Enter an operation of arrays and numbers, and return the array that it makes.

    Its dtype is the one that NumPy gives it, unless another is said.
    """
    recorder = recorder_of(*args)
    given = tuple(x if isinstance(x, NUMBERS) else as_value(x, recorder) for x in args)
    dtype = dtype or _dtype(function, tuple(map(_kind, given)))
    return TracedArray(recorder.operation(function, given, shape, dtype, **options), recorder)


def view(function: str, x: Any, shape: Shape, /, **options: Any) -> TracedArray:
    """Enter an operation whose result shares the memory of an array."""
    recorder = recorder_of(x)
    value = as_value(x, recorder)
    storage = x._storage if isinstance(x, TracedArray) else None
    return TracedArray(recorder.view(function, value, shape, **options), recorder, storage)


def _kind(arg: Any) -> Any:
    """Return the dtype of a value, or the type of a number."""
    return arg.dtype if isinstance(arg, Value) else type(arg)


@lru_cache(maxsize=1024)
def _dtype(function: str, kinds: tuple[Any, ...]) -> str:
    """Return the dtype that NumPy gives the result of a function."""
    args = [np.ones((1, 1), kind) if isinstance(kind, str) else kind(1) for kind in kinds]
    with np.errstate(all="ignore"):
        return str(getattr(np, function)(*args).dtype)


def broadcast(*shapes: Shape) -> Shape:
    """Return the shape that arrays of some shapes have together."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    together: list[Size] = []
    for sizes in zip(*padded, strict=True):
        others = {n for n in sizes if n != 1}
        if len(others) > 1:
            raise ArgumentError(f"expected shapes that broadcast, found {list(shapes)}.")
        together += others or {1}
    return tuple(together)


def entrywise(function: str, *args: Any) -> TracedArray:
    """Enter an operation that goes entry by entry."""
    return record(function, args, broadcast(*(getattr(x, "shape", ()) for x in args)))


def axes_of(axis: Any, rank: int) -> tuple[int, ...]:
    """Return the axes that an argument ``axis`` means, counted from 0."""
    axes = range(rank) if axis is None else (axis,) if isinstance(axis, int) else axis
    if not all(-rank <= i < rank for i in axes):
        raise ArgumentError(f"axis: expected axes of an array of rank {rank}, found {axis!r}.")
    return tuple(sorted(operator.index(i) % rank for i in axes))


def reduction(function: str, x: Any, axis: Any, keepdims: bool) -> TracedArray:
    """Enter a reduction over axes."""
    axes = axes_of(axis, x.ndim)
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    reduced = record(function, (x,), kept, axis=axes)
    if keepdims:
        return reduced
    return reshape(reduced, tuple(n for i, n in enumerate(x.shape) if i not in axes))


def matmul(a: Any, b: Any) -> TracedArray:
    """Enter a matrix product; a vector is a row on the left, a column on the right."""
    if not a.ndim or not b.ndim:
        raise ArgumentError(f"matmul: expected arrays, found shapes {a.shape} and {b.shape}.")
    left = reshape(a, (1, *a.shape)) if a.ndim == 1 else a
    right = reshape(b, (*b.shape, 1)) if b.ndim == 1 else b
    *stack_a, n, k = left.shape
    *stack_b, inner, m = right.shape
    if k != inner:
        raise ArgumentError(f"matmul: expected inner sizes that agree, found {a.shape}, {b.shape}.")
    stack = broadcast(tuple(stack_a), tuple(stack_b))
    product = record("matmul", (left, right), (*stack, n, m))
    if a.ndim > 1 and b.ndim > 1:
        return product
    return reshape(product, (*stack, *((n,) if a.ndim > 1 else ()), *((m,) if b.ndim > 1 else ())))


def reshape(x: Any, shape: Any) -> TracedArray:
    """Enter a new shape for the same entries."""
    shape = tuple(shape)
    if -1 in shape:
        known = [n for n in shape if n != -1]
        left = list(x.shape)
        for n in [n for n in known if n in left]:
            known.remove(n)
            left.remove(n)
        if not all(isinstance(n, int) for n in (*known, *left)):
            raise TraceError(f"reshape: expected sizes that are numbers, found {x.shape}, {shape}.")
        rest = int(np.prod(left, dtype=int)) // int(np.prod(known, dtype=int))
        shape = tuple(rest if n == -1 else n for n in shape)
    return view("reshape", x, shape, shape=shape)


def permute_dims(x: Any, axes: tuple[int, ...]) -> TracedArray:
    """Enter another order of the axes."""
    return view("permute_dims", x, tuple(x.shape[i] for i in axes), axes=tuple(axes))


def getitem(x: TracedArray, key: Any) -> TracedArray:
    """Enter a part of an array: by integers, slices, ``...`` and None."""
    parts = list(key) if isinstance(key, tuple) else [key]
    used = sum(part is not None and part is not Ellipsis for part in parts)
    if Ellipsis not in parts:
        parts.append(Ellipsis)
    at = parts.index(Ellipsis)
    parts[at : at + 1] = [slice(None)] * (x.ndim - used)
    slices: list[slice] = []
    shape: list[Size] = []
    sliced: list[Size] = []
    for part in parts:
        if part is None:
            shape.append(1)
            continue
        n = x.shape[len(slices)]
        if isinstance(part, slice):
            cut, size = _cut(part, n)
            shape.append(size)
        elif isinstance(part, int) and isinstance(n, int) and -n <= part < n:
            cut, size = _cut(slice(part % n, part % n + 1), n)
        else:
            raise TraceError(
                f"x[key]: expected integers inside the shape {x.shape}, slices, None and ..., "
                f"found {part!r}; use xp.take(x, indices, axis=...)."
            )
        slices.append(cut)
        sliced.append(size)
    return reshape(view("getitem", x, tuple(sliced), key=tuple(slices)), tuple(shape))


def _cut(part: slice, n: Size) -> tuple[slice, Size]:
    """Return a slice of an axis and its length; ``slice(None)`` if it leaves all as it is."""
    if part == slice(None):
        return part, n
    if not isinstance(n, int):
        raise TraceError(f"x[{part}]: expected an axis whose size is a number, found {n}.")
    picked = range(n)[part]
    return (slice(None) if picked == range(n) else part), len(picked)
