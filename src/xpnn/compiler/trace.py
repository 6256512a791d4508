"""`trace`: run a function on arrays without entries, and keep what it asks for as a program."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from . import namespace  # noqa: F401  the arrays ask for it
from .arrays import TracedArray, as_value
from .program import Program, Shape
from .recorder import Recorder, recording


class Spec(NamedTuple):
    """The shape and the dtype of an array."""

    shape: Shape
    dtype: str


def trace(function: Callable[..., Sequence[Any]], specs: Sequence[Spec]) -> Program:
    """Return what a function does to arrays as a program.

    An operation that the function asks for twice is there once, one that no output needs is not.

    Parameters
    ----------
    function : callable (*arrays) -> sequence of array
        It may call the functions of the arrays' namespace, and those of `xpnn.graph`.
    specs : sequence of Spec
        The arrays that it gets.

    Raises
    ------
    TraceError
        If the function asks for the value of an entry, changes an array under a view of it, or
        needs a size that is known only when the program runs.
    """
    recorder = Recorder()
    with recording(recorder):
        inputs = [recorder.input(shape, dtype) for shape, dtype in specs]
        outputs = function(*(TracedArray(value, recorder) for value in inputs))
        results = [as_value(output, recorder) for output in outputs]
    return recorder.program(inputs, results)
