"""`Program`: a function of arrays as a list of operations, its text form and its interpreter.

The intermediate representation, whole:

- A **value** has a shape and a dtype. A shape is a tuple of sizes; a size is an int, or a `Symbol`
  such as ``m`` that stands for the same number in all shapes of the program and is known when the
  program runs. A dtype is one of NumPy's: bool, an integer or a real floating type.
- An **operation** makes one new value from values and Python numbers; nothing is ever changed. A
  number takes the dtype that it takes beside an array in the standard (`numpy.result_type`).
- A **program** has inputs, constants (arrays that the function held), operations in an order in
  which each comes after what it uses, and outputs, which are values of the program.

There are four kinds of operations, all with the meaning of the standard's function of that name:

| kind      | operations                                   | options                              |
|-----------|----------------------------------------------|--------------------------------------|
| entrywise | `ENTRYWISE`, with broadcasting; ``astype``   | ``dtype`` of ``astype``              |
| reduction | `REDUCTIONS`                                 | ``axis``, a tuple; axes stay, size 1 |
| product   | ``matmul`` of two values of rank 2 or more   |                                      |
| layout    | ``permute_dims``, ``reshape``,               | ``axes``; ``shape``;                 |
|           | ``broadcast_to``, ``getitem``,               | ``shape``; ``key``, of slices;       |
|           | ``concat``, ``take``                         | ``axis``; ``axis``                   |

The text form has one line an operation: ``%7: float32[10, m] = add(%6, b)``.

`Program.interpret` runs a program operation by operation in any namespace of the standard. It is
the oracle of every emitter.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from .._typing import Array, Namespace
from ..exceptions import ArgumentError

_ENTRYWISE = """
abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_invert bitwise_left_shift
bitwise_or bitwise_right_shift bitwise_xor ceil copysign cos cosh divide equal exp expm1 floor
floor_divide greater greater_equal hypot isfinite isinf isnan less less_equal log log10 log1p
log2 logaddexp logical_and logical_not logical_or logical_xor maximum minimum multiply negative
not_equal positive pow reciprocal remainder round sign signbit sin sinh sqrt square subtract tan
tanh trunc where
"""
ENTRYWISE = frozenset(_ENTRYWISE.split())
REDUCTIONS = frozenset({"all", "any", "max", "min", "prod", "sum"})


class Symbol(NamedTuple):
    """A size that is known when the program runs."""

    name: str

    def __repr__(self) -> str:
        return self.name


Size: TypeAlias = int | Symbol
Shape: TypeAlias = tuple[Size, ...]


class Value(NamedTuple):
    """What an operation makes, or an input or constant is."""

    name: str
    shape: Shape
    dtype: str

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(repr, self.shape))}]"


class Operation(NamedTuple):
    """``result = function(*args, **options)``."""

    result: Value
    function: str
    args: tuple[Value | bool | int | float, ...]
    options: tuple[tuple[str, Any], ...] = ()

    def __repr__(self) -> str:
        args = [arg.name if isinstance(arg, Value) else repr(arg) for arg in self.args]
        options = [f"{name}={value!r}" for name, value in self.options]
        return f"{self.result!r} = {self.function}({', '.join(args + options)})"


class Program(NamedTuple):
    """A function of arrays."""

    inputs: tuple[Value, ...]
    operations: tuple[Operation, ...]
    outputs: tuple[Value, ...]
    constants: tuple[tuple[Value, Array], ...] = ()

    def __repr__(self) -> str:
        lines = [f"({', '.join(map(repr, self.inputs))}) ->"]
        lines += [f"  {value!r} = constant" for value, _ in self.constants]
        lines += [f"  {operation!r}" for operation in self.operations]
        return "\n".join([*lines, f"  return {', '.join(value.name for value in self.outputs)}"])

    def interpret(self, arrays: Sequence[Array], xp: Namespace) -> tuple[Array, ...]:
        """Return the outputs for some inputs, computed by the functions of ``xp``."""
        sizes = sizes_of(self.inputs, arrays)
        found = dict(zip(self.inputs, arrays, strict=True))
        found |= {value: xp.asarray(array) for value, array in self.constants}
        for result, function, args, options in self.operations:
            given = [found[arg] if isinstance(arg, Value) else arg for arg in args]
            found[result] = run(function, given, dict(options), sizes, xp)
        return tuple(found[value] for value in self.outputs)


def sizes_of(values: Sequence[Value], arrays: Sequence[Array]) -> dict[Symbol, int]:
    """Return the number that each symbol in the shapes of values stands for.

    Raises
    ------
    ArgumentError
        If an array has another shape than its value.
    """
    sizes: dict[Symbol, int] = {}
    for value, array in zip(values, arrays, strict=True):
        shape = tuple(array.shape)
        if len(shape) == len(value.shape):
            for size, n in zip(value.shape, shape, strict=True):
                if isinstance(size, Symbol):
                    sizes.setdefault(size, n)
        if shape != in_numbers(value.shape, sizes):
            raise ArgumentError(f"expected an array for {value!r}, found one of shape {shape}.")
    return sizes


def in_numbers(shape: Shape, sizes: dict[Symbol, int]) -> tuple[int, ...]:
    """Return a shape with the numbers that its symbols stand for."""
    return tuple(sizes[n] if isinstance(n, Symbol) else n for n in shape)


def run(
    function: str,
    args: list[Any],
    options: dict[str, Any],
    sizes: dict[Symbol, int],
    xp: Namespace,
) -> Array:
    """Compute one operation on arrays."""
    if function in LAYOUT:
        return LAYOUT[function](args, options, sizes, xp)
    if function in REDUCTIONS:
        return getattr(xp, function)(*args, **options, keepdims=True)
    if function == "astype":
        return xp.astype(args[0], getattr(xp, options["dtype"]))
    return getattr(xp, function)(*args)


LAYOUT: dict[str, Callable[[list[Any], dict[str, Any], dict[Symbol, int], Namespace], Array]] = {
    "permute_dims": lambda args, options, sizes, xp: xp.permute_dims(*args, **options),
    "reshape": lambda args, options, sizes, xp: xp.reshape(
        *args, in_numbers(options["shape"], sizes)
    ),
    "broadcast_to": lambda args, options, sizes, xp: xp.broadcast_to(
        *args, in_numbers(options["shape"], sizes)
    ),
    "getitem": lambda args, options, sizes, xp: args[0][options["key"]],
    "concat": lambda args, options, sizes, xp: xp.concat(args, **options),
    "take": lambda args, options, sizes, xp: xp.take(*args, **options),
}
