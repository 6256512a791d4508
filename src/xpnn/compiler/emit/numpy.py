"""Straight-line calls of NumPy that write into buffers made once.

The source has three functions, one in the other: ``allocate(sizes)`` makes the buffers,
``bind(inputs)`` the views of the inputs, and ``step()`` computes the outputs into their places.
"""

from collections.abc import Callable
from math import isfinite, prod
from typing import Any, NamedTuple

import numpy as np

from ..._typing import Array
from ..plan import Plan, number
from ..program import Operation, Program, Shape, Symbol, Value

REDUCE = {
    "sum": "add",
    "prod": "multiply",
    "max": "maximum",
    "min": "minimum",
    "all": "logical_and",
    "any": "logical_or",
}
ARRAY_FOR_NUMBER = {"maximum", "minimum", "greater", "greater_equal", "less", "less_equal", "equal"}
"""What NumPy computes at a third of its speed where one side is a single number."""
MANY = 2**14
"""Entries of such an array at most; columns that the BLAS sums, which does not sum in pairs."""


class Code(NamedTuple):
    """The source of a program, and what it is run by."""

    source: str
    allocate: Callable[..., Callable[..., tuple[Callable[[], None], tuple[Array, ...]]]]
    """allocate(**sizes) -> bind;  bind(*inputs) -> step, outputs"""


def emit(program: Program, plan: Plan) -> Code:
    """Return NumPy code for a planned program."""
    source = _source(program, plan)
    scope: dict[str, Any] = {"np": np, "number": _number, "row_sum": _row_sum}
    scope |= {_name(value): array for value, array in program.constants}
    exec(compile(source, "<xpnn program>", "exec"), scope)
    return Code(source, scope["allocate"])


def _number(x: float, shape: tuple[int, ...], dtype: str) -> Array:
    """Return an array for a number: of all entries where they are not many, else of one."""
    small = prod(shape) <= MANY
    return np.full(shape if small else (), x, dtype)


def _row_sum(shape: tuple[int, ...], dtype: str) -> Callable[[Array, Array], Any]:
    """Return the function (x, out) that sums the rows of a matrix."""
    ones = np.ones((shape[1], 1), dtype)
    if shape[1] <= MANY:
        return lambda x, out: np.matmul(x, ones, out)
    return lambda x, out: np.add.reduce(x, axis=1, keepdims=True, out=out)


def _source(program: Program, plan: Plan) -> str:
    writer = _Writer(program, plan)
    for operation in program.operations:
        writer.lay_out(operation)
    for operation in plan.steps:
        writer.compute(operation)
    for output, given in plan.moves:
        writer.call("copyto", given, output)
    return writer.source()


class _Writer:
    """The lines of the three functions."""

    def __init__(self, program: Program, plan: Plan) -> None:
        self.program, self.plan = program, plan
        self.allocate: list[str] = []
        self.bind: list[str] = []
        self.step: list[str] = []
        self.called: set[str] = set()
        self.in_inputs = set(program.inputs)
        self.buffers: list[str] = []
        for i, buffer in enumerate(plan.buffers):
            self.buffers.append(_name(buffer) if buffer in self.in_inputs else f"b{i}")
            if buffer not in self.in_inputs:
                self.allocate.append(f"b{i} = np.empty({_shape(buffer.shape)}, {buffer.dtype!r})")

    def source(self) -> str:
        """Return the whole source."""
        values = self.program.inputs
        symbols = {n.name for value in values for n in value.shape if isinstance(n, Symbol)}
        parts = [
            f"def allocate({', '.join(sorted(symbols))}):",
            *(f"    {name.replace('.', '_')} = np.{name}" for name in sorted(self.called)),
            *(f"    {line}" for line in self.allocate),
            f"    def bind({', '.join(map(_name, self.program.inputs))}):",
            *(f"        {line}" for line in self.bind),
            "        def step():",
            *(f"            {line}" for line in self.step or ["pass"]),
            f"        return step, ({''.join(f'{_name(v)}, ' for v in self.program.outputs)})",
            "    return bind",
        ]
        return "\n".join(parts) + "\n"

    # ---- where values lie -------------------------------------------------------

    def lay_out(self, operation: Operation) -> None:
        """Write the line that says where the result of an operation lies."""
        result, plan = operation.result, self.plan
        if result in plan.places:
            i, start = plan.places[result]
            text, lies_in = self.buffers[i], plan.buffers[i]
            if start is not None:
                text = f"{text}[{start}:{start + prod(map(number, result.shape))}]"
            if start is not None or lies_in.shape != result.shape:
                text = f"{text}.reshape({_shape(result.shape)})"
        else:
            assert isinstance(operation.args[0], Value)
            text, lies_in = _view(operation), operation.args[0]
        if lies_in in self.in_inputs:
            self.in_inputs.add(result)
        self.define(result, _name(result), text)

    def define(self, where: Value, name: str, text: str) -> None:
        """Write an assignment beside that of a value."""
        lines = self.bind if where in self.in_inputs else self.allocate
        lines.append(f"{name} = {text}")

    # ---- what is computed -------------------------------------------------------

    def call(self, function: str, *args: Any) -> None:
        """Write a call of a function of NumPy."""
        self.called.add(function)
        given = (_name(arg) if isinstance(arg, Value) else arg for arg in args)
        self.step.append(f"{function.replace('.', '_')}({', '.join(given)})")

    def compute(self, operation: Operation) -> None:
        """Write the call, or the calls, for an operation."""
        result, function, args, written = operation
        options = dict(written)
        if function in REDUCE:
            self.reduce(operation, options["axis"])
        elif function == "matmul":
            self.call("matmul", *args, f"out={_name(result)}")
        elif function == "astype":
            self.call("copyto", result, *args, "'unsafe'")
        elif function == "take":
            self.call("take", *args, repr(options["axis"]), result, "'clip'")
        elif function == "concat":
            for i, (part, start) in enumerate(self.plan.joins[result]):
                stop = start + number(part.shape[options["axis"]])
                name = f"{_name(result)}_{i}"
                self.define(
                    result, name, f"{_name(result)}[{':, ' * options['axis']}{start}:{stop}]"
                )
                self.call("copyto", name, part)
        elif function == "reshape":
            (source,) = args
            assert isinstance(source, Value)
            self.define(
                result, f"{_name(result)}_", f"{_name(result)}.reshape({_shape(source.shape)})"
            )
            self.call("copyto", f"{_name(result)}_", source)
        elif function == "where":
            condition, yes, no = self.arrays(operation)
            self.call("copyto", result, no)
            self.call("copyto", result, yes, f"where={condition}")
        else:
            self.call(function, *self.arrays(operation), f"out={_name(result)}")

    def arrays(self, operation: Operation) -> list[str]:
        """Return the names of the arguments, with arrays for numbers."""
        result, function, args, _ = operation
        numbers = [arg for arg in args if not isinstance(arg, Value)]
        typed = [arg.dtype for arg in args if isinstance(arg, Value) and arg.dtype != "bool"]
        dtype = np.result_type(*typed, *numbers) if numbers else None
        shape = _shape(result.shape) if function in ARRAY_FOR_NUMBER else "()"
        names = []
        for i, arg in enumerate(args):
            names.append(_name(arg) if isinstance(arg, Value) else f"{_name(result)}_{i}")
            if not isinstance(arg, Value):
                self.allocate.append(f"{names[-1]} = number({_text(arg)}, {shape}, '{dtype}')")
        return names

    def reduce(self, operation: Operation, axis: tuple[int, ...]) -> None:
        """Write a reduction."""
        result, function, (x,), _ = operation
        assert isinstance(x, Value)
        same = x.dtype == result.dtype
        if (function, axis, len(x.shape)) == ("sum", (1,), 2) and same and "float" in x.dtype:
            name = f"sum_{_name(x)}"
            self.allocate.append(f"{name} = row_sum({_shape(x.shape)}, {x.dtype!r})")
            self.step.append(f"{name}({_name(x)}, {_name(result)})")
        else:
            dtype = repr(result.dtype) if function in {"sum", "prod"} else "None"
            self.call(f"{REDUCE[function]}.reduce", x, repr(axis), dtype, result, "True")


def _view(operation: Operation) -> str:
    """Return the expression of a view."""
    (source,), options = operation.args, dict(operation.options)
    assert isinstance(source, Value)
    if operation.function == "permute_dims":
        return f"{_name(source)}.transpose({options['axes']!r})"
    if operation.function == "reshape":
        return f"{_name(source)}.reshape({_shape(options['shape'])})"
    if operation.function == "broadcast_to":
        return f"np.broadcast_to({_name(source)}, {_shape(options['shape'])})"
    return f"{_name(source)}[{', '.join(map(repr, options['key']))}]"


def _name(value: Value) -> str:
    return value.name.replace("%", "v")


def _shape(shape: Shape) -> str:
    return f"({''.join(f'{n!r}, ' for n in shape)})"


def _text(x: bool | int | float) -> str:
    return repr(x) if isfinite(x) else f"float('{x!r}')"
