"""`Steps`: a program that is run step after step, each going on where the last has ended."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._typing import Array
from .emit.numpy import Code, emit
from .plan import plan
from .program import Program, sizes_of

KEPT = 4
"""For how many sizes of mini-batch and data the buffers are kept."""


class Steps:
    """Code for one step.

    Parameters
    ----------
    program : Program
        Its inputs are what it carries on, data, rows of arrays, and numbers. Its outputs are what
        it carries on, and a 0-d array.
    carried : int
        How many arrays it carries on.
    """

    def __init__(self, program: Program, carried: int) -> None:
        self.program = program
        given_up = dict(zip(program.inputs[:carried], program.outputs[:carried], strict=True))
        self.code: Code = emit(program, plan(program, given_up))


class StepsRun:
    """Runs of steps on NumPy arrays, one at a time: the buffers are kept from run to run.

    It is called as a `Backend.scan` run is.
    """

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.allocated: dict[Any, Any] = {}

    def __call__(
        self,
        carry: Sequence[Array],
        data: Sequence[Array],
        arrays: Sequence[Array],
        widths: list[int],
        numbers: Array,
    ) -> tuple[tuple[Array, ...], Array]:
        """Return what the last step carries on, and the 0-d array of each step, shape (k,)."""
        carry = tuple(np.array(a, order="C") for a in carry)
        dtype = carry[0].dtype
        numbers = numbers.astype(dtype)
        scalars = np.empty(numbers.shape[1], dtype)
        bound = {n: self._bind(carry, data, arrays, n, scalars) for n in set(widths)}
        outputs = np.empty(len(widths), dtype)
        for i, n in enumerate(widths):
            step, rows, output = bound[n]
            for row, a in zip(rows, arrays, strict=True):
                row[...] = a[i, ..., :n]
            scalars[:] = numbers[i]
            step()
            outputs[i] = output
        return carry, outputs

    def _bind(
        self,
        carry: tuple[Array, ...],
        data: Sequence[Array],
        arrays: Sequence[Array],
        n: int,
        scalars: Array,
    ) -> tuple[Any, tuple[Array, ...], Array]:
        """Return the step for n examples, the arrays it reads its rows from, and its output."""
        dtype = scalars.dtype
        rows = tuple(
            np.empty((*a.shape[1:-1], n), np.int64 if a.dtype.kind == "i" else dtype)
            for a in arrays
        )
        inputs = (
            *carry,
            *data,
            *rows,
            *(scalars[i : i + 1].reshape(()) for i in range(scalars.size)),
        )
        sizes = sizes_of(self.steps.program.inputs, inputs)
        key = tuple(sizes.values())
        if key not in self.allocated:
            if len(self.allocated) == KEPT:
                self.allocated.clear()
            named = {symbol.name: size for symbol, size in sizes.items()}
            self.allocated[key] = self.steps.code.allocate(**named)
        step, outputs = self.allocated[key](*inputs)
        return step, rows, outputs[-1]
