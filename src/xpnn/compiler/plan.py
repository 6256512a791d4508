"""`Plan`: where the values of a program lie in memory.

A value is stored in a buffer or is a view: the same memory, read in another layout. Buffers are
reused once nothing reads what they hold. The parts of a ``concat`` are computed where they are
joined, an entrywise operation writes over an argument that nothing reads afterwards, and an output
may take the place of an input that the caller gives up.
"""

from collections.abc import Mapping
from math import prod
from typing import NamedTuple

from ..exceptions import ArgumentError
from .program import LAYOUT, REDUCTIONS, Operation, Program, Shape, Size, Value

COPIES = {"concat", "take"}


class Place(NamedTuple):
    """A part of a buffer."""

    buffer: int
    start: int | None = None
    """the first entry; None if the value has the whole buffer"""


class Plan(NamedTuple):
    """Where each stored value lies, and which operations are left to do."""

    places: dict[Value, Place]
    """of stored values; inputs that are given up have a buffer, others none"""
    buffers: tuple[Value, ...]
    """a value of the shape and dtype of each buffer: the input itself for its own"""
    steps: tuple[Operation, ...]
    """the operations that compute or copy"""
    joins: dict[Value, tuple[tuple[Value, int], ...]]
    """(part, start) of each ``concat`` that must be copied; the others are computed there"""
    moves: tuple[tuple[Value, Value], ...]
    """(output, input) where an output must be copied into the place of an input in the end"""


def plan(program: Program, given_up: Mapping[Value, Value]) -> Plan:
    """Return where the values of a program lie.

    Parameters
    ----------
    program : Program
    given_up : mapping of Value to Value
        Inputs that may be overwritten, each with the output that takes its place.
    """
    return _Planner(program, given_up).plan()


def is_view(operation: Operation, contiguous: bool) -> bool:
    """Whether an operation only lays out; a reshape of what is not contiguous copies."""
    if operation.function == "reshape" and not contiguous:
        source, result = operation.args[0], operation.result
        assert isinstance(source, Value)
        return _without_1(source.shape) == _without_1(result.shape)
    return operation.function in LAYOUT and operation.function not in COPIES


def _without_1(shape: Shape) -> Shape:
    return tuple(n for n in shape if n != 1)


def _keeps_rows_together(operation: Operation) -> bool:
    """Whether an operation takes rows of a contiguous array that follow one another."""
    if operation.function != "getitem":
        return False
    first, *others = dict(operation.options)["key"]
    return first.step in (None, 1) and all(part == slice(None) for part in others)


class _Planner:
    def __init__(self, program: Program, given_up: Mapping[Value, Value]) -> None:
        self.program, self.given_up = program, dict(given_up)
        self.roots: dict[Value, Value] = {}
        self.contiguous: dict[Value, bool] = {}
        self.steps = [op for op in program.operations if not self._lays_out(op)]
        self.last_use: dict[Value, int] = {}
        for i, operation in enumerate(self.steps):
            for arg in operation.args:
                if isinstance(arg, Value):
                    self.last_use[self.root(arg)] = i
        for output in program.outputs:
            self.last_use[self.root(output)] = len(self.steps)
        self.outputs = set(map(self.root, program.outputs))
        if self.outputs & set(given_up):
            raise ArgumentError("given_up: expected inputs of which no output is a view.")
        self.takes_over = {self.root(out): given for given, out in self.given_up.items()}
        self.pieces: dict[Value, tuple[Value, int]] = {}
        self.joins: dict[Value, tuple[tuple[Value, int], ...]] = {}
        for operation in self.steps:
            if operation.function == "concat":
                self._place_pieces(operation)
        self.places: dict[Value, Place] = {}
        self.buffers: list[Value] = []
        self.held: list[Value | None] = []

    def root(self, value: Value) -> Value:
        """Return the stored value of which a value is a view."""
        return self.roots.get(value, value)

    def _lays_out(self, operation: Operation) -> bool:
        source, result = operation.args[0], operation.result
        contiguous = isinstance(source, Value) and self.contiguous.get(source, True)
        if not isinstance(source, Value) or not is_view(operation, contiguous):
            return False
        self.roots[result] = self.root(source)
        self.contiguous[result] = contiguous and (
            operation.function == "reshape" or _keeps_rows_together(operation)
        )
        return True

    def _place_pieces(self, operation: Operation) -> None:
        """Let the parts of a vector be computed where they are joined."""
        result, axis = operation.result, dict(operation.options)["axis"]
        made = {op.result for op in self.steps if op.function != "concat"}
        start, copied = 0, []
        for arg in operation.args:
            assert isinstance(arg, Value)
            root = self.root(arg)
            own = root in made and root not in self.pieces and self.contiguous.get(arg, True)
            if (
                own
                and len(arg.shape) == 1
                and root.dtype == result.dtype
                and as_many(root.shape, arg.shape)
            ):
                self.pieces[root] = (result, start)
                self.last_use[result] = max(self.last_use[result], self.last_use[root])
            else:
                copied.append((arg, start))
            start += number(arg.shape[axis])
        self.joins[result] = tuple(copied)

    def plan(self) -> Plan:
        for given in self.given_up:
            self._new_buffer(given)
            self.last_use.setdefault(given, -1)
            self._free(given, -1)
        for i, operation in enumerate(self.steps):
            self._place(operation, i)
            for arg in {self.root(arg) for arg in operation.args if isinstance(arg, Value)}:
                self._free(arg, i)
        moves = [
            (output, given)
            for given, output in self.given_up.items()
            if self.places.get(self.root(output)) != self.places[given] or output in self.roots
        ]
        return Plan(self.places, tuple(self.buffers), tuple(self.steps), self.joins, tuple(moves))

    def _new_buffer(self, value: Value) -> None:
        self.places[value] = Place(len(self.buffers))
        self.buffers.append(value)
        self.held.append(value)

    def _free(self, root: Value, i: int) -> None:
        place = self.places.get(root)
        if place is None or self.last_use[root] > i or place.start is not None:
            return
        if self.held[place.buffer] is root:
            self.held[place.buffer] = None

    def _place(self, operation: Operation, i: int) -> None:
        result = operation.result
        if result in self.places:  # a concat whose first part has been made
            return
        if result in self.pieces:
            whole, start = self.pieces[result]
            if whole not in self.places:
                self._take_buffer(whole, None, i)
            self.places[result] = Place(self.places[whole].buffer, start)
            return
        self._take_buffer(result, operation, i)

    def _take_buffer(self, result: Value, operation: Operation | None, i: int) -> None:
        given_up = {self.places[given].buffer for given in self.given_up}
        others = [b for b in range(len(self.buffers)) if b not in given_up]
        args = () if operation is None else operation.args
        read = [self.places[a].buffer for a in args if isinstance(a, Value) and a in self.places]
        if result in self.outputs:  # it stays where it is
            read = [b for b in read if b not in given_up]
        given = self.takes_over.get(result)
        wanted = [] if given is None else [self.places[given].buffer]
        candidates = [*wanted, *read, *others]
        for buffer in candidates:
            if self._fits(buffer, result) and self._is_free(buffer, operation, i):
                self.places[result] = Place(buffer)
                self.held[buffer] = result
                return
        self._new_buffer(result)

    def _fits(self, buffer: int, result: Value) -> bool:
        shape, dtype = self.buffers[buffer].shape, self.buffers[buffer].dtype
        return dtype == result.dtype and as_many(shape, result.shape)

    def _is_free(self, buffer: int, operation: Operation | None, i: int) -> bool:
        held = self.held[buffer]
        if held is None:
            return True
        return operation is not None and self._can_overwrite(operation, held, i)

    def _can_overwrite(self, operation: Operation, held: Value, i: int) -> bool:
        """Whether an operation may write over what a buffer holds, which it reads last."""
        readers = [
            arg for arg in operation.args if isinstance(arg, Value) and self.root(arg) is held
        ]
        entry_by_entry = operation.function not in {*LAYOUT, *REDUCTIONS, "matmul", "where"}
        whole = all(arg is held and arg.shape == operation.result.shape for arg in readers)
        place = self.places[held]
        return (
            self.last_use[held] == i
            and bool(readers)
            and entry_by_entry
            and whole
            and place.start is None
        )


def as_many(shape: Shape, other: Shape) -> bool:
    """Whether arrays of two shapes have as many entries, whatever their symbols stand for."""
    return _product(shape) == _product(other)


def _product(shape: Shape) -> tuple[int, list[str]]:
    symbols = sorted(n.name for n in shape if not isinstance(n, int))
    return prod(n for n in shape if isinstance(n, int)), symbols


def number(size: Size) -> int:
    """Return a size that is a number."""
    assert isinstance(size, int)
    return size
