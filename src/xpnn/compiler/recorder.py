"""`Recorder`: the operations of one trace, each kept once, and the program that they make."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from .._typing import Array
from ..exceptions import TraceError
from .program import Operation, Program, Shape, Value


class Recorder:
    """What a function asks for while it is traced.

    Attributes
    ----------
    operations : dict of Operation
        By what they compute, in the order in which they were first asked for.
    made_by : dict of Operation
        By the values that they make.
    constants : list of tuple (Value, array)
        Arrays that the function holds.
    """

    def __init__(self) -> None:
        self.operations: dict[Any, Operation] = {}
        self.made_by: dict[Value, Operation] = {}
        self.constants: list[tuple[Value, Array]] = []
        self.names = map("%{}".format, range(sys.maxsize))

    def input(self, shape: Shape, dtype: Any) -> Value:
        """Enter an input."""
        return Value(next(self.names), tuple(shape), str(dtype))

    def constant(self, array: Array) -> Value:
        """Enter an array that the function holds."""
        for value, held in self.constants:
            if held is array:
                return value
        value = self.input(array.shape, array.dtype)
        self.constants.append((value, array))
        return value

    def operation(
        self, function: str, args: tuple[Any, ...], shape: Shape, dtype: str, /, **options: Any
    ) -> Value:
        """Enter an operation, unless there is the same already; return what it makes."""
        written = tuple(sorted(options.items()))
        key = (function, repr(args), repr(written))  # not equality: 1, 1.0 and True are equal
        if key not in self.operations:
            result = self.input(shape, dtype)
            operation = Operation(result, function, args, written)
            self.operations[key] = self.made_by[result] = operation
        return self.operations[key].result

    def view(self, function: str, x: Value, shape: Shape, /, **options: Any) -> Value:
        """Enter an operation that only lays out; two of a kind in a row are one, or none."""
        made_by = self.made_by.get(x)
        if made_by is not None and made_by.function == function:
            source = made_by.args[0]
            assert isinstance(source, Value)
            if function == "reshape":
                return self.view(function, source, shape, **options)
            if function == "permute_dims":
                axes = tuple(dict(made_by.options)["axes"][i] for i in options["axes"])
                return self.view(function, source, shape, axes=axes)
        if function == "permute_dims":
            same = options["axes"] == tuple(range(len(shape)))
        elif function == "getitem":
            same = all(part == slice(None) for part in options["key"])
        else:
            same = shape == x.shape
        return x if same else self.operation(function, (x,), shape, x.dtype, **options)

    def program(self, inputs: Sequence[Value], outputs: Sequence[Value]) -> Program:
        """Return the program, without the operations that no output needs."""
        needed, kept = set(outputs), []
        for operation in reversed(self.operations.values()):
            if operation.result in needed:
                needed.update(arg for arg in operation.args if isinstance(arg, Value))
                kept.append(operation)
        constants = tuple(entry for entry in self.constants if entry[0] in needed)
        return Program(tuple(inputs), tuple(reversed(kept)), tuple(outputs), constants)


_present: ContextVar[Recorder | None] = ContextVar("recorder", default=None)


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """Let a recorder be the present one in the block."""
    before = _present.set(recorder)
    try:
        yield
    finally:
        _present.reset(before)


def present() -> Recorder:
    """Return the recorder of the function that is traced just now."""
    recorder = _present.get()
    if recorder is None:
        raise TraceError(
            "expected a call in a function that is traced, found one outside; keep no array of "
            "a trace for later."
        )
    return recorder
